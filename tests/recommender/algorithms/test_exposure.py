"""How evenly places are spread, on numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.algorithms.exposure import gini, lorenz, share_of_top


def test_the_gini_of_one_item_among_four_is_three_quarters() -> None:
    assert gini(np.array([8]), 4) == pytest.approx(0.75)
    assert gini(np.array([2, 2, 2, 2]), 4) == pytest.approx(0.0)
    assert gini(np.array([1, 3]), 2) == pytest.approx(0.25)
    assert gini(np.array([], dtype=np.int64), 4) == 0.0


def test_the_curve_follows_the_least_shown_first() -> None:
    curve = lorenz(np.array([3, 1]), 4)  # two items never shown, then 1 of 4 places, then 3
    assert (curve[0], curve[50], curve[75], curve[100]) == (0.0, 0.0, 0.25, 1.0)
    assert lorenz(np.array([], dtype=np.int64), 4).tolist() == [0.0] * 101


def test_the_most_shown_item_counts_even_where_a_hundredth_is_less_than_one() -> None:
    assert share_of_top(np.array([6, 3, 1]), 10, top=0.01) == pytest.approx(0.6)
    assert share_of_top(np.array([], dtype=np.int64), 10, top=0.01) == 0.0


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=50), st.integers(0, 50))
def test_the_gini_is_twice_the_area_between_curve_and_diagonal(places: list[int], never: int) -> None:
    shown, n = np.array(places), len(places) + never
    curve = np.concatenate([[0.0], np.cumsum(np.sort(np.concatenate([np.zeros(never), shown])))]) / shown.sum()
    area = float(np.trapezoid(curve, dx=1 / n))
    assert gini(shown, n) == pytest.approx(1 - 2 * area)
    assert np.all(np.diff(lorenz(shown, n)) >= -1e-12)
