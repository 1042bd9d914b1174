"""Lists as they would have been: for cases of the past, through the same functions that make the site's lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recommender import candidates, picking
from recommender.algorithms import fusion, sources
from recommender.algorithms import interest as interest_algorithm
from recommender.algorithms.histories import History
from recommender.algorithms.interest_transform import InterestTransform
from recommender.candidates import Pool, UserState
from recommender.evaluation_rows import Case
from recommender.interests import HALF_LIFE_DAYS, HISTORY_EVENTS, MAX_INTERESTS, MAX_LABELS_PER_TAXONOMY
from recommender.memory_shelf import MemoryShelf
from recommender.models import InterestLabel, InterestVector
from recommender.strategies import Ranker, Recipe


@dataclass(frozen=True)
class Made:
    """The list of one case: item numbers best first, and the whole order of its pool. explored: those of the items
    that were drawn to explore."""

    items: tuple[int, ...]
    order: NDArray[np.int64]
    pool: Pool
    explored: frozenset[int] = frozenset()


def state_of(
    case: Case,
    recipe: Recipe,
    shelf: MemoryShelf,
    same_text: Mapping[int, tuple[int, ...]],
    transform: InterestTransform | None = None,
) -> UserState:
    """What `candidates.user_state` would have said. same_text: items that read the same, by item, itself with them;
    transform: the interest encoder, None where interests stay as they are."""
    past = _newest(case.past, recipe.history_events)
    interests, labels = case.interests, case.interest_labels
    if interests is None:
        interests = interests_of(case.past, shelf)
        labels = _interest_labels(_newest(case.past, HISTORY_EVENTS), shelf)
    settled = set(case.hidden)
    if recipe.repeats == "exclude":
        settled |= case.taken_within(recipe.repeat_window_days)
    excluded = {other for item in settled for other in same_text.get(item, (item,))}
    return UserState(
        user=None,
        as_of=datetime.fromtimestamp(case.as_of_s, UTC),
        past=past,
        interests=_stored(interests, transform),
        interest_labels=labels,
        excluded=tuple(sorted(excluded)),
    )


def make(case: Case, ranker: Ranker, shelf: MemoryShelf, state: UserState, *, n: int) -> Made:
    """The list that `recommend` would have returned."""
    pool = candidates.gather(state, ranker, shelf, n=n, only=case.candidates)
    fused = fusion.fuse(pool.raw, ranker.weights(state.past.length), ranker.spreads, pool.by_trees)
    picked = picking.pick(pool, fused, state, ranker.recipe, n=n, draw=picking.drawn(case.user, state))
    order = fusion.best_first(fused.scores, pool.ids)
    items = tuple(int(pool.ids[place]) for place in picked.places)
    explored = frozenset(int(pool.ids[place]) for place in picked.propensities)
    return Made(items, pool.ids[order], pool, explored)


def columns(state: UserState, shelf: MemoryShelf, pool: Pool, half_lives: Sequence[float]) -> NDArray[np.float32]:
    """(n_candidates, columns): every source as the recipe has it, then those that remember once for each half life."""
    found = [pool.raw[source] for source in sources.SOURCES]
    for steps in half_lives:
        raw = candidates.remembered(state, dict.fromkeys(sources.REMEMBERING, steps), shelf, pool)
        found += [raw[source] for source in sources.REMEMBERING]
    return np.stack(found, axis=1).astype(np.float32)


def _newest(past: History, limit: int) -> History:
    """Rows of a history are newest first."""
    return History(past.items[:limit], past.weights[:limit], past.steps_ago[:limit], past.days_ago[:limit])


def _net_weights(past: History) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    newest_days = float(past.days_ago.min()) if len(past) else 0.0
    faded = past.weights * interest_algorithm.decay(past.days_ago - newest_days, half_life_days=HALF_LIFE_DAYS)
    items, places = np.unique(past.items, return_inverse=True)
    return items, interest_algorithm.net_weights(places, faded, n_items=len(items))


def _stored(interests: Sequence[InterestVector], transform: InterestTransform | None) -> tuple[InterestVector, ...]:
    """Encoded, and in half precision, as the database keeps them."""
    found = []
    for interest in interests:
        vector = np.asarray(interest.vector, dtype=np.float32)
        encoded = vector if transform is None else transform.apply(vector)
        found.append(
            InterestVector(
                position=interest.position,
                vector=encoded.astype(np.float16).astype(np.float32),
                weight=interest.weight,
                medoid_id=interest.medoid_id,
            )
        )
    return tuple(found)


def interests_of(past: History, shelf: MemoryShelf) -> tuple[InterestVector, ...]:
    """As a rebuild would make them, not encoded."""
    items, net = _net_weights(_newest(past, HISTORY_EVENTS))
    known = shelf.has_vector[items]
    items, net = items[known], net[known]
    found = interest_algorithm.interests(shelf.centred[items], net, max_interests=MAX_INTERESTS)
    return tuple(
        InterestVector(
            position=position,
            vector=interest.vector,
            weight=interest.weight,
            medoid_id=int(items[interest.medoid]),
        )
        for position, interest in enumerate(found)
    )


def _interest_labels(past: History, shelf: MemoryShelf) -> tuple[InterestLabel, ...]:
    items, net = _net_weights(past)
    weights: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for item, weight in zip(items.tolist(), net.tolist(), strict=True):
        for label in shelf.all_labels.get(item, ()) if weight > 0 else ():
            weights[label.taxonomy_id][label.label_id] += weight * label.confidence
    found: list[InterestLabel] = []
    for own in weights.values():
        strongest = sorted(own.items(), key=lambda each: (-each[1], each[0]))[:MAX_LABELS_PER_TAXONOMY]
        total = sum(weight for _, weight in strongest)
        found += [InterestLabel(label_id=label_id, weight=weight / total) for label_id, weight in strongest]
    return tuple(sorted(found, key=lambda each: (-each.weight, each.label_id)))
