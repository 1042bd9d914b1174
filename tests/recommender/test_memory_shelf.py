"""Every question has the same answer from memory as from the database."""

from __future__ import annotations

import numpy as np
import pytest
from pgvector import HalfVector

from catalog.models import Label
from recommender.models import EndUser, InterestVector
from recommender.shelves import KIND_OF, DatabaseShelf
from tests.recommender.served_shop import build, twin

pytestmark = pytest.mark.django_db


def test_memory_and_database_answer_alike() -> None:
    build()
    shop, live = twin(), DatabaseShelf()
    memory, ids = shop.shelf, shop.item_ids
    every, asked, without = ids.tolist(), ids[[0, 1, 7, 8, 30]].tolist(), ids[[1, 4, 20]].tolist()

    def numbers(found: list[int]) -> list[int]:
        return shop.numbers(found).tolist()

    for source in KIND_OF:
        weights = {item_id: 1.0 / (1 + place) for place, item_id in enumerate(asked)}
        votes = shop.weighted(live.votes(source, weights, without))
        assert votes
        assert votes == pytest.approx(memory.votes(source, shop.weighted(weights), numbers(without)))
        assert live.votes(source, {}, []) == memory.votes(source, {}, []) == {}
    for n in (1, 5, 100):
        for name in ("popular", "trending", "spare"):
            found = numbers(getattr(live, name)(n, without))
            assert found == getattr(memory, name)(n, numbers(without)), (name, n)
            assert found
        labels = list(Label.objects.order_by("pk").values_list("pk", flat=True))
        carrying = numbers(live.carrying(labels, n, without))
        assert sorted(carrying) == sorted(memory.carrying(labels, n, numbers(without)))
        alike = numbers(live.nearest_to_items(asked, n, without))
        assert sorted(alike) == sorted(memory.nearest_to_items(numbers(asked), n, numbers(without)))
        for user in EndUser.objects.order_by("pk")[:10]:
            own = list(InterestVector.objects.filter(user=user).order_by("position"))
            near = numbers(live.nearest(own, n, without))
            fresh = numbers(live.new(own, n, below_users=3, without=without))
            for interest in own:
                raw = interest.vector
                interest.vector = raw.to_numpy() if isinstance(raw, HalfVector) else np.asarray(raw, np.float32)
            assert sorted(near) == sorted(memory.nearest(own, n, numbers(without)))
            assert fresh == memory.new(own, n, below_users=3, without=numbers(without))
    assert sorted(numbers(live.allowed(every, without))) == memory.allowed(numbers(every), numbers(without))
    assert np.allclose(live.vectors(every), memory.vectors(numbers(every)), atol=1e-6)
    of_live, of_memory = live.labels(every), memory.labels(numbers(every))
    assert {numbers([item])[0]: own for item, own in of_live.items()} == of_memory
    one, other = live.statistics(every[::-1]), memory.statistics(numbers(every)[::-1])
    assert one.titles == other.titles
    for column in ("popularity", "users", "recent_users", "trend", "repeat_rates", "cycles_days"):
        assert np.allclose(getattr(one, column), getattr(other, column)), column
