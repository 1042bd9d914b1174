"""EASE and damped cosine against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recommender.algorithms.neighbours import damped_cosine, ease, neighbours


def pairs_of(baskets):
    users = np.array([user for user, basket in enumerate(baskets) for _ in basket], dtype=np.int64)
    items = np.array([item for basket in baskets for item in basket], dtype=np.int64)
    return users, items, np.ones(len(items))


def as_dict(found):
    return {
        (int(i), int(j)): (float(score), int(users))
        for i, j, score, users in zip(found.items, found.neighbours, found.scores, found.users, strict=True)
    }


def test_ease_of_two_items_by_hand():
    # (X^T X + I) = [[3, 1], [1, 2]], its inverse [[.4, -.2], [-.2, .6]]; B = -P[i, j] / P[j, j].
    weights = ease(np.array([[2.0, 1.0], [1.0, 1.0]]), regularisation=1.0)
    assert weights.tolist() == [[0.0, pytest.approx(1 / 3)], [pytest.approx(0.5), 0.0]]


def test_ease_refuses_a_regularisation_that_is_not_positive():
    with pytest.raises(ValueError, match="regularisation"):
        ease(np.eye(2), regularisation=0.0)


def test_damped_cosine_by_hand():
    together = sparse.csr_matrix(np.array([[4.0, 2.0], [2.0, 9.0]]))
    strength = damped_cosine(together, together.diagonal(), damping=0.5, shrinkage=1.0).toarray()
    assert strength.tolist() == [[0.0, pytest.approx(2 / 7)], [pytest.approx(2 / 7), 0.0]]


@pytest.mark.parametrize("ease_max_items", [0, 100])
def test_items_taken_together_are_neighbours_and_others_are_not(ease_max_items):
    users, items, weights = pairs_of([[0, 1], [0, 1], [0, 1], [2, 3], [2, 3], [0, 1, 2]])
    found = as_dict(neighbours(users, items, weights, n_items=5, regularisation=1.0, ease_max_items=ease_max_items))
    assert found[0, 1][1] == 4
    assert found[2, 3][1] == 2
    assert max(found, key=lambda pair: (found[pair][0], -pair[0])) in {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert max(score for score, _ in found.values()) == 1.0
    assert not any(4 in pair for pair in found)


def test_an_item_that_is_avoided_by_takers_of_another_is_below_zero():
    users, items, weights = pairs_of([[0, 1], [0, 1], [0, 2], [0, 2], [1, 0], [2, 0]])
    found = as_dict(neighbours(users, items, weights, n_items=3, regularisation=1.0))
    assert found[1, 2][0] < 0
    assert found[1, 2][1] == 0


def test_only_the_k_strongest_are_kept_the_best_first():
    users, items, weights = pairs_of([[0, 1], [0, 1], [0, 2], [0, 3], [0, 3], [0, 3]])
    found = neighbours(users, items, weights, n_items=4, k=2, ease_max_items=0)
    of_first = found.items == 0
    assert found.neighbours[of_first].tolist() == [3, 1]
    assert np.all(np.diff(found.scores[of_first]) <= 0)


def test_faded_pairs_count_less():
    users, items, weights = pairs_of([[0, 1], [0, 2]])
    found = as_dict(neighbours(users, items, weights * [1, 1, 0.1, 0.1], n_items=3, ease_max_items=0))
    assert found[0, 1][0] > found[0, 2][0]
    assert found[0, 1][1] == found[0, 2][1] == 1


@pytest.mark.parametrize("ease_max_items", [0, 100])
def test_nobody_means_no_neighbours(ease_max_items):
    nothing = np.zeros(0, dtype=np.int64)
    assert len(neighbours(nothing, nothing, np.zeros(0), n_items=0, ease_max_items=ease_max_items)) == 0
    assert len(neighbours(nothing, nothing, np.zeros(0), n_items=3, ease_max_items=ease_max_items)) == 0


def test_one_item_has_no_neighbour():
    users, items, weights = pairs_of([[0], [0]])
    assert len(neighbours(users, items, weights, n_items=1)) == 0


def test_k_must_be_positive():
    with pytest.raises(ValueError, match="k is 0"):
        neighbours(*pairs_of([[0, 1]]), n_items=2, k=0)


baskets = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=5, unique=True), min_size=1, max_size=12)


@given(baskets, st.permutations(range(6)), st.sampled_from([0, 100]))
def test_naming_the_items_differently_only_renames_the_neighbours(drawn, names, ease_max_items):
    users, items, weights = pairs_of(drawn)
    options = {"n_items": 6, "k": 6, "ease_max_items": ease_max_items}
    plain = as_dict(neighbours(users, items, weights, **options))
    renamed = as_dict(neighbours(users, np.array(names, dtype=np.int64)[items], weights, **options))
    for (i, j), (score, count) in plain.items():
        other_score, other_count = renamed.get((names[i], names[j]), (0.0, count))
        assert other_score == pytest.approx(score, abs=1e-9)
        assert other_count == count


@given(baskets)
def test_scores_are_within_one_and_no_item_is_its_own_neighbour(drawn):
    found = neighbours(*pairs_of(drawn), n_items=6, regularisation=0.5)
    assert np.all(np.abs(found.scores) <= 1.0)
    assert np.all(found.items != found.neighbours)
