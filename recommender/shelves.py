"""Where lists get what they need of items: a shelf. The site's is the database; the evaluation's is in memory, so that
both go through the very same candidates, scores and picks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from catalog.models import Item, ItemEmbedding
from recommender.algorithms.factors import FACTORS
from recommender.algorithms.interest import centre
from recommender.algorithms.repeats import Known
from recommender.models import InterestLabel, InterestVector, ItemFactors, ItemStatistics, Neighbour

KIND_OF = {
    "neighbours": Neighbour.Kind.TOGETHER,
    "next": Neighbour.Kind.NEXT,
    "words": Neighbour.Kind.WORDS,
    "carried": Neighbour.Kind.CARRIED,
}


@dataclass(frozen=True)
class PooledLabel:
    label_id: int
    taxonomy_id: int
    confidence: float


@dataclass(frozen=True)
class Statistics:
    """What events say of some items, one entry each; `ids` ascending, without items that are gone."""

    ids: NDArray[np.int64]
    titles: tuple[str, ...]
    popularity: NDArray[np.float64]
    users: NDArray[np.int64]
    recent_users: NDArray[np.int64]
    trend: NDArray[np.float64]
    repeat_rates: NDArray[np.float64]
    cycles_days: NDArray[np.float64]

    @property
    def for_repeats(self) -> Known:
        return Known(self.repeat_rates, self.cycles_days, self.popularity, self.recent_users, self.trend)


def statistics_from(rows: Sequence[tuple[int, str, float, int, int, float, float, float]]) -> Statistics:
    """Of rows as `ItemStatistics.objects.of_items` gives them, by id."""
    columns = list(zip(*rows, strict=True)) or [()] * 8
    return Statistics(
        np.array(columns[0], dtype=np.int64),
        tuple(columns[1]),
        np.array(columns[2], dtype=np.float64),
        np.array(columns[3], dtype=np.int64),
        np.array(columns[4], dtype=np.int64),
        np.array(columns[5], dtype=np.float64),
        np.array(columns[6], dtype=np.float64),
        np.array(columns[7], dtype=np.float64),
    )


class Shelf(Protocol):
    """Every method that proposes items leaves out those `without`, and those that may not be shown."""

    def votes(self, source: str, weights: Mapping[int, float], without: Sequence[int]) -> dict[int, float]:
        """Item -> sum of weight times tie over the weighted items, for `neighbours`, `next`, `words` or `carried`."""
        ...

    def nearest(self, interests: Sequence[InterestVector], n: int, without: Sequence[int]) -> list[int]:
        """The n items closest to each interest."""
        ...

    def nearest_to_items(self, item_ids: Sequence[int], n: int, without: Sequence[int]) -> list[int]:
        """The n items closest to each of these items."""
        ...

    def carrying(self, label_ids: Sequence[int], n: int, without: Sequence[int]) -> list[int]:
        """Of each label the n items that carry it most surely."""
        ...

    def new(
        self, interests: Sequence[InterestVector], n: int, *, below_users: int, without: Sequence[int]
    ) -> list[int]: ...

    def popular(self, n: int, without: Sequence[int]) -> list[int]: ...

    def trending(self, n: int, without: Sequence[int]) -> list[int]: ...

    def allowed(self, item_ids: Sequence[int], without: Sequence[int]) -> list[int]: ...

    def spare(self, n: int, without: Sequence[int]) -> list[int]:
        """Any n items, for a list that would be too short."""
        ...

    def statistics(self, item_ids: Sequence[int]) -> Statistics: ...

    def labels(self, item_ids: Sequence[int]) -> dict[int, tuple[PooledLabel, ...]]: ...

    def vectors(self, item_ids: Sequence[int]) -> NDArray[np.float32]:
        """(n, dim) centred unit rows; zeros for an item without a vector."""
        ...

    def factors(self, item_ids: Sequence[int]) -> NDArray[np.float32]:
        """(n, FACTORS) latent factors; zeros for an item nobody took."""
        ...


class DatabaseShelf:
    """The live catalog."""

    def votes(self, source: str, weights: Mapping[int, float], without: Sequence[int]) -> dict[int, float]:
        return dict(Neighbour.objects.votes(KIND_OF[source], weights, without=without)) if weights else {}

    def nearest(self, interests: Sequence[InterestVector], n: int, without: Sequence[int]) -> list[int]:
        if any(interest.pk is None for interest in interests):  # as they were in the past: built anew, not stored
            vectors = [np.asarray(interest.vector, dtype=np.float32).tolist() for interest in interests]
            return InterestVector.objects.all().nearest_to_vectors(vectors, n, without=without)
        found = InterestVector.objects.nearest_items(interests, n, without=without) if interests else []
        return [item_id for item_id, _, _ in found]

    def nearest_to_items(self, item_ids: Sequence[int], n: int, without: Sequence[int]) -> list[int]:
        return InterestVector.objects.nearest_to_items(item_ids, n, without=without) if item_ids else []

    def carrying(self, label_ids: Sequence[int], n: int, without: Sequence[int]) -> list[int]:
        return InterestLabel.objects.best_items(label_ids, n, without=without)

    def new(
        self, interests: Sequence[InterestVector], n: int, *, below_users: int, without: Sequence[int]
    ) -> list[int]:
        return InterestVector.objects.new_items(interests, n, below_users=below_users, without=without)

    def popular(self, n: int, without: Sequence[int]) -> list[int]:
        return ItemStatistics.objects.highest("popularity", n, without=without)

    def trending(self, n: int, without: Sequence[int]) -> list[int]:
        return ItemStatistics.objects.highest("trend", n, without=without)

    def allowed(self, item_ids: Sequence[int], without: Sequence[int]) -> list[int]:
        wanted = set(item_ids).difference(without)
        return list(Item.objects.recommendable().filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else []

    def spare(self, n: int, without: Sequence[int]) -> list[int]:
        items = Item.objects.recommendable().exclude(pk__in=without).order_by("id")
        return list(items.values_list("id", flat=True)[:n])

    def statistics(self, item_ids: Sequence[int]) -> Statistics:
        return statistics_from(ItemStatistics.objects.of_items(item_ids))

    def labels(self, item_ids: Sequence[int]) -> dict[int, tuple[PooledLabel, ...]]:
        found: dict[int, list[PooledLabel]] = defaultdict(list)
        for item_id, taxonomy_id, label_id, confidence in InterestLabel.objects.labels_of_items(item_ids):
            found[item_id].append(PooledLabel(label_id, taxonomy_id, confidence))
        return {item_id: tuple(own) for item_id, own in found.items()}

    def vectors(self, item_ids: Sequence[int]) -> NDArray[np.float32]:
        vectors = np.zeros((len(item_ids), settings.EMBEDDING_DIM), dtype=np.float32)
        if len(item_ids):
            known, rows = ItemEmbedding.objects.filter(pk__in=list(item_ids)).matrix()
            row_of = {int(item_id): row for row, item_id in enumerate(known)}
            places = [place for place, item_id in enumerate(item_ids) if int(item_id) in row_of]
            centred = centre(rows, ItemEmbedding.objects.mean())
            vectors[places] = centred[[row_of[int(item_ids[place])] for place in places]]
        return vectors

    def factors(self, item_ids: Sequence[int]) -> NDArray[np.float32]:
        factors = np.zeros((len(item_ids), FACTORS), dtype=np.float32)
        known = ItemFactors.objects.of_items(item_ids) if len(item_ids) else {}
        for place, item_id in enumerate(item_ids):
            if item_id in known:
                factors[place] = known[item_id]
        return factors
