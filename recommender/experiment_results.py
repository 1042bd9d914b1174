"""An experiment's figures judged: each arm beside the control, how sure, how long still, and whether to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from recommender.algorithms import experiment_statistics as statistics
from recommender.algorithms.experiment_statistics import Interval, Share, Sums
from recommender.experiment_drafts import Arm, arms_of
from recommender.experiment_figures import Figures, window_of
from recommender.models import Experiment
from recommender.models.exposure import COUNTED, ArmSums, TypeSums

PACE_DAYS = 7
DEFAULT_LIFT = 0.1
LIFTS = (0.02, 0.05, 0.1, 0.2, 0.5)
MEASURES = ("click", "add_to_cart", "purchase")


@dataclass(frozen=True)
class Figure:
    """A mean with its 95% interval; None where there are too few users for one."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class TypeResult:
    """share: users who did it; a_user, a_list: events of a user, of a list."""

    events: int
    share: Share
    interval: Interval
    a_user: Figure
    a_list: Figure


@dataclass(frozen=True)
class ArmResult:
    """revenue: a user's; priced: of the purchases, how many have a price."""

    name: str
    users: int
    lists: int
    types: Mapping[str, TypeResult]
    revenue: float
    revenue_a_user: Figure
    priced: int


@dataclass(frozen=True)
class Difference:
    """Of an arm to the control in one measure. difference: of the shares, -1..1. at_any_look: None below 100 users.

    verdict: better, worse, open, or early where nothing can be said yet.
    """

    arm: str
    measure: str
    difference: float
    interval: Interval
    p: float
    at_any_look: Interval | None
    verdict: str
    a_user: tuple[Interval, float] | None


@dataclass(frozen=True)
class RevenueDifference:
    arm: str
    difference: float
    interval: Interval | None
    p: float | None


@dataclass(frozen=True)
class Power:
    """To see `lift` of the control's `baseline`: how many users more in all, and how many days that takes.

    needed: users of the control, None where the baseline is 0 or 1. days: None where nobody new comes.
    """

    lift: float
    baseline: float
    needed: int | None
    more: int | None
    a_day: float
    days: int | None


@dataclass(frozen=True)
class DayResult:
    day: date
    shares: tuple[Share | None, ...]


@dataclass(frozen=True)
class Results:
    """is_planned_end: it stopped at the end that was fixed before, so that the ordinary interval is the one to read."""

    figures: Figures
    measure: str
    days_run: float
    is_running: bool
    is_planned_end: bool
    arms: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]
    revenue: tuple[RevenueDifference, ...]
    mismatch_p: float
    expected_users: tuple[float, ...]
    power: Power
    days: tuple[DayResult, ...]

    @property
    def control(self) -> ArmResult:
        return self.arms[0]

    @property
    def is_mismatched(self) -> bool:
        return self.mismatch_p < statistics.MISMATCH_BELOW

    @property
    def in_two(self) -> int:
        return self.figures.counted.in_two

    @property
    def currency(self) -> str:
        """'' where purchases are in several, which cannot be added up."""
        found = self.figures.counted.currencies
        return found[0] if len(found) == 1 else ""

    @property
    def mixes_currencies(self) -> bool:
        return len(self.figures.counted.currencies) > 1

    def of_measure(self, measure: str) -> tuple[Difference, ...]:
        return tuple(each for each in self.differences if each.measure == measure)

    @property
    def deciding(self) -> tuple[Difference, ...]:
        return self.of_measure(self.measure)


def results_of(experiment: Experiment, figures: Figures, *, lift: float = DEFAULT_LIFT) -> Results:
    """Asks no database. lift: the difference that is looked for, as a part of the control's share."""
    window = window_of(experiment, figures.as_of)
    planned = arms_of(experiment)
    sums = [figures.arm(arm.name) for arm in planned]
    arms = tuple(_arm_result(arm, one) for arm, one in zip(planned, sums, strict=True))
    is_planned_end = bool(experiment.ends_at and experiment.stopped_at and experiment.stopped_at >= experiment.ends_at)
    users = [one.users for one in sums]
    total = sum(arm.share for arm in planned)
    return Results(
        figures=figures,
        measure=experiment.measure,
        days_run=(window.until - window.since) / timedelta(days=1),
        is_running=experiment.is_running,
        is_planned_end=is_planned_end,
        arms=arms,
        differences=tuple(
            _difference(arms[0], arm, sums[0], one, measure, alpha=0.05 / (len(arms) - 1), at_end=is_planned_end)
            for measure in MEASURES
            for arm, one in list(zip(arms, sums, strict=True))[1:]
        ),
        revenue=tuple(
            _revenue_difference(arms[0], arm, sums[0], one) for arm, one in list(zip(arms, sums, strict=True))[1:]
        ),
        mismatch_p=statistics.mismatch_p(users, [arm.share for arm in planned]),
        expected_users=tuple(sum(users) * arm.share / total for arm in planned),
        power=_power(experiment, figures, planned, arms, lift),
        days=_days(figures, planned, experiment.measure),
    )


def _arm_result(arm: Arm, sums: ArmSums) -> ArmResult:
    return ArmResult(
        name=arm.name,
        users=sums.users,
        lists=sums.lists,
        types={kind: _type_result(sums, sums.types.get(kind) or TypeSums()) for kind in COUNTED},
        revenue=sums.revenue,
        revenue_a_user=_mean(_revenue(sums)),
        priced=sums.priced,
    )


def _type_result(arm: ArmSums, one: TypeSums) -> TypeResult:
    share, events = Share(one.users, arm.users), _events(arm, one)
    lists = Sums(arm.users, arm.lists, arm.lists_squares)
    a_list = Figure(
        one.events / arm.lists if arm.lists else 0.0, statistics.ratio_interval(events, lists, one.with_lists)
    )
    return TypeResult(one.events, share, statistics.wilson(share), _mean(events), a_list)


def _events(arm: ArmSums, one: TypeSums) -> Sums:
    return Sums(arm.users, one.events, one.squares)


def _revenue(arm: ArmSums) -> Sums:
    return Sums(arm.users, arm.revenue, arm.revenue_squares)


def _mean(sums: Sums) -> Figure:
    return Figure(sums.mean, statistics.mean_interval(sums))


def _difference(
    control: ArmResult,
    arm: ArmResult,
    control_sums: ArmSums,
    arm_sums: ArmSums,
    measure: str,
    *,
    alpha: float,
    at_end: bool,
) -> Difference:
    before, after = control.types[measure].share, arm.types[measure].share
    interval = statistics.newcombe(before, after)
    at_any_look = statistics.always_valid(before, after, alpha=alpha)
    return Difference(
        arm=arm.name,
        measure=measure,
        difference=after.value - before.value,
        interval=interval,
        p=statistics.p_value(before, after),
        at_any_look=at_any_look,
        verdict=_verdict(interval if at_end else at_any_look),
        a_user=statistics.difference_of_means(
            _events(control_sums, control_sums.types.get(measure) or TypeSums()),
            _events(arm_sums, arm_sums.types.get(measure) or TypeSums()),
        ),
    )


def _verdict(interval: Interval | None) -> str:
    if interval is None:
        return "early"
    if not interval.leaves_out_zero:
        return "open"
    return "better" if interval.low > 0 else "worse"


def _revenue_difference(
    control: ArmResult, arm: ArmResult, control_sums: ArmSums, arm_sums: ArmSums
) -> RevenueDifference:
    judged = statistics.difference_of_means(_revenue(control_sums), _revenue(arm_sums))
    difference = arm.revenue_a_user.value - control.revenue_a_user.value
    return RevenueDifference(arm.name, difference, *(judged or (None, None)))


def _power(
    experiment: Experiment, figures: Figures, planned: Sequence[Arm], arms: Sequence[ArmResult], lift: float
) -> Power:
    baseline = arms[0].types[experiment.measure].share.value
    window = window_of(experiment, figures.as_of)
    since = (window.until - timedelta(days=PACE_DAYS)).date()
    elapsed = min(float(PACE_DAYS), max(1 / 24, (window.until - window.since) / timedelta(days=1)))
    a_day = sum(day.new for day in figures.counted.days if day.day > since) / elapsed
    total = sum(arm.share for arm in planned)
    needed, in_all = None, 0.0
    for arm in planned[1:]:
        users = statistics.users_needed(baseline, lift, ratio=arm.share / planned[0].share)
        if users is not None:
            needed = max(needed or 0, users)
            in_all = max(in_all, users * total / planned[0].share)
    if needed is None:
        return Power(lift, baseline, None, None, a_day, None)
    more = max(0, ceil(in_all - sum(arm.users for arm in arms)))
    days = ceil(more / a_day) if a_day and experiment.is_running else None
    return Power(lift, baseline, needed, more, a_day, days)


def _days(figures: Figures, planned: Sequence[Arm], measure: str) -> tuple[DayResult, ...]:
    by_day: dict[date, dict[str, Share]] = {}
    for one in figures.counted.days:
        by_day.setdefault(one.day, {})[one.arm] = Share(one.did.get(measure, 0), one.users)
    return tuple(DayResult(day, tuple(found.get(arm.name) for arm in planned)) for day, found in sorted(by_day.items()))
