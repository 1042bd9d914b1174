"""Cases: what belongs together, and what is held out of what is learned."""

from __future__ import annotations

import numpy as np

from recommender.algorithms.histories import history, interactions
from recommender.evaluation_rows import (
    ENOUGH_LISTS,
    FEW_LISTS,
    MOST_EARLIER,
    REAL_TIME_S,
    Case,
    Fold,
    earlier_moments,
    enough_of,
    held_out_steps,
    merged,
)


def case(user: str, items: list[int], target: int, candidates: tuple[int, ...] | None = None) -> Case:
    past = history(np.array(items, dtype=np.int64), np.arange(len(items), dtype=np.float64), as_of_s=9.0)
    return Case(user, past, 9.0, (target,), candidates)


def test_rows_of_one_user_and_history_are_one_case_with_every_target_once() -> None:
    found = merged([case("a", [1, 2], 3), case("b", [1, 2], 3), case("a", [1, 2], 4), case("a", [1, 2], 3)])
    assert [(each.user, each.targets) for each in found] == [("a", (3, 4)), ("b", (3,))]


def test_another_history_or_other_candidates_are_another_case() -> None:
    found = merged([case("a", [1, 2], 3), case("a", [1, 2, 5], 3), case("a", [1, 2], 3, (3, 4))])
    assert len(found) == 3
    assert merged([]) == ()


def test_without_real_times_the_last_step_of_each_user_is_held_out() -> None:
    users, items = np.array([0, 0, 0, 1, 2, 2]), np.array([4, 5, 6, 7, 1, 2])
    fold = held_out_steps(interactions(users, items, np.array([1.0, 2, 3, 1, 1, 1]), n_users=3, n_items=8))
    assert [(each.user, each.past.items.tolist(), each.targets) for each in fold.cases] == [("0", [5, 4], (6,))]
    assert sorted(fold.learned_from.items.tolist()) == [4, 5]


def test_with_real_times_what_is_learned_from_lies_before_every_case() -> None:
    users = np.repeat(np.arange(4), 5)
    times_s = REAL_TIME_S * 10 + 86_400.0 * (np.tile(np.arange(5), 4) * 4 + users)
    fold = held_out_steps(interactions(users, np.arange(20) % 7, times_s, n_users=4, n_items=7))
    assert len(fold.cases) == 2
    assert fold.as_of_s < min(each.as_of_s for each in fold.cases)
    assert all(len(each.past) and (each.past.days_ago > 0).all() for each in fold.cases)


def test_nothing_gives_no_case() -> None:
    none = np.zeros(0, dtype=np.int64)
    fold = held_out_steps(interactions(none, none, np.zeros(0), n_users=0, n_items=3))
    assert (fold.cases, len(fold.learned_from)) == ((), 0)


def test_earlier_moments_each_lie_before_the_one_they_come_of() -> None:
    users, items = np.array([0, 0, 0, 0, 1, 1]), np.array([4, 5, 6, 7, 1, 2])
    rows = interactions(users, items, np.array([1.0, 2, 3, 4, 1, 2]), n_users=2, n_items=8)
    first, second, *_ = earlier_moments(Fold(rows, (case("a", [1], 3),)))
    assert [(each.user, each.targets) for each in first.cases] == [("0", (7,)), ("1", (2,))]
    assert sorted(first.learned_from.items.tolist()) == [1, 4, 5, 6]
    assert [(each.user, each.past.items.tolist(), each.targets) for each in second.cases] == [("0", [5, 4], (6,))]


def test_earlier_moments_are_taken_until_there_are_lists_enough_or_nothing_is_left() -> None:
    users, items = np.array([0, 0, 0, 0]), np.array([4, 5, 6, 7])
    rows = interactions(users, items, np.array([1.0, 2, 3, 4]), n_users=1, n_items=8)
    few = Fold(rows, (case("a", [1], 3),))
    assert [each.cases[0].targets for each in enough_of(earlier_moments(few), few)] == [(7,), (6,)]
    assert MOST_EARLIER == 2
    almost = Fold(rows, few.cases * (FEW_LISTS - 1))
    first = Fold(rows, few.cases * (ENOUGH_LISTS - FEW_LISTS))
    assert len(enough_of(iter([first, first, first]), almost)) == 2
    assert len(enough_of(iter([Fold(rows, (*first.cases, *few.cases)), first]), almost)) == 1
    many = Fold(rows, few.cases * FEW_LISTS)
    assert enough_of(earlier_moments(many), many) == ()
    assert len(enough_of(earlier_moments(many), many, share=0.5)) == 2
    nothing = Fold(rows.chosen(np.zeros(4, dtype=bool)), few.cases)
    assert enough_of(earlier_moments(nothing), nothing) == ()
