"""Hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import label_metrics

RANKED = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 2, 1]])
TRUTH = np.array([0, 0, 0, 2])


def test_accuracy_counts_the_truth_among_the_first_k():
    assert label_metrics.accuracy_at(RANKED, TRUTH, 1) == 0.25
    assert label_metrics.accuracy_at(RANKED, TRUTH, 2) == 0.75
    assert label_metrics.accuracy_at(RANKED, TRUTH, 3) == 1.0


def test_macro_f1_is_the_mean_over_the_labels_of_the_truth():
    # Label 0: named twice, wanted thrice, one hit: 2 / (2 + 3). Label 2: named once, wanted once, no hit: 0.
    assert label_metrics.macro_f1(RANKED[:, 0], TRUTH) == pytest.approx((2 / 5 + 0) / 2)


def test_a_confidence_that_is_right_as_often_as_it_says_has_no_error():
    confidence = np.array([0.5, 0.5, 1.0, 1.0])
    assert label_metrics.expected_calibration_error(confidence, np.array([True, False, True, True])) == 0.0
    assert label_metrics.expected_calibration_error(confidence, np.array([False] * 4)) == pytest.approx(0.75)


def test_coverage_is_the_accuracy_of_the_surest():
    found = label_metrics.coverage(np.array([0.9, 0.1, 0.8, 0.2]), np.array([True, False, True, False]))
    assert {row["share"]: row["accuracy"] for row in found} == {
        0.1: 1.0,
        0.25: 1.0,
        0.5: 1.0,
        0.75: 0.6667,
        0.9: 0.5,
        1.0: 0.5,
    }


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_the_interval_holds_within_0_and_1_and_is_the_same_for_the_same_seed(values):
    rows = np.array(values, dtype=np.float64)
    low, high = label_metrics.interval(rows, seed=3)
    assert 0.0 <= low <= high <= 1.0
    assert label_metrics.interval(rows, seed=3) == [low, high]
