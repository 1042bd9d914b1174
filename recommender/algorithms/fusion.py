"""Several sources' raw scores become one: each on a common scale, times the recipe's weights, added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_LIMIT = 4.0
TREES = "trees"
"""What boosted trees are called beside the sources, in weights and spreads."""


@dataclass(frozen=True)
class Fused:
    """By source: the weights in force, z and contributions, each (n_candidates,); scores sums the contributions.
    `by_trees` is what of a contribution boosted trees add, 0 where there are none; the rest is weight * z."""

    scores: NDArray[np.float64]
    weights: dict[str, float]
    z: dict[str, NDArray[np.float64]]
    contributions: dict[str, NDArray[np.float64]]
    by_trees: dict[str, NDArray[np.float64]]


def z_scores(raw: NDArray[np.float64], *, spread: float | None = None, limit: float = Z_LIMIT) -> NDArray[np.float64]:
    """(raw - mean) / spread; all zeros where the source says the same of everybody.

    `spread` is the source's standard deviation over many lists, as validation found it: then a source that is sure
    counts more than one that is not, which scaling each list by itself would hide. Without it the list's own standard
    deviation is taken, and the result held within ±limit, or a source that knows three of five hundred would decide.
    """
    if raw.size == 0:
        return np.zeros(0)
    own = float(raw.std())
    if own <= 1e-12 * max(1.0, float(np.abs(raw).max())):
        return np.zeros(raw.shape)
    if spread is not None and spread > 0:
        return np.asarray((raw - raw.mean()) / spread)
    return np.asarray(np.clip((raw - raw.mean()) / own, -limit, limit))


def fuse(
    raw: Mapping[str, NDArray[np.float64]],
    weights: Mapping[str, float],
    spreads: Mapping[str, float] | None = None,
    trees: Mapping[str, NDArray[np.float64]] | None = None,
) -> Fused:
    """Convex combination of z-scores (Bruch et al., arXiv 2210.11934). A source without a weight counts 0.

    trees: the parts of what boosted trees say, by source; together they are one more voice, under the name TREES, and
    what each adds goes to its source. The weights of those that say something are scaled to sum to 1, so scores
    compare between users.
    """
    spreads = spreads or {}
    voices = {**raw, TREES: np.sum(list(trees.values()), axis=0)} if trees else raw
    z = {name: z_scores(values, spread=spreads.get(name)) for name, values in voices.items()}
    effective = silent_free(weights, {name: bool(values.any()) for name, values in z.items()})
    by_trees = {source: np.zeros(len(values)) for source, values in raw.items()}
    if trees and effective[TREES]:
        unit = effective[TREES] / (spreads.get(TREES) or float(voices[TREES].std()))
        by_trees |= {source: unit * (values - values.mean()) for source, values in trees.items()}
    contributions = {source: effective[source] * z[source] + by_trees[source] for source in raw}
    scores = np.sum(list(contributions.values()), axis=0) if raw else np.zeros(0)
    return Fused(scores=scores, weights=effective, z=z, contributions=contributions, by_trees=by_trees)


def silent_free(weights: Mapping[str, float], speaks: Mapping[str, bool]) -> dict[str, float]:
    """The weights with silent sources at 0 and the rest scaled to sum to 1; all 0 where every source is silent."""
    kept = {source: max(0.0, weights.get(source, 0.0)) if says else 0.0 for source, says in speaks.items()}
    total = sum(kept.values())
    return {source: weight / total if total else 0.0 for source, weight in kept.items()}


def best_first(scores: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.intp]:
    """Positions from the highest score to the lowest; ties go to the smaller id."""
    return np.lexsort((ids, -scores))
