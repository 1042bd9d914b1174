"""EASE, damped cosine, what follows what and shared words, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recommender.algorithms.histories import interactions
from recommender.algorithms.neighbours import damped_cosine, ease, neighbours, transitions, words


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


def steps_of(*users):
    """One user after another, each a list of steps, each step the items in it."""
    rows = [
        (user, item, float(step))
        for user, steps in enumerate(users)
        for step, taken in enumerate(steps)
        for item in taken
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else [np.zeros(0)] * 3
    who, what, when = columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2].astype(np.float64)
    return interactions(who, what, when, n_users=len(users), n_items=5)


def scores_of(found):
    return {pair: score for pair, (score, _) in as_dict(found).items()}


def test_what_follows_by_hand():
    # Each of the three items is in one step, so each count is divided by 1 + 1; two steps apart counts .7.
    found = scores_of(transitions(steps_of([[0], [1], [2]])))
    assert found == pytest.approx({(0, 1): 0.5, (0, 2): 0.35, (1, 2): 0.5, (1, 0): 0.25, (2, 1): 0.25, (2, 0): 0.175})


def test_only_the_steps_asked_for_are_looked_at():
    rows = steps_of([[0], [1], [2]])
    assert set(scores_of(transitions(rows, steps_apart=1))) == {(0, 1), (1, 0), (1, 2), (2, 1)}


def test_backwards_counts_half_also_for_an_item_that_is_always_the_newest():
    found = transitions(steps_of(*[[[0], [1]]] * 10))
    assert as_dict(found) == {(0, 1): (pytest.approx(10 / 11), 10), (1, 0): (pytest.approx(5 / 11), 5)}


def test_items_of_one_basket_do_not_follow_each_other_nor_does_one_user_another():
    assert len(transitions(steps_of([[0, 1, 2]], [[3]]))) == 0


def test_an_item_taken_again_is_left_to_the_repeats():
    assert set(scores_of(transitions(steps_of([[0], [0], [1]])))) == {(0, 1), (1, 0)}


def test_an_item_twice_in_a_basket_counts_once():
    assert scores_of(transitions(steps_of([[0, 0], [1, 1]]))) == scores_of(transitions(steps_of([[0], [1]])))


def test_only_the_likeliest_followers_are_kept():
    found = transitions(steps_of([[0], [1]], [[0], [1]], [[0], [2]]), k=1)
    assert found.neighbours[found.items == 0].tolist() == [1]


@pytest.mark.parametrize("users", [[], [[]], [[[3]]], [[[3]], [[3]]]])
def test_without_two_steps_nothing_follows(users):
    assert len(transitions(steps_of(*users))) == 0


walks = st.lists(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3), max_size=5), min_size=1, max_size=5)


@given(walks, st.permutations(range(5)), st.randoms())
def test_what_follows_does_not_depend_on_names_or_on_the_order_of_users(drawn, names, random):
    plain = scores_of(transitions(steps_of(*drawn)))
    renamed = [[[names[item] for item in step] for step in steps] for steps in drawn]
    random.shuffle(renamed)
    again = scores_of(transitions(steps_of(*renamed)))
    assert again == pytest.approx({(names[i], names[j]): score for (i, j), score in plain.items()})


@given(walks)
def test_one_step_apart_the_scores_of_an_item_stay_near_probabilities(drawn):
    found = transitions(steps_of(*drawn), steps_apart=1)
    assert np.all(found.scores > 0)
    assert np.all(found.scores < 1.5)
    assert np.all(found.items != found.neighbours)


def test_shared_words_by_hand():
    # ln 2 for each word of two titles in four, ln 4 for a word of one: cosine of 0 and 1 is
    # ln2^2 / (ln2^2 + ln4^2) = 1/5, and squared 1/25.
    found = scores_of(words(["Alpha one", "alpha TWO!", "beta", "beta"]))
    assert found == pytest.approx({(0, 1): 0.04, (1, 0): 0.04, (2, 3): 1.0, (3, 2): 1.0})


def test_the_rarer_word_ties_more():
    found = scores_of(words(["case x100", "cover x100", "case red", "case blue", "strap", "lid"]))
    assert found[0, 1] > found[0, 2] > 0


def test_a_word_of_every_title_ties_nothing():
    assert len(words(["shoe", "shoe"])) == 0


def test_a_word_of_more_than_five_hundred_titles_ties_nothing():
    titles = [f"shop {place}" for place in range(501)] + ["red", "red", "blue"]
    assert set(scores_of(words(titles))) == {(501, 502), (502, 501)}


def test_titles_beyond_the_first_thousand_are_tied_to_the_first():
    titles = [f"n{place}" for place in range(1_001)]
    titles[3] = titles[1_000] = "same"
    assert scores_of(words(titles)) == pytest.approx({(3, 1_000): 1.0, (1_000, 3): 1.0})


def test_scripts_without_spaces_share_pairs_of_characters():
    found = scores_of(words(["青森りんご", "りんご飴", "靴下", "tea"]))
    assert set(found) == {(0, 1), (1, 0)}
    assert found[0, 1] > 0


@pytest.mark.parametrize("titles", [[], [""], ["one"], ["", "!?"], ["one", ""]])
def test_titles_without_a_shared_word_have_no_ties(titles):
    assert len(words(titles)) == 0


titles_drawn = st.lists(st.lists(st.sampled_from("abcdef"), max_size=4).map(" ".join), max_size=10)


@given(titles_drawn, st.randoms())
def test_shared_words_are_mutual_within_one_and_do_not_depend_on_the_order(drawn, random):
    plain = scores_of(words(drawn))
    assert plain == pytest.approx({(j, i): score for (i, j), score in plain.items()})
    assert all(0 < score <= 1 + 1e-9 and i != j for (i, j), score in plain.items())
    order = list(range(len(drawn)))
    random.shuffle(order)
    moved = scores_of(words([drawn[place] for place in order]))
    assert {(order[i], order[j]): score for (i, j), score in moved.items()} == pytest.approx(plain)
