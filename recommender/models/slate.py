"""A slate: the list that was returned, with everything that made it. Never changed after it was served."""

from __future__ import annotations

import uuid

from django.db import models

from catalog.models import Item
from recommender.models.strategy import Strategy
from recommender.models.user import EndUser


class SlateQuerySet(models.QuerySet["Slate"]):
    def newest_first(self) -> SlateQuerySet:
        return self.order_by("-served_at", "-id")


class Slate(models.Model):
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(EndUser, null=True, blank=True, on_delete=models.CASCADE, related_name="slates")
    user_external_id = models.CharField(max_length=200, help_text="As asked for; a user nobody knows has no row.")
    is_known_user = models.BooleanField()
    n = models.PositiveSmallIntegerField(help_text="List length asked for.")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="slates")
    versions = models.JSONField(default=dict, help_text="Of vectors, labels, neighbours: what the scores came from.")
    took_ms = models.FloatField()
    served_at = models.DateTimeField(auto_now_add=True)

    objects = SlateQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "-served_at"], name="slate_user_time"),
            models.Index(fields=["served_at"], name="slate_time"),
        ]

    def __str__(self) -> str:
        return f"slate {self.public_id}"


class SlateItem(models.Model):
    slate = models.ForeignKey(Slate, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField(help_text="1 is the first.")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField()
    parts = models.JSONField(help_text="Score parts that add up to the score; see recommender.slates.ScorePart.")

    class Meta:
        ordering = ["slate_id", "position"]
        constraints = [models.UniqueConstraint(fields=["slate", "position"], name="slate_position_unique")]

    def __str__(self) -> str:
        return f"{self.slate_id} #{self.position}: {self.item_id}"
