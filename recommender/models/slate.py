"""A slate: the list that was returned, with everything that made it. Never changed after it was served."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime

from django.db import connection, models
from django.db.models import Aggregate, Count, F
from django.db.models.functions import TruncDate

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

    def summary_since(self, since: datetime) -> list[tuple[date, int, float]]:
        """(UTC day, slates, median ms) of each day with slates, oldest first."""
        by_day = self.filter(served_at__gte=since).order_by().annotate(day=TruncDate("served_at", tzinfo=UTC))
        return list(by_day.values_list("day").annotate(slates=Count("pk"), median=Median("took_ms")).order_by("day"))

    def oldest_time(self) -> datetime | None:
        return self.order_by("served_at").values_list("served_at", flat=True).first()

    def newest_time(self) -> datetime | None:
        return self.order_by("-served_at").values_list("served_at", flat=True).first()

    def count_between(self, since: datetime, until: datetime, *, most: int) -> int:
        """How many were served, counting no further than `most`."""
        return self.filter(served_at__gte=since, served_at__lt=until).order_by()[:most].count()

    def places_by_item(self, since: datetime, until: datetime, *, most: int) -> tuple[int, list[int]]:
        """(lists read, how often each item had a place on them, most first) of the newest `most` lists of the time."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                WITH lists AS (
                    SELECT id FROM recommender_slate WHERE served_at >= %s AND served_at < %s
                    ORDER BY served_at DESC LIMIT %s
                )
                SELECT (SELECT count(*) FROM lists), count(*) FROM recommender_slateitem
                WHERE slate_id IN (SELECT id FROM lists) GROUP BY item_id ORDER BY 2 DESC
                """,
                [since, until, most],
            )
            rows = cursor.fetchall()
        return (rows[0][0] if rows else 0), [places for _, places in rows]

    def users_by_arm(self, experiment_id: int) -> dict[str, int]:
        """Arm -> users who got at least one list of it."""
        by_arm = self.filter(experiment_id=experiment_id).order_by().values_list("arm")
        return dict(by_arm.annotate(users=Count("user_external_id", distinct=True)))

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
        # Counting places and finding an item on a list read this alone, not the rows with their parts.
        indexes = [models.Index(fields=["slate", "item"], name="slate_item_places")]

    def __str__(self) -> str:
        return f"{self.slate_id} #{self.position}: {self.item_id}"
