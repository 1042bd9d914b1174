"""A slate: the list that was returned, with everything that made it. Never changed after it was served."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models import Aggregate, Count, F
from django.db.models.functions import TruncDate
from django.utils import timezone

from catalog.models import Item
from recommender.models.experiment import Experiment
from recommender.models.strategy import Strategy
from recommender.models.user import EndUser

SLATES_LOOKED_AT = 20_000
ITEMS_LOOKED_AT = 2_000
NEWEST_SQL = """
    WITH newest AS (
        SELECT id, served_at, coalesce(details -> 'rules', '[]') AS rules FROM recommender_slate
        WHERE served_at >= %(since)s ORDER BY served_at DESC LIMIT %(limit)s
    )
"""
IN_FORCE_SQL = f"""
    {NEWEST_SQL}
    SELECT rule ->> 'name', count(*) FROM newest, jsonb_array_elements(rules) rule GROUP BY 1 ORDER BY 1
"""  # noqa: S608  (NEWEST_SQL is a constant)
TOUCHED_SQL = f"""
    {NEWEST_SQL}, holding AS (SELECT id, served_at FROM newest WHERE rules @> %(rule)s::jsonb),
    few AS (SELECT id FROM holding ORDER BY served_at DESC, id DESC LIMIT %(few)s)
    SELECT (SELECT count(*) FROM holding),
        (SELECT count(*) FROM few WHERE EXISTS (
            SELECT FROM recommender_slateitem i WHERE i.slate_id = few.id AND i.rules @> %(rule)s::jsonb)),
        (SELECT count(*) FROM few)
"""  # noqa: S608  (NEWEST_SQL is a constant)


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

    def in_force_since(self, since: datetime) -> dict[str, int]:
        """How many lists each rule was in force for, by its name; of the newest `SLATES_LOOKED_AT` since then."""
        with connection.cursor() as cursor:
            cursor.execute(IN_FORCE_SQL, {"since": since, "limit": SLATES_LOOKED_AT})
            return dict(cursor.fetchall())

    def touched_by(self, rule: str, since: datetime) -> tuple[int, int, int]:
        """(lists the rule of this name was in force for, of the newest `SLATES_LOOKED_AT` since then; how many of the
        newest `ITEMS_LOOKED_AT` of these have an item that it moved or pinned; how many those are)."""
        values: dict[str, Any] = {
            "since": since,
            "limit": SLATES_LOOKED_AT,
            "few": ITEMS_LOOKED_AT,
            "rule": json.dumps([{"name": rule}]),
        }
        with connection.cursor() as cursor:
            cursor.execute(TOUCHED_SQL, values)
            in_force, touched, looked_at = cursor.fetchone()
            return in_force, touched, looked_at


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
