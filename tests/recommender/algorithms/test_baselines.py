"""The recommenders to beat: each finds what it should on made data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.algorithms import neighbours as ties
from recommender.algorithms.baselines import NAMES, content, faded, variants
from recommender.algorithms.histories import DAY_S, History, interactions

N_ITEMS = 6


def rows_of(drawn, *, n_items=N_ITEMS):
    """drawn: (user, item, day)."""
    columns = [np.array(column) for column in zip(*drawn, strict=True)] if drawn else [np.zeros(0)] * 3
    users, items, days = columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2].astype(np.float64)
    n_users = int(users.max(initial=-1)) + 1
    return interactions(users, items, days * DAY_S, n_users=n_users, n_items=n_items)


def past_of(*steps, weight=1.0):
    """Each step the items in it, the newest last."""
    items = np.array([item for step in steps for item in step], dtype=np.int64)
    ago = np.array([len(steps) - 1 - place for place, step in enumerate(steps) for _ in step], dtype=np.int64)
    return History(items, np.full(len(items), weight), ago, ago.astype(np.float64))


def scores_of(name, rows, pasts):
    return dict(variants(name, rows, pasts))


# 0 goes with 1 and 2 with 3, by three users each; 4 is taken by all of them, 5 by nobody.
SHOP = [
    *((user, item, 30 * user) for user in range(3) for item in (0, 1, 4)),
    *((user, item, 30 * user) for user in range(3, 6) for item in (2, 3, 4)),
]


def test_popular_is_the_same_for_everybody_and_recent_where_it_forgets_fast():
    drawn = [(user, 0, 0) for user in range(5)] + [(user, 1, 300) for user in range(5, 8)]
    found = scores_of("pop", rows_of(drawn), [past_of([0]), past_of()])
    assert found["half life 7 days"][0].tolist() == pytest.approx([0, 3, 0, 0, 0, 0], abs=1e-6)
    assert found["half life 1e+06 days"][0].tolist() == pytest.approx([5, 3, 0, 0, 0, 0], abs=0.01)
    for scores in found.values():
        assert scores[0].tolist() == scores[1].tolist()


def test_repeat_puts_the_last_basket_first_or_what_was_taken_most_often():
    found = scores_of("repeat", rows_of(SHOP), [past_of([3], [3], [3], [5])])
    newest_first, most_often = found["half life 1 steps"][0], found["half life 1e+06 steps"][0]
    assert np.argsort(-newest_first)[:3].tolist() == [5, 3, 4]
    assert np.argsort(-most_often)[:3].tolist() == [3, 5, 4]


def test_repeat_falls_back_to_what_is_popular():
    for scores in scores_of("repeat", rows_of(SHOP), [past_of()]).values():
        assert int(np.argmax(scores[0])) == 4


@pytest.mark.parametrize("name", ["itemknn", "ease"])
def test_what_the_same_users_took_comes_first(name):
    found = scores_of(name, rows_of(SHOP), [past_of([0]), past_of([3])])
    assert found
    for setting, scores in found.items():
        assert int(np.argmax(np.delete(scores[0], 0))) + 1 == 1, setting
        assert int(np.argmax(np.delete(scores[1], 3))) == 2, setting
        assert scores[0][5] == scores[1][5] == 0.0, setting


def test_itemknn_by_hand():
    # 0 and 1 by the same three, 4 by all six: cosine 3 / sqrt(3 * 3) and 3 / sqrt(3 * 6).
    found = scores_of("itemknn", rows_of(SHOP), [past_of([0])])
    assert found["shrinkage 0, half life 1 steps"][0].tolist() == pytest.approx([0, 1, 0, 0, 0.5**0.5, 0], abs=1e-6)
    shrunk = found["shrinkage 20, half life 1 steps"][0]
    assert shrunk.tolist() == pytest.approx([0, 3 / 23, 0, 0, 3 / (18**0.5 + 20), 0], abs=1e-6)


def test_the_newest_step_decides_where_it_forgets_fast():
    found = scores_of("itemknn", rows_of(SHOP), [past_of([2], [2], [2], [0])])
    scores = found["shrinkage 0, half life 1 steps"][0]
    assert scores[1] == pytest.approx(2 * scores[3])


def test_ease_alone_tells_what_takers_of_an_item_avoid():
    scores = scores_of("ease", rows_of(SHOP), [past_of([0])])["regularisation 20, half life 1 steps, 1e+06 days"][0]
    assert scores[2] == pytest.approx(scores[3])
    assert scores[2] < 0 < scores[4] < scores[1]
    assert scores_of("itemknn", rows_of(SHOP), [past_of([0])])["shrinkage 0, half life 1 steps"][0][2] == 0.0


def test_ease_of_one_day_is_not_tried_at_two_speeds_of_fading():
    assert len(scores_of("ease", rows_of(SHOP), [past_of([0])])) == 32
    assert len(scores_of("ease", rows_of([(user, item, 0) for user, item, _ in SHOP]), [past_of([0])])) == 16


def test_above_the_most_items_of_ease_there_is_none(monkeypatch):
    monkeypatch.setattr(ties, "EASE_MAX_ITEMS", N_ITEMS - 1)
    assert list(variants("ease", rows_of(SHOP), [past_of([0])])) == []
    assert scores_of("itemknn", rows_of(SHOP), [past_of([0])])
    monkeypatch.setattr(ties, "EASE_MAX_ITEMS", N_ITEMS)
    assert scores_of("ease", rows_of(SHOP), [past_of([0])])


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError):
        next(variants("oracle", rows_of(SHOP), []))


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_its_own_words_and_scores_of_every_item(name):
    settings_tried = list(variants(name, rows_of(SHOP), [past_of([0]), past_of()]))
    assert len({words for words, _ in settings_tried}) == len(settings_tried) >= 4
    for _, scores in settings_tried:
        assert scores.shape == (2, N_ITEMS)
        assert np.all(np.isfinite(scores))


@pytest.mark.parametrize("name", NAMES)
def test_nobody_did_anything_and_nobody_asks(name):
    for scores in scores_of(name, rows_of([]), [past_of([0])]).values():
        assert np.delete(scores, 0, axis=1).tolist() == [[0.0] * (N_ITEMS - 1)]
    for scores in scores_of(name, rows_of(SHOP), []).values():
        assert scores.shape == (0, N_ITEMS)


@pytest.mark.parametrize("name", NAMES)
def test_one_item_alone(name):
    for scores in scores_of(name, rows_of([(0, 0, 0), (1, 0, 9)], n_items=1), [past_of([0])]).values():
        assert scores.shape == (1, 1)


@pytest.mark.parametrize("name", ["itemknn", "ease"])
def test_who_liked_nothing_gets_nothing(name):
    for scores in scores_of(name, rows_of(SHOP), [past_of(), past_of([0], weight=-1.0)]).values():
        assert not scores.any()


def test_faded_by_hand():
    pasts = [past_of([1], [1], [0]), past_of(), past_of([2], weight=-1.0)]
    assert faded(pasts, 3, 1.0).toarray().tolist() == [[1.0, 0.5, 0.0], [0.0] * 3, [0.0] * 3]
    assert faded(pasts, 3, 1.0, add_up=True).toarray().tolist() == [[1.0, 0.75, 0.0], [0.0] * 3, [0.0] * 3]
    assert faded([], 3, 1.0).shape == (0, 3)


takings = st.lists(st.tuples(st.integers(0, 3), st.integers(0, N_ITEMS - 1), st.integers(0, 40)), max_size=15)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(NAMES),
    takings,
    st.lists(st.integers(0, N_ITEMS - 1), max_size=4),
    st.permutations(range(N_ITEMS)),
    st.sampled_from([0.25, 9.0]),
    st.randoms(),
)
def test_names_the_order_of_rows_and_the_scale_of_weights_do_not_matter(name, drawn, taken, names, factor, random):
    shuffled = [(user, names[item], day) for user, item, day in drawn]
    random.shuffle(shuffled)
    moved = past_of(*[[names[item]] for item in taken], weight=factor)
    plain = scores_of(name, rows_of(drawn), [past_of(*[[item] for item in taken])])
    again = scores_of(name, rows_of(shuffled), [moved])
    assert list(again) == list(plain)
    for setting, scores in plain.items():
        assert again[setting][0][names].tolist() == pytest.approx(scores[0].tolist(), abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=3), max_size=4), st.integers(1, 7))
def test_content_is_the_cosine_to_what_was_done_however_many_items_at_once(steps, at_once):
    vectors = np.random.default_rng(0).normal(size=(N_ITEMS, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pasts = [past_of(*steps), past_of(), past_of([2])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recommender.algorithms.baselines.ITEMS_AT_ONCE", at_once)
        found = dict(content(vectors, pasts))
    alike = np.maximum(vectors @ vectors.T, 0.0)
    weights = faded(pasts, N_ITEMS, 4.0).toarray()
    assert found["power 3, half life 4 steps"] == pytest.approx(weights @ alike**3, abs=1e-5)
    assert found["power 1, half life 4 steps"][1].tolist() == [0.0] * N_ITEMS
