"""The list that an evaluation judges is the list that the site serves."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from recommender import replay
from recommender.algorithms import fusion, trees
from recommender.algorithms.fusion import TREES
from recommender.algorithms.learned import Learning
from recommender.algorithms.repeats import RepeatModel
from recommender.algorithms.sources import SOURCES
from recommender.algorithms.weights import BUCKETS
from recommender.models import EndUser, RankerFit
from recommender.slates import recommend
from recommender.strategies import (
    DEFAULT_MEMORY_STEPS,
    DEFAULT_WEIGHTS,
    Ranker,
    Recipe,
    live_strategy,
    ranker_of,
)
from tests.factories import StrategyFactory
from tests.recommender.served_shop import Twin, build, twin

pytestmark = pytest.mark.django_db

RECIPES = {
    "default": {},
    "few candidates": {"candidates_per_source": 5, "history_events": 4},
    "varied and exploring": {"diversity": 0.3, "calibration": 0.3, "explore_share": 0.4, "max_share_per_label": 1.0},
}


def differences(shop: Twin, user: str, ranker: Ranker, strategy) -> list[str]:
    recipe = ranker.recipe
    served = recommend(user, n=10, strategy=strategy, repeats=recipe.repeats, record=False)
    case = shop.case(user)
    state = replay.state_of(case, recipe, shop.shelf, shop.same_text)
    made = replay.make(case, ranker, shop.shelf, state, n=10)
    fused = fusion.fuse(made.pool.raw, ranker.weights(state.past.length), ranker.spreads, made.pool.by_trees)
    score = dict(zip(made.pool.ids.tolist(), fused.scores.tolist(), strict=True))
    ours = shop.item_ids[list(made.items)].tolist()
    theirs = [each.item.pk for each in served.items]
    found = [] if ours == theirs else [f"{user} {recipe.repeats}: served {theirs}, evaluated {ours}"]
    for each in served.items:
        number = int(shop.numbers([each.item.pk])[0])
        if abs(score.get(number, np.inf) - each.score) > 1e-6:
            place = np.flatnonzero(made.pool.ids == number)
            parts = {
                part.source: (part.raw, float(made.pool.raw[part.source][place[0]]))
                for part in each.parts
                if len(place)
            }
            unlike = {source: pair for source, pair in parts.items() if abs(pair[0] - pair[1]) > 1e-6}
            found.append(f"{user} {recipe.repeats}: item {number} {each.score} {score.get(number)} {unlike}")
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_every_user_is_served_what_an_evaluation_makes(name: str) -> None:
    build()
    shop = twin()
    strategy = StrategyFactory(recipe=RECIPES[name])
    users = [*EndUser.objects.order_by("pk").values_list("external_id", flat=True), "a stranger"]
    found = [
        line
        for user in users
        for repeats in ("exclude", "allow")
        for line in differences(shop, user, Ranker(Recipe(**RECIPES[name], repeats=repeats)), strategy)
    ]
    assert not found, "\n".join(found[:12])
    assert len(users) == 41


def grown() -> trees.Trees:
    """Trees that ask for much, whatever it means."""
    random = np.random.default_rng(0)
    rows = random.uniform(-1.0, 3.0, (4_000, len(trees.FEATURES))).astype(np.float32)
    is_taken = (rows > 1.0).sum(axis=1) > rows[:, 0] + len(trees.FEATURES) / 2
    found = trees.fit(rows, is_taken)
    assert found is not None
    return found


def test_lists_that_trees_have_a_say_in_are_served_as_they_are_evaluated() -> None:
    build()
    shop, strategy = twin(), live_strategy()
    parameters = {
        "learning": asdict(Learning()),
        "repeat_model": asdict(RepeatModel()),
        "memory_steps": dict(DEFAULT_MEMORY_STEPS),
        "spreads": dict.fromkeys((*SOURCES, TREES), 0.5),
        "weights": {bucket: dict(DEFAULT_WEIGHTS) for bucket in BUCKETS},
        "trees": grown().as_json(),
    }
    RankerFit.objects.create(strategy=strategy, parameters=parameters, is_in_use=True)
    users = EndUser.objects.order_by("pk").values_list("external_id", flat=True)
    for repeats in ("exclude", "allow"):
        ranker = ranker_of(strategy).with_repeats(repeats)
        found = [line for user in users for line in differences(shop, user, ranker, strategy)]
        assert not found, "\n".join(found[:12])
    parts = recommend(users[0], n=5, record=False).items[0].parts
    assert sum(abs(part.by_trees) > 0.01 for part in parts) > 3
    for part in parts:
        assert part.contribution == pytest.approx(part.weight * part.z + part.by_trees)
