"""What users' events say about items: which are bought after which, and which are popular."""

from __future__ import annotations

from django.db import models

from catalog.models import Item, ItemLabel


class NeighbourQuerySet(models.QuerySet["Neighbour"]):
    def strongest_of(self, item: Item, n: int) -> NeighbourQuerySet:
        """The n items most often taken after this one, with what their tiles show."""
        labels = ItemLabel.objects.effective().with_names()
        tiles = models.Prefetch("neighbour__labels", queryset=labels, to_attr="tile_labels")
        found = self.filter(item=item).select_related("neighbour").prefetch_related(tiles)
        return found.order_by("-score", "neighbour_id")[:n]


class Neighbour(models.Model):
    """`neighbour` is often taken after, or together with, `item`."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="neighbours")
    neighbour = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(help_text="Strength, 0..1; comparable between items.")
    users = models.PositiveIntegerField(help_text="How many users did so.")
    built_at = models.DateTimeField(auto_now_add=True)

    objects = NeighbourQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "neighbour"], name="neighbour_unique")]
        indexes = [models.Index(fields=["item", "-score", "neighbour"], name="neighbour_score")]

    def __str__(self) -> str:
        return f"{self.item_id} -> {self.neighbour_id}: {self.score:.3f}"


class ItemStatistics(models.Model):
    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True, related_name="statistics")
    events = models.PositiveIntegerField(default=0)
    users = models.PositiveIntegerField(default=0)
    recent_users = models.PositiveIntegerField(default=0, help_text="Users of the last 28 days.")
    popularity = models.FloatField(default=0.0, help_text="Time-decayed users, see algorithms.popularity.")
    first_event_at = models.DateTimeField(null=True, blank=True)
    last_event_at = models.DateTimeField(null=True, blank=True)
    built_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "item statistics"
        indexes = [models.Index(fields=["-popularity", "item"], name="item_statistics_popularity")]

    def __str__(self) -> str:
        return f"statistics of item {self.item_id}"
