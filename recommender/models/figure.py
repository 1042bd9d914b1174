"""What charts are drawn from: counts by hour, and findings that are too dear to compute for each look at a page."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Min, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

FIGURES_LOCK = 4_204
ATTRIBUTION_HOURS = 72
# List times are kept as steps of a tenth: a median or percentile read from them is off by at most 5%.
STEP_RATIO = 1.1
FUNNEL = ("impression", "click", "add_to_cart", "purchase")

# (hour, key, value) of each kind between two moments.
COUNTS = {
    "event": """
        SELECT date_trunc('hour', occurred_at, 'UTC'), type, count(*) FROM recommender_event
        WHERE occurred_at >= %(since)s AND occurred_at < %(until)s GROUP BY 1, 2
    """,
    "users": """
        SELECT date_trunc('day', occurred_at, 'UTC'), '', count(DISTINCT user_id) FROM recommender_event
        WHERE occurred_at >= date_trunc('day', %(since)s::timestamptz, 'UTC') AND occurred_at < %(until)s GROUP BY 1
    """,
    "list": """
        SELECT date_trunc('hour', served_at, 'UTC'), strategy_id::text, count(*) FROM recommender_slate
        WHERE served_at >= %(since)s AND served_at < %(until)s GROUP BY 1, 2
    """,
    "list_time": """
        SELECT date_trunc('hour', served_at, 'UTC'),
               floor(ln(greatest(took_ms, 0.1)) / ln(%(ratio)s))::int::text, count(*)
        FROM recommender_slate WHERE served_at >= %(since)s AND served_at < %(until)s GROUP BY 1, 2
    """,
    "funnel": """
        SELECT date_trunc('hour', e.occurred_at, 'UTC'), e.type, count(*) FROM recommender_event e
        WHERE e.occurred_at >= %(since)s AND e.occurred_at < %(until)s AND e.type = ANY(%(funnel)s)
          AND EXISTS (
            SELECT FROM recommender_slate s JOIN recommender_slateitem i ON i.slate_id = s.id AND i.item_id = e.item_id
            WHERE s.user_id = e.user_id AND s.served_at <= e.occurred_at
              AND s.served_at > e.occurred_at - make_interval(hours => %(hours)s)
          )
        GROUP BY 1, 2
    """,
}
OF_LISTS = ("list", "list_time", "funnel")


class HourlyFigureQuerySet(models.QuerySet["HourlyFigure"]):
    def counted(self, kind: str, since: datetime, until: datetime) -> list[tuple[datetime, str, float]]:
        """(hour, key, value), counted from the rows themselves and not from what is kept here."""
        with connection.cursor() as cursor:
            cursor.execute(COUNTS[kind], _parameters(since, until))
            return cursor.fetchall()

    def recount(self, kind: str, since: datetime, until: datetime) -> int:
        """Replace what is kept of this kind between the two full hours. Returns the rows written."""
        with transaction.atomic(), connection.cursor() as cursor:
            day = since.replace(hour=0) if kind == "users" else since
            self.filter(kind=kind, hour__gte=day, hour__lt=until).delete()
            cursor.execute(
                "INSERT INTO recommender_hourlyfigure (kind, hour, key, value)"  # noqa: S608  (constants)
                f" SELECT '{kind}', counted.* FROM ({COUNTS[kind]}) counted",
                _parameters(since, until),
            )
            return int(cursor.rowcount)

    def by_day(
        self, kind: str, since: datetime, until: datetime, *, zone: tzinfo | None = None
    ) -> list[tuple[Any, str, float]]:
        """(day, key, sum) of each day with any, oldest first; days of this zone, or else of the current one."""
        kept = self.filter(kind=kind, hour__gte=since, hour__lt=until).order_by()
        by_day = (
            kept.annotate(day=TruncDate("hour", tzinfo=zone)).values_list("day", "key").annotate(total=Sum("value"))
        )
        return list(by_day.order_by("day", "key"))

    def lock_recount(self) -> bool:
        """Until the transaction ends nobody else recounts; False where somebody does already."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FIGURES_LOCK])
            (is_ours,) = cursor.fetchone()
        return bool(is_ours)

    def oldest_list(self) -> datetime | None:
        oldest: datetime | None = self.filter(kind="list").aggregate(oldest=Min("hour"))["oldest"]
        return oldest


def _parameters(since: datetime, until: datetime) -> dict[str, Any]:
    return {
        "since": since,
        "until": until,
        "ratio": STEP_RATIO,
        "funnel": list(FUNNEL),
        "hours": ATTRIBUTION_HOURS,
    }


class HourlyFigure(models.Model):
    """One count of one hour, so that a day can begin at midnight anywhere; `users` counts a whole UTC day."""

    class Kind(models.TextChoices):
        EVENT = "event", "Events, by type"
        USERS = "users", "Users with an event on that UTC day"
        LIST = "list", "Lists served, by strategy"
        LIST_TIME = "list_time", "Lists served, by the time they took"
        FUNNEL = "funnel", "Events with an item of a list served shortly before, by type"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    hour = models.DateTimeField(help_text="When it begins.")
    key = models.CharField(max_length=40, blank=True, help_text="Event type, id of a strategy, step of time.")
    value = models.FloatField()

    objects = HourlyFigureQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "hour", "key"], name="hourly_figure_unique")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} at {self.hour:%Y-%m-%d %H:00}: {self.value:g}"


class FindingQuerySet(models.QuerySet["Finding"]):
    def keep(self, name: str, value: object) -> None:
        self.update_or_create(name=name, defaults={"value": value, "computed_at": timezone.now()})


class Finding(models.Model):
    """What a worker found out for a page, as JSON, and when."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.JSONField()
    computed_at = models.DateTimeField()

    objects = FindingQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} at {self.computed_at:%Y-%m-%d %H:%M}"
