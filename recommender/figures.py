"""Counts by hour behind the charts: kept up to date by a worker, read by pages, with the newest hours counted live."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from recommender.models import Event, Finding, HourlyFigure, Slate
from recommender.models.figure import COUNTS, OF_LISTS, STEP_RATIO
from recsite.operations.errors import ConflictError

log = structlog.get_logger(__name__)

MARK = "figures"
LATE_DAYS = 3
FULL_EVERY = timedelta(days=1)
FULL_DAYS = 400
# Ids are given out before their rows are committed, so a few below the newest may still be on their way.
IDS_ON_THEIR_WAY = 10_000
MOST_LIVE = 200_000

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Mark:
    """How far counting has come: everything before `until` is kept. `full_at`: when all was counted last."""

    until: datetime
    event_id: int
    full_at: datetime
    computed_at: datetime


def mark() -> Mark | None:
    """None where nothing was counted yet. One query."""
    found = Finding.objects.filter(pk=MARK).first()
    if found is None:
        return None
    told = found.value
    return Mark(_moment(told["until"]), told["event_id"], _moment(told["full_at"]), found.computed_at)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class Due:
    """What has to be counted anew. `is_full`: everything that still can be."""

    since: datetime
    is_full: bool


def due(now: datetime | None = None) -> Due | None:
    """None where there is nothing to count at all.

    The last three days always; further back where events came in that happened earlier; all of it once a day, because
    erased users take their events with them.
    """
    now = now or timezone.now()
    oldest = min(filter(None, (Event.objects.all().oldest_time(), Slate.objects.all().oldest_time())), default=None)
    if oldest is None:
        return None
    known = mark()
    if known is None:
        return Due(_hour(oldest), is_full=True)
    if now - known.full_at >= FULL_EVERY:
        return Due(max(_hour(oldest), _hour(now - timedelta(days=FULL_DAYS))), is_full=True)
    late = Event.objects.all().oldest_time_after(known.event_id - IDS_ON_THEIR_WAY)
    recent = min(known.until, now) - timedelta(days=LATE_DAYS)
    return Due(max(_hour(oldest), _hour(min(recent, late) if late else recent)), is_full=False)


def recount(found: Due, *, on_progress: OnProgress | None = None, now: datetime | None = None) -> int:
    """Count every full hour that is due and keep it. Returns the rows written.

    What was counted of lists stays longer than the lists themselves. Raises ConflictError where somebody counts
    already.
    """
    report = on_progress or (lambda done, total, message: None)
    now = now or timezone.now()
    until = _hour(now)
    with transaction.atomic():
        if not HourlyFigure.objects.all().lock_recount():
            raise ConflictError(gettext("The figures are being counted already; wait for that, then try again."))
        known, newest_id = mark(), Event.objects.all().newest_id()
        of_lists = _lists_countable_from()
        written = 0
        for place, kind in enumerate(COUNTS):
            report(place, len(COUNTS), f"Counting: {HourlyFigure.Kind(kind).label}")
            begin = found.since if kind not in OF_LISTS else max(found.since, of_lists) if of_lists else until
            if begin < until:
                written += HourlyFigure.objects.all().recount(kind, begin, until)
        full_at = now if found.is_full or known is None else known.full_at
        told = {"until": until.isoformat(), "event_id": newest_id, "full_at": full_at.isoformat()}
        Finding.objects.all().keep(MARK, told)
    report(len(COUNTS), len(COUNTS), "The figures are current")
    log.info("figures_counted", since=found.since.isoformat(), rows=written)
    return written


def _lists_countable_from() -> datetime | None:
    """The first hour whose lists are all still there; None where there are none. Retention may have begun to delete
    those of the hour before."""
    oldest, counted = Slate.objects.all().oldest_time(), HourlyFigure.objects.all().oldest_list()
    if oldest is None:
        return None
    has_lost = counted is not None and counted < _hour(oldest)
    return _hour(oldest) + (timedelta(hours=1) if has_lost else timedelta(0))


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Counts:
    """By day and key between two moments. `as_of`: up to when. `is_cut`: the newest hours are missing, because nobody
    has counted them and they are too many to count for a page."""

    days: dict[date, dict[str, float]]
    as_of: datetime
    is_cut: bool = False

    @property
    def sums(self) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for of_day in self.days.values():
            for key, value in of_day.items():
                found[key] += value
        return dict(found)

    @property
    def total(self) -> float:
        return sum(self.sums.values())


def counts(kind: str, since: datetime, until: datetime, *, known: Mark | None, now: datetime | None = None) -> Counts:
    """What is kept, and the hours since then counted live; days begin at midnight in the current time zone.

    Live counting is bounded: where more than MOST_LIVE events or lists wait, it is left to the worker. At most three
    queries, `known` being read before.
    """
    now = now or timezone.now()
    zone = timezone.get_current_timezone()
    counted_until = max(since, min(until, known.until)) if known else since
    found: dict[date, dict[str, float]] = defaultdict(dict)
    for day, key, value in HourlyFigure.objects.all().by_day(kind, since, counted_until):
        found[day][key] = value
    end = min(until, now)
    if counted_until >= end:
        return Counts(dict(found), end)
    rows = Slate.objects.all() if kind in ("list", "list_time") else Event.objects.all()
    if rows.count_between(counted_until, end, most=MOST_LIVE + 1) > MOST_LIVE:
        return Counts(dict(found), counted_until, is_cut=True)
    for hour, key, value in HourlyFigure.objects.all().counted(kind, counted_until, end):
        of_day = found[hour.astimezone(zone).date()]
        of_day[key] = of_day.get(key, 0.0) + value
    return Counts(dict(sorted(found.items())), end)


def utc_days(kind: str, since: datetime, *, known: Mark | None) -> list[tuple[date, float]]:
    """(UTC day, count) of each day with any, oldest first: what is kept, and the newest days counted live."""
    return [(day, sum(of_day.values())) for day, of_day in _utc_days(kind, since, known)]


def median_list_times(since: datetime, *, known: Mark | None) -> list[tuple[date, float]]:
    """(UTC day, median ms of its lists); of kept days to within 5%, of days counted live exact."""
    split = _kept_until(since, known)
    kept = HourlyFigure.objects.all().by_day("list_time", since, split, zone=UTC) if split > since else []
    by_day: dict[date, dict[str, float]] = defaultdict(dict)
    for day, key, value in kept:
        by_day[day][key] = value
    found = [(day, percentile(steps, 0.5) or 0.0) for day, steps in by_day.items()]
    if Slate.objects.all().count_between(split, timezone.now(), most=MOST_LIVE + 1) > MOST_LIVE:
        return found
    return found + [(day, median) for day, _, median in Slate.objects.all().summary_since(split)]


def _kept_until(since: datetime, known: Mark | None) -> datetime:
    """The UTC midnight up to which whole days are kept; `since` where none is."""
    return max(since, known.until.replace(hour=0)) if known else since


def _utc_days(kind: str, since: datetime, known: Mark | None) -> list[tuple[date, dict[str, float]]]:
    split, now = _kept_until(since, known), timezone.now()
    days: dict[date, dict[str, float]] = defaultdict(dict)
    for day, key, value in HourlyFigure.objects.all().by_day(kind, since, split, zone=UTC) if split > since else []:
        days[day][key] = value
    rows = Slate.objects.all() if kind in ("list", "list_time") else Event.objects.all()
    if rows.count_between(split, now, most=MOST_LIVE + 1) <= MOST_LIVE:
        for hour, key, value in HourlyFigure.objects.all().counted(kind, split, now):
            of_day = days[hour.astimezone(UTC).date()]
            of_day[key] = of_day.get(key, 0.0) + value
    return sorted(days.items())


def percentile(steps: Mapping[str, float], share: float) -> float | None:
    """ms: the middle of the step in which the percentile lies; None where nothing was counted."""
    total, reached = sum(steps.values()), 0.0
    for step, count in sorted((int(key), count) for key, count in steps.items()):
        reached += count
        if reached >= share * total:
            return math.pow(STEP_RATIO, step + 0.5)
    return None
