"""Events: what users did with items. Append-only."""

from __future__ import annotations

from django.db import models

from catalog.models import Item
from recommender.models.user import EndUser


class EventQuerySet(models.QuerySet["Event"]):
    def newest_first(self) -> EventQuerySet:
        return self.order_by("-occurred_at", "-id")


class Event(models.Model):
    class Type(models.TextChoices):
        VIEW = "view", "View"
        CLICK = "click", "Click"
        ADD_TO_CART = "add_to_cart", "Add to cart"
        REMOVE_FROM_CART = "remove_from_cart", "Remove from cart"
        FAVOURITE = "favourite", "Favourite"
        PURCHASE = "purchase", "Purchase"
        REFUND = "refund", "Refund"
        RATE = "rate", "Rate"
        IMPRESSION = "impression", "Impression"
        HIDE = "hide", "Hide"

    external_id = models.CharField(
        max_length=200, null=True, blank=True, unique=True, help_text="The client's id; the same id is stored once."
    )
    user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="events")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="events")
    type = models.CharField(max_length=20, choices=Type.choices)
    value = models.FloatField(default=1.0, help_text="Quantity bought, or the rating 1..5 of a rate event.")
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True, help_text="Paid for one piece.")
    basket = models.CharField(max_length=100, blank=True, help_text="Order, basket or session the event belongs to.")
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "-occurred_at", "-id"], name="event_user_time"),
            models.Index(fields=["item", "-occurred_at"], name="event_item_time"),
            models.Index(fields=["occurred_at"], name="event_time"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.type} {self.item_id}"
