"""What users' events say about items: which are bought after which, and which are popular."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from django.db import connection, models, transaction
from django.db.models import F, Func, Q
from django.utils.translation import gettext_lazy
from numpy.typing import NDArray
from pgvector.django import HalfVectorField

from catalog.models import Item, ItemLabel
from recommender.algorithms.factors import FACTORS
from recommender.scopes import Scope

REBUILD_LOCK = 4_202


def in_scope(scope: Scope, within: Mapping[int, frozenset[int]]) -> Q:
    """Of items, what `scopes.holds` says of one; labels are what an item counts as having."""
    found = Q()
    if scope.items:
        found &= Q(external_id__in=scope.items)
    if scope.labels:
        branch = sorted(set().union(*(within.get(root, {root}) for root in scope.labels)))
        found &= Q(pk__in=ItemLabel.objects.effective().counted_as(branch).values("item_id"))
    if scope.brands:
        found &= Q(pk__in=Item.objects.of_brands(scope.brands).values("pk"))
    for column, low, high in (
        ("price", scope.price_from, scope.price_to),
        ("stock_quantity", scope.stock_from, scope.stock_to),
    ):
        if low is not None:
            found &= Q(**{f"{column}__gte": low})
        if high is not None:
            found &= Q(**{f"{column}__lte": high})
    return found


class NeighbourQuerySet(models.QuerySet["Neighbour"]):
    def liked(self) -> NeighbourQuerySet:
        """Only what the same users take; the rows below 0 say what they do not."""
        return self.filter(kind=Neighbour.Kind.TOGETHER, score__gt=0)

    def strongest_of(self, item_id: int, n: int) -> NeighbourQuerySet:
        """The n items that go best with this one and may be shown."""
        return (
            self.liked()
            .filter(item_id=item_id, neighbour__is_hidden=False, neighbour__is_in_stock=True)
            .select_related("neighbour")
            .order_by("-score", "neighbour_id")[:n]
        )

    def taken_after(self, item: Item, n: int) -> NeighbourQuerySet:
        """The n strongest for staff to see, hidden and sold-out ones too, with the labels that their tiles show."""
        labels = ItemLabel.objects.effective().with_names()
        tiles = models.Prefetch("neighbour__labels", queryset=labels, to_attr="tile_labels")
        found = self.liked().filter(item=item).select_related("neighbour").prefetch_related(tiles)
        return found.order_by("-score", "neighbour_id")[:n]

    def votes(self, kind: str, weights: Mapping[int, float], *, without: Sequence[int]) -> list[tuple[int, float]]:
        """(item, sum of weight times score) over the weighted items' neighbours that may be shown, best first."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT n.neighbour_id, sum(history.weight * n.score) AS vote
                FROM unnest(%s::bigint[], %s::float8[]) AS history(item_id, weight)
                JOIN recommender_neighbour n ON n.item_id = history.item_id AND n.kind = %s
                JOIN catalog_item i ON i.id = n.neighbour_id AND i.is_in_stock AND NOT i.is_hidden
                JOIN catalog_itemembedding e ON e.item_id = i.id
                WHERE n.neighbour_id <> ALL(%s::bigint[])
                GROUP BY n.neighbour_id
                ORDER BY vote DESC, n.neighbour_id
                """,
                [list(weights), list(weights.values()), kind, list(without)],
            )
            return cursor.fetchall()

    def ties(self, item_ids: Sequence[int], neighbour_ids: Sequence[int]) -> list[tuple[str, int, int, float, int]]:
        """(kind, item, neighbour, score, users) of the pairs between the two that speak for the neighbour."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT kind, item_id, neighbour_id, score, users FROM recommender_neighbour
                WHERE neighbour_id = ANY(%s::bigint[]) AND item_id = ANY(%s::bigint[]) AND score > 0
                """,
                [list(neighbour_ids), list(item_ids)],
            )
            return cursor.fetchall()

    def lock_rebuild(self) -> None:
        """Until the transaction ends, nobody else rebuilds the statistics."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [REBUILD_LOCK])

    def is_rebuilding(self) -> bool:
        """Whether a rebuild is writing now; if not, none writes until the transaction ends."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [REBUILD_LOCK])
            return not cursor.fetchone()[0]

    def fade(self, kind: str, factors: Mapping[int, float]) -> None:
        """Multiply the scores of all neighbours of these items, each item's by its own."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE recommender_neighbour n SET score = n.score * faded.factor
                FROM unnest(%s::bigint[], %s::float8[]) AS faded(item_id, factor)
                WHERE n.kind = %s AND n.item_id = faded.item_id
                """,
                [list(factors), list(factors.values()), kind],
            )

    def add_to(self, kind: str, rows: Sequence[tuple[int, int, float, int]], *, built_at: datetime) -> None:
        """Add (item, neighbour, score, users) to what there is; a score below 0 takes away, down to 0."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO recommender_neighbour AS n (kind, item_id, neighbour_id, score, users, built_at)
                SELECT %s, added.item_id, added.neighbour_id, added.score, added.users, %s
                FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::int[])
                    AS added(item_id, neighbour_id, score, users)
                JOIN catalog_item i ON i.id = added.item_id
                JOIN catalog_item j ON j.id = added.neighbour_id
                WHERE added.score > 0
                ORDER BY added.item_id, added.neighbour_id
                ON CONFLICT (kind, item_id, neighbour_id) DO UPDATE SET
                    score = n.score + excluded.score, users = n.users + excluded.users
                """,
                [kind, built_at, *columns],
            )
            cursor.execute(
                """
                UPDATE recommender_neighbour n SET score = greatest(n.score + taken.score, 0)
                FROM unnest(%s::bigint[], %s::bigint[], %s::float8[]) AS taken(item_id, neighbour_id, score)
                WHERE n.kind = %s AND n.item_id = taken.item_id AND n.neighbour_id = taken.neighbour_id
                    AND taken.score < 0
                """,
                [*columns[:3], kind],
            )

    def replace_all(self, rows: Iterable[tuple[str, int, int, float, int]], *, built_at: datetime) -> None:
        """Delete every row and COPY (kind, item, neighbour, score, users) instead. Call it inside a transaction."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM recommender_neighbour")
            statement = "COPY recommender_neighbour (kind, item_id, neighbour_id, score, users, built_at) FROM STDIN"
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row((*row, built_at))


class Neighbour(models.Model):
    """`neighbour` goes with `item`, in the way that `kind` says."""

    class Kind(models.TextChoices):
        TOGETHER = "together", gettext_lazy("Taken by the same users")
        NEXT = "next", gettext_lazy("Taken right after")
        WORDS = "words", gettext_lazy("Described in the same words")
        CARRIED = "carried", gettext_lazy("New, and like what the same users take")

    kind = models.CharField(max_length=8, choices=Kind.choices, db_default=Kind.TOGETHER)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="neighbours")
    neighbour = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(help_text="Strength, -1..1; comparable between items, below 0 for what is avoided.")
    users = models.PositiveIntegerField(help_text="How many users did so.")
    built_at = models.DateTimeField(auto_now_add=True)

    objects = NeighbourQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "item", "neighbour"], name="neighbour_unique")]
        indexes = [models.Index(fields=["kind", "item", "-score", "neighbour"], name="neighbour_score")]

    def __str__(self) -> str:
        return f"{self.item_id} -> {self.neighbour_id}: {self.score:.3f}"


class ItemStatisticsQuerySet(models.QuerySet["ItemStatistics"]):
    def tell_catalog(self) -> None:
        """Writes each item's popularity where the review queue looks: 0..1 of the most popular, logarithmic."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM catalog_itempopularity")
            cursor.execute(
                """
                INSERT INTO catalog_itempopularity (item_id, share)
                SELECT item_id, ln(1 + popularity) / max(ln(1 + popularity)) OVER ()
                FROM recommender_itemstatistics WHERE popularity > 0
                """
            )

    def highest(self, column: Literal["popularity", "trend"], n: int, *, without: Sequence[int] = ()) -> list[int]:
        """Ids of the n items that may be shown with the highest of this above 0."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT s.item_id FROM recommender_itemstatistics s
                JOIN catalog_item i ON i.id = s.item_id AND i.is_in_stock AND NOT i.is_hidden
                JOIN catalog_itemembedding e ON e.item_id = i.id
                WHERE s.item_id <> ALL(%s::bigint[]) AND s.{column} > 0
                ORDER BY s.{column} DESC, s.item_id LIMIT %s
                """,  # noqa: S608  (one of two names)
                [list(without), n],
            )
            return [item_id for (item_id,) in cursor.fetchall()]

    def rank_of(
        self, column: Literal["popularity", "trend"], item_id: int, *, without: Sequence[int] = ()
    ) -> tuple[int, int] | None:
        """(place, of how many) of the item in the order of `highest`; None where it is not in it."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT 1 + count(*) FILTER (WHERE (-s.{column}, s.item_id) < (-own.{column}, own.item_id)), count(*)
                FROM recommender_itemstatistics own
                CROSS JOIN recommender_itemstatistics s
                JOIN catalog_item i ON i.id = s.item_id AND i.is_in_stock AND NOT i.is_hidden
                JOIN catalog_itemembedding e ON e.item_id = i.id
                WHERE own.item_id = %s AND own.{column} > 0 AND s.item_id <> ALL(%s::bigint[]) AND s.{column} > 0
                GROUP BY own.item_id
                """,  # noqa: S608  (one of two names)
                [item_id, list(without)],
            )
            found = cursor.fetchone()
            return (int(found[0]), int(found[1])) if found else None

    def popular_in(self, scopes: Sequence[tuple[Scope, int]], within: Mapping[int, frozenset[int]]) -> list[int]:
        """Ids of items that may be shown: of each (scope, n) the n most popular, in one query for all of them."""
        items = Item.objects.recommendable().order_by(F("statistics__popularity").desc(nulls_last=True), "id")
        found = [items.filter(in_scope(scope, within)).values_list("id", flat=True)[:n] for scope, n in scopes]
        return sorted(set(found[0].union(*found[1:], all=True) if len(found) > 1 else found[0])) if found else []

    def of_items(self, item_ids: Sequence[int]) -> list[tuple[int, str, float, int, int, float, float, float]]:
        """(item, title, popularity, users, recent users, trend, repeat rate, cycle in days) of those items that exist,
        by id; zeros without events."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT i.id, i.title, coalesce(s.popularity, 0), coalesce(s.users, 0), coalesce(s.recent_users, 0),
                       coalesce(s.trend, 0), coalesce(s.repeat_rate, 0), coalesce(s.cycle_days, 0)
                FROM catalog_item i LEFT JOIN recommender_itemstatistics s ON s.item_id = i.id
                WHERE i.id = ANY(%s::bigint[]) ORDER BY i.id
                """,
                [list(item_ids)],
            )
            return cursor.fetchall()

    def built_at(self) -> datetime | None:
        """When the events were read that the statistics know; None without any."""
        return self.order_by("item_id").values_list("built_at", flat=True).first()

    def add_events(self, rows: Sequence[tuple[int, int, int, datetime]], *, built_at: datetime) -> dict[int, int]:
        """Add (item, events, users, newest event) and return each item's events now. An item without statistics gets
        some, as a rebuild would make them of users who all took it just now; of the others only events and their time
        change. Locks these items' statistics, in order of item, until the transaction ends."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO recommender_itemstatistics AS s (item_id, events, users, recent_users, popularity, trend,
                    repeat_rate, repeat_share, cycle_days, first_event_at, last_event_at, built_at)
                SELECT i.id, added.events, added.users, added.users, added.users, 0, 0, 0, 0, added.at, added.at, %s
                FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::timestamptz[])
                    AS added(item_id, events, users, at)
                JOIN catalog_item i ON i.id = added.item_id ORDER BY i.id
                ON CONFLICT (item_id) DO UPDATE SET
                    events = greatest(s.events + excluded.events, 0),
                    last_event_at = greatest(s.last_event_at, excluded.last_event_at)
                RETURNING item_id, events
                """,
                [built_at, *(list(column) for column in zip(*rows, strict=True))],
            )
            return dict(cursor.fetchall())

    def replace_all(self, rows: Iterable[tuple[float, ...]], *, built_at: datetime) -> None:
        """Delete every row and COPY these: item, events, users, recent users, popularity, trend, repeat rate, repeat
        share, cycle in days, first and last event (seconds since 1970)."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM recommender_itemstatistics")
            statement = (
                "COPY recommender_itemstatistics (item_id, events, users, recent_users, popularity, trend, repeat_rate,"
                " repeat_share, cycle_days, first_event_at, last_event_at, built_at) FROM STDIN"
            )
            with cursor.copy(statement) as copy:
                for *columns, first_s, last_s in rows:
                    first, last = datetime.fromtimestamp(first_s, UTC), datetime.fromtimestamp(last_s, UTC)
                    copy.write_row((*columns, first, last, built_at))


class ItemStatistics(models.Model):
    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True, related_name="statistics")
    events = models.PositiveIntegerField(default=0)
    users = models.PositiveIntegerField(default=0)
    recent_users = models.PositiveIntegerField(default=0, help_text="Users of the last 28 days.")
    popularity = models.FloatField(default=0.0, help_text="Time-decayed users, see algorithms.popularity.")
    trend = models.FloatField(db_default=0.0, help_text="How much faster it is taken now than before, see algorithms.")
    repeat_rate = models.FloatField(
        db_default=0.0, help_text="Probability that who has just taken it takes it again the next time."
    )
    repeat_share = models.FloatField(db_default=0.0, help_text="Share of its users who took it again.")
    cycle_days = models.FloatField(db_default=0.0, help_text="Median days until its users take it again; 0: not known.")
    first_event_at = models.DateTimeField(null=True, blank=True)
    last_event_at = models.DateTimeField(null=True, blank=True)
    built_at = models.DateTimeField(auto_now=True)

    objects = ItemStatisticsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "item statistics"
        indexes = [
            models.Index(fields=["-popularity", "item"], name="item_statistics_popularity"),
            models.Index(fields=["-trend", "item"], name="item_statistics_trend"),
        ]

    def __str__(self) -> str:
        return f"statistics of item {self.item_id}"


class ItemFactorsQuerySet(models.QuerySet["ItemFactors"]):
    def of_items(self, item_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """By item, read in pgvector's binary form."""
        packed = Func(F("vector"), function="halfvec_send", output_field=models.BinaryField())
        rows = self.filter(pk__in=list(item_ids)).annotate(packed=packed).values_list("item_id", "packed")
        # Two bytes of dimension and two unused come before the components, big-endian halves.
        return {
            item_id: np.frombuffer(bytes(vector), dtype=">f2", offset=4).astype(np.float32) for item_id, vector in rows
        }

    def replace_all(self, item_ids: NDArray[np.int64], factors: NDArray[np.float32]) -> None:
        """Delete every row and COPY these, without rows of zeros. Call it inside a transaction."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM recommender_itemfactors")
            with cursor.copy("COPY recommender_itemfactors (item_id, vector) FROM STDIN") as copy:
                for place in np.flatnonzero(factors.any(axis=1)).tolist():
                    copy.write_row((int(item_ids[place]), str(factors[place].tolist())))


class ItemFactors(models.Model):
    """Latent factors of an item, from who took what; see algorithms.factors."""

    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True, related_name="factors")
    vector = HalfVectorField(dimensions=FACTORS)

    objects = ItemFactorsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "item factors"

    def __str__(self) -> str:
        return f"factors of item {self.item_id}"
