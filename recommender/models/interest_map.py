"""The interest map: where each item stands on a two-dimensional projection of the catalog."""

from __future__ import annotations

from django.db import models

from catalog.models import Item


class ItemPlaceQuerySet(models.QuerySet["ItemPlace"]):
    pass


class ItemPlace(models.Model):
    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True, related_name="place")
    x = models.FloatField(help_text="0..1 over the whole map.")
    y = models.FloatField(help_text="0..1 over the whole map.")
    built_at = models.DateTimeField()

    objects = ItemPlaceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"item {self.item_id} at {self.x:.2f}, {self.y:.2f}"
