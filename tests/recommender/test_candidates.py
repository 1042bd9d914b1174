"""The queries behind candidates: as many rows as asked for, whatever the filter, and exactly the right ones."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection

from catalog.models import Item, ItemEmbedding
from recommender import candidates
from recommender.models import InterestLabel, InterestVector, ItemStatistics, Neighbour
from recommender.shelves import DatabaseShelf
from recommender.strategies import Ranker, Recipe
from tests.factories import (
    EndUserFactory,
    EventFactory,
    InterestLabelFactory,
    InterestVectorFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    axis,
    unit_vector,
)

pytestmark = pytest.mark.django_db


def many_items(count, *, in_stock=lambda place: True):
    """Bulk items with random vectors; returns them in order."""
    items = Item.objects.bulk_create(
        [
            Item(external_id=f"m{place}", title=f"Item {place}", text_hash="t", is_in_stock=in_stock(place))
            for place in range(count)
        ]
    )
    ItemEmbedding.objects.bulk_create(
        [
            ItemEmbedding(item=item, vector=unit_vector(place), model="test-embedder", text_hash="t")
            for place, item in enumerate(items)
        ]
    )
    return items


@pytest.mark.parametrize("share", [1, 50])
def test_nearest_items_are_n_and_exact_however_few_pass_the_filter(share):
    items = many_items(3000, in_stock=lambda place: place % share == 0)
    user = EndUserFactory()
    query = unit_vector(777_777)
    interest = InterestVectorFactory(user=user, medoid=items[0], vector=query)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_itemembedding")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    n = 60
    found = InterestVector.objects.nearest_items([interest], n, without=[items[0].pk])
    allowed = [place for place in range(1, 3000) if place % share == 0]
    similarity = np.array([np.float16(unit_vector(place)) for place in allowed], dtype=np.float32) @ query
    if share == 50:
        expected = [items[allowed[place]].pk for place in np.argsort(-similarity)[: min(n, len(allowed))]]
        assert [item_id for item_id, _, _ in found] == expected
    assert len(found) == min(n, len(allowed))
    assert items[0].pk not in {item_id for item_id, _, _ in found}
    assert found[0][2] >= found[-1][2]


def test_nearest_items_are_complete_even_where_the_index_gives_up_early():
    """The index stops after so many rows, deleted ones too; here after one, and every other plan is disfavoured."""
    items, query = many_items(300, in_stock=lambda place: place % 3 == 0), unit_vector(777_777)
    interest = InterestVectorFactory(user=EndUserFactory(), medoid=items[0], vector=query)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_itemembedding")
        for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
            cursor.execute(f"SET LOCAL {setting} = off")
        cursor.execute("SET LOCAL hnsw.max_scan_tuples = 1")
    found = InterestVector.objects.nearest_items([interest], 60)
    allowed = range(0, 300, 3)
    stored = np.array([np.float16(unit_vector(place)) for place in allowed], dtype=np.float64)
    similarity = stored @ np.float16(query).astype(np.float64) / np.linalg.norm(stored, axis=1)
    assert [item_id for item_id, _, _ in found] == [items[allowed[place]].pk for place in np.argsort(-similarity)[:60]]


def test_a_rebuild_or_a_deletion_in_the_middle_of_a_list_mixes_nothing():
    user = EndUserFactory()
    taken, near, gone = ItemFactory(vector=axis(0)), ItemFactory(vector=axis(0)), ItemFactory(vector=axis(1))
    EventFactory(user=user, item=taken)
    InterestVectorFactory(user=user, medoid=taken, vector=axis(0), position=0, weight=1.0)
    for item in (near, gone):
        ItemStatistics.objects.create(item=item, users=9, popularity=1.0)
    recipe = Recipe()
    state = candidates.user_state(user.external_id, recipe)
    InterestVector.objects.all().delete()
    InterestVectorFactory(user=user, medoid=near, vector=axis(1), position=4, weight=1.0)
    gone_id = gone.pk
    gone.delete()
    ranker, shelf = Ranker(recipe), DatabaseShelf()
    pool = candidates.gather(state, ranker, shelf, n=2, only=[near.pk, gone_id])
    assert (pool.ids.tolist(), pool.titles) == ([near.pk], (near.title,))
    assert (pool.raw["interest"].tolist(), pool.closest_interest.tolist()) == ([1.0], [0])


def test_each_interest_proposes_its_own_items():
    user = EndUserFactory()
    bread, cheese = ItemFactory(vector=axis(0)), ItemFactory(vector=axis(1))
    own = [
        InterestVectorFactory(user=user, medoid=item, position=position, vector=item.embedding.vector, weight=0.5)
        for position, item in enumerate((cheese, bread))
    ]
    assert InterestVector.objects.nearest_items(own, 1) == [(cheese.pk, 0, 1.0), (bread.pk, 1, 1.0)]


def test_new_items_are_those_few_users_took_the_closest_first():
    user = EndUserFactory()
    known, near, far = ItemFactory(vector=axis(0)), ItemFactory(vector=axis(0)), ItemFactory(vector=axis(1))
    ItemFactory(), ItemFactory(vector=axis(0), is_hidden=True)
    ItemStatistics.objects.create(item=known, users=5)
    ItemStatistics.objects.create(item=far, users=4)
    own = [InterestVectorFactory(user=user, medoid=known, vector=axis(0))]
    assert InterestVector.objects.new_items(own, 9, below_users=5) == [near.pk, far.pk]
    assert InterestVector.objects.new_items(own, 9, below_users=5, without=[near.pk]) == [far.pk]
    assert InterestVector.objects.new_items([], 1, below_users=5) == [far.pk]


def test_votes_add_up_over_the_history_and_leave_out_what_may_not_be_shown():
    first, second = ItemFactory(), ItemFactory()
    both, one, avoided = (ItemFactory(vector=True) for _ in range(3))
    hidden, unembedded = ItemFactory(vector=True, is_hidden=True), ItemFactory()
    for item, neighbour, score in (
        (first, both, 0.5),
        (second, both, 0.25),
        (first, one, 0.4),
        (second, avoided, -0.5),
        (first, hidden, 0.9),
        (first, unembedded, 0.9),
    ):
        Neighbour.objects.create(item=item, neighbour=neighbour, score=score, users=3)
    Neighbour.objects.create(item=first, neighbour=one, score=0.2, users=3, kind="next")
    history = {first.pk: 1.0, second.pk: 0.5}
    assert Neighbour.objects.votes("together", history, without=[]) == [
        (both.pk, 0.625),
        (one.pk, 0.4),
        (avoided.pk, -0.25),
    ]
    assert Neighbour.objects.votes("together", history, without=[both.pk])[0] == (one.pk, 0.4)


def test_labels_propose_their_surest_items_and_a_persons_word_is_certain():
    label = LabelFactory()
    unsure, sure, decided, rejected = (ItemFactory(vector=True) for _ in range(4))
    ItemLabelFactory(item=unsure, label=label, confidence=0.3)
    ItemLabelFactory(item=sure, label=label, confidence=0.9)
    ItemLabelFactory(item=decided, confidence=0.1, decision="corrected", final_label=label)
    ItemLabelFactory(item=rejected, label=label, confidence=1.0, decision="rejected", is_assigned=False)
    assert InterestLabel.objects.best_items([label.pk], 2) == [decided.pk, sure.pk]
    assert InterestLabel.objects.best_items([label.pk], 9, without=[sure.pk]) == [decided.pk, unsure.pk]


def test_every_candidate_is_scored_by_every_source():
    user, label = EndUserFactory(), LabelFactory()
    taken, near, labelled, popular = (ItemFactory(vector=axis(place)) for place in (0, 0, 2, 3))
    EventFactory(user=user, item=taken)
    InterestVectorFactory(user=user, medoid=taken, vector=axis(0))
    InterestLabelFactory(user=user, label=label, weight=0.5)
    ItemLabelFactory(item=labelled, label=label, confidence=0.8)
    ItemStatistics.objects.create(item=popular, users=9, recent_users=7, popularity=np.e - 1)
    Neighbour.objects.create(item=taken, neighbour=near, score=0.7, users=3)
    recipe = Recipe()
    pool = candidates.gather(candidates.user_state(user.external_id, recipe), Ranker(recipe), DatabaseShelf(), n=3)
    assert pool.ids.tolist() == [near.pk, labelled.pk, popular.pk]
    assert pool.raw["neighbours"].tolist() == [0.7, 0.0, 0.0]
    # The mean of the four vectors is (.5, 0, .25, .25): a centred vector's length is known, and so is its cosine.
    assert pool.raw["interest"].tolist() == pytest.approx([0.5 / 0.375**0.5, -0.5 / 0.875**0.5, -0.5 / 0.875**0.5])
    assert pool.raw["label_affinity"].tolist() == [0.0, 0.4, 0.0]
    assert pool.raw["popular"].tolist() == [0.0, 0.0, pytest.approx(1.0)]
    assert pool.raw["new"].tolist() == pytest.approx([0.5 / 0.375**0.5, 0.0, 0.0])
    assert (pool.users.tolist(), pool.recent_users.tolist()) == ([0, 0, 9], [0, 0, 7])
    assert [pool.top_label(place) for place in range(3)] == [None, label.pk, None]


def test_a_short_pool_is_filled_with_anything_that_may_be_shown():
    plain = [ItemFactory(vector=True) for _ in range(4)]
    for item in plain:
        ItemStatistics.objects.create(item=item, users=50, popularity=0)
    recipe = Recipe(weights={"popular": 1.0}, candidates_per_source=1)
    pool = candidates.gather(candidates.user_state("nobody", recipe), Ranker(recipe), DatabaseShelf(), n=1)
    assert len(pool) == 1
    ItemStatistics.objects.all().delete()
    pool = candidates.gather(candidates.user_state("nobody", recipe), Ranker(recipe), DatabaseShelf(), n=3)
    assert pool.ids.tolist() == [item.pk for item in plain[:3]]
