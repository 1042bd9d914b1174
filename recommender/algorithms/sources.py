"""What each source thinks of the candidates: raw scores, each on its own scale. `fusion` makes one score of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms.factors import factor_scores
from recommender.algorithms.popularity import newness

SOURCES = (
    "neighbours",
    "next",
    "carried",
    "latent",
    "similar",
    "words",
    "interest",
    "label_affinity",
    "repeat",
    "popular",
    "trending",
    "new",
)
VOTING = ("neighbours", "next", "words", "carried")
ONLY_SCORES = ("carried", "latent")
"""Sources that propose nothing themselves."""
REMEMBERING = (*VOTING, "similar", "latent")
"""Sources that fade what was done by steps; `Recipe.memory_steps` has a half life for each."""
RECENT_COMPARED = 40
SHARPNESS = 3


@dataclass(frozen=True)
class Evidence:
    """What is known of n candidates and of the user. Vectors are centred unit rows, zeros where an item has none.

    votes: by source in VOTING, (n,). vectors: (n, dim). recent: (h, dim) of the items done, with weights (h,).
    factors: (n, k) and latent_done (m, k) with latent_weights (m,) of the items done.
    interests: (k, dim), with shares (k,). label_affinity, repeat, popularity, trend: (n,); users: (n,) who took each.
    """

    votes: Mapping[str, NDArray[np.float64]]
    vectors: NDArray[np.float32]
    recent: NDArray[np.float32]
    recent_weights: NDArray[np.float64]
    factors: NDArray[np.float32]
    latent_done: NDArray[np.float32]
    latent_weights: NDArray[np.float64]
    interests: NDArray[np.float32]
    interest_shares: NDArray[np.float64]
    label_affinity: NDArray[np.float64]
    repeat: NDArray[np.float64]
    popularity: NDArray[np.float64]
    trend: NDArray[np.float64]
    users: NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """`raw[source]` is (n,); `closest_interest` is the row of the interest a candidate fits best, -1 without any."""

    raw: dict[str, NDArray[np.float64]]
    closest_interest: NDArray[np.int64]


def raw_scores(evidence: Evidence, *, new_below_users: int) -> Scored:
    closeness, closest = interest_closeness(evidence.vectors, evidence.interests, evidence.interest_shares)
    fresh = newness(evidence.users, below_users=new_below_users)
    raw = {
        **{source: np.asarray(evidence.votes[source], dtype=np.float64) for source in VOTING},
        "similar": similar(evidence.vectors, evidence.recent, evidence.recent_weights),
        "latent": factor_scores(evidence.factors, evidence.latent_done, evidence.latent_weights),
        "interest": closeness,
        "label_affinity": evidence.label_affinity,
        "repeat": evidence.repeat,
        "popular": np.log1p(evidence.popularity),
        "trending": evidence.trend,
        "new": fresh * (np.maximum(closeness, 0.0) if len(evidence.interests) else 1.0),
    }
    return Scored({source: raw[source] for source in SOURCES}, closest)


def similar(
    vectors: NDArray[np.float32], recent: NDArray[np.float32], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What resembles what was done lately; (n,)."""
    return resemblance(vectors, recent, weights, sharpness=SHARPNESS)


def resemblance(
    vectors: NDArray[np.float32],
    others: NDArray[np.float32],
    weights: NDArray[np.float64],
    *,
    sharpness: int,
) -> NDArray[np.float64]:
    """Sum over `others` of weight * max(cosine, 0) ^ sharpness, a candidate's likeness to itself left out.

    One by one rather than to their mean, which lies between them all; the power lets the close ones decide (STAR,
    arXiv 2410.16458). vectors: (n, dim), others: (m, dim), weights: (m,); returns (n,).
    """
    if not len(others):
        return np.zeros(len(vectors))
    cosines = np.clip(vectors @ others.T, 0.0, 1.0)
    cosines[cosines > 0.9999] = 0.0
    powers = cosines
    for _ in range(sharpness - 1):
        powers = powers * cosines
    return np.asarray(powers @ weights.astype(np.float32), dtype=np.float64)


def interest_closeness(
    vectors: NDArray[np.float32], interests: NDArray[np.float32], shares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Cosine with the interest that a candidate fits best, times the root of that interest's share; and which it is."""
    if not len(interests):
        return np.zeros(len(vectors)), np.full(len(vectors), -1, dtype=np.int64)
    closeness = (vectors @ interests.T).astype(np.float64) * np.sqrt(shares)[None, :]
    closest = np.argmax(closeness, axis=1)
    return closeness[np.arange(len(vectors)), closest], closest.astype(np.int64)
