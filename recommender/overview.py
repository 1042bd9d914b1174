"""What the home page says: five figures with their recent course, and events by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from statistics import fmean
from typing import TypeVar

from django.utils import timezone
from django.utils.translation import gettext

from catalog import labelling
from catalog.labelling import ModelStatus
from catalog.models import Item
from recommender.attention import Attention, needs_attention
from recommender.models import Event, Slate
from recsite.operations.models import Job
from recsite.operations.templatetags.console import calendar_day

PERIOD_DAYS = 14
Row = TypeVar("Row", bound=tuple[date, *tuple[float, ...]])


@dataclass(frozen=True)
class Tile:
    """A figure of the newest period, the same of the period before, and the days in between."""

    title: str
    unit: str
    value: float | None
    before: float | None
    days: tuple[float, ...]
    note: str
    lower_is_better: bool = False


@dataclass(frozen=True)
class Labelled:
    """How far labelling has come, in requests (an item against a taxonomy)."""

    by_model: int
    by_embedding: int
    waiting: int
    failed: int

    @property
    def total(self) -> int:
        return self.by_model + self.by_embedding + self.waiting + self.failed

    def share(self, part: int) -> float:
        return part / self.total if self.total else 0.0

    @property
    def share_labelled(self) -> float | None:
        return self.share(self.by_model + self.by_embedding) if self.total else None

    @property
    def percentages(self) -> dict[str, str]:
        """Lengths for the parts of a bar, the same in every language."""
        names = ("by_model", "by_embedding", "failed")
        return {name: f"{100 * self.share(getattr(self, name)):.2f}%" for name in names}


@dataclass(frozen=True)
class Overview:
    attention: tuple[Attention, ...]
    tiles: tuple[Tile, ...]
    labelled: Labelled
    model_status: ModelStatus
    has_items: bool
    has_events: bool
    active_jobs: tuple[Job, ...]
    newest_items: tuple[Item, ...]


def overview() -> Overview:
    counts, status = labelling.counts(), labelling.model_status()
    newest = tuple(Item.objects.newest_first().for_tiles()[:6])
    days = Event.objects.newest_active_days(2 * PERIOD_DAYS + 1)
    return Overview(
        attention=needs_attention(counts, status),
        tiles=(*_event_tiles(days), *_slate_tiles()),
        labelled=Labelled(counts.done, counts.provisional, counts.pending, counts.failed),
        model_status=status,
        has_items=bool(newest),
        has_events=bool(days),
        active_jobs=tuple(Job.objects.active().newest_first()[:3]),
        newest_items=newest,
    )


def _complete(rows: list[Row]) -> list[Row]:
    """Without today, which is not over yet, unless there is nothing else. A row begins with its day (UTC)."""
    today = timezone.now().astimezone(UTC).date()
    over = [row for row in rows if (row[0].date() if isinstance(row[0], datetime) else row[0]) < today]
    return over or rows


def _event_tiles(days: Sequence[datetime]) -> list[Tile]:
    """Over days that have events, so that a gap in a demo or a weekend pause does not read as a collapse."""
    note = gettext("mean of the newest %(n)s days with events") % {"n": PERIOD_DAYS}
    titles = (
        (gettext("Events a day"), Event.objects.count_by_day),
        (gettext("Active users a day"), Event.objects.users_by_day),
    )
    tiles = []
    for title, by_day in titles:
        values = [float(count) for _, count in _complete(by_day(days[-1]))] if days else []
        now, before = values[-PERIOD_DAYS:], values[:-PERIOD_DAYS]
        tiles.append(
            Tile(title, "", fmean(now) if now else None, fmean(before) if before else None, tuple(values), note)
        )
    return tiles


def _slate_tiles() -> list[Tile]:
    days = _complete(Slate.objects.all().summary_by_day(2 * PERIOD_DAYS))
    note = gettext("mean of the newest %(n)s days with lists") % {"n": PERIOD_DAYS}
    lists, medians = [float(slates) for _, slates, _ in days], [median for _, _, median in days]
    tiles = []
    for title, unit, values, lower in (
        (gettext("Lists served a day"), "", lists, False),
        (gettext("Median time of a list"), "ms", medians, True),
    ):
        now, before = values[-PERIOD_DAYS:], values[:-PERIOD_DAYS]
        tiles.append(
            Tile(
                title, unit, fmean(now) if now else None, fmean(before) if before else None, tuple(values), note, lower
            )
        )
    return tiles


@dataclass(frozen=True)
class EventChart:
    """Events by day for the chart, its table and its sentence."""

    days: tuple[tuple[datetime, int], ...]
    summary: str

    @property
    def columns(self) -> tuple[list[int], list[int]]:
        """Unix seconds and counts, as the chart library takes them."""
        return [int(day.timestamp()) for day, _ in self.days], [count for _, count in self.days]


def event_chart(n: int) -> EventChart:
    """The n newest days that have events, without the empty stretches between them."""
    active = Event.objects.newest_active_days(n)
    days = tuple(Event.objects.count_by_day(active[-1])) if active else ()
    if not days:
        return EventChart((), gettext("No events yet."))
    busiest = max(days, key=lambda day: day[1])
    summary = gettext(
        "%(total)s events on %(n)s days, %(first)s to %(last)s: "
        "%(mean)s a day on average, most on %(busiest)s (%(most)s)."
    ) % {
        "total": f"{sum(count for _, count in days):,}",
        "n": len(days),
        "first": calendar_day(days[0][0].date()),
        "last": calendar_day(days[-1][0].date()),
        "mean": f"{fmean(count for _, count in days):,.0f}",
        "busiest": calendar_day(busiest[0].date()),
        "most": f"{busiest[1]:,}",
    }
    return EventChart(days, summary)
