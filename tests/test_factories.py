"""The factories make rows that the database takes."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.models import Item
from recsite.operations.models import ApiKey
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "name", [name for name in dir(factories) if name.endswith("Factory") and name != "DjangoModelFactory"]
)
def test_every_factory_makes_a_row_that_is_stored(name):
    row = getattr(factories, name)()
    assert type(row).objects.filter(pk=row.pk).exists()


def test_an_item_with_a_vector_is_embedded_and_current():
    item = factories.ItemFactory(vector=factories.axis(3))
    assert Item.objects.nearest(factories.axis(3), 1).get().distance == pytest.approx(0.0, abs=1e-3)
    assert not Item.objects.without_current_embedding().exists()
    assert np.argmax(item.embedding.vector) == 3


def test_a_key_is_found_by_its_secret():
    key = factories.ApiKeyFactory(scopes=["read"])
    assert ApiKey.objects.get_from_key(key.secret) == key
