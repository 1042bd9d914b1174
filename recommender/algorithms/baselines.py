"""What a recommender has to beat, each tuned as carefully: popular, repeat, ItemKNN, EASE. Scores of all items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recommender.algorithms import neighbours as ties
from recommender.algorithms.histories import DAY_S, History, Interactions
from recommender.algorithms.interest import decay
from recommender.algorithms.learned import last_of_pairs
from recommender.algorithms.popularity import popularity

NAMES = ("pop", "repeat", "itemknn", "ease")
POWERS = (1, 3)
ITEMS_AT_ONCE = 1_000
HALF_LIVES_STEPS = (1.0, 4.0, 15.0, 1e6)
POPULARITY_HALF_LIVES_DAYS = (7.0, 28.0, 120.0, 1e6)
SHRINKAGES = (0.0, 20.0, 100.0)
REGULARISATIONS = (20.0, 100.0, 500.0, 2_000.0)


def variants(name: str, rows: Interactions, pasts: Sequence[History]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """(settings in words, scores (pasts, items)) of each setting worth trying. Raises KeyError for an unknown name."""
    yield from {"pop": _popular, "repeat": _repeat, "itemknn": _itemknn, "ease": _ease}[name](rows, pasts)


def content(vectors: NDArray[np.float32], pasts: Sequence[History]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Cosine of the texts' vectors to what was done, nothing else. vectors: (items, dim), centred unit rows."""
    for half_life in HALF_LIVES_STEPS:
        weights = faded(pasts, len(vectors), half_life)
        done = np.unique(weights.indices)
        for power in POWERS:
            scores = np.zeros((len(pasts), len(vectors)), dtype=np.float32)
            for start in range(0, len(vectors), ITEMS_AT_ONCE):
                some = slice(start, start + ITEMS_AT_ONCE)
                scores[:, some] = weights[:, done] @ np.maximum(vectors[done] @ vectors[some].T, 0.0) ** power
            yield f"power {power}, half life {half_life:g} steps", scores


def _popular(rows: Interactions, pasts: Sequence[History]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    _, items, last_s = last_of_pairs(rows)
    ages_days = (rows.newest_s - last_s) / DAY_S
    for half_life in POPULARITY_HALF_LIVES_DAYS:
        values = popularity(items, ages_days, n_items=rows.n_items, half_life_days=half_life)
        yield f"half life {half_life:g} days", np.tile(values.astype(np.float32), (len(pasts), 1))


def _repeat(rows: Interactions, pasts: Sequence[History]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """What the user took, the last basket first; then what is popular."""
    _, popular = next(iter(_popular(rows, pasts)))
    tie_break = popular / max(float(popular.max(initial=0.0)), 1.0) * 1e-3
    for half_life in HALF_LIVES_STEPS:
        yield f"half life {half_life:g} steps", faded(pasts, rows.n_items, half_life, add_up=True).toarray() + tie_break


def _itemknn(rows: Interactions, pasts: Sequence[History]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    users, items, _ = last_of_pairs(rows)
    taken = sparse.csr_matrix((np.ones(len(users)), (users, items)), shape=(rows.n_users, rows.n_items))
    together = sparse.csr_matrix(taken.T @ taken)
    counts = together.diagonal()
    for shrinkage in SHRINKAGES:
        alike = ties.damped_cosine(together, counts, damping=0.5, shrinkage=shrinkage + 1e-9)
        for half_life in HALF_LIVES_STEPS:
            scores = faded(pasts, rows.n_items, half_life) @ alike
            yield f"shrinkage {shrinkage:g}, half life {half_life:g} steps", scores.toarray().astype(np.float32)


def _ease(rows: Interactions, pasts: Sequence[History]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    if rows.n_items > ties.EASE_MAX_ITEMS:
        return
    users, items, last_s = last_of_pairs(rows)
    for fading in (180.0, 1e6):
        weights = decay((rows.newest_s - last_s) / DAY_S, half_life_days=fading)
        taken = sparse.csr_matrix((weights, (users, items)), shape=(rows.n_users, rows.n_items))
        together = (taken.T @ taken).toarray()
        for regularisation in REGULARISATIONS:
            weights_of_items = ties.ease(together, regularisation=regularisation)
            for half_life in HALF_LIVES_STEPS:
                scores = faded(pasts, rows.n_items, half_life) @ weights_of_items
                words = f"regularisation {regularisation:g}, half life {half_life:g} steps, {fading:g} days"
                yield words, np.asarray(scores, dtype=np.float32)
        if fading == 180.0 and np.all(rows.newest_s - last_s < DAY_S):
            return  # all of a day: the second round would be the same


def faded(pasts: Sequence[History], n_items: int, half_life_steps: float, *, add_up: bool = False) -> sparse.csr_matrix:
    """(pasts, items): each item's newest like, or all of them added up, halved every `half_life_steps`."""
    rows, columns, values = [], [], []
    for place, past in enumerate(pasts):
        liked = past.weights > 0
        weights = np.exp2(-past.steps_ago[liked] / half_life_steps)
        items, where = np.unique(past.items[liked], return_inverse=True)
        strength = np.zeros(len(items))
        if add_up:
            np.add.at(strength, where, weights)
        else:
            np.maximum.at(strength, where, weights)
        rows.append(np.full(len(items), place))
        columns.append(items)
        values.append(strength)
    if not rows:
        return sparse.csr_matrix((0, n_items))
    flat = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_matrix(flat, shape=(len(pasts), n_items))
