"""A slate: the list that was returned, with everything that made it. Never changed after it was served."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection, models
from django.db.models import Aggregate, Count, Exists, OuterRef
from django.db.models.functions import TruncDate

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


VERSIONS_SQL = """
    SELECT
        (SELECT model FROM catalog_itemembedding ORDER BY item_id LIMIT 1),
        (SELECT built_at FROM recommender_itemstatistics ORDER BY item_id LIMIT 1),
        (SELECT version FROM recommender_interestencoder WHERE status = 'live'),
        (SELECT coalesce(jsonb_object_agg(t.slug, h.version), '{}')
         FROM catalog_labelhead h JOIN catalog_taxonomy t ON t.id = h.taxonomy_id AND t.is_active
         WHERE h.status = 'live')
"""


class SlateQuerySet(models.QuerySet["Slate"]):
    def newest_first(self) -> SlateQuerySet:
        return self.order_by("-served_at", "-id")

    def versions_now(self) -> dict[str, object]:
        """Of what all lists share: embedding model, statistics, interest encoder, label heads by taxonomy."""
        with connection.cursor() as cursor:
            cursor.execute(VERSIONS_SQL)
            model, built_at, encoder, heads = cursor.fetchone()
        return {
            "embedding_model": model,
            "statistics_built_at": built_at.isoformat() if built_at else None,
            "encoder": encoder,
            "label_heads": heads if isinstance(heads, dict) else json.loads(heads),
        }

    def of_user(self, external_id: str, user_id: int | None) -> SlateQuerySet:
        """Of a user who is known, by key; of one who is not, by the id that was asked for."""
        if user_id is not None:
            return self.filter(user_id=user_id)
        return self.filter(user_id__isnull=True, user_external_id=external_id)

    def with_item(self, item_id: int) -> SlateQuerySet:
        return self.filter(Exists(SlateItem.objects.filter(slate=OuterRef("pk"), item_id=item_id)))

    def with_rule(self, rule_id: int) -> SlateQuerySet:
        """Where the rule was in force, whether or not it touched an item."""
        return self.filter(details__contains={"rules": [{"id": rule_id}]})

    def after_in_order(self, served_at: datetime, pk: int) -> SlateQuerySet:
        """What comes after this slate in newest-first order."""
        # The first condition lets the index on served_at begin there.
        return self.filter(served_at__lte=served_at).exclude(served_at=served_at, pk__gte=pk)

    def for_lists(self) -> SlateQuerySet:
        return self.select_related("strategy", "experiment").defer("versions", "strategy__recipe")

    def with_items(self) -> SlateQuerySet:
        """Each slate's items in order, with what their tiles show; a constant number of queries."""
        items = SlateItem.objects.select_related("item").defer("item__search_vector", "item__description")
        return self.prefetch_related(models.Prefetch("items", queryset=items.order_by("position")))

    def with_titles(self, most: int) -> SlateQuerySet:
        """The first few items of each slate as `shown_items`, without their score parts."""
        items = SlateItem.objects.filter(position__lte=most).select_related("item").order_by("position")
        wanted = items.only("slate_id", "position", "item__title", "item__external_id")
        return self.prefetch_related(models.Prefetch("items", queryset=wanted, to_attr="shown_items"))

    def served_before(self, moment: datetime) -> SlateQuerySet:
        return self.filter(served_at__lt=moment)

    def users_shown(self, item_id: int, since: datetime, *, most: int) -> list[tuple[str, datetime, int, uuid.UUID]]:
        """(user, when, place, slate) of the newest slates since then that the item was in, at most so many."""
        rows = SlateItem.objects.filter(item_id=item_id, slate__served_at__gte=since)
        newest = rows.order_by("-slate__served_at", "-slate_id")
        columns = ("slate__user_external_id", "slate__served_at", "position", "slate__public_id")
        return list(newest.values_list(*columns)[:most])

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
