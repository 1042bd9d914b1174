"""What people change of strategies, rules, golden expectations and experiments: where it is shown, how it goes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy

from catalog import label_returns
from catalog.models import Label
from recommender import experiment_drafts, golden_expectations, label_reach, rule_versions, strategy_versions
from recommender.models import Experiment, GoldenExpectation, Rule, Strategy
from recsite.operations import tracked
from recsite.operations.changes import restore_fields
from recsite.operations.models import Change
from recsite.operations.recreation import as_it_was

INSTEAD = {
    "strategy": gettext_lazy("A strategy goes back on its own page: make an earlier version live there."),
    "rule": gettext_lazy("A rule goes back on its own page: publish an earlier version there."),
    "experiment": gettext_lazy("An experiment is changed on its own page, and only before it starts."),
}


def only_drafts(change: Change, row: Rule | Strategy | Experiment | None) -> tracked.Words:
    """What was published or started stays: lists refer to it."""
    kept = change.after if change.act == Change.Act.CREATED else change.before
    was_draft = kept.get("is_draft") is True or kept.get("state") == Rule.State.DRAFT
    if row is None:
        is_draft = True
    else:
        is_draft = row.is_draft if isinstance(row, Strategy | Experiment) else row.state == Rule.State.DRAFT
    return "" if was_draft and is_draft else INSTEAD[change.kind]


def remove_strategy(strategy: Strategy, change: Change, values: Mapping[str, Any], staff: User) -> None:
    strategy_versions.remove_new(strategy.pk, staff=staff)


def recreate_strategy(gone: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    strategy_versions.put_back(as_it_was(Strategy, change), staff=staff)


def remove_rule(rule: Rule, change: Change, values: Mapping[str, Any], staff: User) -> None:
    rule_versions.discard(rule.pk, staff=staff)


def recreate_rule(gone: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    rule_versions.put_back(as_it_was(Rule, change), staff=staff)


def remove_expectation(found: GoldenExpectation, change: Change, values: Mapping[str, Any], staff: User) -> None:
    golden_expectations.delete(found.pk, staff=staff)


def recreate_expectation(gone: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    golden_expectations.put_back(as_it_was(GoldenExpectation, change), staff=staff)


def remove_experiment(experiment: Experiment, change: Change, values: Mapping[str, Any], staff: User) -> None:
    experiment_drafts.delete(experiment.pk, staff=staff)


def recreate_experiment(gone: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    experiment_drafts.put_back(as_it_was(Experiment, change), staff=staff)


def _address(name: str, *args: object) -> str:
    """'' where the console has no such page."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def register() -> None:
    label_returns.ask_before_removing(label_reach.named_by)
    tracked.register(
        tracked.Kind(
            name="strategy",
            words=gettext_lazy("Strategy"),
            model=Strategy,
            permission="recommender.change_strategy",
            address=lambda strategy: _address("strategy", strategy.name),
            remove=remove_strategy,
            recreate=recreate_strategy,
            instead=INSTEAD["strategy"],
            stays=only_drafts,
        ),
        tracked.Kind(
            name="rule",
            words=gettext_lazy("Rule"),
            model=Rule,
            permission="recommender.change_rule",
            address=lambda rule: _address("rule", rule.name) or _address("rules"),
            references={"scope.labels": Label},
            remove=remove_rule,
            recreate=recreate_rule,
            instead=INSTEAD["rule"],
            stays=only_drafts,
        ),
        tracked.Kind(
            name="golden_expectation",
            words=gettext_lazy("Golden expectation"),
            model=GoldenExpectation,
            permission="recommender.change_goldenexpectation",
            address=lambda expectation: _address("golden-users") or _address("rules"),
            restore=restore_fields,
            remove=remove_expectation,
            recreate=recreate_expectation,
            references={"scope.labels": Label},
        ),
        tracked.Kind(
            name="experiment",
            words=gettext_lazy("Experiment"),
            model=Experiment,
            permission="recommender.change_experiment",
            address=lambda experiment: _address("experiment", experiment.pk) or _address("experiments"),
            remove=remove_experiment,
            recreate=recreate_experiment,
            instead=INSTEAD["experiment"],
            stays=only_drafts,
        ),
    )
