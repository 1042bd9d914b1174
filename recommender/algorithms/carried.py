"""What goes with new items, which nobody can have taken with anything yet: foretold from items described like them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg.lapack import spotrf, spotri

from recommender.algorithms.neighbours import NeighbourPairs

NEW_BELOW_USERS = 5
MOST_NEW = 5_000
MOST_TAKEN = 4_000
REGULARISATION = 600.0
LEARNED_FROM = 100
NOISE = 10.0
AT_ONCE = 250


def carried(
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    described: sparse.csr_matrix,
    vectors: NDArray[np.float32],
    *,
    k: int = 150,
) -> NeighbourPairs:
    """The k strongest ties of each item to new ones: those of fewer than five users, of many the last 5,000.

    users, items: one row a pair. described: (n_items, words) unit rows of words; vectors: (n_items, dim) centred unit
    rows; zeros where an item has none. Between the 4,000 items of most users stand the ties of a linear autoencoder
    that keeps its diagonal: an item speaks for what is like it too. A new item's ties are what a kernel ridge
    regression on words and vectors foretells from the hundred items described most like it. Few users are noise.
    Divided by the largest of them all.
    """
    n_items = len(vectors)
    counts = np.bincount(items, minlength=n_items)
    new = np.flatnonzero(counts < NEW_BELOW_USERS)[-MOST_NEW:]
    taken = np.flatnonzero(counts)
    taken = np.sort(taken[np.lexsort((taken, -counts[taken]))[:MOST_TAKEN]])
    if not len(new) or not len(taken):
        return NeighbourPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    ties = _ties(users, items, taken, n_items=n_items)
    best = _Best(len(taken), k)
    for own, weights in _foretold(new, taken, counts, described, vectors):
        own_ties = (weights @ ties.T).T
        own_ties[taken[:, None] == own[None, :]] = 0.0
        best.add(own, own_ties)
    return best.pairs(taken)


def alike(
    one: tuple[sparse.csr_matrix, NDArray[np.float32]], other: tuple[sparse.csr_matrix, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """(n, m): how alike two sets of items are described, 0 to 3. Each is (unit rows of words, unit rows of vectors)."""
    words = (one[0] @ other[0].T).toarray().astype(np.float32)
    return np.asarray(words + words**2 + np.maximum(one[1] @ other[1].T, 0.0) ** 2)


def _ties(
    users: NDArray[np.int64], items: NDArray[np.int64], taken: NDArray[np.int64], *, n_items: int
) -> NDArray[np.float32]:
    """(n, n): EASE's, but with the diagonal that goes with them: I - P diag(1 / diag P), plus what it holds back."""
    place = np.full(n_items, -1)
    place[taken] = np.arange(len(taken))
    kept = place[items] >= 0
    pairs = (np.ones(int(kept.sum()), dtype=np.float32), (users[kept], place[items[kept]]))
    matrix = sparse.csr_matrix(pairs, shape=(int(users.max()) + 1, len(taken)))
    together = (matrix.T @ matrix).toarray()
    together[np.diag_indices(len(taken))] += REGULARISATION
    # Positive definite, and far from singular by what was added: half the work, and single precision is enough.
    precision, _ = spotri(spotrf(together, lower=0, clean=1)[0], lower=0)
    precision += np.triu(precision, 1).T
    own = np.diag(precision).copy()
    ties = np.ascontiguousarray(precision / -own[None, :])
    np.fill_diagonal(ties, 1.0 / (REGULARISATION * own) - 1.0)
    return ties


def _foretold(
    new: NDArray[np.int64],
    taken: NDArray[np.int64],
    counts: NDArray[np.int64],
    described: sparse.csr_matrix,
    vectors: NDArray[np.float32],
) -> Iterator[tuple[NDArray[np.int64], sparse.csr_matrix]]:
    """Some new items at a time, and how much each of the taken items says of them: (new, taken)."""
    known = described[taken], vectors[taken]
    between = alike(known, known)
    noise = (NOISE / np.sqrt(counts[taken] + 1.0)).astype(np.float32)
    most = min(LEARNED_FROM, len(taken))
    for start in range(0, len(new), AT_ONCE):
        own = new[start : start + AT_ONCE]
        close = alike((described[own], vectors[own]), known)
        nearest = np.argpartition(-close, most - 1, axis=1)[:, :most]
        systems = between[nearest[:, :, None], nearest[:, None, :]].astype(np.float64)
        systems[:, np.arange(most), np.arange(most)] += noise[nearest]
        near = np.take_along_axis(close, nearest, axis=1).astype(np.float64)
        weights = np.linalg.solve(systems, near[:, :, None])[:, :, 0].astype(np.float32)
        rows = np.repeat(np.arange(len(own)), most)
        yield own, sparse.csr_matrix((weights.ravel(), (rows, nearest.ravel())), shape=close.shape)


class _Best:
    """The k entries furthest from 0 of each row, while columns keep coming."""

    def __init__(self, rows: int, k: int) -> None:
        self.k = k
        self.columns = np.zeros((rows, 0), dtype=np.int64)
        self.values = np.zeros((rows, 0), dtype=np.float32)

    def add(self, columns: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        columns = np.concatenate([self.columns, np.tile(columns, (len(values), 1))], axis=1)
        values = np.concatenate([self.values, values], axis=1)
        if values.shape[1] > self.k:
            kept = np.argpartition(-np.abs(values), self.k - 1, axis=1)[:, : self.k]
            columns, values = np.take_along_axis(columns, kept, axis=1), np.take_along_axis(values, kept, axis=1)
        self.columns, self.values = columns, values

    def pairs(self, items: NDArray[np.int64]) -> NeighbourPairs:
        """By item, the highest first; divided by the largest."""
        largest = float(np.abs(self.values).max(initial=0.0)) or 1.0
        rows = np.repeat(items, self.values.shape[1])
        columns, values = self.columns.ravel(), self.values.ravel().astype(np.float64) / largest
        kept = np.abs(values) > 1e-6
        rows, columns, values = rows[kept], columns[kept], values[kept]
        order = np.lexsort((columns, -values, rows))
        return NeighbourPairs(rows[order], columns[order], values[order], np.zeros(len(rows), dtype=np.int64))
