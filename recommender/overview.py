"""What the home page says: what needs attention, and five figures with their recent course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import fmean
from typing import TypeVar

from django.utils import timezone
from django.utils.translation import gettext

from catalog import labelling
from catalog.labelling import ModelStatus
from catalog.models import Item
from recommender.attention import Attention, needs_attention
from recommender.figures import Mark, mark, median_list_times, utc_days
from recommender.models import Event
from recsite.operations.models import Job

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
    known = mark()
    return Overview(
        attention=needs_attention(counts, status),
        tiles=(*_event_tiles(days, known), *_slate_tiles(known)),
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


def _event_tiles(days: Sequence[datetime], known: Mark | None) -> list[Tile]:
    """Over days that have events, so that a gap in a demo or a weekend pause does not read as a collapse."""
    note = gettext("mean of the newest %(n)s days with events") % {"n": PERIOD_DAYS}
    tiles = []
    for title, kind in ((gettext("Events a day"), "event"), (gettext("Active users a day"), "users")):
        counted = utc_days(kind, days[-1], known=known) if days else []
        tiles.append(_tile(title, "", [value for _, value in _complete(counted)], note))
    return tiles


def _tile(title: str, unit: str, values: Sequence[float], note: str, *, lower_is_better: bool = False) -> Tile:
    now, before = values[-PERIOD_DAYS:], values[:-PERIOD_DAYS]
    means = (fmean(now) if now else None, fmean(before) if before else None)
    return Tile(title, unit, *means, tuple(values), note, lower_is_better)


def _slate_tiles(known: Mark | None) -> list[Tile]:
    since = timezone.now() - timedelta(days=2 * PERIOD_DAYS)
    note = gettext("mean of the newest %(n)s days with lists") % {"n": PERIOD_DAYS}
    lists = [value for _, value in _complete(utc_days("list", since, known=known))]
    medians = [value for _, value in _complete(median_list_times(since, known=known))]
    return [
        _tile(gettext("Lists served a day"), "", lists, note),
        _tile(gettext("Median time of a list"), "ms", medians, note, lower_is_better=True),
    ]
