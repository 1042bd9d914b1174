"""Steps of all users, the history of one, and what is still fresh in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender.algorithms.histories import DAY_S, History, history, interactions, recent


def rows_of(drawn, *, n_users=4, n_items=5):
    """drawn: (user, item, time in seconds) in any order."""
    users, items, times_s = (np.array(column) for column in zip(*drawn, strict=True)) if drawn else [np.zeros(0)] * 3
    return interactions(
        users.astype(np.int64),
        items.astype(np.int64),
        times_s.astype(np.float64),
        n_users=n_users,
        n_items=n_items,
    )


def past_of(items, steps_ago, weights=None):
    weights = np.ones(len(items)) if weights is None else np.array(weights, dtype=np.float64)
    steps = np.array(steps_ago, dtype=np.int64)
    return History(np.array(items, dtype=np.int64), weights, steps, steps.astype(np.float64))


def as_dict(found):
    return dict(zip(found[0].tolist(), found[1].tolist(), strict=True))


def test_rows_are_sorted_by_user_then_time_and_a_moment_is_one_step():
    rows = rows_of([(1, 3, 50.0), (0, 2, 20.0), (0, 0, 10.0), (0, 1, 10.0), (1, 4, 50.0), (0, 0, 30.0)])
    assert rows.users.tolist() == [0, 0, 0, 0, 1, 1]
    assert rows.items.tolist() == [0, 1, 2, 0, 3, 4]
    assert rows.steps.tolist() == [0, 0, 1, 2, 0, 0]
    assert rows.weights.tolist() == [1.0] * 6
    assert (len(rows), rows.newest_s) == (6, 50.0)


def test_users_who_act_at_the_same_second_do_not_share_a_step():
    rows = rows_of([(0, 0, 5.0), (0, 1, 9.0), (1, 0, 9.0), (1, 1, 12.0)])
    assert rows.steps.tolist() == [0, 1, 0, 1]


def test_weights_follow_their_rows():
    rows = interactions(
        np.array([1, 0]), np.array([7, 8]), np.array([1.0, 2.0]), np.array([0.3, 0.9]), n_users=2, n_items=9
    )
    assert (rows.items.tolist(), rows.weights.tolist()) == ([8, 7], [0.9, 0.3])


def test_nobody_did_anything():
    rows = rows_of([])
    assert (len(rows), rows.newest_s, rows.steps.tolist()) == (0, 0.0, [])
    assert len(rows.chosen(np.zeros(0, dtype=bool))) == 0


def test_lengths_that_differ_are_an_error():
    with pytest.raises(ValueError, match="1 users, 2 items and 1 times"):
        interactions(np.zeros(1, np.int64), np.zeros(2, np.int64), np.zeros(1), n_users=1, n_items=1)


def test_rows_that_are_kept_have_their_steps_counted_anew():
    rows = rows_of([(0, 0, 1.0), (0, 1, 2.0), (0, 2, 3.0), (2, 3, 1.0)])
    kept = rows.chosen(np.array([False, True, True, True]))
    assert (kept.items.tolist(), kept.steps.tolist()) == ([1, 2, 3], [0, 1, 0])
    assert (kept.n_users, kept.n_items) == (4, 5)


moments = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 6)), max_size=20)


@given(moments, st.randoms())
def test_the_order_in_which_rows_come_does_not_matter(drawn, random):
    shuffled = list(drawn)
    random.shuffle(shuffled)
    once, again = rows_of(drawn), rows_of(shuffled)
    as_rows = [
        sorted(zip(r.users.tolist(), r.items.tolist(), r.times_s.tolist(), r.steps.tolist(), strict=True))
        for r in (once, again)
    ]
    assert as_rows[0] == as_rows[1]


@given(moments, st.floats(0.5, 1e6), st.floats(-1e6, 1e6))
def test_steps_do_not_depend_on_the_clock(drawn, factor, shift):
    moved = [(user, item, time * factor + shift) for user, item, time in drawn]
    assert rows_of(moved).steps.tolist() == rows_of(drawn).steps.tolist()


@given(moments)
def test_steps_of_a_user_are_counted_from_zero_without_a_gap(drawn):
    rows = rows_of(drawn)
    for user in range(4):
        own = rows.steps[rows.users == user]
        assert np.unique(own).tolist() == list(range(len({time for who, _, time in drawn if who == user})))


def test_a_history_is_counted_back_from_its_newest_step():
    past = history(np.array([5, 3, 4, 3]), np.array([0.0, 2 * DAY_S, 2 * DAY_S, DAY_S]))
    assert past.items.tolist() == [3, 4, 3, 5]
    assert past.steps_ago.tolist() == [0, 0, 1, 2]
    assert past.days_ago.tolist() == [0.0, 0.0, 1.0, 2.0]
    assert (len(past), past.length) == (4, 3)


def test_days_count_from_when_the_list_is_made_and_the_future_is_now():
    times_s = np.array([0.0, 3 * DAY_S])
    assert history(np.array([0, 1]), times_s, as_of_s=2 * DAY_S).days_ago.tolist() == [0.0, 2.0]
    assert history(np.array([0, 1]), times_s, as_of_s=5 * DAY_S).days_ago.tolist() == [2.0, 5.0]


def test_a_step_in_which_nothing_was_liked_does_not_lengthen_the_history():
    past = history(np.array([0, 1, 2]), np.array([1.0, 2.0, 2.0]), np.array([1.0, -1.0, 0.0]))
    assert (len(past), past.length) == (3, 1)


def test_no_history():
    past = history(np.zeros(0, np.int64), np.zeros(0))
    assert (len(past), past.length) == (0, 0)
    items, strength = recent(past, half_life_steps=4.0)
    assert (items.tolist(), strength.tolist()) == ([], [])


def test_what_is_recent_by_hand():
    # Item 2: the like two steps ago (.25) is stronger than the faint one now (.2); item 7: one step ago.
    found = recent(past_of([7, 2, 2], [1, 2, 0], [1.0, 1.0, 0.2]), half_life_steps=1.0)
    assert as_dict(found) == {2: 0.25, 7: 0.5}
    assert found[0].tolist() == [2, 7]


def test_a_dislike_takes_from_the_strongest_like_and_what_comes_to_nothing_is_left_out():
    past = past_of([1, 1, 2, 2, 3, 4], [0, 1, 0, 0, 0, 0], [1.0, -1.0, 0.5, -1.0, -1.0, 0.0])
    assert as_dict(recent(past, half_life_steps=1.0)) == {1: 0.5}


def test_taking_an_item_many_times_counts_as_its_newest():
    assert as_dict(recent(past_of([1, 1, 1], [0, 1, 2]), half_life_steps=2.0)) == {1: 1.0}


@pytest.mark.parametrize("half_life", [0.0, -1.0])
def test_a_half_life_that_is_not_positive_is_an_error(half_life):
    with pytest.raises(ValueError, match="half_life_steps"):
        recent(past_of([1], [0]), half_life_steps=half_life)


pasts = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.sampled_from([-1.0, -0.4, 0.2, 0.6, 1.0])))


@given(pasts.filter(len), st.floats(0.5, 20), st.sampled_from([0.25, 0.5, 2.0, 8.0]), st.randoms())
def test_recent_grows_with_the_weights_and_ignores_the_order_of_rows(drawn, half_life, factor, random):
    shuffled = list(drawn)
    random.shuffle(shuffled)
    plain = as_dict(recent(past_of(*zip(*drawn, strict=True)), half_life_steps=half_life))
    items, steps, weights = zip(*shuffled, strict=True)
    scaled = as_dict(recent(past_of(items, steps, np.array(weights) * factor), half_life_steps=half_life))
    assert scaled == pytest.approx({item: strength * factor for item, strength in plain.items()})
    assert all(0 < strength <= 1 for strength in plain.values())


@given(pasts.filter(len))
@example([(2, 4, 0.2), (2, 7, -0.4)])
def test_a_step_further_back_everything_has_faded_alike(drawn):
    items, steps, weights = zip(*drawn, strict=True)
    now = as_dict(recent(past_of(items, steps, weights), half_life_steps=3.0))
    later = as_dict(recent(past_of(items, np.array(steps) + 3, weights), half_life_steps=3.0))
    assert later == pytest.approx({item: strength / 2 for item, strength in now.items()})
