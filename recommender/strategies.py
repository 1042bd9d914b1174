"""Recipes: what a strategy may say about how lists are made, their defaults, and the strategy that is live."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from recommender.algorithms import trees
from recommender.algorithms.fusion import TREES
from recommender.algorithms.repeats import RepeatModel
from recommender.algorithms.sources import SOURCES
from recommender.algorithms.trees import Trees
from recommender.algorithms.weights import FEW_STEPS, bucket_of
from recommender.models import RankerFit, Strategy
from recsite.operations.errors import InvalidInputError, NotFoundError

DEFAULT_NAME = "default"
EACH_LENGTH = (0, 1, 2, FEW_STEPS + 1)
"""A number of steps of each length of history that weights tell apart."""
DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "neighbours": 0.3,
        "next": 0.15,
        "carried": 0.03,
        "latent": 0.1,
        "similar": 0.1,
        "words": 0.07,
        "interest": 0.03,
        "label_affinity": 0.03,
        "repeat": 0.3,
        "popular": 0.1,
        "trending": 0.02,
        "new": 0.02,
        TREES: 0.3,
    }
)
DEFAULT_MEMORY_STEPS: Mapping[str, float] = MappingProxyType(
    {"neighbours": 8.0, "next": 1.5, "words": 1.5, "similar": 1.5, "latent": 2.0, "carried": 8.0}
)


WEIGHED = (*SOURCES, TREES)
"""What a recipe gives weights to."""
_BY_SOURCE = ("weights", "memory_steps")


@dataclass(frozen=True)
class Recipe:
    """Every field may be left out of a strategy's JSON; docs/recommendation.md says in words what each does."""

    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    is_fitted: bool = True
    memory_steps: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_MEMORY_STEPS))
    candidates_per_source: int = 150
    history_events: int = 300
    repeats: Literal["exclude", "allow"] = "exclude"
    repeat_window_days: int = 365
    new_below_users: int = 5
    max_per_title: int = 2
    max_share_per_label: float = 0.34
    explore_share: float = 0.02
    diversity: float = 0.0
    calibration: float = 0.0
    rerank: float = 0.0

    def uses(self, source: str) -> bool:
        """Whether the source proposes candidates; where weights are fitted, these are where the fit starts."""
        return self.weights.get(source, 0.0) > 0

    def with_repeats(self, repeats: str) -> Recipe:
        return recipe_from({**asdict(self), "repeats": repeats})


def recipe_from(values: Mapping[str, object]) -> Recipe:
    """A checked recipe. Raises InvalidInputError that names the field which is unknown or out of range."""
    if not isinstance(values, Mapping):
        raise InvalidInputError(
            gettext('A recipe must be an object, like {"repeats": "allow"}; {} is the default one.')
        )
    known = {each.name for each in fields(Recipe)}
    if unknown := sorted(set(values) - known):
        raise InvalidInputError(
            gettext("A recipe has no field %(name)r; it has %(known)s.")
            % {"name": unknown[0], "known": ", ".join(sorted(known))}
        )
    recipe = replace(Recipe(), **{name: value for name, value in values.items() if name not in _BY_SOURCE})  # type: ignore[arg-type]
    if "weights" in values:
        recipe = replace(recipe, weights=_checked_weights(values["weights"]))
    if "memory_steps" in values:
        recipe = replace(recipe, memory_steps=_checked_memory(values["memory_steps"]))
    for name in ("candidates_per_source", "history_events", "max_per_title"):
        _require_whole(name, getattr(recipe, name), 1, 1_000)
    for name in ("repeat_window_days", "new_below_users"):
        _require_whole(name, getattr(recipe, name), 0, 36_500)
    share = recipe.max_share_per_label
    _require(_is_number(share) and 0 < share <= 1, "max_share_per_label", share, "above 0, at most 1")
    explore = recipe.explore_share
    _require(_is_number(explore) and 0 <= explore <= 0.5, "explore_share", explore, "0..0.5")
    for name in ("diversity", "calibration", "rerank"):
        _require(
            _is_number(getattr(recipe, name)) and 0 <= getattr(recipe, name) <= 1, name, getattr(recipe, name), "0..1"
        )
    _require(isinstance(recipe.is_fitted, bool), "is_fitted", recipe.is_fitted, "true or false")
    _require(recipe.repeats in ("exclude", "allow"), "repeats", recipe.repeats, "'exclude' or 'allow'")
    return recipe


def _checked_weights(values: object) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise InvalidInputError(
            gettext('A recipe\'s weights must be an object, like {"neighbours": 1.0, "popular": 0.3}.')
        )
    if unknown := sorted(set(values) - set(WEIGHED)):
        raise InvalidInputError(
            gettext("There is no source %(name)r to weigh; the sources are %(known)s.")
            % {"name": unknown[0], "known": ", ".join(WEIGHED)}
        )
    for source, weight in values.items():
        _require(_is_number(weight) and 0 <= weight <= 100, f"weights.{source}", weight, "0..100")
    if not any(weight for source, weight in values.items() if source in SOURCES):
        raise InvalidInputError(gettext("A recipe needs a weight above 0 for at least one source."))
    return {source: float(weight) for source, weight in values.items()}


def _checked_memory(values: object) -> dict[str, float]:
    """What is left out keeps its default."""
    if not isinstance(values, Mapping):
        raise InvalidInputError(
            gettext('A recipe\'s memory_steps must be an object, like {"neighbours": 8, "next": 1.5}.')
        )
    if unknown := sorted(set(values) - set(DEFAULT_MEMORY_STEPS)):
        raise InvalidInputError(
            gettext("The source %(name)r has no memory to set; those that have are %(known)s.")
            % {"name": unknown[0], "known": ", ".join(DEFAULT_MEMORY_STEPS)}
        )
    for source, steps in values.items():
        _require(_is_number(steps) and 0.1 <= steps <= 1_000, f"memory_steps.{source}", steps, "0.1..1000")
    return {**DEFAULT_MEMORY_STEPS, **{source: float(steps) for source, steps in values.items()}}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require_whole(name: str, value: object, least: int, most: int) -> None:
    is_valid = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    _require(is_valid, name, value, f"a whole number, {least}..{most}")


def _require(is_valid: bool, name: str, value: object, expected: str) -> None:
    if not is_valid:
        raise InvalidInputError(
            gettext("The recipe's %(name)s is %(value)r; it must be %(expected)s.")
            % {"name": name, "value": value, "expected": expected}
        )


def recipe_of(strategy: Strategy) -> Recipe:
    return recipe_from(strategy.recipe)


@dataclass(frozen=True)
class Ranker:
    """A recipe with what was fitted for it. Without a fit the recipe's own weights hold and each list scales itself."""

    recipe: Recipe
    spreads: Mapping[str, float] = field(default_factory=dict)
    repeat_model: RepeatModel = field(default_factory=RepeatModel)
    by_bucket: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    trees: Trees | None = None
    fit_id: int | None = None

    def weights(self, steps: int) -> Mapping[str, float]:
        """For a history of so many steps."""
        return self.by_bucket.get(bucket_of(steps), self.recipe.weights)

    def with_repeats(self, repeats: str) -> Ranker:
        return replace(self, recipe=self.recipe.with_repeats(repeats))

    def digests(self) -> dict[str, str]:
        """By source a short digest of all that configures it: two lists whose digests agree were scored alike."""
        recipe = self.recipe
        found = {}
        for source in SOURCES:
            configuration = {
                "weights": [self.weights(steps).get(source, 0.0) for steps in EACH_LENGTH],
                "spread": self.spreads.get(source),
                "memory_steps": recipe.memory_steps.get(source),
                "candidates": recipe.candidates_per_source,
                "history": recipe.history_events,
                "new_below_users": recipe.new_below_users if source == "new" else None,
                "model": asdict(self.repeat_model) if source == "repeat" else None,
            }
            text = json.dumps(configuration, sort_keys=True)
            found[source] = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        if self.trees is not None:
            weights = [self.weights(steps).get(TREES, 0.0) for steps in EACH_LENGTH]
            digest = hashlib.blake2b(json.dumps([weights, self.spreads.get(TREES)]).encode(), digest_size=4)
            digest.update(self.trees.nodes.tobytes())
            found[TREES] = digest.hexdigest()
        return found


def ranker_from(recipe: Recipe, parameters: Mapping[str, Any], *, fit_id: int | None = None) -> Ranker:
    """parameters: as RankerFit keeps them."""
    memory = {**recipe.memory_steps, **parameters["memory_steps"]}
    model = RepeatModel(**{name: _tuples(value) for name, value in parameters["repeat_model"].items()})
    spreads = dict(parameters["spreads"])
    if "carried" not in parameters["memory_steps"]:  # a fit of before it had a memory: its scores had another scale
        spreads.pop("carried", None)
    return Ranker(
        replace(recipe, memory_steps=memory),
        spreads,
        model,
        parameters["weights"],
        trees.from_json(parameters.get("trees")) if recipe.uses(TREES) else None,
        fit_id,
    )


def _tuples(value: float | list[float]) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def ranker_of(strategy: Strategy) -> Ranker:
    recipe = recipe_of(strategy)
    fit = RankerFit.objects.current(strategy.pk) if recipe.is_fitted and strategy.pk else None
    return ranker_from(recipe, fit.parameters, fit_id=fit.pk) if fit else Ranker(recipe)


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
        raise NotFoundError(gettext("There is no strategy named %(name)r that is published.") % {"name": name})
    return strategy
