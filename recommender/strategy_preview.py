"""What a draft would change: users' lists before and after, side by side. Nothing is stored."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from catalog.models import Item
from recommender.models import EndUser, Strategy
from recommender.remembering_shelf import RememberingShelf
from recommender.shelves import Shelf
from recommender.slates import RankedItem, recommend

SAMPLE_USERS = 20
# The sample is drawn from so many users with the newest events: current ones, and cheap to find among millions.
DRAWN_FROM = 1_000
LIST_LENGTH = 12
BUDGET_S = 4.0


@dataclass(frozen=True)
class Place:
    """An item of one list. moved_by: places up (positive) or down, before to after; None where one list lacks it."""

    position: int
    item: Item
    moved_by: int | None

    @property
    def steps(self) -> int:
        return abs(self.moved_by or 0)


@dataclass(frozen=True)
class ComparedLists:
    user_external_id: str
    before: tuple[Place, ...]
    after: tuple[Place, ...]

    @property
    def gained(self) -> int:
        return sum(place.moved_by is None for place in self.after)

    @property
    def lost(self) -> int:
        return sum(place.moved_by is None for place in self.before)

    @property
    def moved(self) -> int:
        return sum(bool(place.moved_by) for place in self.after)

    @property
    def is_same(self) -> bool:
        return not (self.gained or self.lost or self.moved)


@dataclass(frozen=True)
class Preview:
    """`next_start` is where to go on in the sample, None where everybody was compared."""

    lists: tuple[ComparedLists, ...]
    start: int
    sample: int
    next_start: int | None
    took_s: float

    @property
    def changed(self) -> int:
        return sum(not each.is_same for each in self.lists)

    @property
    def gained(self) -> int:
        return sum(each.gained for each in self.lists)

    @property
    def lost(self) -> int:
        return sum(each.lost for each in self.lists)

    @property
    def moved(self) -> int:
        return sum(each.moved for each in self.lists)

    @property
    def done(self) -> int:
        return self.start + len(self.lists)

    @property
    def gained_a_list(self) -> float:
        return sum(each.gained for each in self.lists) / len(self.lists) if self.lists else 0.0


def sample_users(n: int = SAMPLE_USERS) -> list[str]:
    """External ids of n active users: the same for the same data, in no order that means anything."""
    recent = EndUser.objects.filter(last_event_at__isnull=False).most_recent_first()
    ids = recent.values_list("external_id", flat=True)[:DRAWN_FROM]
    return sorted(ids, key=lambda each: hashlib.sha256(each.encode()).digest())[:n]


def preview(
    live: Strategy,
    draft: Strategy,
    *,
    start: int = 0,
    n: int = LIST_LENGTH,
    budget_s: float = BUDGET_S,
) -> Preview:
    """Compare users of the sample from `start` on until the time is up; one at least, so that asking again ends."""
    return compare_users(
        sample_users(),
        lambda user, shelf: recommend(user, n=n, strategy=live, shelf=shelf, record=False).items,
        lambda user, shelf: recommend(user, n=n, strategy=draft, shelf=shelf, record=False).items,
        start=start,
        budget_s=budget_s,
    )


def compare_users(
    users: Sequence[str],
    before: Callable[[str, Shelf], Sequence[RankedItem]],
    after: Callable[[str, Shelf], Sequence[RankedItem]],
    *,
    start: int,
    budget_s: float,
) -> Preview:
    """Both lists of each user from `start` on until the time is up; one at least, so that asking again ends."""
    began = time.monotonic()
    compared = []
    for user in users[start:]:
        shelf = RememberingShelf()
        compared.append(compare(user, before(user, shelf), after(user, shelf)))
        if time.monotonic() - began >= budget_s:
            break
    done = start + len(compared)
    return Preview(
        lists=tuple(compared),
        start=start,
        sample=len(users),
        next_start=done if compared and done < len(users) else None,
        took_s=time.monotonic() - began,
    )


def compare(user_external_id: str, before: Sequence[RankedItem], after: Sequence[RankedItem]) -> ComparedLists:
    """Items gained, lost and moved between two lists of one user."""
    old, new = _positions(before), _positions(after)
    return ComparedLists(user_external_id, _places(before, new, sign=-1), _places(after, old, sign=1))


def _positions(ranked: Sequence[RankedItem]) -> dict[int, int]:
    return {each.item.pk: each.position for each in ranked}


def _places(ranked: Sequence[RankedItem], other: Mapping[int, int], *, sign: int) -> tuple[Place, ...]:
    """sign 1 where `other` came before, -1 where it comes after: up is positive on both sides."""
    return tuple(
        Place(
            each.position,
            each.item,
            sign * (other[each.item.pk] - each.position) if each.item.pk in other else None,
        )
        for each in ranked
    )
