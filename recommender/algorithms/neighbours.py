"""Which items go with which: EASE where the catalog is small enough, damped cosine elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import inv

EASE_MAX_ITEMS = 6_000


@dataclass(frozen=True)
class NeighbourPairs:
    """One row a pair: `neighbours[r]` goes with `items[r]`, both indexes of the input's columns. By item, best first.

    scores: -1..1, below 0 where users of the item take the neighbour less than others do. users: how many took both.
    """

    items: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    scores: NDArray[np.float64]
    users: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.items)


def neighbours(
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    n_items: int,
    k: int = 100,
    regularisation: float = 500.0,
    ease_max_items: int = EASE_MAX_ITEMS,
) -> NeighbourPairs:
    """The k strongest ties of each item, negative ones among them.

    users, items, weights: (n_pairs,), one row a user and item, the weight above 0 and usually faded by age. Up to
    `ease_max_items` items the strengths are EASE's, which explain away what is merely popular; above, cosine with the
    popular neighbour damped. Divided by the largest of them all, so that they compare between items.
    Raises ValueError where k or the regularisation is not above 0.
    """
    if k <= 0:
        raise ValueError(f"k is {k}; it must be above 0.")
    shape = (int(users.max(initial=-1)) + 1, n_items)
    taken = sparse.csr_matrix((weights, (users, items)), shape=shape)
    together = (taken.T @ taken).tocsr()
    if n_items <= ease_max_items:
        strengths = sparse.csr_matrix(ease(together.toarray(), regularisation=regularisation))
    else:
        strengths = damped_cosine(together, together.diagonal())
    rows, columns, scores = _strongest(strengths, k=k)
    both = taken.astype(bool).astype(np.float64)
    users_of_both = sparse.csr_matrix(both.T @ both)
    counts = np.asarray(users_of_both[rows, columns]).ravel() if len(rows) else np.zeros(0)
    largest = float(np.abs(scores).max(initial=0.0)) or 1.0
    return NeighbourPairs(rows, columns, scores / largest, counts.astype(np.int64))


def ease(together: NDArray[np.float64], *, regularisation: float) -> NDArray[np.float64]:
    """Item weights B of the linear autoencoder min |X - XB|^2 + regularisation |B|^2 with a zero diagonal.

    together: (n, n), X^T X. B = I - P diag(1 / diag P), P = (X^T X + regularisation I)^-1. `B[i, j]` is what having
    taken i says for j.
    """
    if regularisation <= 0:
        raise ValueError(f"regularisation is {regularisation}; it must be above 0.")
    if not len(together):
        return np.zeros((0, 0))
    precision = inv(together + regularisation * np.eye(len(together)), check_finite=False)
    weights = precision / -np.diag(precision)[None, :]
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


def damped_cosine(
    together: sparse.csr_matrix, counts: NDArray[np.float64], *, damping: float = 0.7, shrinkage: float = 20.0
) -> sparse.csr_matrix:
    """Weight of both / (weight of i ^ (1-damping) * weight of j ^ damping + shrinkage), without the diagonal.

    `damping` above .5 takes more from a popular neighbour than from a popular item; `shrinkage` from pairs few users
    made (Aiolli 2013, Bell and Koren 2007).
    """
    pairs = together.tocoo()
    apart = pairs.row != pairs.col
    row, column, both = pairs.row[apart], pairs.col[apart], pairs.data[apart]
    strength = both / (counts[row] ** (1.0 - damping) * counts[column] ** damping + shrinkage)
    return sparse.csr_matrix((strength, (row, column)), shape=together.shape)


def _strongest(
    strengths: sparse.csr_matrix, *, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Each row's k entries furthest from 0, the highest first; ties go to the smaller column."""
    rows, columns, scores = [], [], []
    for row in range(strengths.shape[0]):
        within = slice(strengths.indptr[row], strengths.indptr[row + 1])
        column, score = strengths.indices[within].astype(np.int64), strengths.data[within]
        best = np.lexsort((column, -np.abs(score)))[:k]
        best = best[score[best] != 0.0]
        best = best[np.lexsort((column[best], -score[best]))]
        rows.append(np.full(len(best), row, dtype=np.int64))
        columns.append(column[best])
        scores.append(score[best])
    if not rows:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(scores)
