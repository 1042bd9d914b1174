"""PURE numpy: what the language model said of shuffled candidates becomes shares; shares and prior scores one order.

The method is zero-shot next-item recommendation (Wang & Lim, arXiv 2304.03153); a position's pull on the model is
divided out as in Zhao et al., "Calibrate before use" (arXiv 2102.09690).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms.fusion import z_scores

# The share of an answer that counts as spread over all options: a letter that the model never says must not divide
# by nothing, nor one vote decide a list.
SPREAD = 0.1
# How far one item may be from the others in the model's eyes, in natural logarithms: e^3 is 20 times as likely.
RATIO_LIMIT = 3.0


@dataclass(frozen=True)
class Blended:
    """order: positions, best first, ties in the order given. scores: (n,), in the prior's unit."""

    order: tuple[int, ...]
    scores: NDArray[np.float64]


def shuffles(n: int, rounds: int, *, seed: int) -> list[NDArray[np.intp]]:
    """One order of n options a round, each drawn by itself; the same for the same seed."""
    return [np.random.default_rng([seed, number]).permutation(n) for number in range(rounds)]


def evened(by_position: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) shares of positions, smoothed by SPREAD; they sum to 1. Nothing said is the same of each."""
    told = np.clip(np.nan_to_num(by_position, nan=0.0, posinf=0.0, neginf=0.0), 0.0, None)
    total = float(told.sum())
    shares = told / total if total > 0 else np.full(len(told), 1.0 / max(1, len(told)))
    return (1.0 - SPREAD) * shares + SPREAD / max(1, len(told))


def shares_of(
    answers: Sequence[NDArray[np.float64]],
    orders: Sequence[NDArray[np.intp]],
    position_prior: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Each option's share of the choice, in the options' own order; they sum to 1.

    answers: a round each, (n,) by position; orders: which option stood at each position; position_prior: (n,), what
    the model says where all options read the same. Without a round that answered, all shares are the same.
    """
    n = len(position_prior)
    if not answers:
        return np.full(n, 1.0 / max(1, n))
    prior = evened(position_prior)
    found = np.zeros(n)
    for answer, order in zip(answers, orders, strict=True):
        lifted = evened(answer) / prior
        found[order] += lifted / lifted.sum()
    return found / found.sum()


def ratios(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithms of the shares' ratios to their geometric mean, within ±RATIO_LIMIT: 0 speaks for nobody."""
    if len(shares) == 0:
        return np.zeros(0)
    logs = np.log(np.clip(shares, 1e-12, None))
    return np.asarray(np.clip(logs - logs.mean(), -RATIO_LIMIT, RATIO_LIMIT))


def blend(prior: NDArray[np.float64], shares: NDArray[np.float64], *, weight: float) -> Blended:
    """A product of two opinions: softmax(z of the prior)^(1 - weight) * shares^weight, in logarithms.

    weight: 0 keeps the prior's order, 1 is the model's alone. The result is written in the prior's unit (its mean and
    spread), so that it compares with what was not re-ranked, and what the model adds is a difference of two scores.
    Raises ValueError where the lengths differ or weight is not within 0..1.
    """
    if prior.shape != shares.shape:
        raise ValueError(f"{len(prior)} prior scores, but {len(shares)} shares.")
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"weight is {weight}; it must be 0..1.")
    if len(prior) == 0:
        return Blended((), np.zeros(0))
    z = z_scores(prior)
    told = (1.0 - weight) * z + weight * ratios(shares)
    # Rounding must not tell apart what is the same.
    order = np.argsort(-np.round(told, 9), kind="stable")
    unit = float(prior.std()) if z.any() else 1.0
    scores = (1.0 - weight) * prior + weight * (float(prior.mean()) + unit * ratios(shares))
    return Blended(tuple(int(place) for place in order), scores)
