"""A shop in the database, and the same shop in memory: what is served and what is evaluated must not differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from catalog.models import Item, ItemEmbedding
from recommender import candidates, interests, neighbours
from recommender.algorithms.learned import learn
from recommender.evaluation_database import case_of, known_before
from recommender.evaluation_rows import Case
from recommender.interests import Vectors
from recommender.memory_shelf import MemoryShelf
from recommender.models import EndUser, Event, InterestLabel
from recommender.shelves import PooledLabel
from tests.factories import EndUserFactory, EventFactory, ItemFactory, ItemLabelFactory, LabelFactory, axis, unit_vector

TYPES = ("purchase", "purchase", "purchase", "click", "view", "add_to_cart", "rate", "hide", "refund", "impression")
NEWEST = datetime(2026, 5, 1, 12, tzinfo=UTC)
N_ITEMS, N_USERS, N_EVENTS = 60, 40, 500


def build(seed: int = 1) -> None:
    """Sixty items, of which some are hidden, sold out, without a vector or called the same; forty users."""
    random = np.random.default_rng(seed)
    labels = [LabelFactory(name=name) for name in ("Baking", "Dairy", "Soap", "Garden")]
    items = []
    for place in range(N_ITEMS):
        vector = unit_vector(place) + 1.5 * axis(place % 4)
        item = ItemFactory(
            external_id=f"i{place}",
            title=f"{('Rye', 'Milk', 'Soap', 'Seed')[place % 4]} number {place // 2 if place < 12 else place}",
            is_hidden=place % 17 == 3,
            is_in_stock=place % 19 != 5,
            **({} if place % 23 == 7 else {"vector": (vector / np.linalg.norm(vector)).astype(np.float32)}),
        )
        items.append(item)
        if place % 5:
            ItemLabelFactory(item=item, label=labels[place % 4], confidence=round(0.5 + 0.008 * place, 3))
    ItemLabelFactory(item=items[0], confidence=0.1, decision="corrected", final_label=labels[1])
    users = [EndUserFactory(external_id=f"u{place}") for place in range(N_USERS)]
    popularity = random.dirichlet(np.full(N_ITEMS, 0.5))
    for _ in range(N_EVENTS):
        user = int(random.integers(N_USERS - 2))  # the last two have none
        kind = TYPES[int(random.integers(len(TYPES)))]
        place = int(random.choice(N_ITEMS, p=popularity)) // 4 * 4 + user % 4
        EventFactory(
            user=users[user],
            item=items[min(place, N_ITEMS - 1)],
            type=kind,
            value=float(random.integers(1, 6)) if kind == "rate" else float(random.integers(1, 3)),
            occurred_at=NEWEST - timedelta(days=int(random.integers(0, 500)), hours=int(random.integers(0, 5))),
        )
    EventFactory(user=users[0], item=items[0], occurred_at=NEWEST)
    neighbours.rebuild_statistics()
    interests.rebuild_all()


@dataclass(frozen=True)
class Twin:
    """The shop in memory. Items are numbered in the order of their ids."""

    item_ids: NDArray[np.int64]
    shelf: MemoryShelf
    same_text: dict[int, tuple[int, ...]]

    def numbers(self, item_ids: NDArray[np.int64] | list[int]) -> NDArray[np.int64]:
        return np.searchsorted(self.item_ids, np.asarray(item_ids, dtype=np.int64))

    def weighted(self, weights: Mapping[int, float]) -> dict[int, float]:
        return dict(zip(self.numbers(list(weights)).tolist(), weights.values(), strict=True))

    def case(self, external_id: str) -> Case:
        """What an evaluation at this moment reads of the user."""
        as_of = Event.objects.newest_time()
        user = EndUser.objects.filter(external_id=external_id).first()
        if user is None:
            return Case(external_id, candidates.NOTHING_DONE, as_of.timestamp(), ())
        place_of = {int(item_id): place for place, item_id in enumerate(self.item_ids)}
        moment = as_of + timedelta(seconds=1)
        ((_, events, interests, labels),) = known_before([user], moment, Vectors.load())
        case = case_of(user, events, place_of, as_of, ())
        return replace(case, interests=interests, interest_labels=labels)


def twin() -> Twin:
    item_ids, titles = neighbours.titles_of_items()
    rows, _ = neighbours.read_interactions(item_ids)
    vectors = neighbours.vectors_of_items(item_ids)
    learned = learn(rows, titles, vectors=vectors, as_of_s=Event.objects.newest_time().timestamp())
    vectors = np.zeros((len(item_ids), settings.EMBEDDING_DIM), dtype=np.float32)
    known, stored = ItemEmbedding.objects.all().matrix()
    vectors[np.searchsorted(item_ids, known)] = stored
    number = {int(item_id): place for place, item_id in enumerate(item_ids)}
    labels: dict[int, tuple[PooledLabel, ...]] = {}
    for item_id, taxonomy_id, label_id, confidence in InterestLabel.objects.labels_of_items(item_ids.tolist()):
        own = labels.get(number[item_id], ())
        labels[number[item_id]] = (*own, PooledLabel(label_id, taxonomy_id, confidence))
    recommendable = Item.objects.recommendable().values_list("pk", flat=True)
    newest = list(Item.objects.order_by("-created_at", "-pk").values_list("pk", flat=True))
    groups: dict[str, list[int]] = {}
    for item_id, text_hash in Item.objects.order_by("pk").values_list("pk", "text_hash"):
        groups.setdefault(text_hash, []).append(number[item_id])
    shelf = MemoryShelf(
        learned,
        list(Item.objects.order_by("pk").values_list("title", flat=True)),
        vectors,
        ItemEmbedding.objects.mean(),
        newest_first=np.searchsorted(item_ids, newest),
        is_allowed=np.isin(item_ids, list(recommendable)),
        labels=labels,
    )
    same = {item: tuple(group) for group in groups.values() if len(group) > 1 for item in group}
    return Twin(item_ids, shelf, same)
