"""Events: what users did with items. Append-only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection, models
from django.db.models import Count, Q
from django.db.models.functions import TruncDay, TruncWeek

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


class EventQuerySet(models.QuerySet["Event"]):
    def newest_first(self) -> EventQuerySet:
        return self.order_by("-occurred_at", "-id")

    def before(self, occurred_at: datetime, pk: int) -> EventQuerySet:
        """What comes after this event in newest-first order; pages by key, so that new events shift nothing."""
        return self.filter(Q(occurred_at__lt=occurred_at) | Q(occurred_at=occurred_at, pk__lt=pk))

    def unknown_to_interests(self, user: EndUser) -> EventQuerySet:
        """The user's events that their interest vectors do not know yet."""
        return self.filter(user=user, pk__gt=user.interests_event_id or 0)

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
