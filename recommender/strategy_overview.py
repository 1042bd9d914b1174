"""What the pages and the API say of strategies: each with its versions, what it was measured at, how much it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from recommender.models import Experiment, RankerFit, Strategy
from recommender.strategies import WEIGHED, Recipe, recipe_of
from recommender.strategy_words import Change, RecipeLine, changes, lines_of
from recsite.operations.errors import InvalidInputError, NotFoundError

SERVED_DAYS = 7
HISTORIES = ("none", "one", "few", "many")


@dataclass(frozen=True)
class Measured:
    """The newest finished evaluation of a version; n: how many lists were judged."""

    version: int
    ndcg: float
    n: int | None


@dataclass(frozen=True)
class VersionRow:
    strategy: Strategy
    slates: int
    measured: Measured | None


@dataclass(frozen=True)
class StrategyRow:
    """All versions of one name, newest first."""

    name: str
    versions: tuple[VersionRow, ...]

    @property
    def published(self) -> list[Strategy]:
        return [row.strategy for row in self.versions if not row.strategy.is_draft]

    @property
    def live(self) -> Strategy | None:
        return next((each for each in self.published if each.is_live), None)

    @property
    def newest(self) -> Strategy | None:
        return next(iter(self.published), None)

    @property
    def draft(self) -> Strategy | None:
        return next((row.strategy for row in self.versions if row.strategy.is_draft), None)

    @property
    def slates(self) -> int:
        return sum(row.slates for row in self.versions)

    @property
    def measured(self) -> Measured | None:
        """Of the live version, else of the newest that was evaluated."""
        found = [row for row in self.versions if row.measured]
        return next((row.measured for row in found if row.strategy.is_live), found[0].measured if found else None)


@dataclass(frozen=True)
class FitCell:
    weight: float
    share: float


@dataclass(frozen=True)
class Fit:
    """Fitted weights as a table: a row a source, a column a length of history. share: of the largest weight, 0..1."""

    row: RankerFit
    histories: tuple[str, ...]
    sources: tuple[tuple[str, tuple[FitCell | None, ...]], ...]
    figures: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class StrategyPage:
    """One strategy: `chosen` is the version that is shown, `against` the one it is compared with."""

    row: StrategyRow
    live: Strategy | None
    chosen: Strategy
    against: Strategy | None
    choices: tuple[Strategy, ...]
    lines: tuple[RecipeLine, ...]
    changes: tuple[Change, ...]
    problem: str
    fit: Fit | None
    running: tuple[Experiment, ...] = ()


def overview() -> list[StrategyRow]:
    """Every strategy, the live one first, then by name."""
    rows = _rows(Strategy.objects.all())
    return sorted(rows, key=lambda row: (row.live is None, row.name))


def page_of_strategy(name: str, *, version: int | None = None, against: int | None = None) -> StrategyPage:
    """Versions are named by their keys. The live version is shown where none is named, else the newest published one.

    Compared with is, where none is named, the live version; of the live one the version before it.
    Raises NotFoundError where there is no such strategy.
    """
    found = _rows(Strategy.objects.filter(name=name))
    if not found:
        raise NotFoundError(f"There is no strategy named {name!r}.")
    row = found[0]
    own = tuple(each.strategy for each in row.versions)
    live = row.live or Strategy.objects.filter(is_live=True).first()
    choices = own if live is None or live in own else (*own, live)
    by_key = {each.pk: each for each in choices}
    chosen = next((each for each in own if each.pk == version), None) or row.live or row.newest or own[0]
    other = by_key.get(against or 0) or _usual_other(chosen, own, live)
    recipe, problem = readable_recipe(chosen)
    return StrategyPage(
        row=row,
        live=live,
        chosen=chosen,
        against=other,
        choices=choices,
        lines=tuple(lines_of(recipe)),
        changes=tuple(changes(readable_recipe(other)[0], recipe)) if other else (),
        problem=problem,
        fit=_fit(chosen),
        running=running_experiments(),
    )


def running_experiments() -> tuple[Experiment, ...]:
    """Those that another live version would not reach, or whose users outside it would get another list meanwhile."""
    return tuple(Experiment.objects.running().at(timezone.now()).order_by("pk"))


def readable_recipe(strategy: Strategy) -> tuple[Recipe, str]:
    """The recipe, and ''; the default one with what is wrong where what is stored cannot be read any more."""
    try:
        return recipe_of(strategy), ""
    except InvalidInputError as error:
        return Recipe(), error.message


def _usual_other(chosen: Strategy, own: Sequence[Strategy], live: Strategy | None) -> Strategy | None:
    if live is not None and live != chosen:
        return live
    return next((each for each in own if each.version < chosen.version and not each.is_draft), None)


def _rows(strategies: Any) -> list[StrategyRow]:
    found = strategies.with_last_evaluation().select_related("created_by", "published_by").newest_first()
    slates = Strategy.objects.slates_since(timezone.now() - timedelta(days=SERVED_DAYS))
    by_name: dict[str, list[VersionRow]] = {}
    for each in found:
        measured = _measured(each.version, each.last_report)
        by_name.setdefault(each.name, []).append(VersionRow(each, slates.get(each.pk, 0), measured))
    return [StrategyRow(name, tuple(versions)) for name, versions in by_name.items()]


def _measured(version: int, report: Mapping[str, Any] | None) -> Measured | None:
    ndcg = (report or {}).get("ndcg@10")
    if report is None or not isinstance(ndcg, int | float):
        return None
    n = report.get("n")
    return Measured(version, float(ndcg), n if isinstance(n, int) else None)


def _fit(strategy: Strategy) -> Fit | None:
    """The fit in use, else the newest, whose reason says why it is not."""
    row = RankerFit.objects.current(strategy.pk) or strategy.fits.first()
    if row is None:
        return None
    found = row.parameters.get("weights")
    weights = {key: each for key, each in (found or {}).items() if isinstance(each, Mapping)}
    histories = tuple(sorted(weights, key=lambda key: (HISTORIES.index(key) if key in HISTORIES else 99, key)))
    known = {source for each in weights.values() for source in each}
    sources = [*(each for each in WEIGHED if each in known), *sorted(known - set(WEIGHED))]
    largest = max((abs(float(each)) for one in weights.values() for each in one.values()), default=0.0) or 1.0
    cells = tuple(
        (source, tuple(_cell(weights[history].get(source), largest) for history in histories)) for source in sources
    )
    numbers = [(key, float(each)) for key, each in row.report.items() if type(each) in (int, float)]
    return Fit(row, histories, cells, tuple(numbers))


def _cell(weight: Any, largest: float) -> FitCell | None:
    return None if weight is None else FitCell(float(weight), abs(float(weight)) / largest)
