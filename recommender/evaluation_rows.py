"""What an evaluation is about: items, what was learned before, and lists to be made with what was taken next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms.histories import History, Interactions, history
from recommender.algorithms.interest import centre
from recommender.algorithms.interest_transform import InterestTransform
from recommender.models import InterestLabel, InterestVector
from recommender.shelves import PooledLabel

REAL_TIME_S = 1e8
"""Times above are seconds since 1970; smaller ones only say what came after what."""
FEW_LISTS = 1_500
ENOUGH_LISTS = 2_000
MOST_EARLIER = 2
"""Where there are fewer than FEW_LISTS to tune on, up to MOST_EARLIER moments before them join in, until there are
ENOUGH_LISTS. Nearly 2,000 of the demo gained nothing by more, and took twice the time."""


@dataclass(frozen=True)
class Case:
    """One list to make: a user's history before a moment, and the items they took next (one or a whole basket).

    candidates: the items to rank, where somebody chose them; None: all. last_taken: by item the days since it was
    last taken, where the past has looks and clicks as well; None: the past is all taking. hidden: items that the user
    asked not to see again. interests and interest_labels: as the site had them, before any encoder; None: made of
    `past`.
    """

    user: str
    past: History
    as_of_s: float
    targets: tuple[int, ...]
    candidates: tuple[int, ...] | None = None
    last_taken: Mapping[int, float] | None = None
    hidden: tuple[int, ...] = ()
    interests: tuple[InterestVector, ...] | None = None
    interest_labels: tuple[InterestLabel, ...] = ()

    def taken_within(self, days: float) -> set[int]:
        if self.last_taken is not None:
            return {item for item, days_ago in self.last_taken.items() if days_ago < days}
        return set(self.past.items[(self.past.weights > 0) & (self.past.days_ago < days)].tolist())


@dataclass(frozen=True)
class Fold:
    """Rows learned from, and cases that come after them."""

    learned_from: Interactions
    cases: tuple[Case, ...]

    @property
    def as_of_s(self) -> float:
        """When the lists are made: from here "recently" is counted back."""
        return self.learned_from.newest_s


@dataclass(frozen=True)
class Dataset:
    """Items are numbered from 0. vectors: (n, dim) as stored; transform: the interest encoder, None where interests
    stay as they are. `validation` and `test` never share a case; whatever is chosen is chosen on
    validation, and on `earlier` moments beside it where its lists are few."""

    titles: tuple[str, ...]
    vectors: NDArray[np.float32]
    newest_first: NDArray[np.int64]
    validation: Fold
    test: Fold
    item_ids: tuple[str, ...]
    texts: tuple[str, ...]
    mean: NDArray[np.float32] | None = None
    is_allowed: NDArray[np.bool_] | None = None
    labels: Mapping[int, tuple[PooledLabel, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    transform: InterestTransform | None = None
    earlier: tuple[Fold, ...] = ()

    @cached_property
    def middle(self) -> NDArray[np.float32]:
        """What vectors are centred by."""
        if self.mean is not None:
            return self.mean
        known = self.vectors[self.vectors.any(axis=1)]
        return known.mean(axis=0) if len(known) else np.zeros(self.vectors.shape[1], dtype=np.float32)

    @cached_property
    def centred(self) -> NDArray[np.float32]:
        """(n, dim) unit rows, zeros for an item without a vector."""
        return centre(self.vectors, self.middle) * self.vectors.any(axis=1, keepdims=True)

    @cached_property
    def same_text(self) -> dict[int, tuple[int, ...]]:
        """By item those that read the same, where there are others than itself."""
        groups: dict[str, list[int]] = {}
        for item, text in enumerate(self.texts):
            groups.setdefault(text, []).append(item)
        return {item: tuple(group) for group in groups.values() if len(group) > 1 for item in group}


def merged(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Cases of the same user with the same history become one with all their targets, in the order of the first."""
    found: dict[tuple[str, bytes, bytes, tuple[int, ...] | None], list[Case]] = {}
    for case in cases:
        key = (case.user, case.past.items.tobytes(), case.past.days_ago.tobytes(), case.candidates)
        found.setdefault(key, []).append(case)
    return tuple(
        replace(own[0], targets=tuple(dict.fromkeys(target for case in own for target in case.targets)))
        for own in found.values()
    )


def earlier_moments(fold: Fold) -> Iterator[Fold]:
    """What each user did last in what `fold` learned from, then in what that learned from, and so on."""
    while len(fold.learned_from):
        fold = held_out_steps(fold.learned_from)
        yield fold


def enough_of(earlier: Iterator[Fold], validation: Fold, *, share: float = 1.0) -> tuple[Fold, ...]:
    """The first of them, until there are enough lists to tune on, those of `validation` counted; none where these are
    not few. share: of all lists that are tuned on."""
    if share * len(validation.cases) >= FEW_LISTS:
        return ()
    found: list[Fold] = []
    while len(found) < MOST_EARLIER and share * sum(len(each.cases) for each in (validation, *found)) < ENOUGH_LISTS:
        fold = next(earlier, None)
        if fold is None:
            break
        found.append(fold)
    return tuple(each for each in found if each.cases)


def held_out_steps(rows: Interactions) -> Fold:
    """Each user's last step as what was taken next; learned from what came before. Where times are real, of the users
    who did something in the newest tenth of the time: their first step in it."""
    times_s = rows.times_s
    is_real = len(rows) > 0 and float(times_s.min()) > REAL_TIME_S
    if is_real:
        cut = float(np.quantile(times_s, 0.9))
        is_earlier = times_s < cut
    else:
        last = np.zeros(rows.n_users, dtype=np.int64)
        np.maximum.at(last, rows.users, rows.steps)
        is_earlier = rows.steps < last[rows.users]
    cases = []
    bounds = np.searchsorted(rows.users, np.arange(rows.n_users + 1))
    for user in range(rows.n_users):
        own = slice(bounds[user], bounds[user + 1])
        items, own_times, before = rows.items[own], times_s[own], is_earlier[own]
        if not before.any() or before.all():
            continue
        moment = own_times[~before].min()
        targets = items[~before & (own_times == moment)]
        past = history(items[before], own_times[before], as_of_s=float(moment))
        cases.append(Case(str(user), past, float(moment), tuple(dict.fromkeys(targets.tolist()))))
    return Fold(rows.chosen(is_earlier), tuple(cases))
