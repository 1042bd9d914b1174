from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from recommender.algorithms import trees
from recommender.algorithms.learned import Learning
from recommender.algorithms.repeats import RepeatModel
from recommender.algorithms.trees import Trees
from recommender.models import Strategy
from recommender.strategies import (
    DEFAULT_MEMORY_STEPS,
    DEFAULT_WEIGHTS,
    Ranker,
    Recipe,
    live_strategy,
    named_strategy,
    ranker_from,
    recipe_from,
    recipe_of,
)
from recsite.operations.errors import InvalidInputError, NotFoundError
from tests.factories import StrategyFactory


@pytest.mark.django_db
def test_the_default_strategy_is_made_once_and_is_live():
    first, second = live_strategy(), live_strategy()
    assert first == second
    assert (first.name, first.version, first.is_live, recipe_of(first)) == ("default", 1, True, Recipe())
    assert Strategy.objects.count() == 1


@pytest.mark.django_db
def test_the_live_strategy_wins_over_the_default():
    chosen = StrategyFactory(is_live=True, recipe={"weights": {"popular": 1.0}})
    assert live_strategy() == chosen
    assert recipe_of(chosen).weights == {"popular": 1.0}


@pytest.mark.django_db
def test_a_default_that_was_retired_comes_back_as_a_new_version():
    StrategyFactory(name="default", version=3)
    assert (live_strategy().name, live_strategy().version) == ("default", 4)


@pytest.mark.django_db
def test_a_name_means_its_newest_version():
    StrategyFactory(name="summer", version=1)
    newest = StrategyFactory(name="summer", version=2)
    assert named_strategy("summer") == newest
    with pytest.raises(NotFoundError, match="'winter'"):
        named_strategy("winter")


def test_fields_left_out_have_their_defaults():
    recipe = recipe_from({"repeats": "allow"})
    assert recipe.repeats == "allow"
    assert recipe.weights == dict(DEFAULT_WEIGHTS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"wieghts": {}}, "no field 'wieghts'"),
        ({"weights": {"popularity": 1}}, "no source 'popularity'"),
        ({"weights": {"popular": -1}}, "weights.popular is -1"),
        ({"weights": {"popular": True}}, "weights.popular is True"),
        ({"weights": {"popular": float("nan")}}, "weights.popular is nan"),
        ({"weights": {"popular": 0}}, "weight above 0"),
        ({"weights": {"popular": 0, "trees": 1}}, "weight above 0"),
        ({"weights": [1]}, "must be an object"),
        ({"repeats": "sometimes"}, "'exclude' or 'allow'"),
        ({"candidates_per_source": 0}, "candidates_per_source is 0"),
        ({"candidates_per_source": "many"}, "candidates_per_source is 'many'"),
        ({"history_half_life_days": 9}, "no field 'history_half_life_days'"),
        ({"memory_steps": {"next": 0}}, "memory_steps.next is 0"),
        ({"memory_steps": {"popular": 3}}, "'popular' has no memory"),
        ({"memory_steps": [1]}, "memory_steps must be an object"),
        ({"diversity": 1.5}, "diversity is 1.5"),
        ({"calibration": -1}, "calibration is -1"),
        ({"is_fitted": 1}, "is_fitted is 1"),
        ({"max_share_per_label": 1.5}, "max_share_per_label is 1.5"),
        ({"repeat_window_days": -1}, "repeat_window_days is -1"),
        ({"repeat_window_days": 1_000_000}, "repeat_window_days is 1000000; it must be a whole number, 0..36500"),
        ({"history_events": 10.5}, "history_events is 10.5; it must be a whole number"),
        ("allow", "must be an object"),
        (None, "must be an object"),
    ],
)
def test_a_recipe_that_cannot_work_says_which_field_is_wrong(values, message):
    with pytest.raises(InvalidInputError, match=message):
        recipe_from(values)


def test_a_source_has_another_digest_where_what_configures_it_changes_and_only_then():
    plain = Ranker(Recipe())
    forgetful = Ranker(recipe_from({"memory_steps": {"next": 9}}))
    assert plain.digests() == Ranker(recipe_from({})).digests()
    assert {source for source, digest in plain.digests().items() if forgetful.digests()[source] != digest} == {"next"}
    heavier = Ranker(recipe_from({"weights": {**DEFAULT_WEIGHTS, "popular": 0.5}}))
    assert {source for source, digest in plain.digests().items() if heavier.digests()[source] != digest} == {"popular"}


def fitted(stored: dict[str, object] | None) -> dict[str, object]:
    return {
        "learning": asdict(Learning()),
        "repeat_model": asdict(RepeatModel()),
        "memory_steps": dict(DEFAULT_MEMORY_STEPS),
        "spreads": {},
        "weights": {},
        "trees": stored,
    }


def stump(value: float) -> Trees:
    """One question: whether the first source says more than 0."""
    nodes = np.array([(0, 1, 2, 0.0, 0.0), (0, 1, 1, 0.0, -value), (0, 2, 2, 0.0, value)], dtype=trees._NODE)
    return Trees(nodes, np.array([0]), 1)


def test_the_trees_of_a_fit_have_a_say_unless_the_recipe_does_without():
    with_trees = ranker_from(Recipe(), fitted(stump(1.0).as_json()))
    assert with_trees.trees is not None
    assert with_trees.digests()["trees"] == ranker_from(Recipe(), fitted(stump(1.0).as_json())).digests()["trees"]
    assert with_trees.digests()["trees"] != ranker_from(Recipe(), fitted(stump(2.0).as_json())).digests()["trees"]
    assert ranker_from(Recipe(), fitted(None)).trees is None
    of_before = fitted(None)
    del of_before["trees"]
    assert ranker_from(Recipe(), of_before).trees is None
    without = recipe_from({"weights": {**DEFAULT_WEIGHTS, "trees": 0}})
    assert ranker_from(without, fitted(stump(1.0).as_json())).trees is None
    assert "trees" not in ranker_from(without, fitted(stump(1.0).as_json())).digests()
