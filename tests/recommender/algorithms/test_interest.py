"""Event weights, decay and the clusters behind several interests: numbers worked out by hand, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms.interest import (
    EVENT_WEIGHTS,
    HALF_LIFE_FACTORS,
    MOST_PUSHED,
    centre,
    decay,
    event_weight,
    half_lives,
    interests,
    net_weights,
    pushed,
    unit,
)


def rows(*vectors):
    return unit(np.array(vectors, dtype=np.float32))


def test_a_purchase_says_more_than_a_favourite_a_cart_a_click_and_a_view():
    order = ["purchase", "favourite", "add_to_cart", "click", "view", "impression"]
    assert [event_weight(each) for each in order] == [1.0, 0.8, 0.6, 0.3, 0.2, 0.0]


@pytest.mark.parametrize("event_type", ["refund", "hide", "remove_from_cart"])
def test_dislikes_are_negative(event_type):
    assert event_weight(event_type) < 0


@pytest.mark.parametrize(("stars", "weight"), [(1, -1.0), (2, -0.5), (3, 0.0), (4, 0.5), (5, 1.0), (99, 1.0)])
def test_ratings_are_scaled_around_three(stars, weight):
    assert event_weight("rate", stars) == weight


def test_an_event_outside_the_canon_is_an_error():
    with pytest.raises(KeyError):
        event_weight("wink")


def test_the_canon_of_weights_is_the_canon_of_events():
    from recommender.models import Event

    assert {*EVENT_WEIGHTS, "rate"} == set(Event.Type.values)


def test_decay_halves_every_half_life_and_the_future_counts_as_now():
    assert decay(np.array([0.0, 14.0, 28.0, -5.0]), half_life_days=14.0).tolist() == [1.0, 0.5, 0.25, 1.0]


@pytest.mark.parametrize("half_life_days", [0.0, -1.0])
def test_decay_refuses_a_half_life_that_is_not_positive(half_life_days):
    with pytest.raises(ValueError, match="half_life_days"):
        decay(np.array([1.0]), half_life_days=half_life_days)


def test_net_weights_add_up():
    items, weights = np.array([0, 0, 1, 1, 2]), np.array([1.0, 0.5, 0.8, -1.0, 0.25])
    assert net_weights(items, weights, n_items=4).tolist() == pytest.approx([1.5, -0.2, 0.25, 0.0])


def test_centring_removes_the_mean_and_keeps_unit_length():
    mean = np.array([1.0, 0.0], dtype=np.float32)
    centred = centre(np.array([[1.0, 2.0], [0.5, 0.0]], dtype=np.float32), mean)
    assert centred.tolist() == [[0.0, 1.0], [-1.0, 0.0]]


def test_the_only_item_of_a_catalog_keeps_its_direction():
    only = np.array([[0.6, 0.8]], dtype=np.float32)
    assert centre(only, only.mean(axis=0)).tolist() == [pytest.approx([0.6, 0.8])]


def test_two_groups_of_items_become_two_interests_with_their_shares_and_medoids():
    vectors = rows([1, 0, 0], [1, 0.1, 0], [1, 0.2, 0], [0, 0, 1])
    found = interests(vectors, np.array([1.0, 1.0, 1.0, 2.0]))
    assert [(each.weight, each.medoid, each.members) for each in found] == [
        (pytest.approx(0.6), 1, (0, 1, 2)),
        (pytest.approx(0.4), 3, (3,)),
    ]
    assert found[0].vector.tolist() == pytest.approx(unit(vectors[:3].mean(axis=0)).tolist(), abs=1e-6)
    assert found[1].vector.tolist() == pytest.approx([0.0, 0.0, 1.0])


def test_the_strongest_item_comes_first_among_the_members():
    found = interests(rows([1, 0], [1, 0.01], [1, 0.02]), np.array([0.2, 0.9, 0.5]))
    assert found[0].members == (1, 2, 0)


def test_items_with_negative_or_no_weight_make_no_interest():
    found = interests(rows([1, 0], [0, 1], [-1, 0]), np.array([1.0, -0.5, 0.0]))
    assert [(each.weight, each.members) for each in found] == [(1.0, (0,))]


def test_there_are_never_more_interests_than_asked_for():
    found = interests(np.eye(10, dtype=np.float32), np.ones(10), max_interests=4)
    assert len(found) == 4
    assert sorted(row for each in found for row in each.members) == list(range(10))


@pytest.mark.parametrize("weights", [np.zeros(2), np.array([-1.0, -2.0])])
def test_nothing_liked_means_no_interest(weights):
    assert interests(rows([1, 0], [0, 1]), weights) == ()


def test_no_items_mean_no_interest():
    assert interests(np.zeros((0, 3), dtype=np.float32), np.zeros(0)) == ()


def test_opposite_vectors_that_cancel_out_fall_back_to_the_medoid():
    found = interests(rows([1, 0], [-1, 0]), np.array([1.0, 1.0]), max_interests=1, max_distance=0.1)
    assert len(found) == 1
    assert found[0].vector.tolist() == [1.0, 0.0]


def test_lengths_that_differ_are_an_error():
    with pytest.raises(ValueError, match="2 vectors but 1 weights"):
        interests(rows([1, 0], [0, 1]), np.ones(1))


some_items = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        arrays(np.float32, (n, 4), elements=st.floats(-1, 1, width=32)),
        arrays(np.float64, n, elements=st.floats(0.01, 10)),
    )
)


@given(some_items)
def test_weights_sum_to_one_vectors_are_unit_and_every_item_has_one_interest(drawn):
    vectors, weights = unit(drawn[0]), drawn[1]
    found = interests(vectors, weights)
    usable = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0).tolist()
    assert sorted(row for each in found for row in each.members) == usable
    if usable:
        assert sum(each.weight for each in found) == pytest.approx(1.0)
        assert 1 <= len(found) <= 6
    for each in found:
        assert np.linalg.norm(each.vector) == pytest.approx(1.0, abs=1e-5)
        assert each.medoid in each.members


@given(some_items, st.floats(0.1, 100))
def test_scaling_every_weight_changes_nothing(drawn, factor):
    vectors, weights = unit(drawn[0]), drawn[1]
    once, scaled = interests(vectors, weights), interests(vectors, weights * factor)
    assert [each.members for each in once] == [each.members for each in scaled]
    assert [each.weight for each in once] == pytest.approx([each.weight for each in scaled])


def test_a_look_is_forgotten_sooner_than_a_purchase():
    each = half_lives(["purchase", "add_to_cart", "view"], half_life_days=60.0)
    assert each.tolist() == [60.0, 30.0, 15.0]
    assert decay(np.full(3, 60.0), half_life_days=each).tolist() == [0.5, 0.25, 0.0625]


def test_every_event_type_has_a_half_life_and_what_takes_one_back_lasts_as_long():
    assert set(HALF_LIFE_FACTORS) == {*EVENT_WEIGHTS, "rate"}
    assert min(HALF_LIFE_FACTORS.values()) > 0
    assert HALF_LIFE_FACTORS["refund"] == HALF_LIFE_FACTORS["purchase"]
    assert HALF_LIFE_FACTORS["remove_from_cart"] == HALF_LIFE_FACTORS["add_to_cart"]


def test_a_disliked_item_takes_from_those_near_it_and_from_no_others():
    """Cosines with the disliked item: 1 (the same), .8 and 0; nearness (cos - .5) / .5 is 1, .6 and 0."""
    vectors = rows([1, 0], [0.8, 0.6], [0, 1], [1, 0])
    found = pushed(vectors, np.array([1.0, 1.0, 1.0, -1.0]))
    assert found.tolist() == pytest.approx([0.5, 0.7, 1.0, -1.0], abs=1e-6)
    # Half as strong a dislike takes half as much; more than the strongest like takes no more than that.
    assert pushed(vectors, np.array([1.0, 1.0, 1.0, -0.5]))[:3].tolist() == pytest.approx([0.75, 0.85, 1.0], abs=1e-6)
    assert pushed(vectors, np.array([1.0, 1.0, 1.0, -9.0]))[:3].tolist() == pytest.approx([0.5, 0.7, 1.0], abs=1e-6)


def test_an_interest_moves_away_from_what_is_disliked_but_stays_within_its_items():
    """Two liked items at +-30 degrees make one interest at 0; disliking what equals the upper one halves its weight."""
    upper, lower = [np.sqrt(3) / 2, 0.5], [np.sqrt(3) / 2, -0.5]
    (before,) = interests(rows(upper, lower), np.ones(2))
    assert before.vector.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    (after,) = interests(rows(upper, lower, upper), np.array([1.0, 1.0, -1.0]))
    # (.5 upper + 1 lower) / its length, and both stay members: cosine of the two is .5, where nothing is near.
    expected = unit(np.array([1.5 * np.sqrt(3) / 2, -0.25], dtype=np.float32))
    assert after.vector.tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert sorted(after.members) == [0, 1]


def test_disliking_part_of_a_taste_moves_attention_to_the_others():
    vectors = rows([1, 0, 0], [0, 0, 1], [1, 0, 0])
    found = interests(vectors, np.array([1.0, 1.0, -1.0]))
    assert [(each.medoid, each.weight) for each in found] == [(1, pytest.approx(2 / 3)), (0, pytest.approx(1 / 3))]


def test_without_dislikes_or_likes_nothing_is_pushed():
    vectors = rows([1, 0], [1, 0])
    assert pushed(vectors, np.array([1.0, 0.0])).tolist() == [1.0, 0.0]
    assert pushed(vectors, np.array([-1.0, 0.0])).tolist() == [-1.0, 0.0]
    assert pushed(np.zeros((0, 2), dtype=np.float32), np.zeros(0)).tolist() == []


mixed_items = st.integers(1, 10).flatmap(
    lambda n: st.tuples(
        arrays(np.float32, (n, 4), elements=st.floats(-1, 1, width=32)),
        arrays(np.float64, n, elements=st.floats(-5, 5)),
    )
)


@given(mixed_items, st.floats(0.25, 8))
def test_pushing_is_bounded_and_neither_scale_nor_order_matters(drawn, factor):
    vectors, weights = unit(drawn[0]), drawn[1]
    found = pushed(vectors, weights)
    liked = weights > 0
    assert (found[liked] <= weights[liked] + 1e-12).all()
    assert (found[liked] >= (1 - MOST_PUSHED) * weights[liked] - 1e-12).all()
    assert found[~liked].tolist() == weights[~liked].tolist()
    assert pushed(vectors, weights * factor).tolist() == pytest.approx((found * factor).tolist(), rel=1e-6, abs=1e-9)
    order = np.arange(len(weights))[::-1]
    assert pushed(vectors[order], weights[order]).tolist() == pytest.approx(found[order].tolist(), rel=1e-6, abs=1e-9)
