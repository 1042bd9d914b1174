from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.algorithms.popularity import newness, popularity


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
