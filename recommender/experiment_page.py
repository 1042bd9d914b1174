"""What the pages and the API say of experiments: arms with their strategies, rules that name them, results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from recommender import experiment_figures
from recommender.experiment_drafts import Arm, arms_of
from recommender.experiment_results import DEFAULT_LIFT, Results, results_of
from recommender.experiment_runs import RESUMED_WITHIN
from recommender.models import Experiment, Rule, Strategy
from recommender.strategies import live_strategy
from recsite.operations.errors import NotFoundError
from recsite.operations.models import Job
from recsite.operations.templatetags.console import day


@dataclass(frozen=True)
class ArmRow:
    """share: 0..1, of the users that take part. strategy: what the arm's lists are made by, or would be."""

    name: str
    share: float
    strategy: Strategy
    is_pinned: bool
    is_control: bool
    address: str


@dataclass(frozen=True)
class RuleRow:
    """A rule that names an arm. kind: good, warn, or plain; words: whether it holds while the experiment runs."""

    rule: Rule
    arm: str
    kind: str
    words: str


@dataclass(frozen=True)
class ExperimentPage:
    experiment: Experiment
    arms: tuple[ArmRow, ...]
    live: Strategy
    rules: tuple[RuleRow, ...]
    results: Results | None
    job: Job | None
    can_resume: bool
    loses_days: bool

    @property
    def differ_by_rules(self) -> bool:
        """All arms have the same strategy."""
        return len({arm.strategy.pk for arm in self.arms}) == 1


@dataclass(frozen=True)
class ExperimentRow:
    experiment: Experiment
    arms: tuple[Arm, ...]
    results: Results | None

    @property
    def users(self) -> int | None:
        return sum(arm.users for arm in self.results.arms) if self.results else None


def rows_of(experiments: Iterable[Experiment]) -> list[ExperimentRow]:
    """One query more, for the figures of all of them."""
    found = list(experiments)
    figures = experiment_figures.stored(one.pk for one in found)
    return [
        ExperimentRow(one, tuple(arms_of(one)), results_of(one, figures[one.pk]) if one.pk in figures else None)
        for one in found
    ]


def experiment_of(pk: int) -> Experiment:
    """Raises NotFoundError."""
    found = Experiment.objects.select_related("created_by", "stopped_by").filter(pk=pk).first()
    if found is None:
        raise NotFoundError(gettext("There is no such experiment; somebody may have deleted the draft."))
    return found


def page_of_experiment(pk: int, *, lift: float = DEFAULT_LIFT) -> ExperimentPage:
    """Raises NotFoundError."""
    experiment = experiment_of(pk)
    live = live_strategy()
    figures = experiment_figures.stored([pk]).get(pk)
    now = timezone.now()
    stopped, over = experiment.stopped_at, experiment.ends_at is not None and experiment.ends_at <= now
    is_recent = stopped is not None and now - stopped <= RESUMED_WITHIN
    kept_since = now - timedelta(days=settings.SLATE_RETENTION_DAYS)
    return ExperimentPage(
        experiment=experiment,
        arms=_arm_rows(experiment, live),
        live=live,
        rules=rules_of(experiment),
        results=results_of(experiment, figures, lift=lift) if figures else None,
        job=experiment_figures.active_job(pk),
        can_resume=is_recent and not over and not experiment.promoted_arm,
        loses_days=experiment.is_running and experiment.started_at is not None and experiment.started_at < kept_since,
    )


def rules_of(experiment: Experiment) -> tuple[RuleRow, ...]:
    """Rules, not retired, whose audience names an arm of it; one query."""
    addresses = {f"{experiment.name}/{arm['name']}": arm["name"] for arm in experiment.arms}
    found = Rule.objects.filter(audience__arm__in=list(addresses)).exclude(state=Rule.State.RETIRED)
    return tuple(
        RuleRow(rule, addresses[rule.audience["arm"]], *_overlap(rule, experiment)) for rule in found.by_priority()
    )


def _overlap(rule: Rule, experiment: Experiment) -> tuple[str, str]:
    """(kind, words): whether the rule holds for as long as the experiment runs."""
    if rule.placement and experiment.placement and rule.placement != experiment.placement:
        return "warn", gettext("Never holds: it is of another placement.")
    if rule.state == Rule.State.DRAFT:
        return "warn", gettext("A draft: it holds for nobody until it is published.")
    begin = experiment.started_at or timezone.now()
    end = experiment.stopped_at or experiment.ends_at
    starts = max(moment for moment in (rule.published_at, rule.starts_at) if moment is not None)
    if (end is not None and starts >= end) or (rule.ends_at is not None and rule.ends_at <= begin):
        return "warn", gettext("Its dates do not overlap the experiment's.")
    late = starts if starts > begin else None
    early = rule.ends_at if rule.ends_at is not None and (end is None or rule.ends_at < end) else None
    return _partly(late, early)


def _partly(late: datetime | None, early: datetime | None) -> tuple[str, str]:
    if late and early:
        return "warn", gettext("Holds for a part of it only: from %(start)s to %(end)s.") % {
            "start": day(late),
            "end": day(early),
        }
    if late:
        return "warn", gettext("Begins after it, on %(start)s.") % {"start": day(late)}
    if early:
        return "warn", gettext("Ends before it, on %(end)s.") % {"end": day(early)}
    return "good", gettext("Holds for the whole of it.")


def _arm_rows(experiment: Experiment, live: Strategy) -> tuple[ArmRow, ...]:
    arms = arms_of(experiment)
    strategies = Strategy.objects.in_bulk([arm.strategy for arm in arms if arm.strategy])
    total = sum(arm.share for arm in arms)
    return tuple(
        ArmRow(
            name=arm.name,
            share=arm.share / total,
            strategy=strategies.get(arm.strategy or 0, live),
            is_pinned=arm.strategy is not None,
            is_control=place == 0,
            address=f"{experiment.name}/{arm.name}",
        )
        for place, arm in enumerate(arms)
    )
