"""What people change of strategies, rules, golden expectations and experiments: where it is shown, how it goes back."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy

from catalog.models import Label
from recommender.models import Experiment, GoldenExpectation, Rule, Strategy
from recsite.operations import tracked
from recsite.operations.changes import restore_fields


def _address(name: str, *args: object) -> str:
    """'' where the console has no such page."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def register() -> None:
    tracked.register(
        tracked.Kind(
            name="strategy",
            words=gettext_lazy("Strategy"),
            model=Strategy,
            permission="recommender.change_strategy",
            address=lambda strategy: _address("strategy", strategy.name),
            instead=gettext_lazy("A strategy goes back on its own page: make an earlier version live there."),
        ),
        tracked.Kind(
            name="rule",
            words=gettext_lazy("Rule"),
            model=Rule,
            permission="recommender.change_rule",
            address=lambda rule: _address("rule", rule.name) or _address("rules"),
            references={"scope.labels": Label},
            instead=gettext_lazy("A rule goes back on its own page: publish an earlier version there."),
        ),
        tracked.Kind(
            name="golden_expectation",
            words=gettext_lazy("Golden expectation"),
            model=GoldenExpectation,
            permission="recommender.change_goldenexpectation",
            address=lambda expectation: _address("golden-users") or _address("rules"),
            restore=restore_fields,
            references={"scope.labels": Label},
        ),
        tracked.Kind(
            name="experiment",
            words=gettext_lazy("Experiment"),
            model=Experiment,
            permission="recommender.change_experiment",
            address=lambda experiment: _address("experiment", experiment.pk) or _address("experiments"),
            instead=gettext_lazy("An experiment is changed on its own page, and only before it starts."),
        ),
    )
