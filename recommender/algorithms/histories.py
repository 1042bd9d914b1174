"""What users did, in the order in which they did it. A step is one moment of a user: a basket, or a single click."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
ROUNDING = 1e-12
"""What a like and a dislike that are equal may differ by, in terms of the like."""


@dataclass(frozen=True)
class Interactions:
    """Rows by user, then time, then as they came. All (n,): users and items as indexes from 0, the time in seconds,
    weight > 0, and step: how many earlier moments this user had."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    times_s: NDArray[np.float64]
    weights: NDArray[np.float64]
    steps: NDArray[np.int64]
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.users)

    @property
    def newest_s(self) -> float:
        return float(self.times_s.max(initial=0.0))

    def chosen(self, keep: NDArray[np.bool_]) -> Interactions:
        """Only those rows, their steps counted anew."""
        return interactions(
            self.users[keep],
            self.items[keep],
            self.times_s[keep],
            self.weights[keep],
            n_users=self.n_users,
            n_items=self.n_items,
        )


def interactions(
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    times_s: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    *,
    n_users: int,
    n_items: int,
) -> Interactions:
    """Rows in any order. Events of one user at the same second are one step. Raises ValueError where lengths differ."""
    if not len(users) == len(items) == len(times_s):
        raise ValueError(f"{len(users)} users, {len(items)} items and {len(times_s)} times; one each is needed.")
    weights = np.ones(len(users)) if weights is None else weights
    order = np.lexsort((np.arange(len(users)), times_s, users))
    users, items, times_s = users[order], items[order], times_s[order]
    is_new_user = np.diff(users, prepend=-1) != 0
    moments = np.cumsum(is_new_user | (np.diff(times_s, prepend=0.0) != 0))
    first_of_user = np.maximum.accumulate(np.where(is_new_user, moments, 0))
    return Interactions(
        users, items, times_s, np.asarray(weights)[order], moments - first_of_user, n_users=n_users, n_items=n_items
    )


@dataclass(frozen=True)
class History:
    """What one user did: (n,) each. `weights` as events weigh, below 0 for a dislike; `steps_ago` and `days_ago` count
    from the moment the list is made for, 0 being the newest step."""

    items: NDArray[np.int64]
    weights: NDArray[np.float64]
    steps_ago: NDArray[np.int64]
    days_ago: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def length(self) -> int:
        """Steps in which something was liked."""
        return len(np.unique(self.steps_ago[self.weights > 0]))


def history(
    items: NDArray[np.int64],
    times_s: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    *,
    as_of_s: float | None = None,
) -> History:
    """Rows in any order; `as_of_s` is when the list is made, by default the newest row's time."""
    if not len(items):
        return History(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), np.zeros(0))
    moments = np.unique(times_s)
    steps = np.searchsorted(moments, times_s)
    weights = np.ones(len(items)) if weights is None else weights
    as_of_s = float(times_s.max()) if as_of_s is None else as_of_s
    days = np.maximum(as_of_s - times_s, 0.0) / DAY_S
    order = np.lexsort((items, -steps))
    return History(items[order], weights[order], (len(moments) - 1 - steps)[order], days[order])


def recent(past: History, *, half_life_steps: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The distinct items, ascending, and how much each counts now: its strongest like less its strongest dislike, each
    halved every `half_life_steps`. Items that come to 0 or below are left out."""
    if half_life_steps <= 0:
        raise ValueError(f"half_life_steps is {half_life_steps}; it must be above 0.")
    items, places = np.unique(past.items, return_inverse=True)
    faded = past.weights * np.exp2(-past.steps_ago / half_life_steps)
    likes, dislikes = np.zeros(len(items)), np.zeros(len(items))
    np.maximum.at(likes, places, faded)
    np.minimum.at(dislikes, places, faded)
    strength = likes + dislikes
    is_left = strength > ROUNDING * likes
    return items[is_left], strength[is_left]
