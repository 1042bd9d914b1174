"""The live catalog for several lists of one user: the database is asked once for what more than one of them needs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from recommender.models import InterestVector, ItemStatistics
from recommender.shelves import DatabaseShelf, PooledLabel, Statistics, statistics_from

T = TypeVar("T")
Known = dict[tuple[Hashable, ...], Any]


class RememberingShelf(DatabaseShelf):
    """Proposals are remembered by everything that was asked, what is known of an item by the item."""

    def __init__(self, known: Known | None = None) -> None:
        """known: shared by shelves of one user; to be emptied before the next user."""
        self._known: Known = {} if known is None else known

    def once(self, key: tuple[Hashable, ...], ask: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = ask()
        found: T = self._known[key]
        return found

    def votes(self, source: str, weights: Mapping[int, float], without: Sequence[int]) -> dict[int, float]:
        ask, key = super().votes, ("votes", source, tuple(weights.items()), tuple(without))
        return self.once(key, lambda: ask(source, weights, without))

    def nearest(self, interests: Sequence[InterestVector], n: int, without: Sequence[int]) -> list[int]:
        ask, ids = super().nearest, tuple(each.pk for each in interests)
        if None in ids:  # of the past: they have nothing to be known by
            return ask(interests, n, without)
        return self.once(("nearest", ids, n, tuple(without)), lambda: ask(interests, n, without))

    def nearest_to_items(self, item_ids: Sequence[int], n: int, without: Sequence[int]) -> list[int]:
        ask = super().nearest_to_items
        return self.once(("similar", tuple(item_ids), n, tuple(without)), lambda: ask(item_ids, n, without))

    def new(
        self, interests: Sequence[InterestVector], n: int, *, below_users: int, without: Sequence[int]
    ) -> list[int]:
        ask, ids = super().new, tuple(each.pk for each in interests)
        key = ("new", ids, n, below_users, tuple(without))
        return self.once(key, lambda: ask(interests, n, below_users=below_users, without=without))

    def popular(self, n: int, without: Sequence[int]) -> list[int]:
        ask = super().popular
        return self.once(("popular", n, tuple(without)), lambda: ask(n, without))

    def trending(self, n: int, without: Sequence[int]) -> list[int]:
        ask = super().trending
        return self.once(("trending", n, tuple(without)), lambda: ask(n, without))

    def statistics(self, item_ids: Sequence[int]) -> Statistics:
        def ask(unknown: Sequence[int]) -> Iterable[tuple[int, tuple[Any, ...]]]:
            return [(row[0], row) for row in ItemStatistics.objects.of_items(unknown)]

        rows = self._of_each("statistics", item_ids, ask)
        return statistics_from([row for item_id in sorted(set(item_ids)) if (row := rows[item_id]) is not None])

    def labels(self, item_ids: Sequence[int]) -> dict[int, tuple[PooledLabel, ...]]:
        ask = super().labels
        found = self._of_each("labels", item_ids, lambda unknown: ask(unknown).items())
        return {item_id: own for item_id in item_ids if (own := found[item_id]) is not None}

    def vectors(self, item_ids: Sequence[int]) -> NDArray[np.float32]:
        ask = super().vectors
        found = self._of_each("vectors", item_ids, lambda unknown: zip(unknown, ask(unknown), strict=True))
        return np.stack([found[item_id] for item_id in item_ids]) if item_ids else ask([])

    def factors(self, item_ids: Sequence[int]) -> NDArray[np.float32]:
        ask = super().factors
        found = self._of_each("factors", item_ids, lambda unknown: zip(unknown, ask(unknown), strict=True))
        return np.stack([found[item_id] for item_id in item_ids]) if item_ids else ask([])

    def _of_each(
        self, name: str, item_ids: Sequence[int], ask: Callable[[Sequence[int]], Iterable[tuple[int, Any]]]
    ) -> dict[int, Any]:
        """Item -> what is known of it, None of an item of which nothing was found; asks for those not known yet."""
        known: dict[int, Any] = self._known.setdefault((name,), {})
        if unknown := [item_id for item_id in dict.fromkeys(item_ids) if item_id not in known]:
            known |= dict.fromkeys(unknown)
            known |= dict(ask(unknown))
        return known
