"""How popular an item is: users who took it, the recent ones counting more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms.interest import decay


def popularity(
    items: NDArray[np.int64], ages_days: NDArray[np.float64], *, n_items: int, half_life_days: float = 14.0
) -> NDArray[np.float64]:
    """Time-decayed number of users of each item: sum over users of 0.5^(age / half life).

    items: (n_pairs,), one row a user and item, as indexes below n_items; ages_days: (n_pairs,), of that user's
    last event with the item. Returns (n_items,), 0 where nobody came. A user counts once, however often they came.
    """
    weights = decay(ages_days, half_life_days=half_life_days)
    return np.asarray(np.bincount(items, weights=weights, minlength=n_items), dtype=np.float64)


def newness(users: NDArray[np.int64], *, below_users: int) -> NDArray[np.float64]:
    """1 for an item nobody took, falling in equal steps to 0 at `below_users` users and above."""
    if below_users <= 0:
        return np.zeros(len(users))
    return np.asarray(np.clip(1.0 - users / below_users, 0.0, 1.0))


def trend(
    items: NDArray[np.int64], ages_days: NDArray[np.float64], *, n_items: int, recent_days: float = 7.0
) -> NDArray[np.float64]:
    """How much faster an item is taken now than in the four times longer stretch before: ln of the ratio of rates, both
    with five users added, and 0 where it is slower. ages_days as for `popularity`; returns (n_items,).
    """
    now = np.bincount(items[ages_days < recent_days], minlength=n_items)
    before = np.bincount(items[(ages_days >= recent_days) & (ages_days < 5 * recent_days)], minlength=n_items)
    return np.asarray(np.maximum(np.log((now + 5.0) / (before / 4.0 + 5.0)), 0.0))
