"""How good lists are, and how sure one can be of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MISS = np.iinfo(np.int64).max
RESAMPLES = 2_000


@dataclass(frozen=True)
class Compared:
    """`difference` of the means, a minus b; `ci95` by paired bootstrap; `p_value` two-sided."""

    difference: float
    ci95: tuple[float, float]
    p_value: float


def hits(places: NDArray[np.int64], *, k: int) -> NDArray[np.float64]:
    """1 where the place (0 is the first, MISS not on the list) is among the first k."""
    return np.asarray(places < k, dtype=np.float64)


def gains(places: NDArray[np.int64], *, k: int) -> NDArray[np.float64]:
    """Discounted gain 1 / log2(place + 2) of one right item; its NDCG@k, since the ideal is 1 (Järvelin 2002)."""
    found = places < k
    return np.asarray(np.where(found, 1.0 / np.log2(np.where(found, places, 0) + 2.0), 0.0))


def reciprocal_ranks(places: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 / (place + 1), 0 where it is not on the list."""
    found = places < MISS
    return np.asarray(np.where(found, 1.0 / (np.where(found, places, 0) + 1.0), 0.0))


def precision_recall_f1(right: NDArray[np.int64], wanted: NDArray[np.int64], *, k: int) -> NDArray[np.float64]:
    """(lists, 3): right / k, right / wanted and their harmonic mean. right: how many of the k were taken; wanted: how
    many items were taken in all, at least 1 a list."""
    precision, recall = right / k, right / wanted
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(len(both)), where=both > 0)
    return np.stack([precision, recall, f1], axis=1)


def novelty(shares: NDArray[np.float64]) -> float:
    """Mean surprise in bits, -log2 of the share of users who had taken each shown item (Castells 2011); 0 for none."""
    return float(np.mean(-np.log2(np.clip(shares, 1e-9, 1.0)))) if len(shares) else 0.0


def interval(
    values: NDArray[np.float64], clusters: NDArray[np.int64] | None = None, *, seed: int = 0
) -> tuple[float, float]:
    """95% bootstrap interval of the mean. Rows of one cluster (a user with several) are drawn together."""
    if not len(values):
        return (0.0, 0.0)
    low, high = np.quantile(_resampled_means(values, clusters, seed=seed), [0.025, 0.975])
    return float(low), float(high)


def compare(
    a: NDArray[np.float64], b: NDArray[np.float64], clusters: NDArray[np.int64] | None = None, *, seed: int = 0
) -> Compared:
    """Paired bootstrap of a against b over the same rows. p: twice the share of resamples on the other side of 0,
    at least 1 / (resamples + 1), and 1 where the rows do not differ."""
    if not len(a) or np.array_equal(a, b):
        return Compared(0.0, (0.0, 0.0), 1.0)
    means = _resampled_means(a - b, clusters, seed=seed)
    low, high = np.quantile(means, [0.025, 0.975])
    against = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p_value = min(1.0, 2.0 * (against + 1) / (len(means) + 1))
    return Compared(float(np.mean(a - b)), (float(low), float(high)), p_value)


def _resampled_means(
    values: NDArray[np.float64], clusters: NDArray[np.int64] | None, *, seed: int
) -> NDArray[np.float64]:
    """Means of resamples with replacement of whole clusters; sums and sizes are enough for that."""
    groups = np.arange(len(values)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    n = int(groups.max()) + 1
    sums = np.bincount(groups, weights=values, minlength=n)
    sizes = np.bincount(groups, minlength=n).astype(np.float64)
    generator = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for turn in range(RESAMPLES):
        drawn = generator.integers(0, n, n)
        means[turn] = sums[drawn].sum() / sizes[drawn].sum()
    return means
