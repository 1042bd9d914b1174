"""Latent factors of items, from who took what: they relate items that nobody took together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from recommender.algorithms.interest import unit

FACTORS = 64
SMALL = 500
POPULAR_DAMPING = 0.4


def item_factors(
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    *,
    n_users: int,
    n_items: int,
    k: int = FACTORS,
) -> NDArray[np.float32]:
    """(n_items, k) unit rows of the right singular vectors (PureSVD, Cremonesi 2010), zeros for an item nobody took.

    users, items: one row a pair. Users weigh by the root of their number of items, items by their users ^ -0.4, so that
    neither heavy users nor popular items fill the factors. Columns beyond the rank are zeros.
    """
    factors = np.zeros((n_items, k), dtype=np.float32)
    taken = sparse.csr_matrix((np.ones(len(users)), (users, items)), shape=(n_users, n_items), dtype=np.float32)
    rank = min(k, min(taken.shape) - 1)
    if rank < 1 or not taken.nnz:
        return factors
    by_user = np.asarray(taken.sum(axis=1)).ravel()
    by_item = np.asarray(taken.sum(axis=0)).ravel()
    scaled = (
        sparse.diags(np.maximum(by_user, 1.0) ** -0.5)
        @ taken
        @ sparse.diags(np.maximum(by_item, 1.0) ** -POPULAR_DAMPING)
    )
    strength, right = _leading(sparse.csr_matrix(scaled), rank)
    # Directions of no strength are noise of the solver, different from run to run.
    factors[:, :rank] = np.where(strength > 1e-6 * strength.max(initial=1e-12), right.T, 0.0)
    factors[by_item == 0] = 0.0
    return unit(factors)


def _leading(matrix: sparse.csr_matrix, rank: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The largest singular values and their right vectors. Of a small matrix all are computed: where it has fewer
    directions than were asked for, ARPACK's answer depends on its last one."""
    if min(matrix.shape) <= SMALL:
        _, strength, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
        return strength[:rank], right[:rank]
    _, strength, right = svds(matrix, k=rank, v0=np.ones(min(matrix.shape), dtype=np.float32))
    return strength, right


def factor_scores(
    factors: NDArray[np.float32], done: NDArray[np.float32], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum over what was done of weight * cosine. factors: (n, k), done: (h, k), weights: (h,); returns (n,)."""
    if not len(done):
        return np.zeros(len(factors))
    return np.asarray(factors @ (done.T @ weights.astype(np.float32)), dtype=np.float64)
