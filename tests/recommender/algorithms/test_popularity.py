from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.algorithms.popularity import newness, popularity, trend


def test_popularity_by_hand():
    # Item 0: one user today and one 14 days ago; item 2: one user 28 days ago; item 1: nobody.
    found = popularity(np.array([0, 0, 2]), np.array([0.0, 14.0, 28.0]), n_items=3, half_life_days=14.0)
    assert found.tolist() == [1.5, 0.0, 0.25]


def test_no_events_make_nothing_popular():
    assert popularity(np.zeros(0, dtype=np.int64), np.zeros(0), n_items=2).tolist() == [0.0, 0.0]


def test_newness_falls_to_zero_in_equal_steps():
    assert newness(np.array([0, 1, 4, 5, 900]), below_users=5).tolist() == pytest.approx([1.0, 0.8, 0.2, 0.0, 0.0])
    assert newness(np.array([0, 3]), below_users=0).tolist() == [0.0, 0.0]


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 400)), max_size=30))
def test_popularity_is_at_most_the_number_of_users_and_falls_with_age(rows):
    items = np.array([item for item, _ in rows], dtype=np.int64)
    ages = np.array([age for _, age in rows], dtype=np.float64)
    found = popularity(items, ages, n_items=5)
    assert np.all(found <= np.bincount(items, minlength=5) + 1e-9)
    assert np.all(popularity(items, ages + 1.0, n_items=5) <= found)


def test_trend_by_hand():
    # Item 0: ten in the last week, four in the four weeks before, one a week: ln((10 + 5) / (1 + 5)).
    # Item 1: only before; item 2: nobody; item 3: as many a week as before.
    items = np.array([0] * 14 + [1] * 8 + [3] * 5)
    ages = np.array([0.0] * 10 + [7.0, 10.0, 20.0, 34.9] + [8.0] * 8 + [1.0, 8.0, 15.0, 22.0, 29.0])
    assert trend(items, ages, n_items=4).tolist() == pytest.approx([np.log(15 / 6), 0.0, 0.0, 0.0])


def test_what_is_older_than_five_stretches_is_forgotten():
    assert trend(np.array([0, 0]), np.array([0.0, 35.0]), n_items=1).tolist() == pytest.approx([np.log(6 / 5)])


def test_without_events_nothing_trends():
    assert trend(np.zeros(0, dtype=np.int64), np.zeros(0), n_items=2).tolist() == [0.0, 0.0]


aged = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60)), max_size=30)


@given(aged, st.permutations(range(5)), st.sampled_from([0.5, 2.0, 8.0]), st.randoms())
def test_trends_do_not_depend_on_names_order_or_the_unit_of_time(rows, names, factor, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    items, ages = (np.array(column, dtype=np.int64) for column in (zip(*rows, strict=True) if rows else [[], []]))
    moved = np.array([names[item] for item, _ in shuffled], dtype=np.int64)
    moved_ages = np.array([age * factor for _, age in shuffled])
    plain = trend(items, ages, n_items=5)
    again = trend(moved, moved_ages, n_items=5, recent_days=7.0 * factor)
    assert again[names].tolist() == pytest.approx(plain.tolist())


@given(aged)
def test_one_more_user_today_never_lowers_a_trend(rows):
    items = np.array([item for item, _ in rows] + [2], dtype=np.int64)
    ages = np.array([age for _, age in rows] + [0], dtype=np.float64)
    before, after = trend(items[:-1], ages[:-1], n_items=5), trend(items, ages, n_items=5)
    assert np.all(before >= 0)
    assert after[2] >= before[2]
    assert np.delete(after, 2).tolist() == np.delete(before, 2).tolist()
