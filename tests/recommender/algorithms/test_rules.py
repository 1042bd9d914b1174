"""Rules on lists, by hand and as properties; no database."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.algorithms import diversity
from recommender.algorithms.rules import RankingRule, decide, no_rules, placed

SCORES = np.array([5.0, 4.0, 3.0, 2.0, 1.0])


def about(*rows: int, n: int = 5) -> np.ndarray:
    return np.isin(np.arange(n), rows)


def listed(rules: Sequence[RankingRule], scores: np.ndarray, *, n: int, ids: Sequence[int] | None = None) -> list[int]:
    """Rows of the list, put together as lists are: allowed rows by score, pins, firm caps, positions."""
    ids = list(range(len(scores))) if ids is None else ids
    ruling = decide(rules, scores)
    moved = ruling.scores(scores)
    order = [r for r in sorted(range(len(scores)), key=lambda r: (-moved[r], ids[r])) if ruling.allowed[r]]
    pinned = ruling.pinned(order, n=n)
    free = [row for row in order if row not in pinned]
    picked = diversity.pick(free, n=n - len(pinned), firm=ruling.caps, beside=list(pinned))
    return placed(picked, pinned)


def test_no_rule_is_the_same_list() -> None:
    assert listed([], SCORES, n=3) == [0, 1, 2]
    ruling = no_rules(5)
    assert ruling.allowed.all()
    assert ruling.scores(SCORES).tolist() == SCORES.tolist()
    assert ruling.pinned([0, 1], n=2) == {}


def test_a_pin_puts_its_best_item_at_its_position() -> None:
    pin = RankingRule(1, "pin", about(3, 4), position=2)
    assert listed([pin], SCORES, n=3) == [0, 3, 1]


def test_a_pin_may_raise_and_may_lower() -> None:
    assert listed([RankingRule(1, "pin", about(0), position=3)], SCORES, n=4) == [1, 2, 0, 3]


def test_two_pins_at_one_position_the_first_has_it_and_the_other_takes_the_next() -> None:
    first, second = RankingRule(1, "pin", about(4), position=2), RankingRule(2, "pin", about(3), position=2)
    assert listed([first, second], SCORES, n=4) == [0, 4, 3, 1]
    assert listed([second, first], SCORES, n=4) == [0, 3, 4, 1]


def test_three_pins_that_push_one_another_stand_in_their_order() -> None:
    pins = [RankingRule(i, "pin", about(row), position=p) for i, row, p in ((1, 4, 3), (2, 3, 3), (3, 2, 4))]
    assert listed(pins, SCORES, n=5) == [0, 1, 4, 3, 2]


def test_two_pins_of_the_same_item_take_two_items_where_there_are_two() -> None:
    pins = [RankingRule(1, "pin", about(3, 4), position=1), RankingRule(2, "pin", about(3, 4), position=2)]
    assert listed(pins, SCORES, n=3) == [3, 4, 0]
    alone = [RankingRule(1, "pin", about(4), position=1), RankingRule(2, "pin", about(4), position=2)]
    assert listed(alone, SCORES, n=3) == [4, 0, 1]


def test_a_pin_past_the_end_does_nothing_and_one_past_the_candidates_stands_last() -> None:
    assert listed([RankingRule(1, "pin", about(4), position=4)], SCORES, n=3) == [0, 1, 2]
    assert listed([RankingRule(1, "pin", about(0), position=9)], SCORES[:3], n=10) == [1, 2, 0]


def test_boosts_and_buries_move_by_standard_deviations_and_add_up() -> None:
    spread = SCORES.std()
    ruling = decide(
        [RankingRule(7, "boost", about(4), strength=2.0), RankingRule(8, "bury", about(4), strength=-0.5)], SCORES
    )
    assert np.isclose(ruling.scores(SCORES)[4], 1.0 + 1.5 * spread)
    assert ruling.scores(SCORES)[:4].tolist() == SCORES[:4].tolist()
    assert listed([RankingRule(7, "boost", about(4), strength=5.0)], SCORES, n=2) == [4, 0]
    assert listed([RankingRule(7, "bury", about(0), strength=-5.0)], SCORES, n=5) == [1, 2, 3, 4, 0]


def test_scores_that_are_all_alike_can_still_be_moved() -> None:
    alike = np.ones(3)
    assert decide([RankingRule(1, "boost", about(2, n=3), strength=0.5)], alike).scores(alike).tolist() == [
        1.0,
        1.0,
        1.5,
    ]


def test_what_is_left_out_is_neither_pinned_nor_boosted() -> None:
    rules = [
        RankingRule(1, "pin", about(4), position=1),
        RankingRule(2, "boost", about(4), strength=5.0),
        RankingRule(3, "exclude", about(4, 0)),
    ]
    assert listed(rules, SCORES, n=5) == [1, 2, 3]


def test_a_firm_cap_makes_the_list_shorter_rather_than_give_way() -> None:
    cap = RankingRule(1, "cap", about(0, 1, 2), limit=1, keys=[True, True, True, None, None])
    assert listed([cap], SCORES, n=5) == [0, 3, 4]


def test_a_pin_counts_for_a_cap_and_no_cap_holds_it_back() -> None:
    cap = RankingRule(1, "cap", about(0, 1, 2), limit=1, keys=[True, True, True, None, None])
    pins = [RankingRule(2, "pin", about(1), position=1), RankingRule(3, "pin", about(2), position=2)]
    assert listed([cap, *pins], SCORES, n=4) == [1, 2, 3, 4]


N = 9


@st.composite
def rules(draw: st.DrawFn) -> list[RankingRule]:
    found = []
    for rule_id in range(1, draw(st.integers(0, 6)) + 1):
        action = draw(st.sampled_from(["pin", "boost", "bury", "exclude", "cap"]))
        matches = np.array(draw(st.lists(st.booleans(), min_size=N, max_size=N)))
        strength = draw(st.sampled_from([0.1317, 0.7071, 1.618, 4.6692])) * (-1 if action == "bury" else 1)
        keys = [True if each else None for each in matches] if action == "cap" else ()
        position, limit = draw(st.integers(1, N + 2)), draw(st.integers(1, 3))
        found.append(RankingRule(rule_id, action, matches, position, strength, limit, keys))
    return found


scores = st.lists(st.integers(-50, 50), min_size=N, max_size=N).map(lambda each: np.array(each, dtype=float))


@given(rules(), scores, st.integers(1, N))
def test_lists_keep_their_length_and_hold_nothing_twice_or_left_out(
    asked: list[RankingRule], found: np.ndarray, n: int
) -> None:
    rows = listed(asked, found, n=n)
    out = np.zeros(N, dtype=bool)
    for rule in asked:
        out |= rule.matches if rule.action == "exclude" else False
    assert len(rows) == len(set(rows)) <= n
    assert not out[rows].any()
    if not any(rule.action == "cap" for rule in asked):
        assert len(rows) == min(n, int((~out).sum()))


@given(rules(), scores, st.integers(1, N))
def test_no_cap_is_passed_but_by_pins(asked: list[RankingRule], found: np.ndarray, n: int) -> None:
    rows = listed(asked, found, n=n)
    ruling = decide(asked, found)
    order = sorted((r for r in range(N) if ruling.allowed[r]), key=lambda r: (-ruling.scores(found)[r], r))
    pinned = ruling.pinned(order, n=n)
    for rule in asked:
        if rule.action == "cap":
            of_it = [row for row in rows if rule.matches[row]]
            assert len(of_it) <= max(rule.limit, sum(row in pinned for row in of_it))


@given(rules(), scores, st.integers(1, N), st.permutations(range(N)))
def test_the_order_in_which_candidates_come_does_not_matter(
    asked: list[RankingRule], found: np.ndarray, n: int, order: list[int]
) -> None:
    turned = [
        RankingRule(
            rule.id,
            rule.action,
            rule.matches[order],
            rule.position,
            rule.strength,
            rule.limit,
            [rule.keys[row] for row in order] if rule.keys else (),
        )
        for rule in asked
    ]
    again = listed(turned, found[order], n=n, ids=order)
    # Scores are whole and strengths are not, so that a last digit of the spread decides nothing.
    assert [order[row] for row in again] == listed(asked, found, n=n)


@given(scores, st.integers(1, N), st.integers(1, N), st.integers(0, N - 1))
def test_a_pin_within_the_list_stands_exactly_where_it_was_put(
    found: np.ndarray, n: int, position: int, row: int
) -> None:
    rows = listed([RankingRule(1, "pin", about(row, n=N), position=position)], found, n=n)
    without = listed([], found, n=n)
    if position > n:
        assert rows == without
    else:
        assert rows[position - 1] == row
        assert [each for each in rows if each != row] == [each for each in without if each != row][: n - 1]
