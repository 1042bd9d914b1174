from __future__ import annotations

import pytest

from recommender.models import Strategy
from recommender.strategies import (
    DEFAULT_WEIGHTS,
    Ranker,
    Recipe,
    live_strategy,
    named_strategy,
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
