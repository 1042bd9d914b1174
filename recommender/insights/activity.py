"""Charts of what users and lists did by day: events, the funnel, lists by strategy, the time lists took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from recommender.figures import Counts, Mark, counts, percentile
from recommender.insights.charts import COLOURS, REST_COLOUR, Cell, Chart, Column, Empty, Series
from recommender.models import Event, Slate, Strategy
from recommender.models.figure import ATTRIBUTION_HOURS, FUNNEL
from recsite.operations.date_range import DateRange, ending_on
from recsite.operations.templatetags.console import calendar_day, percent

SERIES_SHOWN = len(COLOURS)


def no_events(asked: DateRange, known: Mark | None, found: Counts) -> Empty:
    """Why there is nothing: none at all, none in these days, or nobody counted yet."""
    newest = Event.objects.all().newest_time()
    if newest is None:
        return Empty(
            gettext("No events yet"),
            gettext("Events come in through POST /api/v1/events/ or manage.py import_events FILE."),
            gettext("Read the API docs"),
            "/api/docs/",
        )
    if known is None and found.is_cut:
        return not_counted_yet()
    there = ending_on(timezone.localtime(newest).date(), days=asked.days)
    return Empty(
        gettext("No events in these days"),
        gettext("The newest event happened on %(day)s.") % {"day": calendar_day(there.last)},
        gettext("Show the days before it"),
        f"?{there.query}",
    )


def not_counted_yet() -> Empty:
    return Empty(
        gettext("Not counted yet"),
        gettext("A background worker counts every ten minutes; the first time takes longer."),
        gettext("See jobs"),
        reverse("jobs"),
        "hourglass",
    )


def no_lists(asked: DateRange) -> Empty:
    newest = Slate.objects.all().newest_time()
    if newest is None:
        return Empty(
            gettext("No lists served yet"),
            gettext("Lists are asked for through GET /api/v1/users/ID/recommendations/."),
            gettext("Read the API docs"),
            "/api/docs/",
            "list",
        )
    there = ending_on(timezone.localtime(newest).date(), days=asked.days)
    return Empty(
        gettext("No lists in these days"),
        gettext("The newest list was served on %(day)s.") % {"day": calendar_day(there.last)},
        gettext("Show the days before it"),
        f"?{there.query}",
        "list",
    )


def warning_of(found: Counts) -> str:
    if not found.is_cut:
        return ""
    return gettext("The newest hours are not counted yet; is a worker running?")


def events_chart(asked: DateRange, known: Mark | None) -> Chart:
    found = counts("event", asked.start, asked.end, known=known)
    names = {value: str(name) for value, name in Event.Type.choices}
    stacked, days = _stacked(found, asked, names), asked.each_day
    totals, total, summary = stacked.totals, sum(stacked.totals), ""
    if total:
        top, most = max(found.sums.items(), key=lambda one: (one[1], one[0]))
        place = max(range(len(days)), key=lambda place: totals[place])
        summary = gettext(
            "%(total)s events on %(n)s days, %(mean)s a day on average, most on %(day)s (%(most)s); "
            "%(share)s of them are of type %(type)s."
        ) % {
            "total": f"{total:,.0f}",
            "n": f"{len(days):,}",
            "mean": f"{fmean(totals):,.0f}",
            "day": calendar_day(days[place]),
            "most": f"{totals[place]:,.0f}",
            "share": percent(most / total),
            "type": names.get(top, top),
        }
    return Chart(
        key="events",
        question=gettext("What do users do each day?"),
        drawn="stack",
        is_wide=True,
        x_title=gettext("Day"),
        y_title=gettext("Events"),
        columns=(
            Column("day", gettext("Day")),
            *(Column(one.name.lower().replace(" ", "_"), one.name) for one in stacked.series),
            Column("total", gettext("Events")),
        ),
        rows=stacked.rows,
        series=stacked.series,
        categories=stacked.categories,
        summary=summary,
        as_of=found.as_of,
        warning=warning_of(found),
        empty=None if total else no_events(asked, known, found),
    )


@dataclass(frozen=True)
class Stacked:
    """Series that add up to `totals`, day by day, and the rows of the table that says the same."""

    series: tuple[Series, ...]
    totals: tuple[float, ...]
    rows: tuple[tuple[Cell, ...], ...]
    categories: tuple[str, ...]


def _stacked(found: Counts, asked: DateRange, names: Mapping[str, str]) -> Stacked:
    series, days = _by_day(found, asked, names), asked.each_day
    totals = tuple(sum(found.days.get(day, {}).values()) for day in days)
    rows = tuple((day, *(one.values[place] for one in series), totals[place]) for place, day in enumerate(days))
    return Stacked(series, totals, rows, tuple(day.isoformat() for day in days))


def _by_day(found: Counts, asked: DateRange, names: Mapping[str, str]) -> tuple[Series, ...]:
    """The most frequent keys, each with its own colour; the rest together."""
    ranked = sorted(found.sums.items(), key=lambda one: (-one[1], one[0]))
    shown = [key for key, _ in ranked[:SERIES_SHOWN]]
    series = [
        Series(names.get(key, key), colour, tuple(found.days.get(day, {}).get(key, 0.0) for day in asked.each_day))
        for key, colour in zip(shown, COLOURS, strict=False)
    ]
    if rest := [key for key, _ in ranked[SERIES_SHOWN:]]:
        values = tuple(sum(found.days.get(day, {}).get(key, 0.0) for key in rest) for day in asked.each_day)
        series.append(Series(gettext("Other"), REST_COLOUR, values))
    return tuple(series)


def funnel_chart(asked: DateRange, known: Mark | None) -> Chart:
    found = counts("funnel", asked.start, asked.end, known=known)
    sums = found.sums
    names = {value: str(name) for value, name in Event.Type.choices}
    values = [sums.get(step, 0.0) for step in FUNNEL]
    rows = []
    for place, step in enumerate(FUNNEL):
        before = values[place - 1] if place else None
        rows.append((names[step], values[place], values[place] / before if before else None))
    summary = ""
    if any(values):
        shown, clicked, _, bought = values
        said = {
            "shown": f"{shown:,.0f}",
            "clicked": f"{clicked:,.0f}",
            "bought": f"{bought:,.0f}",
            "click_share": percent(clicked / shown) if shown else "–",
            "buy_share": percent(bought / shown) if shown else "–",
        }
        summary = (
            gettext(
                "Of %(shown)s impressions of recommended items %(clicked)s were followed by a click (%(click_share)s) "
                "and %(bought)s by a purchase (%(buy_share)s)."
            )
            if shown
            else gettext("%(clicked)s clicks and %(bought)s purchases of recommended items; no impressions were sent.")
        ) % said
    empty = None
    if not any(values):
        empty = no_lists(asked) if not Slate.objects.exists() else _no_reaction(asked)
    return Chart(
        key="funnel",
        question=gettext("Do people take what is recommended?"),
        drawn="bars",
        x_title=gettext("Step"),
        y_title=gettext("Events"),
        columns=(
            Column("step", gettext("Step")),
            Column("events", gettext("Events")),
            Column("share_of_step_before", gettext("Share of the step before")),
        ),
        rows=tuple(rows),
        series=(Series(gettext("Events"), COLOURS[0], tuple(values)),),
        categories=tuple(names[step] for step in FUNNEL),
        summary=summary,
        note=gettext(
            "Counts events with an item that was on a list served to the same user within the %(hours)s hours before. "
            "An event counts once, on its own day, whichever list it was."
        )
        % {"hours": ATTRIBUTION_HOURS},
        as_of=found.as_of,
        warning=warning_of(found),
        empty=empty,
    )


def _no_reaction(asked: DateRange) -> Empty:
    return Empty(
        gettext("No event followed a list in these days"),
        gettext("Send impressions, clicks and purchases with the ids of user and item through POST /api/v1/events/."),
        gettext("Read the API docs"),
        "/api/docs/",
        "filter",
    )


def lists_chart(asked: DateRange, known: Mark | None) -> Chart:
    found = counts("list", asked.start, asked.end, known=known)
    strategies = Strategy.objects.filter(pk__in=[int(key) for key in found.sums])
    names = {str(strategy.pk): str(strategy) for strategy in strategies}
    stacked, days = _stacked(found, asked, names), asked.each_day
    totals, total, summary = stacked.totals, sum(stacked.totals), ""
    if total:
        top, most = max(found.sums.items(), key=lambda one: (one[1], one[0]))
        summary = gettext(
            "%(total)s lists on %(n)s days, %(mean)s a day on average; %(share)s of them by %(strategy)s."
        ) % {
            "total": f"{total:,.0f}",
            "n": f"{len(days):,}",
            "mean": f"{fmean(totals):,.0f}",
            "share": percent(most / total),
            "strategy": names.get(top, top),
        }
    return Chart(
        key="lists",
        question=gettext("Which strategies make the lists?"),
        drawn="stack",
        x_title=gettext("Day"),
        y_title=gettext("Lists served"),
        columns=(
            Column("day", gettext("Day")),
            *(Column(one.name, one.name) for one in stacked.series),
            Column("total", gettext("Lists")),
        ),
        rows=stacked.rows,
        series=stacked.series,
        categories=stacked.categories,
        summary=summary,
        as_of=found.as_of,
        warning=warning_of(found),
        empty=None if total else no_lists(asked),
        more=((gettext("Strategies"), reverse("strategies")),),
    )


def list_time_chart(asked: DateRange, known: Mark | None) -> Chart:
    found = counts("list_time", asked.start, asked.end, known=known)
    days = asked.each_day
    medians = tuple(percentile(found.days.get(day, {}), 0.5) for day in days)
    slowest = tuple(percentile(found.days.get(day, {}), 0.95) for day in days)
    lists = [sum(found.days.get(day, {}).values()) for day in days]
    summary = ""
    if found.total:
        summary = gettext(
            "Half of %(n)s lists took at most %(median)s ms, 19 of 20 at most %(p95)s ms (to within 5%%)."
        ) % {
            "n": f"{found.total:,.0f}",
            "median": f"{percentile(found.sums, 0.5) or 0:,.0f}",
            "p95": f"{percentile(found.sums, 0.95) or 0:,.0f}",
        }
    return Chart(
        key="list-time",
        question=gettext("How long do lists take?"),
        drawn="lines",
        x_title=gettext("Day"),
        y_title=gettext("Milliseconds"),
        columns=(
            Column("day", gettext("Day")),
            Column("median_ms", gettext("Median, ms")),
            Column("p95_ms", gettext("95th percentile, ms")),
            Column("lists", gettext("Lists")),
        ),
        rows=tuple((day, medians[place], slowest[place], lists[place]) for place, day in enumerate(days)),
        series=(
            Series(gettext("Median"), COLOURS[0], medians),
            Series(gettext("95th percentile"), COLOURS[5], slowest),
        ),
        categories=tuple(day.isoformat() for day in days),
        summary=summary,
        as_of=found.as_of,
        warning=warning_of(found),
        empty=None if found.total else no_lists(asked),
    )
