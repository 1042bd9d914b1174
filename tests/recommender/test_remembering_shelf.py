"""A shelf that remembers says what the database says, and asks it less."""

from __future__ import annotations

import random

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommender.models import InterestVector, Strategy
from recommender.remembering_shelf import RememberingShelf
from recommender.shelves import DatabaseShelf
from recommender.slates import recommend
from tests.factories import ItemFactory, StrategyFactory
from tests.recommender.audited_shop import open_shop

pytestmark = pytest.mark.django_db
GONE = 10**9


def test_what_is_known_of_items_is_the_same_in_any_order_and_with_overlaps():
    ids = [item.pk for item in open_shop()] + [ItemFactory(vector=False).pk, GONE]
    remembering, plain, rng = RememberingShelf(), DatabaseShelf(), random.Random(3)
    for size in (0, 1, 5, 12, len(ids), 7):
        asked = rng.sample(ids, size)
        np.testing.assert_array_equal(remembering.vectors(asked), plain.vectors(asked))
        np.testing.assert_array_equal(remembering.factors(asked), plain.factors(asked))
        assert remembering.labels(asked) == plain.labels(asked)
        found, wanted = remembering.statistics(sorted(asked)), plain.statistics(sorted(asked))
        assert (found.ids.tolist(), found.titles) == (wanted.ids.tolist(), wanted.titles)
        np.testing.assert_array_equal(found.popularity, wanted.popularity)
        np.testing.assert_array_equal(found.for_repeats.cycles_days, wanted.for_repeats.cycles_days)


def test_proposals_are_remembered_by_everything_that_was_asked():
    items = open_shop()
    ids, interests = [item.pk for item in items], list(InterestVector.objects.order_by("pk")[:2])
    remembering, plain = RememberingShelf(), DatabaseShelf()
    for _ in range(2):
        for without in ([], ids[:3], ids[3:9]):
            for n in (2, 6):
                assert remembering.popular(n, without) == plain.popular(n, without)
                assert remembering.trending(n, without) == plain.trending(n, without)
                assert remembering.nearest(interests, n, without) == plain.nearest(interests, n, without)
                assert remembering.nearest_to_items(ids[:2], n, without) == plain.nearest_to_items(ids[:2], n, without)
                new = plain.new(interests, n, below_users=5, without=without)
                assert remembering.new(interests, n, below_users=5, without=without) == new
            for weights in ({ids[4]: 1.0}, {ids[4]: 0.5, ids[9]: 1.0}):
                assert remembering.votes("next", weights, without) == plain.votes("next", weights, without)


def test_a_second_list_of_the_user_asks_less_and_is_the_same():
    open_shop()
    strategies: list[Strategy] = [
        StrategyFactory(recipe={"explore_share": 0.0}),
        StrategyFactory(recipe={"explore_share": 0.0, "repeats": "allow", "diversity": 0.4}),
    ]
    shelf, queries = RememberingShelf(), []
    for strategy in strategies:
        with CaptureQueriesContext(connection) as asked:
            made = recommend("u1", n=8, strategy=strategy, shelf=shelf, record=False).items
        queries.append(len(asked))
        alone = recommend("u1", n=8, strategy=strategy, record=False).items
        assert [(each.item.pk, each.score) for each in made] == [(each.item.pk, each.score) for each in alone]
    assert queries[1] < queries[0]
