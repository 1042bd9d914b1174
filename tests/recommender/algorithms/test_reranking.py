"""Shuffles, shares and blending: hand-worked numbers and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.algorithms.reranking import SPREAD, blend, evened, ratios, shares_of, shuffles


@st.composite
def lists(draw: st.DrawFn, least: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Prior scores that differ by more than rounding, and shares that sum to 1."""
    n = draw(st.integers(least, 12))
    prior = np.array(draw(st.lists(st.integers(-50, 50), min_size=n, max_size=n)), dtype=np.float64)
    told = np.array(draw(st.lists(st.integers(1, 100), min_size=n, max_size=n)), dtype=np.float64)
    return prior, told / told.sum()


weights = st.integers(0, 10).map(lambda tenths: tenths / 10)


def test_orders_are_drawn_for_each_round_and_the_same_for_the_same_seed() -> None:
    orders = shuffles(12, 4, seed=7)
    assert all(sorted(order.tolist()) == list(range(12)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 4
    again = shuffles(12, 4, seed=7)
    assert [order.tolist() for order in orders] == [order.tolist() for order in again]
    assert shuffles(12, 1, seed=8)[0].tolist() != orders[0].tolist()
    # One round more draws nothing anew of those before.
    assert shuffles(12, 2, seed=7)[1].tolist() == orders[1].tolist()


def test_each_item_stands_at_each_position_about_equally_often() -> None:
    places = np.zeros((4, 4))
    for seed in range(2_000):
        places[np.arange(4), shuffles(4, 1, seed=seed)[0]] += 1
    assert np.abs(places / 2_000 - 0.25).max() < 0.05


def test_answers_are_divided_by_the_positions_prior() -> None:
    """Two options; A is said .8 of the time to nobody, and .8 and .2 in two rounds where item 1 stands at A, then B."""
    prior = np.array([0.8, 0.2])
    orders = [np.array([1, 0]), np.array([0, 1])]
    shares = shares_of([np.array([0.8, 0.2]), np.array([0.2, 0.8])], orders, prior)
    high, low = 0.9 * 0.8 + SPREAD / 2, 0.9 * 0.2 + SPREAD / 2
    second = [low / high, high / low]  # round 2: item 0 stands at A, item 1 at B
    expected = 0.5 * 0.5 + 0.5 * second[1] / sum(second)
    assert shares.tolist() == pytest.approx([1 - expected, expected])


@given(st.integers(2, 20), st.integers(1, 8), st.integers(0, 1_000))
def test_a_model_that_looks_at_positions_only_tells_nobody_apart(n: int, rounds: int, seed: int) -> None:
    by_position = np.random.default_rng(seed).random(n) ** 8
    shares = shares_of([by_position] * rounds, shuffles(n, rounds, seed=seed), by_position)
    assert shares == pytest.approx(np.full(n, 1 / n))


@given(st.integers(2, 20), st.integers(1, 8), st.integers(0, 1_000))
def test_a_model_that_knows_the_item_is_heard_wherever_it_stands(n: int, rounds: int, seed: int) -> None:
    orders = shuffles(n, rounds, seed=seed)
    answers = [np.where(order == n - 1, 0.8, 0.2 / n) for order in orders]
    shares = shares_of(answers, orders, np.full(n, 1 / n))
    assert int(np.argmax(shares)) == n - 1
    assert shares.sum() == pytest.approx(1.0)


@given(st.integers(1, 12), st.floats(1e-3, 1e3))
def test_shares_do_not_depend_on_how_much_of_the_answer_went_elsewhere(n: int, factor: float) -> None:
    answer = np.arange(1.0, n + 1)
    assert evened(answer * factor) == pytest.approx(evened(answer))


def test_garbage_counts_as_nothing_said() -> None:
    assert evened(np.zeros(4)).tolist() == [0.25] * 4
    assert evened(np.array([math.nan, -3.0, math.inf, 0.0])).tolist() == [0.25] * 4
    assert shares_of([], [], np.full(4, 0.25)).tolist() == [0.25] * 4
    assert shares_of([], [], np.zeros(0)).tolist() == []


def test_a_blend_worked_out_by_hand() -> None:
    """Prior 3, 1: mean 2, spread 1, z = 1, -1. Shares .2, .8: r = -ln 2, ln 2. Half and half the second wins? No:
    .5 - .5 ln 2 = .153 is still above -.153; with .7 the second has -.3 + .7 ln 2 = .185."""
    prior, shares = np.array([3.0, 1.0]), np.array([0.2, 0.8])
    half = blend(prior, shares, weight=0.5)
    assert half.order == (0, 1)
    assert half.scores.tolist() == pytest.approx([2 + 0.5 - 0.5 * math.log(2), 2 - 0.5 + 0.5 * math.log(2)])
    assert blend(prior, shares, weight=0.7).order == (1, 0)


@given(lists())
def test_without_weight_the_prior_is_kept_and_with_all_of_it_the_model_alone_decides(
    made: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    prior, shares = made
    kept = blend(prior, shares, weight=0.0)
    assert kept.order == tuple(np.argsort(-prior, kind="stable").tolist())
    assert kept.scores.tolist() == prior.tolist()
    alone = blend(prior, shares, weight=1.0)
    assert alone.order == tuple(np.argsort(-np.round(ratios(shares), 9), kind="stable").tolist())


@given(lists(), weights, st.randoms(use_true_random=False))
def test_blending_follows_a_permutation(made, weight, random) -> None:  # type: ignore[no-untyped-def]
    prior, shares = made
    order = list(range(len(prior)))
    random.shuffle(order)
    plain = blend(prior, shares, weight=weight).scores
    assert blend(prior[order], shares[order], weight=weight).scores == pytest.approx(plain[order])


@given(lists(), weights, st.floats(0.01, 100), st.floats(-1_000, 1_000))
def test_the_priors_scale_makes_no_difference_to_the_order(made, weight, factor, shift) -> None:  # type: ignore[no-untyped-def]
    prior, shares = made
    plain = blend(prior, shares, weight=weight)
    scaled = blend(prior * factor + shift, shares, weight=weight)
    assert scaled.order == plain.order


@given(lists(), weights)
def test_scores_stand_in_the_order_they_are_said_to_and_the_model_takes_as_much_as_it_gives(made, weight) -> None:  # type: ignore[no-untyped-def]
    prior, shares = made
    blended = blend(prior, shares, weight=weight)
    ranked = blended.scores[list(blended.order)]
    assert (np.diff(ranked) <= 1e-6).all()
    if np.abs(np.log(shares) - np.log(shares).mean()).max() < 3.0:
        assert blended.scores.sum() == pytest.approx(prior.sum())


@given(lists(least=2), weights)
def test_shares_that_tell_nobody_apart_leave_the_order(made, weight) -> None:  # type: ignore[no-untyped-def]
    prior, shares = made
    same = np.full(len(shares), 1 / len(shares))
    if weight < 1:
        assert blend(prior, same, weight=weight).order == blend(prior, same, weight=0.0).order


def test_one_candidate_and_none() -> None:
    assert blend(np.zeros(0), np.zeros(0), weight=0.5).order == ()
    one = blend(np.array([3.5]), np.array([1.0]), weight=0.5)
    assert (one.order, one.scores.tolist()) == ((0,), [3.5])


def test_what_cannot_be_blended_is_refused() -> None:
    with pytest.raises(ValueError, match="2 prior scores, but 1 shares"):
        blend(np.zeros(2), np.ones(1), weight=0.5)
    with pytest.raises(ValueError, match=r"must be 0\.\.1"):
        blend(np.zeros(1), np.ones(1), weight=1.5)
