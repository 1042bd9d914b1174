"""Fitting the fusion on validation: how fast each source forgets, its spread, and its weight by length of history.

Coordinate ascent on NDCG@k itself, over pools that stay fixed: a likelihood would spend itself on the tail nobody sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms import metrics

BUCKETS = ("none", "one", "few", "many")
FEW_STEPS = 5
FACTORS = (0.0, 0.25, 0.5, 0.75, 1.33, 2.0, 4.0, 8.0)
BORROWED_ROWS = 300.0
SMALLEST_START = 0.02
ROUNDS = 4
NOT_PROPOSED, NONE = -1, -2


def bucket_of(steps: int) -> str:
    """none, one, few (2 to 5 steps) or many."""
    return "none" if steps == 0 else "one" if steps == 1 else "few" if steps <= FEW_STEPS else "many"


@dataclass(frozen=True)
class Pools:
    """Validation lists side by side. raw: (entries, columns) with all candidates of list 0 first; starts: (lists,), the
    first entry of each; buckets: (lists,). targets: (lists, most), the entries that were taken, NOT_PROPOSED where no
    source had the item, NONE where a list has fewer; worth: (lists,), how many targets each of them stands for."""

    raw: NDArray[np.float32]
    starts: NDArray[np.int64]
    targets: NDArray[np.int64]
    worth: NDArray[np.float64]
    buckets: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.diff(np.append(self.starts, len(self.raw)))

    def z(self, spreads: NDArray[np.float64]) -> NDArray[np.float32]:
        """(entries, columns): less the list's mean, over the column's spread."""
        means = np.add.reduceat(self.raw, self.starts, axis=0) / self.sizes[:, None]
        return np.asarray((self.raw - np.repeat(means, self.sizes, axis=0)) / spreads, dtype=np.float32)

    def spreads(self) -> NDArray[np.float64]:
        """(columns,): the standard deviation around each list's mean; 1 for a column that says nothing."""
        if not len(self):
            return np.ones(self.raw.shape[1])
        centred = self.z(np.ones(self.raw.shape[1])).astype(np.float64)
        spread = np.sqrt((centred**2).mean(axis=0))
        return np.where(spread > 1e-12, spread, 1.0)

    def ndcg(self, scores: NDArray[np.float32], *, k: int) -> float:
        """Mean NDCG@k over the targets; candidates of the same score share the places between them."""
        total = 0.0
        for targets in self.targets.T:
            wanted = np.where(targets >= 0, scores[np.maximum(targets, 0)], np.inf)
            spread_out = np.repeat(wanted, self.sizes)
            above = np.add.reduceat((scores > spread_out).astype(np.int64), self.starts)
            equal = np.add.reduceat((scores == spread_out).astype(np.int64), self.starts)
            places = np.where(targets >= 0, above + np.maximum(equal - 1, 0) // 2, metrics.MISS)
            total += float(metrics.gains(places, k=k) @ self.worth)
        return total / float(((self.targets != NONE) * self.worth[:, None]).sum() or 1.0)

    def chosen(self, lists: NDArray[np.int64]) -> Pools:
        """Only those lists, ascending."""
        sizes = self.sizes
        entries = np.concatenate([np.arange(self.starts[i], self.starts[i] + sizes[i]) for i in lists])
        starts = np.concatenate([[0], np.cumsum(sizes[lists])[:-1]]).astype(np.int64)
        targets = self.targets[lists]
        moved = np.where(targets >= 0, targets - self.starts[lists][:, None] + starts[:, None], targets)
        return Pools(self.raw[entries], starts, moved, self.worth[lists], self.buckets[lists])


def pools_of(
    raw: Sequence[NDArray[np.float32]],
    targets: Sequence[Sequence[int]],
    worth: Sequence[float],
    buckets: Sequence[str],
    *,
    columns: int,
) -> Pools:
    """targets: by list, rows of its own `raw`, or NOT_PROPOSED."""
    sizes = np.array([len(rows) for rows in raw], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    table = np.full((len(raw), max((len(own) for own in targets), default=1)), NONE, dtype=np.int64)
    for place, own in enumerate(targets):
        rows = np.array(own, dtype=np.int64)
        table[place, : len(own)] = np.where(rows >= 0, rows + starts[place], NOT_PROPOSED)
    return Pools(
        np.concatenate(raw) if raw else np.zeros((0, columns), dtype=np.float32),
        starts,
        table,
        np.array(worth, dtype=np.float64),
        np.array(buckets, dtype="<U4"),
    )


@dataclass(frozen=True)
class FittedWeights:
    """columns: the column chosen for each source; spreads by source; weights by bucket and source, each sum to 1."""

    columns: dict[str, int]
    spreads: dict[str, float]
    weights: dict[str, dict[str, float]]
    ndcg_before: float
    ndcg_after: float


def fit(
    pools: Pools,
    columns: Mapping[str, Sequence[int]],
    start: Mapping[str, float],
    *,
    k: int = 10,
    rounds: int = ROUNDS,
) -> FittedWeights:
    """columns: by source its alternatives in `pools.raw` (how fast it forgets), the default first. Without any list
    the start is returned as it is. Each bucket starts from what is best for all and keeps its own gains by
    lists / (lists + 300)."""
    sources = list(columns)
    chosen = {source: columns[source][0] for source in sources}
    weights = _normalised(np.array([max(0.0, start.get(source, 0.0)) for source in sources]))
    spreads = pools.spreads()
    if not len(pools):
        fallback = dict(zip(sources, weights.tolist(), strict=True))
        return FittedWeights(chosen, dict.fromkeys(sources, 0.0), dict.fromkeys(BUCKETS, fallback), 0.0, 0.0)
    z = pools.z(spreads)
    before = pools.ndcg(z[:, list(chosen.values())] @ weights.astype(np.float32), k=k)
    best = before
    for _ in range(rounds):
        at_start = best
        for place, source in enumerate(sources):
            for column in columns[source]:
                trial = {**chosen, source: column}
                features = z[:, list(trial.values())]
                improved, value = _best_weight(pools, features, weights, place, best, k=k)
                if value > best:
                    chosen, weights, best = trial, improved, value
        if best - at_start < 1e-4:
            break
    features = z[:, list(chosen.values())]
    by_bucket = {bucket: _of_bucket(pools, features, weights, bucket, k=k) for bucket in BUCKETS}
    return FittedWeights(
        columns=chosen,
        spreads={source: float(spreads[column]) for source, column in chosen.items()},
        weights={
            bucket: {source: round(float(w), 4) for source, w in zip(sources, own, strict=True)}
            for bucket, own in by_bucket.items()
        },
        ndcg_before=before,
        ndcg_after=best,
    )


def _of_bucket(
    pools: Pools, features: NDArray[np.float32], weights: NDArray[np.float64], bucket: str, *, k: int
) -> NDArray[np.float64]:
    lists = np.flatnonzero(pools.buckets == bucket)
    if not len(lists):
        return weights
    own = replace(pools, raw=features).chosen(lists)
    tuned, best = weights, own.ndcg(own.raw @ weights.astype(np.float32), k=k)
    for _ in range(2):
        for place in range(len(weights)):
            tuned, best = _best_weight(own, own.raw, tuned, place, best, k=k)
    trust = len(lists) / (len(lists) + BORROWED_ROWS)
    return _normalised(trust * tuned + (1 - trust) * weights)


def _best_weight(
    pools: Pools, features: NDArray[np.float32], weights: NDArray[np.float64], place: int, best: float, *, k: int
) -> tuple[NDArray[np.float64], float]:
    """The weights with the one at `place` changed so that NDCG grows most; as they are where nothing helps."""
    tuned = weights
    rest = features @ np.where(np.arange(len(weights)) == place, 0.0, weights).astype(np.float32)
    base = max(float(weights[place]), SMALLEST_START)
    for factor in (*FACTORS, 1.0):
        trial = weights.copy()
        trial[place] = base * factor
        if trial.sum() <= 0:
            continue
        value = pools.ndcg(rest + np.float32(trial[place]) * features[:, place], k=k)
        if value > best + 1e-6:
            tuned, best = _normalised(trial), value
    return tuned, best


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = float(weights.sum())
    return weights / total if total > 0 else np.full(len(weights), 1.0 / max(len(weights), 1))
