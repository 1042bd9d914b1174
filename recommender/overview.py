"""What the home page says: what needs attention, five figures with their recent course, and events by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext, ngettext

from catalog import labelling
from catalog.labelling import LabellingCounts, ModelStatus
from catalog.models import Item, ItemLabel
from recommender.models import EndUser, Event, Slate
from recsite.operations.models import Job

PERIOD_DAYS = 14


@dataclass(frozen=True)
class Attention:
    """One thing that somebody should look at, and where to do so."""

    icon: str
    kind: str  # danger, warning or info
    title: str
    detail: str
    address: str
    action: str


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
    days = Event.objects.newest_active_days(2 * PERIOD_DAYS)
    return Overview(
        attention=_attention(counts, status),
        tiles=(*_event_tiles(days), *_slate_tiles()),
        labelled=Labelled(counts.done, counts.provisional, counts.pending, counts.failed),
        model_status=status,
        has_items=bool(newest),
        has_events=bool(days),
        active_jobs=tuple(Job.objects.active().newest_first()[:3]),
        newest_items=newest,
    )


def _attention(counts: LabellingCounts, status: ModelStatus) -> tuple[Attention, ...]:
    """Worst first; empty where all is well."""
    found: list[Attention] = []
    failed_jobs = Job.objects.failed().count()
    if failed_jobs:
        title = ngettext("%(n)s job failed", "%(n)s jobs failed", failed_jobs) % {"n": failed_jobs}
        detail = gettext("Read the error, then retry.")
        found.append(
            Attention(
                "alert-triangle", "danger", title, detail, reverse("jobs") + "?status=failed", gettext("See jobs")
            )
        )
    if status.state in {"unreachable", "off"}:
        kind = "danger" if status.state == "unreachable" else "info"
        titles = {
            "unreachable": gettext("The language model cannot be reached"),
            "off": gettext("No language model is set up"),
        }
        found.append(
            Attention(
                "robot",
                kind,
                titles[status.state],
                status.detail,
                reverse("catalog") + "?sort=unsure",
                gettext("See labels"),
            )
        )
    if counts.failed:
        title = ngettext("%(n)s item could not be labelled", "%(n)s items could not be labelled", counts.failed) % {
            "n": counts.failed
        }
        found.append(
            Attention(
                "tag",
                "warning",
                title,
                gettext("They are tried again when their text changes."),
                reverse("catalog") + "?review=unlabelled",
                gettext("See items"),
            )
        )
    waiting = ItemLabel.objects.awaiting_review().count()
    if waiting:
        title = ngettext("%(n)s label waits for review", "%(n)s labels wait for review", waiting) % {
            "n": f"{waiting:,}"
        }
        found.append(
            Attention(
                "checklist",
                "warning",
                title,
                gettext("Start with the least certain; each decision teaches the labeller."),
                review_address(),
                gettext("Review"),
            )
        )
    unembedded = Item.objects.without_current_embedding().count()
    if unembedded:
        title = ngettext("%(n)s item has no current vector", "%(n)s items have no current vector", unembedded) % {
            "n": f"{unembedded:,}"
        }
        found.append(
            Attention(
                "cpu",
                "info",
                title,
                gettext("In no list until the background worker embeds them."),
                reverse("jobs"),
                gettext("See jobs"),
            )
        )
    unlabelled = counts.pending + counts.provisional
    if unlabelled:
        title = ngettext("%(n)s labelling is not final", "%(n)s labellings are not final", unlabelled) % {
            "n": f"{unlabelled:,}"
        }
        detail = gettext(
            "%(pending)s waiting, %(provisional)s by embeddings alone until the language model reads them."
        ) % {"pending": f"{counts.pending:,}", "provisional": f"{counts.provisional:,}"}
        found.append(
            Attention("sparkles", "info", title, detail, reverse("catalog") + "?sort=unsure", gettext("See items"))
        )
    stale = EndUser.objects.stale().count()
    if stale:
        title = ngettext("%(n)s user's interests are behind", "%(n)s users' interests are behind", stale) % {
            "n": f"{stale:,}"
        }
        found.append(
            Attention(
                "users",
                "info",
                title,
                gettext("Their newest events count within seconds of a running worker."),
                reverse("users") + "?behind=1",
                gettext("See users"),
            )
        )
    return tuple(found)


def review_address() -> str:
    """The review queue in the admin, or the catalog's own view of it."""
    try:
        return reverse("admin:catalog_itemlabel_changelist")
    except NoReverseMatch:
        return reverse("catalog") + "?review=waiting"


def _event_tiles(days: Sequence[datetime]) -> list[Tile]:
    """Over days that have events, so that a gap in a demo or a weekend pause does not read as a collapse."""
    note = gettext("mean of the newest %(n)s days with events") % {"n": min(PERIOD_DAYS, len(days))}
    titles = (
        (gettext("Events a day"), Event.objects.count_by_day),
        (gettext("Active users a day"), Event.objects.users_by_day),
    )
    tiles = []
    for title, by_day in titles:
        values = [float(count) for _, count in by_day(days[-1])] if days else []
        now, before = values[-PERIOD_DAYS:], values[:-PERIOD_DAYS]
        tiles.append(
            Tile(title, "", fmean(now) if now else None, fmean(before) if before else None, tuple(values), note)
        )
    return tiles


def _slate_tiles() -> list[Tile]:
    days = Slate.objects.summary_by_day(2 * PERIOD_DAYS)
    note = gettext("mean of the newest %(n)s days with lists") % {"n": min(PERIOD_DAYS, len(days))}
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
        "%(total)s events on %(n)s days, %(first)s to %(last)s: %(mean)s a day on average, most on %(busiest)s (%(most)s)."
    ) % {
        "total": f"{sum(count for _, count in days):,}",
        "n": len(days),
        "first": f"{days[0][0]:%-d %b %Y}",
        "last": f"{days[-1][0]:%-d %b %Y}",
        "mean": f"{fmean(count for _, count in days):,.0f}",
        "busiest": f"{busiest[0]:%-d %b %Y}",
        "most": f"{busiest[1]:,}",
    }
    return EventChart(days, summary)
