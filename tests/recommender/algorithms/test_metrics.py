"""How good lists are, by hand, and how sure one can be of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.algorithms.metrics import (
    MISS,
    RESAMPLES,
    compare,
    gains,
    hits,
    interval,
    novelty,
    precision_recall_f1,
    reciprocal_ranks,
)

PLACES = np.array([0, 1, 2, 9, 10, MISS])


def test_hits_by_hand():
    assert hits(PLACES, k=10).tolist() == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert hits(PLACES, k=1).tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_gains_by_hand():
    assert gains(PLACES, k=10).tolist() == pytest.approx([1.0, 0.63093, 0.5, 0.28906, 0.0, 0.0], abs=1e-5)
    assert gains(PLACES, k=1).tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_reciprocal_ranks_by_hand():
    assert reciprocal_ranks(PLACES).tolist() == pytest.approx([1.0, 1 / 2, 1 / 3, 1 / 10, 1 / 11, 0.0])


def test_no_lists_have_no_figures():
    none = np.zeros(0, dtype=np.int64)
    assert hits(none, k=10).tolist() == gains(none, k=10).tolist() == reciprocal_ranks(none).tolist() == []
    assert precision_recall_f1(none, none, k=10).shape == (0, 3)


def test_precision_recall_and_f1_by_hand():
    found = precision_recall_f1(np.array([2, 0, 5]), np.array([4, 3, 5]), k=5)
    assert found[0].tolist() == pytest.approx([0.4, 0.5, 2 * 0.4 * 0.5 / 0.9])
    assert found[1].tolist() == [0.0, 0.0, 0.0]
    assert found[2].tolist() == [1.0, 1.0, 1.0]


def test_novelty_by_hand():
    assert novelty(np.array([0.5, 0.25])) == pytest.approx(1.5)
    assert novelty(np.array([1.0])) == 0.0
    assert novelty(np.zeros(0)) == 0.0
    assert np.isfinite(novelty(np.array([0.0])))


places_drawn = st.lists(st.one_of(st.integers(0, 30), st.just(int(MISS))), min_size=1, max_size=20)


@given(places_drawn, st.integers(1, 20))
def test_a_gain_is_at_most_a_hit_and_a_longer_list_never_lowers_either(drawn, k):
    places = np.array(drawn)
    assert np.all(gains(places, k=k) <= hits(places, k=k))
    assert np.all((gains(places, k=k) > 0) == (hits(places, k=k) > 0))
    assert np.all(gains(places, k=k) <= gains(places, k=k + 1))
    assert np.all(hits(places, k=k) <= hits(places, k=k + 1))


@given(places_drawn)
def test_a_better_place_is_worth_more(drawn):
    places = np.sort(np.array(drawn))
    for values in (gains(places, k=10), reciprocal_ranks(places), hits(places, k=10)):
        assert np.all(np.diff(values) <= 0)


@given(st.integers(1, 20).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, k), st.integers(0, 30))))
def test_f1_lies_between_precision_and_recall(drawn):
    k, right, missed = drawn
    precision, recall, f1 = precision_recall_f1(np.array([right]), np.array([max(1, right + missed)]), k=k)[0]
    assert min(precision, recall) - 1e-12 <= f1 <= max(precision, recall) + 1e-12


def test_the_interval_of_a_mean_is_about_two_standard_errors_either_side():
    values = np.random.default_rng(1).normal(3.0, 1.0, 400)
    low, high = interval(values)
    error = values.std() / 20.0
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_intervals_of_none_one_and_equal_values():
    assert interval(np.zeros(0)) == (0.0, 0.0)
    assert interval(np.array([0.4])) == pytest.approx((0.4, 0.4))
    assert interval(np.full(50, 0.25)) == (0.25, 0.25)


def test_rows_of_one_user_are_drawn_together_and_make_the_interval_wider():
    of_users = np.random.default_rng(2).normal(0.0, 1.0, 40)
    values, users = np.repeat(of_users, 25), np.repeat(np.arange(40), 25)
    apart, together = interval(values), interval(values, users)
    assert together[1] - together[0] > 4 * (apart[1] - apart[0])
    assert together == pytest.approx(interval(of_users))


def test_the_names_of_the_clusters_do_not_matter():
    values, users = np.arange(6.0), np.array([0, 0, 1, 1, 2, 2])
    assert interval(values, users) == interval(values, users * 70 + 5)


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(10.0)
    assert interval(values, seed=4) == interval(values, seed=4)
    assert interval(values, seed=4) != interval(values, seed=5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=15), st.sampled_from([0.5, 4.0]), st.integers(-9, 9))
def test_intervals_scale_and_shift_with_the_values_and_lie_within_them(drawn, factor, shift):
    values = np.array(drawn, dtype=np.float64)
    low, high = interval(values)
    assert values.min() - 1e-9 <= low <= high <= values.max() + 1e-9
    assert interval(values * factor + shift) == pytest.approx((low * factor + shift, high * factor + shift))


def test_a_clear_difference_is_told_from_chance():
    generator = np.random.default_rng(3)
    b = generator.random(300)
    a = b + generator.normal(0.1, 0.1, 300)
    found = compare(a, b)
    assert found.difference == pytest.approx((a - b).mean())
    assert 0.0 < found.ci95[0] < found.difference < found.ci95[1]
    assert found.p_value == pytest.approx(2 / (RESAMPLES + 1))


def test_chance_is_not_taken_for_a_difference():
    generator = np.random.default_rng(4)
    noise = generator.normal(0.0, 0.1, 300)
    found = compare(noise - noise.mean(), np.zeros(300))
    assert found.ci95[0] < 0.0 < found.ci95[1]
    assert found.p_value > 0.5


def test_it_is_the_pairs_that_are_compared():
    b = np.random.default_rng(5).normal(0.0, 100.0, 200)
    assert compare(b + 0.1, b).p_value < 0.01


def test_a_difference_of_few_users_with_many_rows_is_not_sure():
    of_users = np.array([1.0, 1.0, 1.0, -0.8, -0.7])
    a, users = np.repeat(of_users, 200), np.repeat(np.arange(5), 200)
    assert compare(a, np.zeros(1000)).p_value < 0.01
    assert compare(a, np.zeros(1000), users).p_value > 0.05


def test_lists_that_do_not_differ_and_no_lists():
    values = np.arange(5.0)
    for same in (compare(values, values), compare(np.zeros(0), np.zeros(0))):
        assert (same.difference, same.ci95, same.p_value) == (0.0, (0.0, 0.0), 1.0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=15), st.sampled_from([0.5, 8]))
def test_comparing_the_other_way_round_turns_the_sign_and_the_scale_does_not_change_p(drawn, factor):
    a, b = (np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True))
    found, turned, scaled = compare(a, b), compare(b, a), compare(a * factor, b * factor)
    assert turned.difference == -found.difference
    assert turned.ci95 == pytest.approx((-found.ci95[1], -found.ci95[0]))
    assert turned.p_value == scaled.p_value == found.p_value
    assert 0.0 < found.p_value <= 1.0
