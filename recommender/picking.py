"""From scored candidates to the list: variety, the user's own mix, caps, and a place to explore now and then."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recommender.algorithms import diversity, fusion
from recommender.algorithms.rules import RankingRule, Ruling, no_rules, placed
from recommender.candidates import Pool, UserState
from recommender.strategies import Recipe

STRANGER_SHARE_PER_LABEL = 0.17
EXPLORED_FROM = 20


@dataclass(frozen=True)
class Picked:
    """Rows of the pool, best first; `propensities` of those that were drawn to explore, the pins of those pinned."""

    places: Sequence[int]
    propensities: Mapping[int, float] = field(default_factory=dict)
    pinned: Mapping[int, RankingRule] = field(default_factory=dict)

    def in_order(self, unpinned: Sequence[int]) -> list[int]:
        """The list where what is not pinned stands in this order."""
        return placed(unpinned, self.pinned)


def drawn(user_external_id: str, state: UserState) -> float:
    """0..1, even over users and moments, and the same for the same user at the same moment: lists can be repeated."""
    question = f"{user_external_id}\0{state.as_of.isoformat()}"
    return int.from_bytes(hashlib.blake2b(question.encode(), digest_size=7).digest()) / 2**56


def pick(
    pool: Pool,
    fused: fusion.Fused,
    state: UserState,
    recipe: Recipe,
    *,
    n: int,
    draw: float,
    ruling: Ruling | None = None,
) -> Picked:
    """Rules first; then no title and no label too often, a stranger's list spread wider. `draw` decides about
    exploring. What is pinned counts for the caps, and no cap holds it back."""
    ruling = ruling or no_rules(len(pool))
    scores = ruling.scores(fused.scores)
    order = [place for place in fusion.best_first(scores, pool.ids).tolist() if ruling.allowed[place]]
    pinned = ruling.pinned(order, n=n)
    order = [place for place in order if place not in pinned]
    if recipe.diversity:
        order = diversity.varied(order, scores, pool.vectors, n=n, strength=recipe.diversity)
    if recipe.calibration and state.interest_labels:
        wanted = {each.label_id: each.weight for each in state.interest_labels}
        carried = [{label.label_id: label.confidence for label in own} for own in pool.labels]
        order = diversity.calibrated(order, scores, carried, wanted, n=n, strength=recipe.calibration)
    caps = caps_of(pool, state, recipe, n=n)
    free = n - len(pinned)
    picked = diversity.pick(order, n=free, caps=caps, firm=ruling.caps, beside=list(pinned))
    explored = _explored(
        pool, fused, order, picked, recipe, n=free, draw=draw, caps=[caps[0], *ruling.caps], beside=list(pinned)
    )
    return Picked(placed(explored.places, pinned), explored.propensities, pinned)


def caps_of(pool: Pool, state: UserState, recipe: Recipe, *, n: int) -> list[diversity.Cap]:
    """The recipe's: of titles that read the same, then of labels."""
    share = recipe.max_share_per_label if state.has_history else STRANGER_SHARE_PER_LABEL
    return [
        diversity.Cap([" ".join(title.casefold().split()) for title in pool.titles], recipe.max_per_title),
        diversity.Cap([pool.top_label(place) for place in range(len(pool))], math.ceil(share * n)),
    ]


def _explored(
    pool: Pool,
    fused: fusion.Fused,
    order: Sequence[int],
    picked: list[int],
    recipe: Recipe,
    *,
    n: int,
    draw: float,
    caps: Sequence[diversity.Cap],
    beside: Sequence[int],
) -> Picked:
    """Nobody took a new item, so no neighbour speaks for it. `explore_share` of all places, the last ones, go to new
    items at least as close to the interests as the average candidate, each drawn evenly among the best of those."""
    slots = diversity.slots(recipe.explore_share * n, draw)
    eligible = [place for place in order if pool.raw["new"][place] > 0 and fused.z["interest"][place] >= 0]
    among = [place for place in eligible if place not in picked][:EXPLORED_FROM]
    if not slots or not among:
        return Picked(picked)
    turn = int(draw * 1e9) % len(among)
    drawn_first = [*among[turn:], *among[:turn]]
    places = diversity.reserve(picked, drawn_first, n=n, slots=slots, caps=caps, beside=beside)
    chance = min(1.0, recipe.explore_share * n / len(among))
    return Picked(places, {place: chance for place in places if place not in set(picked)})
