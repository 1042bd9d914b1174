from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms.diversity import Cap, calibrated, pick, reserve, slots, varied
from recommender.algorithms.interest import unit


def test_without_caps_the_first_n_are_picked():
    assert pick([3, 1, 2], n=2) == [3, 1]


def test_a_second_item_of_a_title_waits():
    assert pick([0, 1, 2], n=2, caps=[Cap(["milk", "milk", "rye"], 1)]) == [0, 2]


def test_caps_are_lifted_from_the_last_before_the_list_gets_short():
    titles, labels = Cap(["milk", "milk", "rye", "oat"], 1), Cap(["dairy", "dairy", "bread", "bread"], 1)
    assert pick([0, 1, 2, 3], n=2, caps=[titles, labels]) == [0, 2]
    assert pick([0, 1, 2, 3], n=3, caps=[titles, labels]) == [0, 2, 3]
    assert pick([0, 1, 2, 3], n=4, caps=[titles, labels]) == [0, 2, 3, 1]


def test_items_without_a_key_are_never_capped():
    assert pick([0, 1, 2], n=3, caps=[Cap([None, None, "x"], 1)]) == [0, 1, 2]


def test_nothing_to_pick_from():
    assert pick([], n=5, caps=[Cap([], 1)]) == []


@given(st.lists(st.sampled_from("abc"), max_size=15), st.integers(1, 20), st.integers(1, 3))
def test_n_are_picked_where_there_are_n_nothing_twice_and_caps_hold_where_they_can(keys, n, limit):
    picked = pick(range(len(keys)), n=n, caps=[Cap(keys, limit)])
    assert len(picked) == min(n, len(keys))
    assert len(set(picked)) == len(picked)
    room = sum(min(limit, count) for count in Counter(keys).values())
    if n <= room:
        assert max(Counter(keys[place] for place in picked).values(), default=0) <= limit
        assert picked == sorted(picked)


UNCAPPED = Cap([None] * 10, 1)


def test_the_last_place_is_reserved_for_the_first_eligible():
    assert reserve([0, 1, 2], [7, 8], n=3, slots=1, caps=[UNCAPPED]) == [0, 1, 7]
    assert reserve([0, 1, 2], [7, 8], n=3, slots=2, caps=[UNCAPPED]) == [0, 7, 8]


def test_a_list_that_holds_eligible_ones_keeps_its_order():
    assert reserve([0, 7, 2], [7, 8], n=3, slots=1, caps=[UNCAPPED]) == [0, 7, 2]
    assert reserve([0, 1, 7], [7, 8], n=3, slots=2, caps=[UNCAPPED]) == [0, 7, 8]


def test_a_short_list_grows_before_anything_leaves_it():
    assert reserve([0], [7], n=3, slots=1, caps=[UNCAPPED]) == [0, 7]


def test_a_slot_that_nobody_fills_keeps_its_pick():
    assert reserve([0, 1, 2], [], n=3, slots=1, caps=[UNCAPPED]) == [0, 1, 2]
    assert reserve([0, 1, 2], [3], n=3, slots=1, caps=[Cap(["milk", "rye", "oat", "milk"], 1)]) == [0, 1, 2]
    assert reserve([0, 1, 2], [3], n=3, slots=0, caps=[UNCAPPED]) == [0, 1, 2]


def test_slots_by_hand():
    assert [slots(0.2, draw) for draw in (0.0, 0.19, 0.21, 0.99)] == [1, 1, 0, 0]
    assert [slots(2.5, draw) for draw in (0.0, 0.49, 0.5, 0.99)] == [3, 3, 2, 2]
    assert [slots(0.0, 0.0), slots(3.0, 0.0), slots(3.0, 0.999)] == [0, 3, 3]


@given(st.floats(0, 12))
def test_the_mean_of_slots_over_even_draws_is_what_was_expected(expected):
    found = [slots(expected, (place + 0.5) / 1_000) for place in range(1_000)]
    assert np.mean(found) == pytest.approx(expected, abs=1e-3)
    assert max(found) - min(found) <= 1


TWINS = unit(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32))
SCORES = np.array([10.0, 9.0, 0.0])


def test_a_twin_waits_where_variety_weighs_as_much_as_relevance():
    # After item 0 its twin is worth .5 * .9 - .5 * 1 = -.05, the other 0; at .4 it is .6 * .9 - .4 = .14.
    assert varied([0, 1, 2], SCORES, TWINS, n=3, strength=0.5) == [0, 2, 1]
    assert varied([0, 1, 2], SCORES, TWINS, n=3, strength=0.4) == [0, 1, 2]


def test_items_that_are_opposites_are_not_better_than_unlike():
    vectors = unit(np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32))
    assert varied([0, 1, 2], np.array([2.0, 1.0, 0.0]), vectors, n=3, strength=0.9) == [0, 1, 2]


def test_only_the_first_places_are_varied_and_only_among_the_best():
    vectors, scores = np.vstack([TWINS, TWINS]), np.array([10.0, 9.0, 8.0, 7.0, 6.0, 5.0])
    assert varied(range(6), scores, vectors, n=2, strength=0.9, among=3) == [0, 2, 1, 3, 4, 5]
    assert varied(range(6), scores, vectors, n=1, strength=0.9, among=2) == [0, 1, 2, 3, 4, 5]


def test_nothing_and_one_item_stay_as_they_are():
    none = np.zeros((0, 2), dtype=np.float32)
    assert varied([], np.zeros(0), none, n=5, strength=0.5) == []
    assert varied([0], SCORES, TWINS, n=5, strength=0.5) == [0]
    assert calibrated([], np.zeros(0), [], {1: 1.0}, n=5, strength=0.5) == []
    assert calibrated([0], SCORES, [{1: 1.0}], {1: 1.0}, n=5, strength=0.5) == [0]


BREAD, MILK = 7, 8
CARRIED = [{BREAD: 1.0}, {BREAD: 1.0}, {MILK: 1.0}]


def test_the_mix_of_a_list_is_drawn_to_the_users_own():
    assert calibrated([0, 1, 2], SCORES, CARRIED, {BREAD: 1.0, MILK: 1.0}, n=3, strength=0.5) == [0, 2, 1]
    assert calibrated([0, 1, 2], SCORES, CARRIED, {BREAD: 1.0}, n=3, strength=0.5) == [0, 1, 2]
    assert calibrated([0, 1, 2], SCORES, CARRIED, {MILK: 1.0}, n=3, strength=0.9) == [2, 0, 1]


def test_a_mix_of_one_in_four_takes_one_place_in_four():
    carried = [{BREAD: 1.0}] * 12 + [{MILK: 1.0}] * 12
    found = calibrated(range(24), np.linspace(1, 0, 24), carried, {BREAD: 3.0, MILK: 1.0}, n=8, strength=0.9)
    assert Counter(min(carried[place]) for place in found[:8]) == {BREAD: 6, MILK: 2}


@pytest.mark.parametrize("wanted", [{}, {BREAD: 0.0}])
def test_a_user_who_wants_nothing_in_particular_gets_the_plain_order(wanted):
    assert calibrated([2, 1, 0], SCORES, CARRIED, wanted, n=3, strength=0.9) == [2, 1, 0]


def test_labels_that_the_user_does_not_want_tell_nothing_and_no_labels_do_no_harm():
    assert calibrated([0, 1, 2], SCORES, [{1: 1.0}, {}, {2: 0.5}], {BREAD: 1.0}, n=3, strength=0.5) == [0, 1, 2]


candidates = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.permutations(range(n)),
        arrays(np.float64, n, elements=st.integers(-20, 20)),
        arrays(np.float32, (n, 3), elements=st.integers(-3, 3)),
        st.lists(st.dictionaries(st.integers(1, 3), st.sampled_from([0.25, 0.5, 1.0])), min_size=n, max_size=n),
        st.permutations(range(n)),
    )
)
wishes = st.dictionaries(st.integers(1, 3), st.sampled_from([0.0, 0.5, 2.0]))


@given(candidates, wishes, st.integers(1, 15), st.floats(0, 1), st.integers(1, 15))
def test_an_order_keeps_all_its_items_once_and_strength_zero_keeps_the_order(drawn, wanted, n, strength, among):
    order, scores, vectors, carried, _ = drawn
    vectors = unit(vectors)
    mixed = varied(order, scores, vectors, n=n, strength=strength, among=among)
    matched = calibrated(order, scores, carried, wanted, n=n, strength=strength, among=among)
    for found in (mixed, matched):
        assert sorted(found) == sorted(order)
        assert found[max(n, among) :] == list(order)[max(n, among) :]
    assert varied(order, scores, vectors, n=n, strength=0.0, among=among) == list(order)
    assert calibrated(order, scores, carried, wanted, n=n, strength=0.0, among=among) == list(order)


@given(candidates, wishes, st.floats(0.01, 1), st.sampled_from([0.25, 16.0]))
def test_neither_the_scale_of_scores_and_wishes_nor_the_rows_of_candidates_matter(drawn, wanted, strength, factor):
    order, scores, vectors, carried, names = drawn
    vectors, place = unit(vectors), np.argsort(names)
    renamed = [names[each] for each in order]
    mixed = varied(order, scores, vectors, n=5, strength=strength)
    again = varied(renamed, scores[place] * factor, vectors[place], n=5, strength=strength)
    assert again == [names[each] for each in mixed]
    matched = calibrated(order, scores, carried, wanted, n=5, strength=strength)
    scaled = {label: share * factor for label, share in wanted.items()}
    labels = [{label: share * factor for label, share in carried[each].items()} for each in place]
    again = calibrated(renamed, scores[place] * factor, labels, scaled, n=5, strength=strength)
    assert again == [names[each] for each in matched]


@given(candidates, st.integers(1, 5))
def test_variety_alone_never_takes_a_twin_while_something_unlike_is_left(drawn, n):
    order, _, _, _, _ = drawn
    vectors = np.eye(3, dtype=np.float32)[[each % 3 for each in range(len(order))]]
    found = varied(order, np.zeros(len(order)), vectors, n=n, strength=1.0)[: min(3, n, len(order))]
    assert len({each % 3 for each in found}) == len(found)
