from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from recommender.algorithms.diversity import Cap, pick, reserve


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
    assert reserve([0, 1, 2], [7, 8], n=3, slots=1, cap=UNCAPPED) == [0, 1, 7]
    assert reserve([0, 1, 2], [7, 8], n=3, slots=2, cap=UNCAPPED) == [0, 7, 8]


def test_a_list_that_holds_eligible_ones_keeps_its_order():
    assert reserve([0, 7, 2], [7, 8], n=3, slots=1, cap=UNCAPPED) == [0, 7, 2]
    assert reserve([0, 1, 7], [7, 8], n=3, slots=2, cap=UNCAPPED) == [0, 7, 8]


def test_a_short_list_grows_before_anything_leaves_it():
    assert reserve([0], [7], n=3, slots=1, cap=UNCAPPED) == [0, 7]


def test_a_slot_that_nobody_fills_keeps_its_pick():
    assert reserve([0, 1, 2], [], n=3, slots=1, cap=UNCAPPED) == [0, 1, 2]
    assert reserve([0, 1, 2], [3], n=3, slots=1, cap=Cap(["milk", "rye", "oat", "milk"], 1)) == [0, 1, 2]
    assert reserve([0, 1, 2], [3], n=3, slots=0, cap=UNCAPPED) == [0, 1, 2]
