"""Which items go with which: taken by the same users (EASE where the catalog is small enough, damped cosine elsewhere),
taken right after, or described in the same words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import inv

from recommender.algorithms.histories import Interactions

EASE_MAX_ITEMS = 6_000
STEPS_APART = 3
FADED_A_STEP = 0.7
WORDS_AT_ONCE = 1_000
MOST_WITH_A_WORD = 500
BACKWARDS = 0.5
_WORD = re.compile(r"[^\W_]+")


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


def transitions(
    rows: Interactions, *, k: int = 100, shrinkage: float = 1.0, steps_apart: int = STEPS_APART
) -> NeighbourPairs:
    """What is taken in the steps after an item: the k likeliest followers of each, itself left out (see `repeats`).

    A pair counts 1 in the next step, 0.7 times that a step further, up to `steps_apart`; half as much backwards, since
    the order within minutes is partly chance. score[i, j] = count[i, j] / (steps with i beside another step +
    shrinkage): close to the probability of j in the next step.
    """
    counts, occurrences = transition_counts(rows, steps_apart=steps_apart)
    strengths = sparse.csr_matrix(sparse.diags(1.0 / (occurrences + shrinkage)) @ counts)
    items, followers, scores = _strongest(strengths, k=k)
    users = np.asarray(counts[items, followers]).ravel() if len(items) else np.zeros(0)
    return NeighbourPairs(items, followers, scores, np.rint(users).astype(np.int64))


def transition_counts(
    rows: Interactions, *, steps_apart: int = STEPS_APART
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    """((n_items, n_items) what `transitions` counts, the diagonal left out; (n_items,) steps beside another step)."""
    moments, places = _moments(rows)
    taken = sparse.csr_matrix(
        (np.ones(len(rows)), (places, rows.items)), shape=(len(moments), rows.n_items), dtype=np.float64
    )
    taken.data[:] = 1.0
    counts = sparse.csr_matrix((rows.n_items, rows.n_items))
    beside = np.zeros(len(moments), dtype=bool)
    for apart in range(1, steps_apart + 1):
        earlier = np.flatnonzero(moments[apart:] == moments[:-apart]) if apart < len(moments) else np.zeros(0, np.int64)
        pairs = FADED_A_STEP ** (apart - 1) * (taken[earlier].T @ taken[earlier + apart])
        counts = counts + pairs + BACKWARDS * pairs.T
        if apart == 1:
            beside[earlier] = beside[earlier + 1] = True
    return _without_diagonal(counts), np.asarray(taken[beside].sum(axis=0)).ravel()


def words(texts: Sequence[str], *, k: int = 50, power: float = 2.0) -> NeighbourPairs:
    """Items whose titles share rare words: the k largest (cosine of inverse document frequencies) ^ power of each.

    Model numbers, series and sizes say what embeddings blur. A word of more than 500 items, or of a fiftieth of a
    larger catalog, tells nothing and would cost the square of their number. Scripts without spaces count by pairs of
    characters.
    """
    matrix = word_rows(texts)
    found = [_alike(matrix, start, k=k, power=power) for start in range(0, len(texts), WORDS_AT_ONCE)]
    if not found:
        return NeighbourPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    items, others, scores = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return NeighbourPairs(items, others, scores, np.zeros(len(items), dtype=np.int64))


def word_rows(texts: Sequence[str]) -> sparse.csr_matrix:
    """(texts, words): inverse document frequencies of each text's words, at unit length; zeros where none tells."""
    documents = [set(_tokens(text)) for text in texts]
    frequency = Counter(token for tokens in documents for token in tokens)
    most = max(MOST_WITH_A_WORD, len(texts) // 50)
    documents = [{token for token in tokens if frequency[token] <= most} for tokens in documents]
    frequency = Counter({token: count for token, count in frequency.items() if count <= most})
    column = {token: place for place, token in enumerate(sorted(frequency))}
    rows = [row for row, tokens in enumerate(documents) for _ in tokens]
    columns = [column[token] for tokens in documents for token in sorted(tokens)]
    weight = np.log(max(len(texts), 1) / np.array([frequency[token] for token in sorted(frequency)], dtype=np.float64))
    matrix = sparse.csr_matrix((weight[columns], (rows, columns)), shape=(len(texts), len(column)))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1.0 / np.maximum(length, 1e-9)) @ matrix)


def _alike(
    matrix: sparse.csr_matrix, start: int, *, k: int, power: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    block = matrix[start : start + WORDS_AT_ONCE]
    alike = (block @ matrix.T).tocoo()
    apart = alike.row + start != alike.col
    close = sparse.csr_matrix((alike.data[apart] ** power, (alike.row[apart], alike.col[apart])), shape=alike.shape)
    rows, columns, scores = _strongest(close, k=k)
    return rows + start, columns, scores


def _tokens(text: str) -> list[str]:
    """Words in lower case; a run of a script that writes no spaces as its pairs of characters."""
    tokens: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if any("\u3040" <= letter <= "\u9fff" for letter in word) and len(word) > 1:
            tokens += [word[place : place + 2] for place in range(len(word) - 1)]
        else:
            tokens.append(word)
    return tokens


def _moments(rows: Interactions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The user of each step, steps of a user side by side in order, and for each row its step's place among them."""
    starts = np.flatnonzero((np.diff(rows.users, prepend=-1) != 0) | (np.diff(rows.steps, prepend=-1) != 0))
    places = np.zeros(len(rows), dtype=np.int64)
    places[starts] = 1
    return rows.users[starts], np.cumsum(places) - 1


def _without_diagonal(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    pairs = counts.tocoo()
    apart = pairs.row != pairs.col
    return sparse.csr_matrix((pairs.data[apart], (pairs.row[apart], pairs.col[apart])), shape=counts.shape)


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
