"""Event weights, decay and the clusters behind several interests: numbers worked out by hand, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms.interest import (
    EVENT_WEIGHTS,
    centre,
    decay,
    event_weight,
    interests,
    net_weights,
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
