"""A slate: the list that was returned, with everything that made it. Never changed after it was served."""

from __future__ import annotations

import uuid
from datetime import UTC, date, timedelta

from django.db import models
from django.db.models import Aggregate, Count, F
from django.db.models.functions import TruncDate
from django.utils import timezone

from catalog.models import Item
from recommender.models.experiment import Experiment
from recommender.models.strategy import Strategy
from recommender.models.user import EndUser


class Median(Aggregate):
    template = "percentile_cont(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = models.FloatField()


class SlateQuerySet(models.QuerySet["Slate"]):
    def newest_first(self) -> SlateQuerySet:
        return self.order_by("-served_at", "-id")

    def summary_by_day(self, days: int) -> list[tuple[date, int, float]]:
        """(day, slates, median ms) of each of the last `days` days with slates, oldest first."""
        since = timezone.now() - timedelta(days=days)
        by_day = self.filter(served_at__gte=since).order_by().annotate(day=TruncDate("served_at", tzinfo=UTC))
        return list(by_day.values_list("day").annotate(slates=Count("pk"), median=Median("took_ms")).order_by("day"))

    def showing(self, item: Item) -> SlateQuerySet:
        """Slates that the item was in, each with the position it had (adds `item_position`)."""
        return self.filter(items__item=item).annotate(item_position=F("items__position")).select_related("user")


class Slate(models.Model):
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(EndUser, null=True, blank=True, on_delete=models.CASCADE, related_name="slates")
    user_external_id = models.CharField(max_length=200, help_text="As asked for; a user nobody knows has no row.")
    is_known_user = models.BooleanField()
    n = models.PositiveSmallIntegerField(help_text="List length asked for.")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="slates")
    placement = models.CharField(
        max_length=100, blank=True, help_text="Of the page; empty where the client named none."
    )
    experiment = models.ForeignKey(Experiment, null=True, blank=True, on_delete=models.SET_NULL, related_name="slates")
    arm = models.CharField(max_length=60, blank=True, help_text="Of the experiment that decided the strategy.")
    request = models.JSONField(default=dict, help_text="What else was asked for: repeats, strategy, filter.")
    versions = models.JSONField(default=dict, help_text="Of vectors, labels, neighbours: what the scores came from.")
    details = models.JSONField(default=dict, help_text="Notes on how it was made: what the language model did, …")
    took_ms = models.FloatField()
    served_at = models.DateTimeField(auto_now_add=True)

    objects = SlateQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "-served_at"], name="slate_user_time"),
            models.Index(fields=["served_at"], name="slate_time"),
            models.Index(fields=["experiment", "arm", "served_at"], name="slate_experiment"),
        ]

    def __str__(self) -> str:
        return f"slate {self.public_id}"


class SlateItem(models.Model):
    slate = models.ForeignKey(Slate, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField(help_text="1 is the first.")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField()
    propensity = models.FloatField(
        null=True, blank=True, help_text="Of an item shown to explore: the probability with which it was drawn."
    )
    rules = models.JSONField(
        default=list, help_text="Rules that touched it: [{id, name, version, action, words}], see recommender.rules."
    )
    parts = models.JSONField(help_text="Score parts that add up to the score; see recommender.slates.ScorePart.")

    class Meta:
        ordering = ["slate_id", "position"]
        constraints = [models.UniqueConstraint(fields=["slate", "position"], name="slate_position_unique")]

    def __str__(self) -> str:
        return f"{self.slate_id} #{self.position}: {self.item_id}"
