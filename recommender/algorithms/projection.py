"""A map of vectors: principal components, then t-SNE of a sample, the rest between its nearest sampled neighbours.

The same vectors give the same map, and a map after it stands the same way round.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

COMPONENTS = 30
PERPLEXITY = 30.0
LEAST_FOR_TSNE = 10
STAGE_STEPS = 250  # the fewest that the library takes; between stages a job can report and be cancelled
STAGES = 4
NEIGHBOURS = 5
EDGE = 0.03  # of the map, left free on each side
SPREAD = 1e-4  # of a start: the larger it is, the longer t-SNE needs to leave it

Points = NDArray[np.float64]


def sample_of(ids: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Rows of `n` of these ids, in the order given: by a hash of each id, so that new ids displace few of the old."""
    if len(ids) <= n:
        return np.arange(len(ids))
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    return np.sort(np.lexsort((ids, mixed * np.uint64(0xBF58476D1CE4E5B9)))[:n])


def components(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(mean, axes) of the strongest principal components: (dim,) and (dim, at most 30). Each axis points the way in
    which its largest entry is positive, for its sign means nothing by itself."""
    mean = vectors.mean(axis=0)
    centred = (vectors - mean).astype(np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    strongest = axes[:, ::-1][:, :COMPONENTS]
    largest = strongest[np.abs(strongest).argmax(axis=0), np.arange(strongest.shape[1])]
    return mean.astype(np.float32), (strongest * np.where(largest < 0, -1.0, 1.0)).astype(np.float32)


def layout(reduced: NDArray[np.float32], *, start: Points | None = None, seed: int = 0) -> Iterator[tuple[int, Points]]:
    """(stage, places) after each of the stages; the last is the map. reduced: (n, components); places: (n, 2).

    start: where points stood before, (n, 2), so that they end near there; else the first two components. One thread,
    for sums in another order give another map.
    """
    first = reduced[:, :2].astype(np.float64)
    if first.shape[1] < 2:
        first = np.column_stack([first[:, 0], np.zeros(len(first))])
    places = first if start is None else start
    if len(reduced) < LEAST_FOR_TSNE:
        yield STAGES, places
        return
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]  # takes seconds to load

    for stage in range(1, STAGES + 1):
        tsne = TSNE(
            init=_small(places).astype(np.float32) if stage == 1 else places.astype(np.float32),
            perplexity=min(PERPLEXITY, (len(reduced) - 1) / 3),
            early_exaggeration=12.0 if stage == 1 and start is None else 4.0 if stage == 1 else 1.0,
            max_iter=STAGE_STEPS,
            random_state=seed,
            n_jobs=1,
        )
        with threadpool_limits(1):
            places = tsne.fit_transform(reduced).astype(np.float64)
        yield stage, places


def between(
    reduced: NDArray[np.float32], sampled: NDArray[np.float32], places: Points, *, k: int = NEIGHBOURS
) -> Points:
    """(n, 2): each point at the mean of its k nearest sampled points' places, the nearer the heavier."""
    k = min(k, len(sampled))
    distances = (sampled**2).sum(axis=1) - 2 * reduced @ sampled.T + (reduced**2).sum(axis=1)[:, None]
    nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
    found = np.take_along_axis(distances, nearest, axis=1).clip(min=0.0).astype(np.float64)
    weights = 1.0 / (found + 1e-6)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkd->nd", weights, places[nearest])


def turned(places: Points, known: NDArray[np.bool_], before: Points) -> Points:
    """The map turned, mirrored and moved, but not bent, to lie on the one before as well as it can (Procrustes).

    known: (n,), which of the points stood on it; before: (n, 2), read where known only. Fewer than three: as it is.
    """
    if known.sum() < 3:
        return places
    new, old = places[known], before[known]
    middle_new, middle_old = new.mean(axis=0), old.mean(axis=0)
    left, strengths, right = np.linalg.svd((new - middle_new).T @ (old - middle_old))
    spread = ((new - middle_new) ** 2).sum()
    if spread <= 0:
        return places
    return (places - middle_new) @ (left @ right) * (strengths.sum() / spread) + middle_old


def framed(places: Points) -> Points:
    """Into 0..1 both ways, at one scale, in the middle; few points far out do not shrink the rest."""
    if not len(places):
        return places
    low, high = np.quantile(places, [0.001, 0.999], axis=0)
    middle, widest = (low + high) / 2, float((high - low).max())
    if widest <= 0:
        return np.full_like(places, 0.5)
    return (0.5 + (places - middle) / widest * (1 - 2 * EDGE)).clip(0.0, 1.0)


def _small(places: Points) -> Points:
    """Moved to the middle, and so small that every point can still reach every other."""
    centred = places - places.mean(axis=0)
    widest = float(np.std(centred))
    return centred / widest * SPREAD if widest > 0 else centred
