"""Events: what users did with items. Append-only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db import connection, models
from django.db.models import Count, F, Min, Q, Window
from django.db.models.functions import RowNumber, TruncDay, TruncWeek
from django.utils.translation import gettext_lazy
from numpy.typing import NDArray
from psycopg import sql

from catalog.models import Item
from recommender.models.user import EndUser

NEWEST_ACTIVE_DAYS = """
WITH RECURSIVE active (day) AS (
    (SELECT date_trunc('day', occurred_at, 'UTC') FROM recommender_event ORDER BY occurred_at DESC LIMIT 1)
    UNION ALL
    SELECT (
        SELECT date_trunc('day', occurred_at, 'UTC') FROM recommender_event
        WHERE occurred_at < active.day ORDER BY occurred_at DESC LIMIT 1
    )
    FROM active WHERE active.day IS NOT NULL
)
SELECT day FROM active WHERE day IS NOT NULL LIMIT %s
"""

LONGEST_ORDER = timedelta(days=1)


@dataclass(frozen=True)
class NewEvent:
    """A row about to be written. `external_id` None: the client gave it no id, so it can not be told from a repeat."""

    external_id: str | None
    user_id: int
    item_id: int
    type: str
    value: float
    price: Decimal | None
    basket: str
    occurred_at: datetime


@dataclass(frozen=True)
class StoredEvent:
    id: int
    user_id: int
    occurred_at: datetime
    external_id: str | None


_COLUMNS = "external_id, user_id, item_id, type, value, price, basket, occurred_at"


class EventQuerySet(models.QuerySet["Event"]):
    def newest_first(self) -> EventQuerySet:
        return self.order_by("-occurred_at", "-id")

    def insert_new(self, rows: Sequence[NewEvent]) -> list[StoredEvent]:
        """Write rows whose external_id is not stored yet, and return those written, in order."""
        if not rows:
            return []
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO recommender_event ({_COLUMNS}, received_at)"  # noqa: S608  (a constant)
                f" SELECT {_COLUMNS}, now() FROM unnest(%s::varchar[], %s::bigint[], %s::bigint[], %s::varchar[],"
                " %s::float8[], %s::numeric[], %s::varchar[], %s::timestamptz[]) WITH ORDINALITY"
                f" AS incoming ({_COLUMNS}, position) ORDER BY position"
                " ON CONFLICT (external_id) DO NOTHING RETURNING id, user_id, occurred_at, external_id",
                [
                    [row.external_id for row in rows],
                    [row.user_id for row in rows],
                    [row.item_id for row in rows],
                    [row.type for row in rows],
                    [row.value for row in rows],
                    [row.price for row in rows],
                    [row.basket for row in rows],
                    [row.occurred_at for row in rows],
                ],
            )
            return [StoredEvent(*row) for row in sorted(cursor.fetchall(), key=lambda row: row[0])]

    def copy_new(self, rows: Iterable[tuple[object, ...]]) -> int:
        """Bulk load by COPY; rows are tuples in NewEvent's order. Skips stored external_ids; returns how many were new.

        Must run inside a transaction. Leaves EndUser.last_event_id alone; see EndUserQuerySet.note_all_events.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_event (external_id varchar, user_id bigint,"
                " item_id bigint, type varchar, value float8, price numeric, basket varchar, occurred_at timestamptz)"
                " ON COMMIT DROP"
            )
            with cursor.copy(f"COPY incoming_event ({_COLUMNS}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                f"INSERT INTO recommender_event ({_COLUMNS}, received_at)"  # noqa: S608  (a constant)
                f" SELECT {_COLUMNS}, now() FROM incoming_event ON CONFLICT (external_id) DO NOTHING"
            )
            written = int(cursor.rowcount)
            cursor.execute("DROP TABLE incoming_event")
        return written

    def refresh_planner(self) -> None:
        """Let the planner know about rows that a bulk load has just written."""
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE recommender_event")

    def up_to(self, moment: datetime) -> EventQuerySet:
        return self.filter(occurred_at__lte=moment)

    def last_order_start(self, user_id: int, moment: datetime) -> datetime | None:
        """When the user's last order up to this moment began: the first event of its basket, or a purchase alone."""
        bought = self.filter(user_id=user_id, type=Event.Type.PURCHASE)
        last = bought.up_to(moment).newest_first().values_list("occurred_at", "basket").first()
        if last is None or not last[1]:
            return last[0] if last else None
        around = bought.filter(basket=last[1], occurred_at__lte=last[0], occurred_at__gte=last[0] - LONGEST_ORDER)
        return around.aggregate(began=Min("occurred_at"))["began"]

    def telling(self) -> EventQuerySet:
        """Events that say something about the user: everything but having been shown an item."""
        return self.exclude(type=Event.Type.IMPRESSION)

    def latest_of(self, user_ids: Sequence[int], limit: int) -> EventQuerySet:
        """The newest `limit` telling events of each user; by user, newest first."""
        newest = Window(RowNumber(), partition_by=F("user_id"), order_by=[F("occurred_at").desc(), F("id").desc()])
        return (
            self.telling()
            .filter(user_id__in=user_ids)
            .annotate(recency=newest)
            .filter(recency__lte=limit)
            .order_by("user_id", "-occurred_at", "-id")
        )

    def histories_of(self, user_ids: Sequence[int], limit: int) -> list[tuple[int, int, str, float, datetime, str]]:
        """(user, item, type, value, time, basket) of the newest `limit` telling events each; by user, oldest first."""
        rows = self.latest_of(user_ids, limit).order_by("user_id", "occurred_at", "id")
        return list(rows.values_list("user_id", "item_id", "type", "value", "occurred_at", "basket"))

    def newest_of(self, user_id: int, limit: int) -> list[tuple[int, str, float, datetime]]:
        """(item, type, value, time) of the user's newest `limit` telling events."""
        newest = self.telling().filter(user_id=user_id).newest_first()
        return list(newest.values_list("item_id", "type", "value", "occurred_at")[:limit])

    def visits_of(self, user_ids: Sequence[int]) -> dict[int, int]:
        """How many different moments each of these users has telling events at; who has none is left out."""
        counted = self.telling().filter(user_id__in=list(user_ids)).order_by().values_list("user_id")
        return dict(counted.annotate(visits=Count("occurred_at", distinct=True)))

    def behind(self, user: EndUser) -> int:
        """How many of the user's events the interest vectors do not know yet."""
        return self.filter(user=user, id__gt=user.interests_event_id or 0).count()

    def of_hidden_items(self) -> EventQuerySet:
        return self.filter(item__is_hidden=True)

    def repeated(self) -> list[tuple[int, int]]:
        """(copies, id of the first) of events alike in user, item, type, time, basket and value; most first."""
        alike = ("user", "item", "type", "occurred_at", "basket", "value")
        counted = self.order_by().values(*alike).annotate(copies=Count("pk"), first=Min("pk")).filter(copies__gt=1)
        return list(counted.order_by("-copies", "first").values_list("copies", "first"))

    def moments_a_day(self, *, more_than: int) -> list[tuple[str, datetime, int]]:
        """(user's external id, day, different times of events) where there are more than so many, most first.

        Events of one basket share its time, so that a long order is one moment. Impressions are not the user's doing.
        """
        by_day = self.telling().annotate(day=TruncDay("occurred_at", tzinfo=UTC)).order_by()
        counted = by_day.values_list("user__external_id", "day").annotate(moments=Count("occurred_at", distinct=True))
        return list(counted.filter(moments__gt=more_than).order_by("-moments", "user__external_id", "day"))

    def newest_time(self) -> datetime | None:
        """When the newest event happened: what "recently" is measured from, so that old data is not all stale."""
        return self.order_by("-occurred_at").values_list("occurred_at", flat=True).first()

    def oldest_time(self) -> datetime | None:
        return self.order_by("occurred_at").values_list("occurred_at", flat=True).first()

    def oldest_time_after(self, event_id: int) -> datetime | None:
        """When the earliest of the events recorded after this one happened; reads only those."""
        oldest: datetime | None = self.filter(pk__gt=event_id).order_by().aggregate(at=Min("occurred_at"))["at"]
        return oldest

    def newest_id(self) -> int:
        return self.order_by("-pk").values_list("pk", flat=True).first() or 0

    def count_between(self, since: datetime, until: datetime, *, most: int) -> int:
        return self.count_up_to(most, occurred_at__gte=since, occurred_at__lt=until)

    def count_up_to(self, most: int, **conditions: object) -> int:
        """How many there are, counting no further than `most`."""
        return self.filter(**conditions).order_by()[:most].count()

    def settled_items(self, user_id: int, *, as_of: datetime, window_days: int) -> list[int]:
        """Items the user took within the window, or ever asked to hide: not to be recommended again.

        So is an item whose text reads the same as one of these: to them it is the same thing. Window 0: taken ones may.
        """
        settles = Q(type=Event.Type.HIDE)
        if window_days:
            settles |= Q(type=Event.Type.PURCHASE, occurred_at__gt=as_of - timedelta(days=window_days))
        # Each item once before their texts are looked up: a user may have a hundred thousand events.
        settled = self.filter(settles, user_id=user_id).order_by().values("item_id").distinct()
        reads_the_same = Item.objects.filter(text_hash__in=Item.objects.filter(pk__in=settled).values("text_hash"))
        return list(reads_the_same.order_by("pk").values_list("pk", flat=True))

    def of_items_between(
        self, user_id: int, item_ids: Sequence[int], types: Sequence[str], since: datetime, until: datetime
    ) -> models.QuerySet[Event, tuple[int, str, datetime]]:
        """(item, type, time) of the user's events of these types with these items, oldest first."""
        found = self.filter(user_id=user_id, occurred_at__gte=since, occurred_at__lte=until)
        rows = found.filter(item_id__in=item_ids, type__in=types).order_by("occurred_at", "id")
        return rows.values_list("item_id", "type", "occurred_at")

    def settling(
        self, user_id: int, text_hash: str, *, as_of: datetime, window_days: int
    ) -> list[tuple[str, datetime, int, str, str]]:
        """(type, time, item, its external id, its title) of what makes `settled_items` name the items of this text:
        hides first, then purchases, the newest first."""
        settles = Q(type=Event.Type.HIDE)
        if window_days:
            settles |= Q(type=Event.Type.PURCHASE, occurred_at__gt=as_of - timedelta(days=window_days))
        found = self.filter(settles, user_id=user_id, item__text_hash=text_hash).order_by("type", "-occurred_at", "-id")
        return list(found.values_list("type", "occurred_at", "item_id", "item__external_id", "item__title")[:20])

    def liked(
        self, weights: Mapping[str, float], *, neutral_rating: float, before: datetime | None = None
    ) -> NDArray[np.void]:
        """(user, item, seconds since 1970) of every event that speaks for its item; fields `user`, `item`, `time_s`.

        `weights` says what an event of each type is worth; a rating counts by how far it is from the neutral one. A
        pair whose events do not add up to more than 0 is left out: taken and given back, rated low, hidden. Read in
        PostgreSQL's binary form, ten times faster than as rows; by user, time and id.
        """
        statement = sql.SQL(
            """
            COPY (
                SELECT user_id, item_id, extract(epoch FROM occurred_at)::float8 FROM (
                    SELECT id, user_id, item_id, occurred_at, worth,
                           sum(worth) OVER (PARTITION BY user_id, item_id) AS net
                    FROM (
                        SELECT e.id, e.user_id, e.item_id, e.occurred_at,
                               CASE e.type WHEN 'rate' THEN (e.value - {neutral}) / 2 ELSE known.weight END AS worth
                        FROM recommender_event e
                        LEFT JOIN (VALUES {weights}) known (type, weight) ON known.type = e.type
                        WHERE e.type <> 'impression' AND e.occurred_at < {before}
                    ) weighed
                ) netted
                WHERE worth > 0 AND net > 1e-9 ORDER BY user_id, occurred_at, id
            ) TO STDOUT (FORMAT BINARY)
            """
        ).format(
            neutral=sql.Literal(neutral_rating),
            weights=sql.SQL(", ").join(
                sql.SQL("({}::varchar, {}::float8)").format(sql.Literal(kind), sql.Literal(weight))
                for kind, weight in weights.items()
            ),
            before=sql.SQL("{}::timestamptz").format(sql.Literal(before.isoformat() if before else "infinity")),
        )
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            packed = b"".join(bytes(block) for block in copy)
        # A header of 19 bytes, then of each row the number of columns and before each column its length, then 2 bytes.
        row = np.dtype(
            [
                ("columns", ">i2"),
                ("l1", ">i4"),
                ("user", ">i8"),
                ("l2", ">i4"),
                ("item", ">i8"),
                ("l3", ">i4"),
                ("time_s", ">f8"),
            ]
        )
        return np.frombuffer(packed, dtype=row, offset=19, count=(len(packed) - 21) // row.itemsize)

    def before(self, occurred_at: datetime, pk: int) -> EventQuerySet:
        """What comes after this event in newest-first order; pages by key, so that new events shift nothing."""
        return self.filter(Q(occurred_at__lt=occurred_at) | Q(occurred_at=occurred_at, pk__lt=pk))

    def newest_active_days(self, n: int) -> list[datetime]:
        """The starts (UTC) of the n newest days that have events, newest first.

        Skips from day to day through the index on occurred_at: n look-ups, however many events there are.
        """
        with connection.cursor() as cursor:
            cursor.execute(NEWEST_ACTIVE_DAYS, [n])
            return [row[0] for row in cursor.fetchall()]

    def count_by_day(self, since: datetime) -> list[tuple[datetime, int]]:
        """(day, events) of each day with events, oldest first."""
        days = self.filter(occurred_at__gte=since).annotate(day=TruncDay("occurred_at", tzinfo=UTC)).order_by()
        return list(days.values_list("day").annotate(events=Count("pk")).order_by("day"))

    def users_by_day(self, since: datetime) -> list[tuple[datetime, int]]:
        """(day, users with an event) of each day with events, oldest first."""
        days = self.filter(occurred_at__gte=since).annotate(day=TruncDay("occurred_at", tzinfo=UTC)).order_by()
        return list(days.values_list("day").annotate(users=Count("user_id", distinct=True)).order_by("day"))

    def count_by_week(self, item: Item, weeks: int) -> list[tuple[datetime, int]]:
        """(week, events) of the item's last `weeks` weeks before its newest event, weeks without any included."""
        newest = self.filter(item=item).newest_first().values_list("occurred_at", flat=True).first()
        if newest is None:
            return []
        monday = (newest - timedelta(days=newest.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
        starts = [monday - timedelta(weeks=back) for back in range(weeks - 1, -1, -1)]
        found = self.filter(item=item, occurred_at__gte=starts[0]).order_by()
        by_week = found.annotate(week=TruncWeek("occurred_at", tzinfo=UTC)).values_list("week")
        counted = dict(by_week.annotate(events=Count("pk")))
        return [(start, counted.get(start, 0)) for start in starts]


class Event(models.Model):
    class Type(models.TextChoices):
        VIEW = "view", gettext_lazy("View")
        CLICK = "click", gettext_lazy("Click")
        ADD_TO_CART = "add_to_cart", gettext_lazy("Add to cart")
        REMOVE_FROM_CART = "remove_from_cart", gettext_lazy("Remove from cart")
        FAVOURITE = "favourite", gettext_lazy("Favourite")
        PURCHASE = "purchase", gettext_lazy("Purchase")
        REFUND = "refund", gettext_lazy("Refund")
        RATE = "rate", gettext_lazy("Rate")
        IMPRESSION = "impression", gettext_lazy("Impression")
        HIDE = "hide", gettext_lazy("Hide")

    external_id = models.CharField(  # noqa: DJ001  (null where the client gave none: '' would be unique, too)
        max_length=200, null=True, blank=True, help_text="The client's id; the same id is stored once."
    )
    # Their own indexes would repeat the first column of those in Meta, and every event pays for each.
    user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="events", db_index=False)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="events", db_index=False)
    type = models.CharField(max_length=20, choices=Type.choices)
    value = models.FloatField(default=1.0, help_text="Quantity bought, or the rating 1..5 of a rate event.")
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True, help_text="Paid for one piece.")
    basket = models.CharField(max_length=100, blank=True, help_text="Order, basket or session the event belongs to.")
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        # A constraint instead of unique=True, which would add a second index for LIKE.
        constraints = [models.UniqueConstraint(fields=["external_id"], name="event_external_id_unique")]
        indexes = [
            models.Index(fields=["user", "-occurred_at", "-id"], name="event_user_time"),
            models.Index(fields=["item", "-occurred_at"], name="event_item_time"),
            models.Index(fields=["occurred_at"], name="event_time"),
            # What a user took or hid, found without reading what they looked at.
            models.Index(
                fields=["user"],
                include=["item", "type", "occurred_at"],
                condition=Q(type__in=["purchase", "hide"]),
                name="event_settles",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.type} {self.item_id}"
