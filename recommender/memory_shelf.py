"""A shelf in memory: what the database would answer, from arrays. Items are numbered from 0 in the order of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms.interest import centre
from recommender.algorithms.learned import Learned
from recommender.algorithms.neighbours import NeighbourPairs
from recommender.models import InterestVector
from recommender.models.interest import NEW_AMONG_NEWEST, NEW_COMPARED
from recommender.shelves import PooledLabel, Statistics

NEIGHBOURS_OF = {"neighbours": "together", "next": "next", "words": "words", "carried": "carried"}


class MemoryShelf:
    """vectors: (n, dim) unit rows as stored, zeros without; mean: what they are centred by; newest_first: items in the
    order in which they came, the newest first; labels: by item."""

    def __init__(
        self,
        learned: Learned,
        titles: Sequence[str],
        vectors: NDArray[np.float32],
        mean: NDArray[np.float32],
        *,
        newest_first: NDArray[np.int64],
        is_allowed: NDArray[np.bool_] | None = None,
        labels: Mapping[int, tuple[PooledLabel, ...]] | None = None,
    ) -> None:
        self.learned, self.titles, self.stored = learned, titles, vectors
        self.mean, self.newest_first = mean, newest_first
        self.has_vector: NDArray[np.bool_] = np.asarray(vectors.any(axis=1))
        self.centred = centre(vectors, mean) * self.has_vector[:, None]
        self.may_be_shown: NDArray[np.bool_] = self.has_vector if is_allowed is None else self.has_vector & is_allowed
        self.all_labels = labels or {}
        self.pairs = {source: _Rows(getattr(learned, name), len(titles)) for source, name in NEIGHBOURS_OF.items()}
        self._by_label = self._items_by_label()
        self._orders = {
            "popularity": np.lexsort((np.arange(len(titles)), -learned.popularity)),
            "trend": np.lexsort((np.arange(len(titles)), -learned.trend)),
        }

    def votes(self, source: str, weights: Mapping[int, float], without: Sequence[int]) -> dict[int, float]:
        total = np.zeros(len(self.titles))
        touched = np.zeros(len(self.titles), dtype=bool)
        for item_id, weight in weights.items():
            neighbours, scores = self.pairs[source].of(item_id)
            total[neighbours] += weight * scores
            touched[neighbours] = True
        touched &= self.may_be_shown
        touched[list(without)] = False
        found = np.flatnonzero(touched)
        return dict(zip(found.tolist(), total[found].tolist(), strict=True))

    def nearest(self, interests: Sequence[InterestVector], n: int, without: Sequence[int]) -> list[int]:
        return self._nearest([np.asarray(each.vector, dtype=np.float32) for each in interests], n, without)

    def nearest_to_items(self, item_ids: Sequence[int], n: int, without: Sequence[int]) -> list[int]:
        known = [item_id for item_id in item_ids if self.has_vector[item_id]]
        return self._nearest([self.stored[item_id] for item_id in known], n, [*without, *item_ids])

    def _nearest(self, queries: Sequence[NDArray[np.float32]], n: int, without: Sequence[int]) -> list[int]:
        found: list[int] = []
        allowed = self._allowed_mask(without)
        for query in queries:
            closeness = np.where(allowed, self.stored @ query, -np.inf)
            best = np.argpartition(-closeness, min(n, len(closeness) - 1))[:n]
            found += best[allowed[best]].tolist()
        return found

    def carrying(self, label_ids: Sequence[int], n: int, without: Sequence[int]) -> list[int]:
        allowed = self._allowed_mask(without)
        found: list[int] = []
        for label_id in label_ids:
            found += [item_id for item_id in self._by_label.get(label_id, []) if allowed[item_id]][:n]
        return found

    def new(
        self, interests: Sequence[InterestVector], n: int, *, below_users: int, without: Sequence[int]
    ) -> list[int]:
        shown = self.newest_first[self.may_be_shown[self.newest_first]][:NEW_AMONG_NEWEST]
        fresh = shown[(self.learned.users[shown] < below_users) & self._allowed_mask(without)[shown]][:NEW_COMPARED]
        if interests:
            rows = np.stack([np.asarray(each.vector, dtype=np.float32) for each in interests])
            fresh = fresh[np.lexsort((-fresh, -(self.stored[fresh] @ rows.T).max(axis=1)))]
        else:
            fresh = np.sort(fresh)[::-1]
        return fresh[:n].tolist()

    def popular(self, n: int, without: Sequence[int]) -> list[int]:
        return self._highest("popularity", n, without)

    def trending(self, n: int, without: Sequence[int]) -> list[int]:
        return self._highest("trend", n, without)

    def _highest(self, column: str, n: int, without: Sequence[int]) -> list[int]:
        order, values = self._orders[column], getattr(self.learned, column)
        allowed = self._allowed_mask(without) & (values > 0)
        return order[allowed[order]][:n].tolist()

    def allowed(self, item_ids: Sequence[int], without: Sequence[int]) -> list[int]:
        allowed = self._allowed_mask(without)
        return [item_id for item_id in dict.fromkeys(item_ids) if allowed[item_id]]

    def spare(self, n: int, without: Sequence[int]) -> list[int]:
        return np.flatnonzero(self._allowed_mask(without))[:n].tolist()

    def statistics(self, item_ids: Sequence[int]) -> Statistics:
        ids = np.array(sorted(item_ids), dtype=np.int64)
        learned = self.learned
        taken = learned.users[ids] > 0
        return Statistics(
            ids,
            tuple(self.titles[item_id] for item_id in ids),
            learned.popularity[ids],
            learned.users[ids],
            learned.recent_users[ids],
            learned.trend[ids],
            np.where(taken, learned.repeat_rates[ids], 0.0),
            learned.cycles_days[ids],
        )

    def labels(self, item_ids: Sequence[int]) -> dict[int, tuple[PooledLabel, ...]]:
        return {item_id: self.all_labels[item_id] for item_id in item_ids if item_id in self.all_labels}

    def vectors(self, item_ids: Sequence[int]) -> NDArray[np.float32]:
        return self.centred[list(item_ids)]

    def factors(self, item_ids: Sequence[int]) -> NDArray[np.float32]:
        return self.learned.factors[list(item_ids)]

    def _allowed_mask(self, without: Sequence[int]) -> NDArray[np.bool_]:
        allowed = self.may_be_shown.copy()
        allowed[list(without)] = False
        return allowed

    def _items_by_label(self) -> dict[int, list[int]]:
        """Surest first; of equals the popular ones, as the database has them."""
        carried: dict[int, list[tuple[float, float, int]]] = {}
        for item_id, own in self.all_labels.items():
            for label in own:
                rank = (-label.confidence, -float(self.learned.popularity[item_id]), item_id)
                carried.setdefault(label.label_id, []).append(rank)
        return {label_id: [item_id for _, _, item_id in sorted(ranks)] for label_id, ranks in carried.items()}


class _Rows:
    """Pairs by their first item."""

    def __init__(self, pairs: NeighbourPairs, n_items: int) -> None:
        self.starts = np.searchsorted(pairs.items, np.arange(n_items + 1))
        self.neighbours, self.scores = pairs.neighbours, pairs.scores

    def of(self, item_id: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        within = slice(self.starts[item_id], self.starts[item_id + 1])
        return self.neighbours[within], self.scores[within]
