"""The list that an evaluation judges is the list that the site serves."""

from __future__ import annotations

import numpy as np
import pytest

from recommender import replay
from recommender.algorithms import fusion
from recommender.models import EndUser
from recommender.slates import recommend
from recommender.strategies import Ranker, Recipe
from tests.factories import StrategyFactory
from tests.recommender.served_shop import Twin, build, twin

pytestmark = pytest.mark.django_db

RECIPES = {
    "default": {},
    "few candidates": {"candidates_per_source": 5, "history_events": 4},
    "varied and exploring": {"diversity": 0.3, "calibration": 0.3, "explore_share": 0.4, "max_share_per_label": 1.0},
}


def differences(shop: Twin, user: str, recipe: Recipe, strategy) -> list[str]:
    served = recommend(user, n=10, strategy=strategy, repeats=recipe.repeats, record=False)
    case, ranker = shop.case(user), Ranker(recipe)
    state = replay.state_of(case, recipe, shop.shelf, shop.same_text)
    made = replay.make(case, ranker, shop.shelf, state, n=10)
    fused = fusion.fuse(made.pool.raw, ranker.weights(state.past.length), ranker.spreads)
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
        for line in differences(shop, user, Recipe(**RECIPES[name], repeats=repeats), strategy)
    ]
    assert not found, "\n".join(found[:12])
    assert len(users) == 41
