"""The order of the review queue: first the items whose decision settles most doubt about the rest of the catalog.

A decision about one item tells the head something about items like it. So the gain of a decision is the doubt (one minus the
lead of the first label over the second, more for items people look at) of everything like the item that no earlier
decision covers: greedy facility location.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Similarity to the 8th power: a decision covers near twins fully, remote relatives hardly.
SHARPNESS = 8


def gains(
    vectors: NDArray[np.float32],
    doubts: NDArray[np.float32],
    decided: NDArray[np.float32],
    *,
    n: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The next n positions to review in their order, and what each adds, falling.

    vectors: (m, dim), unit rows, of the items that wait; doubts: (m,), >= 0; decided: (k, dim), unit rows, of items decided
    before. n is cut to m. The unit is items' worth of doubt.
    """
    n = min(n, len(vectors))
    near = _nearness(vectors, vectors)
    covered = _nearness(vectors, decided).max(axis=1) if len(decided) else np.zeros(len(vectors), dtype=np.float32)
    order = np.empty(n, dtype=np.int64)
    found = np.empty(n, dtype=np.float32)
    is_free = np.ones(len(vectors), dtype=bool)
    for place in range(n):
        adds = np.maximum(near - covered[None, :], 0.0) @ doubts
        adds[~is_free] = -1.0
        best = int(adds.argmax())
        order[place], found[place] = best, adds[best]
        is_free[best] = False
        covered = np.maximum(covered, near[best])
    return order, found


def _nearness(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (np.maximum(some @ others.T, 0.0) ** SHARPNESS).astype(np.float32)
    return result
