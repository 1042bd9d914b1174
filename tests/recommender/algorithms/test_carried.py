"""What goes with new items, foretold from what is described like them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms import carried as module
from recommender.algorithms.carried import NEW_BELOW_USERS, REGULARISATION, alike, carried
from recommender.algorithms.interest import unit
from recommender.algorithms.neighbours import ease, word_rows

TITLES = ["red tea", "tea pot", "blue soap", "soap dish", "green tea", "white soap"]
USERS = 40
# Tea and pots are taken by the same users, soap and dishes by the others; 4 and 5 are new.
TAKEN = [(user, item) for user in range(USERS) for item in ((0, 1) if user % 2 else (2, 3))]


def found_in(taken, titles, vectors=None, **options):
    columns = np.array(taken, dtype=np.int64).reshape(-1, 2)
    vectors = np.zeros((len(titles), 1), dtype=np.float32) if vectors is None else vectors
    return carried(columns[:, 0], columns[:, 1], word_rows(titles), vectors, **options)


def scores_of(found):
    keys = zip(found.items.tolist(), found.neighbours.tolist(), strict=True)
    return dict(zip(keys, found.scores.tolist(), strict=True))


def test_a_new_tea_goes_with_tea_and_with_what_is_taken_with_tea():
    scores = scores_of(found_in(TAKEN, TITLES))
    assert {item for _, item in scores} == {4, 5}
    assert scores[0, 4] > scores[1, 4] > 0
    assert scores[2, 5] > scores[3, 5] > 0
    assert scores.get((2, 4), 0.0) <= 0
    assert max(scores.values()) == 1.0


def test_by_hand_where_one_item_is_taken():
    taken = [(user, 0) for user in range(8)]
    # One item taken by eight: its own tie is 8 / 600; a namesake's weight 2 / (2 + noise), divided by the largest.
    ties = module._ties(np.arange(8), np.zeros(8, dtype=np.int64), np.array([0]), n_items=3)
    assert ties[0, 0] == pytest.approx(8 / REGULARISATION, rel=1e-4)
    scores = scores_of(found_in(taken, ["tea", "tea", "soap"]))
    assert scores == {(0, 1): 1.0}


def test_ties_are_those_of_ease_but_for_the_diagonal():
    columns = np.array(TAKEN)
    ties = module._ties(columns[:, 0], columns[:, 1], np.arange(4), n_items=6)
    matrix = np.zeros((USERS, 4))
    matrix[columns[:, 0], columns[:, 1]] = 1.0
    wanted = ease(matrix.T @ matrix, regularisation=REGULARISATION)
    apart = ~np.eye(4, dtype=bool)
    assert ties[apart] == pytest.approx(wanted[apart], abs=1e-5)
    # Twenty users took each, all of them its companion too: what both say is shared out evenly.
    assert np.diag(ties) == pytest.approx(20 / (REGULARISATION + 20), abs=1e-5)


def test_vectors_speak_where_words_do_not():
    vectors = unit(np.array([[1, 0], [0, 1], [0, -1], [-1, 0], [0.9, 0.1], [-0.1, -0.9]], dtype=np.float32))
    scores = scores_of(found_in(TAKEN, ["a", "b", "c", "d", "e", "f"], vectors))
    assert scores[0, 4] > 0
    assert scores[2, 5] > 0
    assert (3, 4) not in scores or scores[3, 4] < scores[0, 4]


def test_only_new_items_are_foretold():
    few = [(user, 4) for user in range(NEW_BELOW_USERS - 1)]
    assert 4 in found_in([*TAKEN, *few], TITLES).neighbours
    assert 4 not in found_in([*TAKEN, *few, (NEW_BELOW_USERS, 4)], TITLES).neighbours


def test_an_item_does_not_go_with_itself():
    found = found_in([*TAKEN, (0, 4), (1, 4)], TITLES)
    assert np.all(found.items != found.neighbours)
    assert 4 in found.items


@pytest.mark.parametrize(
    ("taken", "titles"),
    [([], []), ([], ["tea"]), ([(0, 0)], ["tea"]), (TAKEN, TITLES[:4]), (TAKEN, [*TITLES[:4], "", "cup"])],
)
def test_without_items_events_new_ones_or_likeness_there_are_no_ties(taken, titles):
    assert len(found_in(taken, titles)) == 0


def test_the_strongest_are_kept_whatever_comes_at_once(monkeypatch):
    titles = [*TITLES[:4], *(f"tea {'red ' * (place % 2)}number{place}" for place in range(9))]
    whole = scores_of(found_in(TAKEN, titles))
    monkeypatch.setattr(module, "AT_ONCE", 2)
    assert scores_of(found_in(TAKEN, titles)) == pytest.approx(whole, abs=1e-5)
    best = scores_of(found_in(TAKEN, titles, k=3))
    for item in range(4):
        own = sorted((abs(score) for (one, _), score in whole.items() if one == item), reverse=True)
        kept = sorted((abs(score) for (one, _), score in best.items() if one == item), reverse=True)
        assert kept == pytest.approx(own[:3], abs=1e-5)


vectors_of_six = arrays(np.float32, (6, 3), elements=st.integers(-3, 3)).map(unit)
pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), unique=True, max_size=30)


@settings(max_examples=40, deadline=None)
@given(pairs, vectors_of_six, st.permutations(range(6)), st.permutations(range(10)), st.randoms())
def test_names_of_users_and_items_and_the_order_of_rows_do_not_matter(taken, vectors, names, users, random):
    plain = scores_of(found_in(taken, TITLES, vectors))
    shuffled = [(users[user], names[item]) for user, item in taken]
    random.shuffle(shuffled)
    back = np.argsort(names)
    moved = scores_of(found_in(shuffled, [TITLES[item] for item in back], vectors[back]))
    for (one, other), score in plain.items():
        assert moved.get((names[one], names[other]), 0.0) == pytest.approx(score, abs=1e-3)
    assert len(moved) == pytest.approx(len(plain), abs=4)


@settings(max_examples=40, deadline=None)
@given(pairs, vectors_of_six)
def test_scores_lie_between_minus_one_and_one_best_first(taken, vectors):
    found = found_in(taken, TITLES, vectors)
    assert np.all(np.abs(found.scores) <= 1.0)
    assert np.all(np.isfinite(found.scores))
    for item in np.unique(found.items):
        assert np.all(np.diff(found.scores[found.items == item]) <= 0)


@given(vectors_of_six)
def test_likeness_is_mutual_and_largest_to_itself(vectors):
    rows = word_rows(TITLES), vectors
    found = alike(rows, rows)
    assert found == pytest.approx(found.T, abs=1e-5)
    assert np.all((found >= 0) & (found <= 3 + 1e-4))
    assert np.all(found.max(axis=1) <= np.diag(found) + 1e-4)
