"""What is learned from what all users did, at once: what goes with what, what is popular, what comes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms import neighbours as ties
from recommender.algorithms.carried import carried
from recommender.algorithms.factors import item_factors
from recommender.algorithms.histories import DAY_S, Interactions
from recommender.algorithms.interest import decay
from recommender.algorithms.popularity import popularity, trend
from recommender.algorithms.repeats import repeats

NEIGHBOURS_PER_ITEM = 150
WORDS_PER_ITEM = 50
RECENT_DAYS = 28


@dataclass(frozen=True)
class Learning:
    """How to learn; validation chooses the regularisation (EASE's) and the half life of popularity."""

    together_half_life_days: float = 180.0
    popularity_half_life_days: float = 28.0
    regularisation: float = 200.0


@dataclass(frozen=True)
class Learned:
    """together, next, words, carried: pairs of items; factors: (n_items, k). The rest is by item, (n_items,); first_s
    and last_s are infinite where nobody took it."""

    together: ties.NeighbourPairs
    next: ties.NeighbourPairs
    words: ties.NeighbourPairs
    carried: ties.NeighbourPairs
    factors: NDArray[np.float32]
    events: NDArray[np.int64]
    users: NDArray[np.int64]
    recent_users: NDArray[np.int64]
    popularity: NDArray[np.float64]
    trend: NDArray[np.float64]
    repeat_rates: NDArray[np.float64]
    repeat_shares: NDArray[np.float64]
    cycles_days: NDArray[np.float64]
    first_s: NDArray[np.float64]
    last_s: NDArray[np.float64]


def learn(
    rows: Interactions,
    titles: Sequence[str],
    learning: Learning | None = None,
    *,
    vectors: NDArray[np.float32] | None = None,
    as_of_s: float | None = None,
) -> Learned:
    """titles: one an item; vectors: (n_items, dim) centred unit rows, zeros where one has none. `as_of_s`: from when
    "recently" is counted back, by default the newest row."""
    learning = learning or Learning()
    as_of_s = rows.newest_s if as_of_s is None else as_of_s
    users, items, last_s = last_of_pairs(rows)
    ages_days = np.maximum(as_of_s - last_s, 0.0) / DAY_S
    again = repeats(rows)
    first, last = np.full(rows.n_items, np.inf), np.full(rows.n_items, -np.inf)
    np.minimum.at(first, rows.items, rows.times_s)
    np.maximum.at(last, rows.items, rows.times_s)
    return Learned(
        together=ties.neighbours(
            users,
            items,
            decay(ages_days, half_life_days=learning.together_half_life_days),
            n_items=rows.n_items,
            k=NEIGHBOURS_PER_ITEM,
            regularisation=learning.regularisation,
        ),
        next=ties.transitions(rows, k=NEIGHBOURS_PER_ITEM),
        words=ties.words(titles, k=WORDS_PER_ITEM),
        carried=carried(
            users,
            items,
            ties.word_rows(titles),
            np.zeros((rows.n_items, 1), dtype=np.float32) if vectors is None else vectors,
            k=NEIGHBOURS_PER_ITEM,
        ),
        # As the database keeps them, in half precision.
        factors=item_factors(users, items, n_users=rows.n_users, n_items=rows.n_items)
        .astype(np.float16)
        .astype(np.float32),
        events=np.bincount(rows.items, minlength=rows.n_items),
        users=np.bincount(items, minlength=rows.n_items),
        recent_users=np.bincount(items[ages_days < RECENT_DAYS], minlength=rows.n_items),
        popularity=popularity(
            items, ages_days, n_items=rows.n_items, half_life_days=learning.popularity_half_life_days
        ),
        trend=trend(items, ages_days, n_items=rows.n_items),
        repeat_rates=again.rates,
        repeat_shares=again.shares,
        cycles_days=again.cycles_days,
        first_s=first,
        last_s=last,
    )


def last_of_pairs(rows: Interactions) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Each pair of user and item once, by user and item, with the time of its last row."""
    order = np.lexsort((rows.times_s, rows.items, rows.users))
    users, items, times_s = rows.users[order], rows.items[order], rows.times_s[order]
    is_last = np.append((users[1:] != users[:-1]) | (items[1:] != items[:-1]), True)[: len(users)]
    return users[is_last], items[is_last], times_s[is_last]
