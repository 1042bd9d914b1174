"""Fitting the fusion on validation: how fast each source forgets, its spread, and its weight by length of history.

Coordinate ascent on NDCG@k itself, over pools that stay fixed: a likelihood would spend itself on the tail nobody sees.
Weights are means over random halves of the lists, which a few hundred of them would otherwise bend to their noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms import metrics

BUCKETS = ("none", "one", "few", "many")
FEW_STEPS = 5
FACTORS = (0.0, 0.25, 0.5, 0.75, 1.33, 2.0, 4.0, 8.0)
BORROWED_ROWS = 300.0
SMALLEST_START = 0.02
ROUNDS = 3
BAGS = 6
ENOUGH = 1e-4
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
        """(columns,): the standard deviation around each list's mean; 1 for a column that says nothing. At least a
        hundredth of what the column says on average, or the rounding of one that says the same of all would speak."""
        if not len(self):
            return np.ones(self.raw.shape[1])
        centred = self.z(np.ones(self.raw.shape[1])).astype(np.float64)
        spread = np.sqrt((centred**2).mean(axis=0))
        least = 0.01 * np.abs(self.raw).mean(axis=0)
        return np.where(spread > 1e-12, np.maximum(spread, least), 1.0)

    def ndcg(self, scores: NDArray[np.float32], *, k: int) -> float:
        """Mean NDCG@k over the targets; a target among equals gets what it would on average, were they shuffled."""
        if not len(self):
            return 0.0
        table, worth = self._by_list
        own = np.append(scores, np.float32(-np.inf))[table]
        first = min(k, own.shape[1])
        top = np.argpartition(-own, first - 1, axis=1)[:, :first]
        top = np.take_along_axis(top, np.argsort(-np.take_along_axis(own, top, axis=1), axis=1), axis=1)
        values, wanted = np.take_along_axis(own, top, axis=1), np.take_along_axis(worth, top, axis=1)
        gains = metrics.gains(np.arange(first), k=k)
        edge = values[:, -1:]
        is_above = values > edge
        same = (values[:, :, None] == values[:, None, :]).astype(np.float64)
        total = float((wanted * is_above * ((same @ gains) / same.sum(axis=2))).sum())
        # What equals the last of the first k shares the places that are left with those beyond them.
        left = gains.sum() - np.append(0.0, np.cumsum(gains))[is_above.sum(axis=1)]
        at_edge = own == edge
        total += float((left / at_edge.sum(axis=1) * np.where(at_edge, worth, 0.0).sum(axis=1)).sum())
        return total / float(((self.targets != NONE) * self.worth[:, None]).sum() or 1.0)

    @cached_property
    def _by_list(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(lists, longest): the entries of each list, one past the last where it is shorter; what each is worth."""
        places = np.arange(self.sizes.max())
        table = np.where(places < self.sizes[:, None], self.starts[:, None] + places, len(self.raw))
        worth = np.zeros(len(self.raw) + 1)
        is_proposed = self.targets >= 0
        np.add.at(worth, self.targets[is_proposed], np.repeat(self.worth, is_proposed.sum(axis=1)))
        return table, worth[table]

    @property
    def is_target(self) -> NDArray[np.bool_]:
        """(entries,)"""
        found = np.zeros(len(self.raw), dtype=bool)
        found[self.targets[self.targets >= 0]] = True
        return found

    def with_columns(self, *more: NDArray[np.float64], only: Sequence[int]) -> Pools:
        """Those of its columns, and then these of (entries,)."""
        return replace(self, raw=np.column_stack([self.raw[:, list(only)], *more]).astype(np.float32))

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


def joined(some: Sequence[Pools]) -> Pools:
    """The lists of all of them, one after the other; at least one, all of the same columns."""
    starts = np.cumsum([0, *(len(each.raw) for each in some[:-1])])
    most = max(each.targets.shape[1] for each in some)
    targets = [
        np.where(each.targets >= 0, each.targets + start, each.targets)
        for each, start in zip(some, starts, strict=True)
    ]
    return Pools(
        np.concatenate([each.raw for each in some]),
        np.concatenate([each.starts + start for each, start in zip(some, starts, strict=True)]),
        np.concatenate([np.pad(own, ((0, 0), (0, most - own.shape[1])), constant_values=NONE) for own in targets]),
        np.concatenate([each.worth for each in some]),
        np.concatenate([each.buckets for each in some]),
    )


@dataclass(frozen=True)
class FittedWeights:
    """spreads by source; weights by bucket and source, each sum to 1."""

    spreads: dict[str, float]
    weights: dict[str, dict[str, float]]
    ndcg_before: float
    ndcg_after: float


def fit(pools: Pools, sources: Sequence[str], start: Mapping[str, float], *, k: int = 10) -> FittedWeights:
    """sources: what each column of `pools.raw` says. Without any list the start is returned as it is. Each bucket
    starts from what is best for all and keeps its own weights by lists / (lists + 300). A source that is silent in all
    lists keeps its weight and is not fitted: moving it moves nothing, but every move of the others would be smaller by
    what it holds."""
    heard = [column for column in range(len(sources)) if not len(pools) or pools.raw[:, column].any()]
    if 0 < len(heard) < len(sources):
        found = fit(pools.with_columns(only=heard), [sources[column] for column in heard], start, k=k)
        return _with_silent(found, sources, start)
    weights = _of_start(sources, start)
    spreads = pools.spreads()
    if not len(pools):
        fallback = dict(zip(sources, weights.tolist(), strict=True))
        return FittedWeights(dict.fromkeys(sources, 0.0), dict.fromkeys(BUCKETS, fallback), 0.0, 0.0)
    features = replace(pools, raw=pools.z(spreads))
    before = features.ndcg(features.raw @ weights.astype(np.float32), k=k)
    common = _bagged(features, _best_start(features, weights, k=k), k=k)
    after = features.ndcg(features.raw @ common.astype(np.float32), k=k)
    if after < before:  # few lists: what half of them want may not hold for the other
        common, after = weights, before
    by_bucket = {bucket: _of_bucket(features, common, bucket, k=k) for bucket in BUCKETS}
    return FittedWeights(
        spreads=dict(zip(sources, spreads.tolist(), strict=True)),
        weights={
            bucket: {source: round(float(w), 4) for source, w in zip(sources, own, strict=True)}
            for bucket, own in by_bucket.items()
        },
        ndcg_before=before,
        ndcg_after=after,
    )


def choose_columns(
    pools: Pools, columns: Mapping[str, Sequence[int]], start: Mapping[str, float], *, k: int = 10
) -> dict[str, int]:
    """columns: by source its alternatives in `pools.raw` (how fast it forgets), the default first. By source the one
    with which coordinate ascent comes furthest."""
    weights, z = _of_start(list(columns), start), pools.z(pools.spreads())
    chosen = {source: alternatives[0] for source, alternatives in columns.items()}
    best = pools.ndcg(z[:, list(chosen.values())] @ weights.astype(np.float32), k=k)
    for _ in range(ROUNDS):
        at_start = best
        for place, (source, alternatives) in enumerate(columns.items()):
            for column in alternatives:
                trial = {**chosen, source: column}
                improved, value = _best_weight(pools, z[:, list(trial.values())], weights, place, best, k=k)
                if value > best:
                    chosen, weights, best = trial, improved, value
        if best - at_start < ENOUGH:
            break
    return chosen


def _of_start(sources: Sequence[str], start: Mapping[str, float]) -> NDArray[np.float64]:
    return _normalised(np.array([max(0.0, start.get(source, 0.0)) for source in sources]))


def _with_silent(found: FittedWeights, sources: Sequence[str], start: Mapping[str, float]) -> FittedWeights:
    total = sum(max(0.0, start.get(source, 0.0)) for source in sources) or 1.0
    kept = {source: max(0.0, start.get(source, 0.0)) / total for source in sources if source not in found.spreads}
    left = 1.0 - sum(kept.values())
    return replace(
        found,
        spreads={source: found.spreads.get(source, 1.0) for source in sources},
        weights={
            bucket: {source: round(kept.get(source, left * own.get(source, 0.0)), 4) for source in sources}
            for bucket, own in found.weights.items()
        },
    )


def _best_start(pools: Pools, weights: NDArray[np.float64], *, k: int) -> NDArray[np.float64]:
    """The given weights, or those with one source far ahead: where the ascent would otherwise stay in a poor valley."""
    ahead = [0.3 * weights + 0.7 * row for row in np.eye(len(weights))]
    starts = [weights, *ahead]
    values = [pools.ndcg(pools.raw @ start.astype(np.float32), k=k) for start in starts]
    return starts[int(np.argmax(values))]


def _bagged(pools: Pools, start: NDArray[np.float64], *, k: int, seed: int = 0) -> NDArray[np.float64]:
    """The mean of weights fitted on random halves of the lists: what only some of them want comes out small."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(BAGS):
        size = max(1, len(pools) // 2)
        own = pools.chosen(np.sort(generator.choice(len(pools), size, replace=False)))
        weights, best = start, own.ndcg(own.raw @ start.astype(np.float32), k=k)
        for _ in range(ROUNDS):
            at_start = best
            for place in generator.permutation(len(weights)):
                weights, best = _best_weight(own, own.raw, weights, int(place), best, k=k)
            if best - at_start < ENOUGH:
                break
        found.append(weights)
    return _normalised(np.mean(found, axis=0))


def _of_bucket(pools: Pools, weights: NDArray[np.float64], bucket: str, *, k: int) -> NDArray[np.float64]:
    """The common weights, bent towards what is best for histories of this length, by how many of them there are."""
    lists = np.flatnonzero(pools.buckets == bucket)
    if not len(lists):
        return weights
    trust = len(lists) / (len(lists) + BORROWED_ROWS)
    return _normalised(trust * _bagged(pools.chosen(lists), weights, k=k) + (1 - trust) * weights)


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
