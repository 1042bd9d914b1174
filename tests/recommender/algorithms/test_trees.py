"""Boosted trees: what they learn, whom their steps are credited to, and that the parts add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.algorithms import trees
from recommender.algorithms.histories import DAY_S, history
from recommender.algorithms.repeats import Known
from recommender.algorithms.sources import SOURCES
from recommender.algorithms.trees import FACTS, FEATURES, NEVER, Trees

NEXT, REPEAT, STEPS = FEATURES.index("next"), FEATURES.index("repeat"), FEATURES.index("steps")


def by_hand() -> Trees:
    """One tree: how many steps the user did, then `next`, then again the steps.

    steps <= 3 (0.0) -- no -> -1.0
       | yes
    next <= 0.5 (1.0) -- yes -> 0.5
       | no
    steps <= 1 (2.0) -- yes -> 1.5, no -> 4.0
    """
    rows = [
        (STEPS, 1, 2, 3.0, 0.0),
        (NEXT, 3, 4, 0.5, 1.0),
        (0, 2, 2, 0.0, -1.0),
        (0, 3, 3, 0.0, 0.5),
        (STEPS, 5, 6, 1.0, 2.0),
        (0, 5, 5, 0.0, 1.5),
        (0, 6, 6, 0.0, 4.0),
    ]
    return Trees(np.array(rows, dtype=trees._NODE), np.array([0]), 3)


def row(**values: float) -> NDArray[np.float32]:
    found = np.zeros((1, len(FEATURES)), dtype=np.float32)
    for name, value in values.items():
        found[0, FEATURES.index(name)] = value
    return found


def parts_of(grown: Trees, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    found = grown.parts(rows)
    assert list(found) == list(SOURCES)
    return np.column_stack(list(found.values()))


@pytest.mark.parametrize(
    ("steps", "following", "credited"),
    [
        (1, 0.5, -0.5),  # 1.0 -> 0.5, as `next` was asked
        (1, 0.6, 0.5),  # 1.0 -> 2.0 -> 1.5: the second question about the user counts for `next`, asked before it
        (2, 0.6, 3.0),
        (4, 0.6, 0.0),  # no source was asked
    ],
)
def test_each_step_counts_for_the_source_that_was_asked(steps: int, following: float, credited: float):
    found = by_hand().parts(row(steps=steps, next=following))
    assert found["next"].tolist() == pytest.approx([credited])
    assert all(not values.any() for source, values in found.items() if source != "next")


def taught(n: int = 6_000, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """`next` tells what is taken, but only of what was never taken before: no weighted sum says so."""
    random = np.random.default_rng(seed)
    rows = random.random((n, len(FEATURES))).astype(np.float32)
    rows[:, REPEAT] = random.integers(0, 2, n)
    return rows, np.where(rows[:, REPEAT] > 0, rows[:, NEXT] < 0.2, rows[:, NEXT] > 0.8)


def test_trees_learn_that_a_source_counts_only_where_another_is_silent():
    grown = trees.fit(*taught())
    assert grown is not None
    rows, is_taken = taught(500, seed=1)
    log_odds = parts_of(grown, rows).sum(axis=1)
    assert log_odds[is_taken].min() > log_odds[~is_taken].max()


def test_the_parts_add_up_to_what_the_library_foretells_less_one_number_for_all():
    rows, is_taken = taught()
    rows[:, -2:] = 1.0  # of one user
    grown = trees.fit(rows, is_taken)
    assert grown is not None
    apart = trees._model(rows, is_taken).decision_function(rows) - parts_of(grown, rows).sum(axis=1)
    assert np.ptp(apart) < 1e-5


def test_trees_come_back_from_json_as_they_were():
    rows, is_taken = taught(2_000)
    grown = trees.fit(rows, is_taken)
    assert grown is not None
    again = trees.from_json(grown.as_json())
    assert again is not None
    assert parts_of(again, rows[:50]).tolist() == parts_of(grown, rows[:50]).tolist()


def test_trees_that_ask_what_is_not_known_any_more_are_left_out():
    stored = by_hand().as_json()
    assert trees.from_json(stored | {"features": [*FEATURES[1:], "moon"]}) is None
    assert trees.from_json(None) is None


def test_nothing_is_grown_where_too_little_or_everything_was_taken():
    rows, is_taken = taught(1_000)
    few = np.zeros(len(rows), dtype=bool)
    few[: trees.LEAST_TAKEN - 1] = True
    assert trees.fit(rows, few) is None
    assert trees.fit(rows, np.ones(len(rows), dtype=bool)) is None
    assert trees.fit(rows[:0], is_taken[:0]) is None
    assert trees.cross_fitted(rows, few, np.arange(len(rows)) % 3) is None
    assert trees.cross_fitted(rows[:0], few[:0], np.zeros(0, dtype=np.int64)) is None


def test_no_row_is_foretold_by_trees_that_saw_its_fold():
    random = np.random.default_rng(0)
    rows = random.random((4_000, len(FEATURES))).astype(np.float32)
    folds = np.arange(len(rows)) % 2
    is_taken = (rows[:, NEXT] > 0.5) == (folds == 0)  # in the second fold the other way round
    log_odds = trees.cross_fitted(rows, is_taken, folds)
    assert log_odds is not None
    assert (log_odds[is_taken] < 0).mean() > 0.99
    assert (log_odds[~is_taken] > 0).mean() > 0.99


def test_most_of_many_candidates_are_left_out_and_the_odds_stay(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    rows = random.random((40_000, len(FEATURES))).astype(np.float32)
    is_taken = random.random(len(rows)) < 0.02
    monkeypatch.setattr(trees, "MOST_ROWS", 4_000)
    odds = trees._model(rows, is_taken).decision_function(rows[:2_000])
    assert np.exp(odds).mean() == pytest.approx(0.02, rel=0.5)  # without their worth 0.2


def test_how_a_source_is_scaled_changes_nothing():
    rows, is_taken = taught(2_000)
    grown, scaled = trees.fit(rows, is_taken), trees.fit(rows * np.float32(8.0), is_taken)
    assert grown is not None
    assert scaled is not None
    assert parts_of(scaled, rows * np.float32(8.0)).tolist() == parts_of(grown, rows).tolist()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_candidates_changes_nothing(order: list[int]):
    rows = taught(12, seed=2)[0]
    rows[:, STEPS] = np.linspace(0, 5, 12)
    found = parts_of(by_hand(), rows)
    assert parts_of(by_hand(), rows[order]).tolist() == found[order].tolist()


@pytest.mark.parametrize("n", [0, 1])
def test_no_candidate_and_one_candidate(n: int):
    assert parts_of(by_hand(), np.zeros((n, len(FEATURES)), dtype=np.float32)).shape == (n, len(SOURCES))


def test_a_threshold_never_rises_when_it_is_rounded():
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    middle = (float(low) + float(high)) / 2
    assert low <= trees._not_above(np.array([middle]))[0] < high


def test_facts_of_what_the_user_took_and_of_what_not():
    past = history(np.array([4, 4, 7]), np.array([0.0, DAY_S, DAY_S]), as_of_s=3 * DAY_S)
    items = np.array([4, 9])
    known = Known(np.array([0.5, 0.0]), np.array([1.0, 0.0]), np.ones(2), np.array([2, 0]), np.zeros(2))
    found = trees.facts(items, past, known, np.array([3, 0]), np.array([[0.2, 0.6], [-0.3, -0.1]], dtype=np.float32))
    named = [dict(zip(FACTS, values, strict=True)) for values in found.tolist()]
    assert named[0]["days since"] == pytest.approx(np.log(3.0))
    assert named[0]["days since, in cycles"] == pytest.approx(2.0)
    assert [named[1][name] for name in trees.OWN_PAST] == [NEVER] * 5
    assert [each["item's users"] for each in named] == pytest.approx([np.log(3.5), np.log(0.5)])
    assert [each["closest of the latest"] for each in named] == pytest.approx([0.6, 0.0])
    assert [(each["steps"], each["items"]) for each in named] == [(2.0, 2.0)] * 2
    nothing_done = trees.facts(items, history(items[:0], np.zeros(0)), known, np.zeros(2), np.zeros((2, 0), np.float32))
    assert [values[-3:] for values in nothing_done.tolist()] == [[0.0, 0.0, 0.0]] * 2
