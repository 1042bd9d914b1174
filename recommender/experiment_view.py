"""Results as tables and charts show them: everything a sentence or a number already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.utils.translation import gettext

from recommender import experiment_words as words
from recommender.experiment_results import ArmResult, Difference, Results
from recommender.models.exposure import COUNTED
from recsite.operations.templatetags.console import number, signed

KINDS = {"better": "good", "worse": "bad", "open": "open", "early": "open"}


@dataclass(frozen=True)
class Cell:
    """value: the main figure; note: its interval, or what it is of."""

    value: str
    note: str = ""


@dataclass(frozen=True)
class FigureRow:
    """One figure of every arm, in the arms' order. group: the name of what it is a figure of, on its first row."""

    name: str
    cells: tuple[Cell, ...]
    group: str = ""


@dataclass(frozen=True)
class DifferenceRow:
    arm: str
    measure: str
    decides: bool
    difference: str
    any_look: str
    ordinary: str
    p: str
    a_user: str
    kind: str
    words: str


@dataclass(frozen=True)
class ResultsView:
    summary: tuple[str, ...]
    kind: str
    short: str
    mismatch: str
    in_two: str
    peeking: str
    power: str
    figures: tuple[FigureRow, ...]
    differences: tuple[DifferenceRow, ...]
    revenue: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """columns: [arm, share in %, low, high, whether it is no control]."""

    measure: str
    name: str
    choices: tuple[tuple[str, str], ...]
    summary: str
    rows: tuple[tuple[str, Cell], ...]
    columns: tuple[tuple[object, ...], ...]


def view_of(results: Results) -> ResultsView:
    verdicts = [each.verdict for each in results.deciding]
    decided = next((verdict for verdict in ("better", "worse") if verdict in verdicts), "open")
    return ResultsView(
        summary=tuple(words.summary(results)),
        kind="bad" if results.is_mismatched else KINDS[decided],
        short=_short(results),
        mismatch=words.mismatch_words(results),
        in_two=words.in_two_words(results),
        peeking=words.peeking_words(results),
        power=words.power_words(results.power),
        figures=tuple(_figure_rows(results)),
        differences=tuple(_difference_row(results, each) for each in _deciding_first(results)),
        revenue=tuple(_revenue_words(results)),
    )


def _short(results: Results) -> str:
    """A few words, for the list of experiments."""
    if results.is_mismatched:
        return gettext("Users are not split as planned")
    found = [each for each in results.deciding if each.verdict in ("better", "worse")]
    if found:
        best = max(found, key=lambda each: each.difference)
        said = {"arm": best.arm, "points": words.points(best.difference)}
        return (
            gettext("%(arm)s is better: %(points)s") if best.difference > 0 else gettext("%(arm)s is worse: %(points)s")
        ) % said
    if all(each.verdict == "early" for each in results.deciding):
        return gettext("Too early to say")
    return gettext("Not told apart yet") if results.is_running else gettext("Not told apart")


def _deciding_first(results: Results) -> list[Difference]:
    """Without measures of which there is no event, which says nothing, unless they decide."""
    told = {kind for arm in results.arms for kind, one in arm.types.items() if one.events} | {results.measure}
    found = [each for each in results.differences if each.measure in told]
    return sorted(found, key=lambda each: each.measure != results.measure)


def _difference_row(results: Results, found: Difference) -> DifferenceRow:
    decides = found.measure == results.measure
    return DifferenceRow(
        arm=found.arm,
        measure=str(words.MEASURE_NAMES[found.measure]),
        decides=decides,
        difference=words.points(found.difference),
        any_look=words.interval_words(found.at_any_look),
        ordinary=words.interval_words(found.interval),
        p="<0.001" if found.p < 0.001 else f"{found.p:.3f}",
        a_user=_a_user(found),
        kind="bad" if results.is_mismatched else KINDS[found.verdict],
        words=gettext("not to be trusted") if results.is_mismatched else _verdict_name(found.verdict),
    )


def _a_user(found: Difference) -> str:
    if found.a_user is None:
        return "–"
    interval = found.a_user[0]
    return gettext("%(low)s to %(high)s") % {"low": signed(interval.low, 3), "high": signed(interval.high, 3)}


def _verdict_name(verdict: str) -> str:
    names = {
        "better": gettext("better"),
        "worse": gettext("worse"),
        "open": gettext("not told apart"),
        "early": gettext("too early"),
    }
    return names[verdict]


def _figure_rows(results: Results) -> list[FigureRow]:
    arms = results.arms
    expected = [gettext("%(n)s planned") % {"n": number(round(each))} for each in results.expected_users]
    rows = [
        FigureRow(
            gettext("Users with a list"),
            tuple(Cell(number(arm.users), note) for arm, note in zip(arms, expected, strict=True)),
        ),
        FigureRow(gettext("Lists"), tuple(Cell(number(arm.lists)) for arm in arms)),
    ]
    for kind in COUNTED:
        name = str(words.MEASURE_NAMES[kind])
        if not any(arm.types[kind].events for arm in arms):
            rows.append(FigureRow(gettext("Events"), tuple(Cell("0") for _ in arms), name))
            continue
        rows += [
            FigureRow(gettext("Users who did it"), tuple(_share_cell(arm, kind) for arm in arms), name),
            FigureRow(gettext("Events"), tuple(Cell(number(arm.types[kind].events)) for arm in arms)),
            FigureRow(gettext("Events a user"), tuple(_mean_cell(arm, kind, "a_user") for arm in arms)),
            FigureRow(gettext("Events a list"), tuple(_mean_cell(arm, kind, "a_list") for arm in arms)),
        ]
    if any(arm.priced for arm in arms) and not results.mixes_currencies:
        rows.append(
            FigureRow(
                gettext("Revenue"),
                tuple(Cell(_money(arm.revenue, results.currency), _priced(arm)) for arm in arms),
                gettext("Revenue"),
            )
        )
        rows.append(FigureRow(gettext("Revenue a user"), tuple(_revenue_cell(arm, results.currency) for arm in arms)))
    return rows


def _share_cell(arm: ArmResult, kind: str) -> Cell:
    one = arm.types[kind]
    low, high = words.share_words(one.interval.low), words.share_words(one.interval.high)
    return Cell(f"{number(one.share.count)} ({words.share_words(one.share.value)})", f"{low}–{high}")


def _mean_cell(arm: ArmResult, kind: str, which: str) -> Cell:
    figure = getattr(arm.types[kind], which)
    interval = figure.interval
    note = f"{max(0.0, interval.low):.3f}–{interval.high:.3f}" if interval else ""
    return Cell(f"{figure.value:.3f}", note)


def _revenue_cell(arm: ArmResult, currency: str) -> Cell:
    interval = arm.revenue_a_user.interval
    note = f"{max(0.0, interval.low):,.2f}–{interval.high:,.2f}" if interval else ""
    return Cell(_money(arm.revenue_a_user.value, currency), note)


def _priced(arm: ArmResult) -> str:
    purchases = arm.types["purchase"].events
    if arm.priced == purchases:
        return ""
    return gettext("price known of %(n)s purchases of %(all)s") % {"n": number(arm.priced), "all": number(purchases)}


def _money(amount: float, currency: str) -> str:
    return f"{amount:,.2f} {currency}".strip()


def _revenue_words(results: Results) -> list[str]:
    if results.mixes_currencies:
        return [gettext("Purchases are in several currencies, so revenue is not added up.")]
    if not any(arm.priced for arm in results.arms):
        return []
    found = []
    for each in results.revenue:
        interval = each.interval
        bounds = (
            gettext("%(low)s to %(high)s") % {"low": signed(interval.low), "high": signed(interval.high)}
            if interval
            else "–"
        )
        said = {
            "arm": each.arm,
            "difference": signed(each.difference),
            "currency": results.currency,
            "interval": bounds,
        }
        found.append(gettext("Revenue a user of arm %(arm)s: %(difference)s %(currency)s (%(interval)s).") % said)
    return found


def chart_of(results: Results, measure: str) -> Chart:
    name = str(words.MEASURE_NAMES[measure])
    shown = [(arm, arm.types[measure]) for arm in results.arms]
    said = ", ".join(
        gettext("%(share)s of arm %(arm)s") % {"share": words.share_words(one.share.value), "arm": arm.name}
        for arm, one in shown
    )
    return Chart(
        measure=measure,
        name=name,
        choices=tuple((kind, str(words.MEASURE_NAMES[kind])) for kind in COUNTED),
        summary=gettext("Of the users with a list: %(shares)s %(did)s.") % {"shares": said, "did": words.DID[measure]},
        rows=tuple((arm.name, _share_cell(arm, measure)) for arm, _ in shown),
        columns=tuple(
            (arm.name, 100 * one.share.value, 100 * one.interval.low, 100 * one.interval.high, place > 0)
            for place, (arm, one) in enumerate(shown)
        ),
    )


@dataclass(frozen=True)
class DayChart:
    """lines: [[seconds since 1970, ...], [share in % or null, ...] an arm]; rows: (day, a cell an arm)."""

    arms: tuple[str, ...]
    lines: tuple[tuple[float | None, ...], ...]
    rows: tuple[tuple[object, tuple[Cell, ...]], ...]


def day_chart_of(results: Results) -> DayChart:
    moments = tuple(datetime.combine(one.day, time(), tzinfo=UTC).timestamp() for one in results.days)
    shares = [
        tuple(100 * share.value if (share := one.shares[place]) is not None else None for one in results.days)
        for place in range(len(results.arms))
    ]
    rows = tuple(
        (
            one.day,
            tuple(
                Cell(words.share_words(share.value), gettext("of %(n)s") % {"n": number(share.n)})
                if share
                else Cell("–")
                for share in one.shares
            ),
        )
        for one in reversed(results.days)
    )
    return DayChart(tuple(arm.name for arm in results.arms), (moments, *shares), rows)
