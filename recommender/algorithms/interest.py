"""From a user's events to several interest vectors: weights by type and age, Ward clusters, medoids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage

EVENT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "purchase": 1.0,
        "favourite": 0.8,
        "add_to_cart": 0.6,
        "click": 0.3,
        "view": 0.2,
        "impression": 0.0,
        "remove_from_cart": -0.4,
        "refund": -1.0,
        "hide": -1.0,
    }
)
NEUTRAL_RATING = 3.0
# By what an event's half-life is multiplied: a look is forgotten sooner than a purchase. What takes an event back fades
# as slowly as what it answers, or the answer would wear off first.
HALF_LIFE_FACTORS: Mapping[str, float] = MappingProxyType(
    {
        "purchase": 1.0,
        "favourite": 1.0,
        "rate": 1.0,
        "add_to_cart": 0.5,
        "click": 0.25,
        "view": 0.25,
        "impression": 0.25,
        "remove_from_cart": 0.5,
        "refund": 1.0,
        "hide": 1.0,
    }
)
# A disliked item takes up to this share of the weight of liked ones, in full of those that are the same, of none that
# are less like it than NEAR (cosine).
MOST_PUSHED = 0.5
NEAR = 0.5


@dataclass(frozen=True)
class Interest:
    """`vector` is unit length; `weight` is this interest's share; `medoid` and `members` are rows of the input."""

    vector: NDArray[np.float32]
    weight: float
    medoid: int
    members: tuple[int, ...]


def event_weight(event_type: str, value: float = 1.0) -> float:
    """How much one event says for its item, -1..1. `value` counts for ratings only, where 3 of 5 says nothing.

    Raises KeyError for a type that is not in the canon.
    """
    if event_type == "rate":
        return min(1.0, max(-1.0, (value - NEUTRAL_RATING) / 2.0))
    return EVENT_WEIGHTS[event_type]


def event_type_weights(events: Sequence[tuple[str, float]]) -> NDArray[np.float64]:
    """(n_events,) weight of each (type, value), before any fading."""
    return np.array([event_weight(event_type, value) for event_type, value in events], dtype=np.float64)


def decay(ages_days: NDArray[np.float64], *, half_life_days: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Halves every `half_life_days` (one, or one for each age); an age below zero counts as zero.

    Raises ValueError where half_life_days <= 0.
    """
    if np.any(np.asarray(half_life_days) <= 0):
        raise ValueError(f"half_life_days is {half_life_days}; it must be above 0.")
    return np.asarray(np.exp2(-np.maximum(ages_days, 0.0) / half_life_days))


def half_lives(event_types: Sequence[str], *, half_life_days: float) -> NDArray[np.float64]:
    """(n_events,) after how many days each has half its weight; a purchase after `half_life_days`."""
    return half_life_days * np.array([HALF_LIFE_FACTORS[event_type] for event_type in event_types], dtype=np.float64)


def net_weights(items: NDArray[np.int64], weights: NDArray[np.float64], *, n_items: int) -> NDArray[np.float64]:
    """Sum of an item's event weights, likes less dislikes. items: (n_events,), indexes below n_items."""
    return np.asarray(np.bincount(items, weights=weights, minlength=n_items), dtype=np.float64)


def centre(vectors: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit rows minus the catalog's mean, at unit length again.

    A row that is the mean (a catalog of one item) keeps its direction: what is left of it would be rounding noise.
    """
    apart = vectors - mean
    is_mean = np.linalg.norm(apart, axis=-1, keepdims=True) < 0.01
    return unit(np.where(is_mean, vectors, apart))


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (or one vector) at unit length; zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 1e-12))


def pushed(vectors: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights after the disliked items (those below 0) took from the liked ones near them, by at most MOST_PUSHED.

    vectors: (n_items, dim), unit rows. A liked item keeps 1 - MOST_PUSHED * strength * nearness of its weight, for the
    disliked item where that is most: strength is the dislike in terms of the strongest like, at most 1; nearness grows
    from 0 at cosine NEAR to 1. Multiplying every weight multiplies the result. What is not liked stays as it is.
    """
    liked, disliked = weights > 0, weights < 0
    if not liked.any() or not disliked.any():
        return weights
    strongest = weights[liked].max()
    strength = np.minimum(-weights[disliked], strongest) / strongest
    cosines = np.asarray(vectors[liked] @ vectors[disliked].T, dtype=np.float64)
    nearness = np.clip((cosines - NEAR) / (1.0 - NEAR), 0.0, 1.0)
    result = weights.astype(np.float64, copy=True)
    result[liked] *= 1.0 - MOST_PUSHED * (nearness * strength).max(axis=1)
    return result


def interests(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], *, max_interests: int = 6, max_distance: float = 1.0
) -> tuple[Interest, ...]:
    """Several interests instead of one mean that lies between them all (PinnerSage, arXiv 2007.03634).

    vectors: (n_items, dim), centred unit rows; weights: (n_items,), an item of weight <= 0 is left out, and one below
    0 pushes interests away from itself (see `pushed`).
    Ward clusters are cut at `max_distance`, or into `max_interests` where that leaves more. Strongest first,
    weights sum to 1; ties go to the smaller row. Empty where no item has a positive weight.
    """
    if len(vectors) != len(weights):
        raise ValueError(f"{len(vectors)} vectors but {len(weights)} weights.")
    weights = pushed(vectors, weights)
    rows = np.flatnonzero((weights > 0) & (np.linalg.norm(vectors, axis=1) > 0))
    if rows.size == 0:
        return ()
    clusters = _clusters(vectors[rows], max_interests=max_interests, max_distance=max_distance)
    total = float(weights[rows].sum())
    found = [_interest(vectors, weights, rows[members], total=total) for members in clusters]
    return tuple(sorted(found, key=lambda interest: (-interest.weight, interest.medoid)))


def _clusters(vectors: NDArray[np.float32], *, max_interests: int, max_distance: float) -> list[NDArray[np.intp]]:
    """Rows by cluster: Ward's merges are undone from the last until enough clusters stand apart."""
    n = len(vectors)
    if n == 1:
        return [np.zeros(1, dtype=np.intp)]
    merges = linkage(vectors, method="ward")
    apart = n - int(np.searchsorted(merges[:, 2], max_distance, side="right"))
    clusters = {row: [row] for row in range(n)}
    for step, (left, right) in enumerate(merges[: n - min(apart, max_interests), :2].astype(int)):
        clusters[n + step] = clusters.pop(left) + clusters.pop(right)
    return [np.array(sorted(members), dtype=np.intp) for members in clusters.values()]


def _interest(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], members: NDArray[np.intp], *, total: float
) -> Interest:
    """One cluster: the weighted mean is its vector, the member closest to that mean its medoid."""
    share = weights[members]
    mean = unit((share @ vectors[members]).astype(np.float32))
    closeness = vectors[members] @ mean
    medoid = int(members[np.lexsort((members, -closeness))[0]])
    if not mean.any():
        mean = vectors[medoid]
    strongest = members[np.lexsort((members, -share))]
    return Interest(
        vector=mean,
        weight=float(share.sum()) / total,
        medoid=medoid,
        members=tuple(int(row) for row in strongest),
    )
