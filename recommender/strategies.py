"""Recipes: what a strategy may say about how lists are made, their defaults, and the strategy that is live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Literal

from django.db import transaction
from django.utils import timezone

from recommender.models import Strategy
from recsite.operations.errors import InvalidInputError, NotFoundError

SOURCES = ("neighbours", "interest", "label_affinity", "popular", "new")
DEFAULT_NAME = "default"
DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"neighbours": 1.0, "interest": 0.1, "label_affinity": 0.1, "popular": 0.2, "new": 0.1}
)


@dataclass(frozen=True)
class Recipe:
    """Every field may be left out of a strategy's JSON; docs/recommendations.md says in words what each does."""

    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    candidates_per_source: int = 150
    history_events: int = 300
    history_half_life_days: float = 60.0
    repeats: Literal["exclude", "allow"] = "exclude"
    repeat_window_days: int = 365
    new_below_users: int = 5
    max_per_title: int = 1
    max_share_per_label: float = 0.34
    explore_share: float = 0.1

    def with_repeats(self, repeats: str) -> Recipe:
        return recipe_from({**asdict(self), "repeats": repeats})


def recipe_from(values: Mapping[str, object]) -> Recipe:
    """A checked recipe. Raises InvalidInputError that names the field which is unknown or out of range."""
    if not isinstance(values, Mapping):
        raise InvalidInputError('A recipe must be an object, like {"repeats": "allow"}; {} is the default one.')
    known = {each.name for each in fields(Recipe)}
    if unknown := sorted(set(values) - known):
        raise InvalidInputError(f"A recipe has no field {unknown[0]!r}; it has {', '.join(sorted(known))}.")
    recipe = replace(Recipe(), **{name: value for name, value in values.items() if name != "weights"})  # type: ignore[arg-type]
    if "weights" in values:
        recipe = replace(recipe, weights=_checked_weights(values["weights"]))
    for name in ("candidates_per_source", "history_events", "max_per_title"):
        _require_whole(name, getattr(recipe, name), 1, 1_000)
    for name in ("repeat_window_days", "new_below_users"):
        _require_whole(name, getattr(recipe, name), 0, 36_500)
    share = recipe.max_share_per_label
    _require(_is_number(share) and 0 < share <= 1, "max_share_per_label", share, "above 0, at most 1")
    explore = recipe.explore_share
    _require(_is_number(explore) and 0 <= explore <= 0.5, "explore_share", explore, "0..0.5")
    half_life = recipe.history_half_life_days
    _require(_is_number(half_life) and half_life > 0, "history_half_life_days", half_life, "above 0")
    _require(recipe.repeats in ("exclude", "allow"), "repeats", recipe.repeats, "'exclude' or 'allow'")
    return recipe


def _checked_weights(values: object) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise InvalidInputError('A recipe\'s weights must be an object, like {"neighbours": 1.0, "popular": 0.3}.')
    if unknown := sorted(set(values) - set(SOURCES)):
        raise InvalidInputError(f"There is no source {unknown[0]!r} to weigh; the sources are {', '.join(SOURCES)}.")
    for source, weight in values.items():
        _require(_is_number(weight) and 0 <= weight <= 100, f"weights.{source}", weight, "0..100")
    if not any(values.values()):
        raise InvalidInputError("A recipe needs a weight above 0 for at least one source.")
    return {source: float(weight) for source, weight in values.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require_whole(name: str, value: object, least: int, most: int) -> None:
    is_valid = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    _require(is_valid, name, value, f"a whole number, {least}..{most}")


def _require(is_valid: bool, name: str, value: object, expected: str) -> None:
    if not is_valid:
        raise InvalidInputError(f"The recipe's {name} is {value!r}; it must be {expected}.")


def recipe_of(strategy: Strategy) -> Recipe:
    return recipe_from(strategy.recipe)


def live_strategy() -> Strategy:
    """The strategy that serves requests which name none; the default one is made where there is none yet."""
    strategy = Strategy.objects.filter(is_live=True).first()
    return strategy or _made_live_default()


@transaction.atomic
def _made_live_default() -> Strategy:
    Strategy.objects.lock_changes()
    if strategy := Strategy.objects.filter(is_live=True).first():  # another request made it in the same moment
        return strategy
    latest = Strategy.objects.filter(name=DEFAULT_NAME).newest_first().first()
    version = latest.version + 1 if latest else 1
    return Strategy.objects.create(name=DEFAULT_NAME, version=version, is_live=True, published_at=timezone.now())


def named_strategy(name: str) -> Strategy:
    """The newest published version of that name. Raises NotFoundError."""
    strategy = Strategy.objects.published().filter(name=name).newest_first().first()
    if strategy is None:
        raise NotFoundError(f"There is no strategy named {name!r} that is published.")
    return strategy
