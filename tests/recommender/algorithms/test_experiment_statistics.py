"""Intervals, tests and numbers of users, beside published examples and numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.algorithms.experiment_statistics import (
    Interval,
    Share,
    Sums,
    always_valid,
    difference_of_means,
    mean_interval,
    mismatch_p,
    newcombe,
    p_value,
    ratio_interval,
    users_needed,
    wilson,
)


@st.composite
def shares(draw: st.DrawFn, *, least: int = 1) -> Share:
    n = draw(st.integers(least, 100_000))
    return Share(draw(st.integers(0, n)), n)


def about(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return pytest.approx((interval.low, interval.high), abs=5e-5)


def test_wilson_is_that_of_newcombes_example() -> None:
    assert about(wilson(Share(15, 148))) == (0.0624, 0.1605)
    assert about(wilson(Share(0, 20))) == (0.0, 0.1611)
    assert wilson(Share(20, 20)).high == 1.0
    assert wilson(Share(0, 0)) == Interval(0.0, 1.0)


def test_newcombe_is_that_of_his_example() -> None:
    """56 of 70 against 48 of 80: his table II, method 10."""
    assert about(newcombe(Share(48, 80), Share(56, 70))) == (0.0524, 0.3339)
    assert about(newcombe(Share(56, 70), Share(48, 80))) == (-0.3339, -0.0524)


def test_the_p_value_of_two_shares_by_hand() -> None:
    """Pooled 104 / 150: z = 0.2 / sqrt(0.69333 x 0.30667 x (1/80 + 1/70)) = 2.6502."""
    assert p_value(Share(48, 80), Share(56, 70)) == pytest.approx(0.008045, abs=5e-7)
    assert p_value(Share(0, 80), Share(0, 70)) == p_value(Share(0, 0), Share(5, 70)) == 1.0


def test_the_interval_for_every_look_by_hand() -> None:
    """m = 500; p = 101/1002; v = 500^2 x 2 p (1 - p) / 1000 = 45.320; r = 100 / (5.9915 + 1.7903 + 1) = 11.387;
    sqrt(56.707 x ln(56.707 / (11.387 x 0.0025))) / 500 = 0.04151."""
    assert about(always_valid(Share(100, 1000), Share(100, 1000))) == (-0.04151, 0.04151)
    assert always_valid(Share(9, 99), Share(100, 1000)) is None
    assert always_valid(Share(100, 1000), Share(9, 99)) is None


@given(shares(least=100), shares(least=100))
def test_the_interval_for_every_look_is_the_wider_one_about_the_same_difference(control: Share, arm: Share) -> None:
    found, fixed = always_valid(control, arm), newcombe(control, arm)
    assert found is not None
    assert -1 <= found.low <= arm.value - control.value <= found.high <= 1
    if min(control.count, arm.count, control.n - control.count, arm.n - arm.count) >= 100:
        assert found.low <= fixed.low
        assert fixed.high <= found.high
    narrower = always_valid(control, arm, alpha=0.2)
    assert narrower is not None
    assert found.low <= narrower.low
    assert narrower.high <= found.high


@given(shares(), shares())
def test_newcombe_holds_the_difference_and_turns_with_the_arms(control: Share, arm: Share) -> None:
    found, turned = newcombe(control, arm), newcombe(arm, control)
    assert -1 - 1e-9 <= found.low <= arm.value - control.value + 1e-12
    assert arm.value - control.value - 1e-12 <= found.high <= 1 + 1e-9
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=1e-12)
    assert p_value(control, arm) == pytest.approx(p_value(arm, control))


@given(shares())
def test_wilson_holds_the_share_within_0_and_1(share: Share) -> None:
    found = wilson(share)
    assert -1e-12 <= found.low <= share.value + 1e-12
    assert share.value - 1e-12 <= found.high <= 1 + 1e-12


def test_means_and_their_difference_by_hand() -> None:
    """0, 2, 2, 4: variance 8/3, of the mean 2/3. 1, 3, 3, 5: the same. Difference 1, standard error sqrt(4/3)."""
    control, arm = Sums(4, 8, 24), Sums(4, 12, 44)
    assert about(mean_interval(control)) == (0.3997, 3.6003)
    judged = difference_of_means(control, arm)
    assert judged is not None
    assert about(judged[0]) == (-1.26317, 3.26317)
    assert judged[1] == pytest.approx(0.38648, abs=5e-6)
    assert mean_interval(Sums(1, 3, 9)) is None
    assert difference_of_means(Sums(1, 3, 9), arm) is None
    assert difference_of_means(Sums(2, 0, 0), Sums(2, 0, 0)) == (Interval(0.0, 0.0), 1.0)


def test_a_ratio_by_hand() -> None:
    """Clicks 0, 1, 2, 3 of 1, 3, 3, 5 lists: ratio 1/2, residuals -1/2, -1/2, 1/2, 1/2, variance 1/3 x 4 / 12^2."""
    half = 1.959964 * math.sqrt(1 / 3 * 4 / 144)
    assert about(ratio_interval(Sums(4, 6, 14), Sums(4, 12, 44), 24)) == (0.5 - half, 0.5 + half)
    assert ratio_interval(Sums(4, 0, 0), Sums(4, 0, 0), 0) is None


def test_a_user_who_comes_often_widens_the_interval_of_a_ratio() -> None:
    """Ten users with ten lists each, half of whom click always, are not a hundred lists that click by chance."""
    alone = ratio_interval(Sums(100, 50, 50), Sums(100, 100, 100), 50)
    grouped = ratio_interval(Sums(10, 50, 500), Sums(10, 100, 1000), 500)
    assert alone is not None
    assert grouped is not None
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(math.sqrt(11), rel=0.01)


def test_users_split_otherwise_than_planned_are_told() -> None:
    assert mismatch_p([520, 480], [1, 1]) == pytest.approx(0.20590, abs=5e-6)  # chi-square 1.6, one degree
    assert mismatch_p([10_400, 9_600], [1, 1]) < 1e-7
    assert mismatch_p([7_500, 2_500], [3, 1]) == 1.0
    assert mismatch_p([0, 0], [1, 1]) == 1.0
    for users, planned in (([1, 2], [1]), ([1, 2], [1, 0])):
        with pytest.raises(ValueError, match="share above 0"):
            mismatch_p(users, planned)


def test_users_needed_are_those_of_power_prop_test() -> None:
    """R: power.prop.test(p1 = .1, p2 = .12, power = .8) says 3840.847; (p1 = .04, p2 = .044) says 39474.25."""
    assert users_needed(0.1, 0.2) == 3_841
    assert users_needed(0.04, 0.1) == 39_475
    assert users_needed(0.1, 0.0) is users_needed(0.0, 0.1) is users_needed(1.0, 0.1) is users_needed(0.95, 0.1) is None


@given(st.floats(0.01, 0.4), st.floats(0.02, 0.4))
def test_smaller_differences_need_more_users(baseline: float, lift: float) -> None:
    few, many = users_needed(baseline, lift), users_needed(baseline, lift / 2)
    assert few is not None
    assert many is not None
    assert few < many
