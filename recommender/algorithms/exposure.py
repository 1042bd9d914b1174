"""PURE numpy: how evenly places on lists are spread over items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CURVE_POINTS = 100


def lorenz(places: NDArray[np.int64], n_items: int) -> NDArray[np.float64]:
    """(CURVE_POINTS + 1,): the share of all places that the least shown 0%, 1%, ..., 100% of items have together.

    places: how often each shown item had a place, in any order; the rest of the n_items were never shown. All zeros
    but for the last point where one item has everything; zeros where nothing was shown.
    """
    shown = np.sort(places)
    never = max(0, n_items - len(shown))
    cumulated = np.concatenate([[0.0], np.cumsum(shown, dtype=np.float64)])
    total = cumulated[-1]
    if not total:
        return np.zeros(CURVE_POINTS + 1)
    at = np.linspace(0.0, len(shown) + never, CURVE_POINTS + 1)
    return np.interp(at, np.arange(len(cumulated)) + never, cumulated) / total


def gini(places: NDArray[np.int64], n_items: int) -> float:
    """0: every item is shown alike; towards 1: few items have all places. 0 where nothing was shown."""
    n, shown = max(n_items, len(places)), np.sort(places).astype(np.float64)
    total = float(shown.sum())
    if not total:
        return 0.0
    ranks = np.arange(n - len(shown) + 1, n + 1)
    return float(2.0 * (ranks * shown).sum() / (n * total) - (n + 1) / n)


def share_of_top(places: NDArray[np.int64], n_items: int, *, top: float) -> float:
    """The share of places that the most shown `top` of all items have; at least one item counts."""
    total = int(places.sum())
    most = np.sort(places)[::-1][: max(1, round(top * n_items))]
    return float(most.sum() / total) if total else 0.0
