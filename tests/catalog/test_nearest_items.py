"""The items most like another, by vector."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection

from catalog.models import Item
from tests.factories import ItemFactory


@pytest.mark.django_db
def test_items_beside_another_are_complete_even_where_the_index_gives_up_early():
    """The index stops soon, in the middle of deleted rows, and every other plan is disfavoured."""
    vectors = np.random.default_rng(5).normal(size=(100, 384)).astype(np.float32)
    items = [ItemFactory(vector=vector / np.linalg.norm(vector)) for vector in vectors]
    for place in range(200):  # nearer than the others, and gone: the index still holds them
        gone = vectors[0] + 0.01 * vectors[1 + place % 99] * (1 + place // 99)
        ItemFactory(external_id=f"gone-{place}", vector=gone / np.linalg.norm(gone))
    Item.objects.filter(external_id__startswith="gone-").delete()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_itemembedding")
        for setting in ("seqscan", "sort", "bitmapscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{setting} = off")
        cursor.execute("SET LOCAL hnsw.max_scan_tuples = 1")
    found = Item.objects.all().beside(items[0], 60)
    halved = np.stack([np.float16(vector / np.linalg.norm(vector)) for vector in vectors]).astype(np.float64)
    halved /= np.linalg.norm(halved, axis=1, keepdims=True)
    order = [place for place in np.argsort(-(halved @ halved[0])) if place]
    assert [item.pk for item in found] == [items[place].pk for place in order[:60]]
