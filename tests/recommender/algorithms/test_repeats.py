"""How likely an item is taken again, and when: by hand, and the model of it on made rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.algorithms.histories import DAY_S, history, interactions
from recommender.algorithms.repeats import (
    FEATURES,
    LEAST_ROWS,
    SELDOM,
    Known,
    RepeatModel,
    fit,
    repeat_features,
    repeat_scores,
    repeats,
)

N_ITEMS = 4


def rows_of(drawn, n_users=3):
    """drawn: (user, item, day)."""
    columns = [np.array(column) for column in zip(*drawn, strict=True)] if drawn else [np.zeros(0)] * 3
    users, items, days = columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2].astype(np.float64)
    return interactions(users, items, days * DAY_S, n_users=n_users, n_items=N_ITEMS)


def past_of(drawn):
    """drawn: (item, day, weight)."""
    items, days, weights = (np.array(column) for column in zip(*drawn, strict=True))
    return history(items.astype(np.int64), days * DAY_S, weights.astype(np.float64))


def known_of(n, *, rates=0.1, cycle_days=0.0):
    return Known(
        rates=np.full(n, rates),
        cycles_days=np.full(n, cycle_days),
        popularity=np.full(n, 2.5),
        recent_users=np.full(n, 3, dtype=np.int64),
        trend=np.full(n, 0.7),
    )


def test_rates_and_shares_by_hand():
    # Item 0: followed by itself once, its step on day 1 is followed by another, and its last step by none: 1 of 2.
    # Item 1: no step follows. Of all steps that another follows, 1 of 3 (user 1's item 2 among them) is taken again.
    found = repeats(rows_of([(0, 0, 0), (0, 0, 1), (0, 1, 2), (1, 2, 0), (1, 0, 1)]), prior_steps=3.0)
    assert found.rates.tolist() == pytest.approx([(1 + 1) / (2 + 3), 1 / 3, (0 + 1) / (1 + 3), 1 / 3])
    assert found.shares.tolist() == [0.5, 0.0, 0.0, 0.0]


def test_taken_again_after_a_step_without_it_counts_for_the_share_and_not_for_the_rate():
    found = repeats(rows_of([(0, 0, 0), (0, 1, 1), (0, 0, 2)]), prior_steps=1.0)
    assert found.rates[0] == 0.0
    assert found.shares.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_an_item_twice_in_a_basket_is_not_taken_again():
    found = repeats(rows_of([(0, 0, 0), (0, 0, 0), (0, 1, 1)]))
    assert found.shares.tolist() == [0.0] * N_ITEMS
    assert found.rates.tolist() == [0.0] * N_ITEMS
    assert found.cycles_days.tolist() == [0.0] * N_ITEMS


def test_a_cycle_is_the_median_time_until_it_is_taken_again():
    drawn = [(0, 0, 0), (0, 0, 2), (0, 0, 6), (1, 0, 10), (1, 0, 17), (1, 1, 3), (2, 1, 9)]
    assert repeats(rows_of(drawn)).cycles_days.tolist() == [4.0, 0.0, 0.0, 0.0]


def test_clicks_within_the_hour_are_no_cycle():
    assert repeats(rows_of([(0, 0, 0), (0, 0, 0.5 / 24)])).cycles_days[0] == 0.0
    assert repeats(rows_of([(0, 0, 0), (0, 0, 2 / 24)])).cycles_days[0] == pytest.approx(2 / 24)


@pytest.mark.parametrize("drawn", [[], [(0, 0, 0)], [(0, 0, 0), (1, 0, 0)]])
def test_nobody_takes_anything_again(drawn):
    found = repeats(rows_of(drawn))
    for values in (found.rates, found.shares, found.cycles_days):
        assert values.tolist() == [0.0] * N_ITEMS


events = st.lists(st.tuples(st.integers(0, 2), st.integers(0, N_ITEMS - 1), st.integers(0, 6)), max_size=25)


@given(events, st.permutations(range(N_ITEMS)), st.integers(2, 9), st.randoms())
def test_repeats_depend_on_no_name_no_order_and_no_start_and_cycles_scale_with_time(drawn, names, factor, random):
    plain = repeats(rows_of(drawn))
    moved = [(2 - user, names[item], day * factor + 100) for user, item, day in drawn]
    random.shuffle(moved)
    again = repeats(rows_of(moved))
    assert again.rates[names].tolist() == pytest.approx(plain.rates.tolist())
    assert again.shares[names].tolist() == pytest.approx(plain.shares.tolist())
    assert again.cycles_days[names].tolist() == pytest.approx((plain.cycles_days * factor).tolist())
    assert np.all((plain.rates >= 0) & (plain.rates <= 1) & (plain.shares >= 0) & (plain.shares <= 1))


PAST = [(0, 0, 1.0), (1, 4, 1.0), (0, 8, 1.0), (2, 8, 1.0)]


def test_features_by_hand():
    # Three steps. Item 0 two steps ago and now: 2^(-2/4) + 1; item 1 one step and four days ago.
    features = repeat_features(past_of(PAST), np.array([1, 0]), known_of(2, cycle_days=8.0))
    of_both = [np.log(0.1 + 1e-4), np.log(3.0), np.log(3.5), 0.7]
    assert features[0].tolist() == pytest.approx(
        [-0.25 * np.log(2), np.log(1 / 3), np.log(2), np.log(5), 0.5, *of_both]
    )
    assert features[1].tolist() == pytest.approx([np.log(2**-0.5 + 1), np.log(2 / 3), 0.0, 0.0, 0.0, *of_both])


def test_without_a_cycle_sixty_days_are_one_and_three_cycles_are_the_most():
    past = past_of([(0, 0, 1.0), (1, 30, 1.0)])
    assert repeat_features(past, np.array([0]), known_of(1))[0, 4] == 0.5
    assert repeat_features(past, np.array([0]), known_of(1, cycle_days=1.0))[0, 4] == 3.0


def test_a_score_is_the_log_odds_above_seldom():
    past, known, model = past_of(PAST), known_of(1, rates=0.5), RepeatModel()
    odds = model.log_odds(repeat_features(past, np.array([0]), known))
    assert repeat_scores(past, np.array([0]), known, model).tolist() == pytest.approx((odds - SELDOM).tolist())


def test_items_never_taken_given_back_or_hardly_taken_again_score_zero():
    past = past_of([*PAST, (2, 9, -1.0), (3, 9, -0.5)])
    scores = repeat_scores(past, np.array([3, 2, 7, 0]), known_of(4), RepeatModel())
    assert scores[:3].tolist() == [0.0, 0.0, 0.0]
    assert scores[3] > 0
    assert repeat_scores(past, np.array([0]), known_of(1), RepeatModel(bias=-50.0)).tolist() == [0.0]


def test_no_history_and_no_items_score_nothing():
    nothing = history(np.zeros(0, np.int64), np.zeros(0))
    assert repeat_scores(nothing, np.array([0, 1]), known_of(2), RepeatModel()).tolist() == [0.0, 0.0]
    assert repeat_scores(past_of(PAST), np.zeros(0, np.int64), known_of(0), RepeatModel()).tolist() == []


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from([-1.0, 0.3, 1.0])), min_size=1, max_size=9
    ),
    st.permutations(range(6)),
    st.randoms(),
)
def test_the_order_of_candidates_and_events_does_not_matter(drawn, order, random):
    items = np.arange(6)
    known = Known(np.linspace(0, 1, 6), np.arange(6.0), np.arange(6.0), np.arange(6), np.linspace(0, 2, 6))
    plain = repeat_scores(past_of(drawn), items, known, RepeatModel())
    shuffled = list(drawn)
    random.shuffle(shuffled)
    moved = Known(*(values[order] for values in vars(known).values()))
    again = repeat_scores(past_of(shuffled), items[order], moved, RepeatModel())
    assert again.tolist() == pytest.approx(plain[order].tolist())
    assert np.all(plain >= 0)


def made_rows(n=600, seed=3):
    """Only the third feature tells: the odds fall with the steps since."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, len(FEATURES)))
    chance = 1 / (1 + np.exp(2.0 * features[:, 2] + 0.5))
    return features, (generator.random(n) < chance).astype(np.float64)


def test_the_feature_that_tells_gets_the_weight():
    features, is_taken = made_rows()
    model = fit(features, is_taken)
    assert int(np.argmax(np.abs(model.weights))) == 2
    assert model.weights[2] == pytest.approx(-2.0, abs=0.5)
    chances = 1 / (1 + np.exp(-model.log_odds(features)))
    assert chances.mean() == pytest.approx(is_taken.mean(), abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([0.01, 0.5, 3.0, 100.0]), st.floats(-5, 5), st.integers(0, 99))
def test_the_unit_of_a_feature_and_the_order_of_rows_do_not_change_the_odds(factor, shift, seed):
    features, is_taken = made_rows(n=300)
    order = np.random.default_rng(seed).permutation(300)
    scaled = features * factor + shift
    expected = fit(features, is_taken).log_odds(features)
    assert fit(scaled[order], is_taken[order]).log_odds(scaled) == pytest.approx(expected, abs=0.02)


def test_a_feature_that_never_varies_does_no_harm():
    features, is_taken = made_rows()
    features[:, 0] = 7.0
    model = fit(features, is_taken)
    assert model.weights[0] == pytest.approx(0.0, abs=1e-6)
    assert np.all(np.isfinite(model.log_odds(features)))


def test_too_few_rows_and_rows_that_all_agree_keep_the_plain_model():
    features, is_taken = made_rows()
    assert fit(features[: LEAST_ROWS - 1], is_taken[: LEAST_ROWS - 1]) == RepeatModel()
    assert fit(features, np.zeros(len(features))) == RepeatModel()
    assert fit(features, np.ones(len(features))) == RepeatModel()
    assert fit(np.zeros((0, len(FEATURES))), np.zeros(0)) == RepeatModel()
    assert fit(features[:LEAST_ROWS], is_taken[:LEAST_ROWS]) != RepeatModel()
