"""A label that thousands of items carry proposes the same items as any other, without reading all of them."""

from __future__ import annotations

import random

import pytest
from django.utils import timezone

from recommender.models import InterestLabel, ItemStatistics
from recommender.models import interest as interest_queries
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory

pytestmark = pytest.mark.django_db


def _shop() -> tuple[list[int], list[int]]:
    """Ids of two labels and of their items: decided, undecided and entirely sure ones, hidden ones, some popular."""
    rng, labels, now = random.Random(5), [LabelFactory(), LabelFactory()], timezone.now()
    items = []
    for number in range(40):
        item = ItemFactory(vector=True, is_hidden=number % 9 == 0)
        decided = {"decision": "accepted"} if number % 3 == 0 else {"confidence": rng.choice([0.4, 0.7, 1.0])}
        ItemLabelFactory(item=item, label=labels[number % 2], **decided)
        if number % 5:
            popularity = rng.choice([1.0, 2.0, 3.0])
            ItemStatistics.objects.create(item=item, events=1, users=1, popularity=popularity, built_at=now)
        items.append(item.pk)
    return [label.pk for label in labels], items


@pytest.mark.parametrize("n", [1, 3, 8, 50])
@pytest.mark.parametrize("looked_through", [2, 10, 1_000])
def test_a_broad_label_proposes_the_same(monkeypatch, n: int, looked_through: int):
    labels, items = _shop()
    for without in ([], items[3:12]):
        wanted = InterestLabel.objects.best_items(labels, n, without=without)
        with monkeypatch.context() as broad:
            broad.setattr(interest_queries, "BROAD_FROM", 5)
            broad.setattr(interest_queries, "POPULAR_LOOKED_THROUGH", looked_through)
            assert sorted(InterestLabel.objects.best_items(labels, n, without=without)) == sorted(wanted)


def test_only_labels_of_many_items_are_broad(monkeypatch):
    labels, _ = _shop()
    narrow = LabelFactory()
    ItemLabelFactory(label=narrow)
    monkeypatch.setattr(interest_queries, "BROAD_FROM", 5)
    assert sorted(InterestLabel.objects.all()._broad([*labels, narrow.pk])) == sorted(labels)
