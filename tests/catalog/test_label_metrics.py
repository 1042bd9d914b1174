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


# ---------------------------------------------------------------- intervals and curves


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # z = 1.959964, z² = 3.841459. All right: n / (n + z²). Half of ten: .5 ± z·sqrt(.025 + z²/400) / (1 + z²/10).
        (73, 73, 73 / 76.841459, 1.0),
        (72, 72, 72 / 75.841459, 1.0),
        (0, 10, 0.0, 3.841459 / 13.841459),
        (5, 10, 0.236593, 0.763407),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_bounds(right, n, low, high):
    assert label_metrics.wilson(right, n) == pytest.approx((low, high), abs=1e-6)


def test_73_of_73_reach_95_percent_and_72_of_72_do_not():
    assert label_metrics.wilson(73, 73)[0] >= 0.95 > label_metrics.wilson(72, 72)[0]


COUNTS = st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_a_wilson_interval_holds_the_share_and_lies_within_0_and_1(count):
    right, n = count
    low, high = label_metrics.wilson(right, n)
    assert 0.0 <= low <= right / n <= high <= 1.0
    assert label_metrics.wilson(n - right, n) == pytest.approx((1 - high, 1 - low))


def test_the_brier_score_is_the_mean_squared_distance():
    confidence, is_right = np.array([0.9, 0.6, 0.2]), np.array([True, False, False])
    assert label_metrics.brier(confidence, is_right) == pytest.approx((0.01 + 0.36 + 0.04) / 3)


def test_the_reliability_curve_leaves_empty_bins_out_and_counts_1_in_the_last():
    confidence = np.array([0.05, 0.15, 0.19, 0.95, 1.0, 0.9])
    curve = label_metrics.reliability(confidence, np.array([False, True, False, True, True, False]))
    assert [(one.low, one.high, one.n, one.right) for one in curve] == [
        (0.0, 0.1, 1, 0),
        (0.1, 0.2, 2, 1),
        (0.9, 1.0, 3, 2),
    ]
    assert curve[1].confidence == pytest.approx(0.17)
    assert curve[2].confidence == pytest.approx(0.95)
    assert curve[2].accuracy == pytest.approx(2 / 3)
    assert curve[2].interval == label_metrics.wilson(2, 3)


ROWS = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=80)


def as_arrays(rows):
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@given(ROWS)
def test_the_curve_counts_every_row_once(rows):
    confidence, is_right = as_arrays(rows)
    curve = label_metrics.reliability(confidence, is_right)
    assert sum(one.n for one in curve) == len(rows)
    assert sum(one.right for one in curve) == is_right.sum()
    assert all(one.low - 1e-9 <= one.confidence <= one.high + 1e-9 for one in curve)


# ---------------------------------------------------------------- thresholds and proofs


def test_the_lowest_threshold_is_the_lowest_confidence_whose_lower_bound_reaches_what_is_wanted():
    # 73 right ones from .9 up reach .95; 72 do not, and one miss among them spoils it.
    sure = np.concatenate([np.full(72, 0.95), [0.9], np.full(5, 0.3)])
    is_right = np.concatenate([np.ones(73, dtype=bool), np.zeros(5, dtype=bool)])
    assert label_metrics.lowest_threshold(sure, is_right, wanted=0.95) == 0.9
    assert label_metrics.lowest_threshold(sure[:72], is_right[:72], wanted=0.95) is None
    is_right[10] = False
    assert label_metrics.lowest_threshold(sure, is_right, wanted=0.95) is None
    assert label_metrics.lowest_threshold(np.array([]), np.array([], dtype=bool), wanted=0.95) is None


def test_equally_sure_rows_stand_or_fall_together():
    # Of equals the right ones come first here; a threshold cannot take them and leave the others.
    sure, is_right = np.full(100, 0.8), np.array([True] * 80 + [False] * 20)
    assert label_metrics.lowest_threshold(sure, is_right, wanted=0.9) is None


@given(ROWS, st.floats(0.1, 0.99))
def test_above_the_lowest_threshold_the_lower_bound_is_reached(rows, wanted):
    confidence, is_right = as_arrays(rows)
    threshold = label_metrics.lowest_threshold(confidence, is_right, wanted=wanted)
    if threshold is not None:
        above = confidence >= threshold
        assert label_metrics.wilson(int(is_right[above].sum()), int(above.sum()))[0] >= wanted


def test_the_proof_is_the_mean_likelihood_ratio_of_five_better_precisions():
    # wanted .9: the bets are 1, .99, .98, .96, .94. One right: (1 + .99 + .98 + .96 + .94) / .9 / 5.
    assert label_metrics.log_proof(1, 1, wanted=0.9) == pytest.approx(np.log(4.87 / 4.5))
    # One wrong: misses of 0, .1, .2, .4, .6 times what is allowed.
    assert label_metrics.log_proof(0, 1, wanted=0.9) == pytest.approx(np.log(1.3 / 5))


@pytest.mark.parametrize(("wanted", "fewest"), [(0.8, 20), (0.9, 43), (0.95, 87), (0.98, 222), (0.99, 445)])
def test_how_many_right_audits_prove_a_precision(wanted, fewest):
    assert label_metrics.fewest_audits(wanted) == fewest
    assert label_metrics.is_proven(fewest, fewest, wanted=wanted)
    assert not label_metrics.is_proven(fewest - 1, fewest - 1, wanted=wanted)
    assert label_metrics.most_audits(wanted) == max(300, 4 * fewest if wanted > 0.95 else 0)


def test_one_miss_takes_the_proof_of_95_percent_from_87_audits_to_145():
    assert label_metrics.audits_until_proven(0, 0, wanted=0.95, most=300) == 87
    assert label_metrics.audits_until_proven(86, 87, wanted=0.95, most=300) == 145 - 87
    assert label_metrics.audits_until_proven(80, 100, wanted=0.95, most=300) is None


@given(COUNTS, st.floats(0.5, 0.999))
def test_a_right_audit_never_weakens_the_proof_and_a_wrong_one_never_strengthens_it(count, wanted):
    right, n = count
    now = label_metrics.log_proof(right, n, wanted=wanted)
    assert label_metrics.log_proof(right + 1, n + 1, wanted=wanted) > now
    assert label_metrics.log_proof(right, n + 1, wanted=wanted) < now


def chance_to_start(precision, wanted, proves, *, audits=300):
    """The exact chance that `proves` says yes after any of the audits: every path of right and wrong is counted."""
    going, started = {0: 1.0}, 0.0
    for n in range(1, audits + 1):
        after = {}
        for wrong, chance in going.items():
            after[wrong] = after.get(wrong, 0.0) + chance * precision
            after[wrong + 1] = after.get(wrong + 1, 0.0) + chance * (1 - precision)
        started += sum(chance for wrong, chance in after.items() if proves(n - wrong, n, wanted=wanted))
        going = {wrong: chance for wrong, chance in after.items() if not proves(n - wrong, n, wanted=wanted)}
    return started


def by_interval_alone(right, n, *, wanted):
    return label_metrics.wilson(right, n)[0] >= wanted


@pytest.mark.parametrize("wanted", [0.8, 0.9, 0.95])
def test_looking_after_each_audit_proves_what_is_not_so_in_at_most_one_case_of_forty(wanted):
    assert chance_to_start(wanted, wanted, label_metrics.is_proven) <= 0.025
    assert chance_to_start(wanted - 0.02, wanted, label_metrics.is_proven) <= 0.0125
    # Why the interval alone is not enough: looked at after each audit it is wrong three to six times as often.
    assert chance_to_start(wanted, wanted, by_interval_alone) > 0.075


def by_interval_at_75_150_and_300(right, n, *, wanted):
    return n in (75, 150, 300) and by_interval_alone(right, n, wanted=wanted)


@pytest.mark.parametrize(
    ("precision", "proves", "chance"),
    [
        (0.93, by_interval_alone, 0.009),
        (0.94, by_interval_alone, 0.027),
        (0.95, by_interval_alone, 0.077),
        (0.95, by_interval_at_75_150_and_300, 0.044),
        (0.93, label_metrics.is_proven, 0.002),
        (0.94, label_metrics.is_proven, 0.006),
        (0.95, label_metrics.is_proven, 0.018),
        (0.97, label_metrics.is_proven, 0.200),
        (0.98, label_metrics.is_proven, 0.547),
        (0.99, label_metrics.is_proven, 0.940),
    ],
)
def test_the_chances_to_start_are_those_that_the_docs_tell(precision, proves, chance):
    assert chance_to_start(precision, 0.95, proves) == pytest.approx(chance, abs=6e-4)


def test_what_is_far_better_than_wanted_is_nearly_always_proven():
    assert chance_to_start(0.99, 0.95, label_metrics.is_proven) > 0.9
    assert chance_to_start(0.99, 0.9, label_metrics.is_proven) > 0.999
