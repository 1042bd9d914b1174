"""How many users an edit of labels reaches: by their interest labels, and by the items behind their vectors."""

from __future__ import annotations

import pytest

from recommender.label_reach import LabelReach, label_reach
from tests.factories import (
    EndUserFactory,
    InterestLabelFactory,
    InterestVectorFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
)
from tests.pages import staff_client, text_of

pytestmark = pytest.mark.django_db


def test_users_are_counted_once_by_labels_below_too_and_by_items_behind_their_vectors() -> None:
    food = LabelFactory(name="Food")
    bread = LabelFactory(taxonomy=food.taxonomy, parent=food, name="Bread")
    loaf, tea = ItemFactory(), ItemFactory()
    ItemLabelFactory(item=loaf, label=bread)
    both, by_item, other = EndUserFactory.create_batch(3)
    InterestLabelFactory(user=both, label=bread)
    InterestVectorFactory(user=both, events=[{"event": 1, "item": loaf.pk, "weight": 1.0}])
    InterestVectorFactory(user=by_item, events=[{"event": 2, "item": loaf.pk, "weight": 1.0}])
    InterestVectorFactory(user=other, events=[{"event": 3, "item": tea.pk, "weight": 1.0}])
    assert label_reach([food.pk]) == LabelReach(users=2, of=3)
    assert label_reach([bread.pk]) == LabelReach(users=2, of=3)
    assert label_reach([]) == LabelReach(users=0, of=3)
    assert label_reach([10**12]) == LabelReach(users=0, of=3)
    assert text_of(staff_client().get(f"/label-reach/?label={bread.pk}&label=x")) == "2"
