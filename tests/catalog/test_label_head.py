"""The label head by itself: hand-worked vectors, no database."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog import label_head
from catalog.label_head import Head

AXES = np.eye(4, dtype=np.float32)


def one_hot(*places: int, n: int = 3) -> np.ndarray:
    return np.eye(n, dtype=np.float32)[list(places)]


def test_without_items_or_decisions_it_is_the_zero_shot_classifier():
    begin = label_head.start(AXES[:3], AXES[:0], is_single=True)
    assert np.array_equal(begin.weights, AXES[:3])
    assert np.array_equal(begin.bias, np.zeros(3))
    assert begin.scores(AXES[1:2]).tolist() == [[0.0, 1.0, 0.0]]
    assert label_head.train(begin, AXES[:0], one_hot(), is_single=True) is begin


def test_a_label_near_everything_loses_a_part_of_its_mean():
    items = np.tile(AXES[0], (50, 1))
    begin = label_head.start(AXES[:2], items, is_single=True)
    # 50 items count half, half of the mean is taken: .25 of the mean cosine, which is 1 for the first label. The other
    # label has drifted towards the items a little and loses a part of that as well.
    assert begin.bias[0] == pytest.approx(-0.25, abs=1e-6)
    assert -0.25 < begin.bias[1] <= 0.0


def test_labels_move_towards_the_items_that_resemble_them():
    clear, alike = AXES[0], (AXES[0] + AXES[2]) / np.sqrt(2)
    items = np.vstack([np.tile(clear, (30, 1)), np.tile(alike, (30, 1)), np.tile(AXES[1], (30, 1))]).astype(np.float32)
    begin = label_head.start(AXES[:2], items, is_single=True)
    assert begin.weights[0, 2] > 0.1  # what only the catalog says
    assert begin.weights[1, 2] < 0.05
    assert np.allclose(np.linalg.norm(begin.weights, axis=1), 1.0, atol=1e-5)


def test_decisions_teach_what_resembles_them_and_leave_the_rest():
    begin = label_head.start(AXES[:3], AXES[:0], is_single=True)
    odd = ((AXES[0] + 0.9 * AXES[3]) / np.linalg.norm(AXES[0] + 0.9 * AXES[3]))[None, :].astype(np.float32)
    assert begin.scores(odd).argmax() == 0
    head = label_head.train(begin, np.repeat(odd, 4, axis=0), one_hot(2, 2, 2, 2), is_single=True)
    assert head.scores(odd).argmax() == 2
    assert head.scores(AXES[1:2]).argmax() == 1
    assert begin.weights[2, 3] == 0.0  # the start itself is not touched


def test_a_stronger_pull_changes_less():
    begin = label_head.start(AXES[:3], AXES[:0], is_single=True)
    moved = [
        float(
            np.abs(label_head.train(begin, AXES[3:4], one_hot(1), is_single=True, pull=pull).weights - AXES[:3]).sum()
        )
        for pull in (0.1, 1.0, 10.0)
    ]
    assert moved[0] > moved[1] > moved[2] > 0.0


def test_for_several_choices_undecided_labels_stay_as_they_were():
    begin = label_head.start(AXES[:3], AXES[:0], is_single=False)
    assert begin.scores(AXES[:1])[0, 0] == pytest.approx(1.0 - 7.47 / 17.9)
    target = np.array([[np.nan, 1.0, np.nan]], dtype=np.float32)
    head = label_head.train(begin, AXES[3:4], target, is_single=False)
    assert np.array_equal(head.weights[[0, 2]], begin.weights[[0, 2]])
    assert np.array_equal(head.bias[[0, 2]], begin.bias[[0, 2]])
    assert head.scores(AXES[3:4])[0, 1] > begin.scores(AXES[3:4])[0, 1]


def test_a_row_is_scored_by_heads_that_did_not_see_it():
    begin = label_head.start(AXES[:3], AXES[:0], is_single=True)
    vectors = np.vstack([AXES[3], AXES[0], AXES[1]]).astype(np.float32)
    apart = label_head.out_of_fold(begin, vectors, one_hot(2, 0, 1), is_single=True, folds=3)
    seen = label_head.train(begin, vectors, one_hot(2, 0, 1), is_single=True).scores(vectors)
    assert seen[0].argmax() == 2
    # Nothing else lies on that axis, so a head without the first row knows nothing of it.
    assert abs(apart[0, 2]) < 0.03 < seen[0, 2]


def test_a_stored_head_comes_back_as_it_was():
    head = Head(AXES[:2] * 0.5, np.array([0.1, -0.2], dtype=np.float32))
    back, ids = label_head.from_bytes(label_head.to_bytes(head, (7, 9)))
    assert (np.array_equal(back.weights, head.weights), np.array_equal(back.bias, head.bias)) == (True, True)
    assert ids == (7, 9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.integers(0, 10_000))
def test_training_is_deterministic_and_finite(places: list[int], seed: int):
    vectors = np.random.default_rng(seed).normal(size=(len(places), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    begin = label_head.start(AXES[:3], AXES[:0], is_single=True)
    first, again = (label_head.train(begin, vectors, one_hot(*places), is_single=True) for _ in range(2))
    assert np.array_equal(first.weights, again.weights)
    assert np.isfinite(first.weights).all()
    assert np.isfinite(first.bias).all()


def test_many_items_are_taken_in_parts_and_give_the_same_start(monkeypatch):
    random = np.random.default_rng(4)
    items = random.normal(size=(40, 4)).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    whole = label_head.start(AXES[:3], items, is_single=True)
    monkeypatch.setattr(label_head, "SCORES_AT_ONCE", 3 * 7)
    parts = label_head.start(AXES[:3], items, is_single=True)
    assert np.allclose(whole.weights, parts.weights, atol=1e-6)
    assert np.allclose(whole.bias, parts.bias, atol=1e-6)
    monkeypatch.setattr(label_head, "ADAPTED_SCORES", 3 * 20)
    bounded = label_head.start(AXES[:3], items, is_single=True)
    assert np.array_equal(bounded.weights, label_head.start(AXES[:3], items[:20], is_single=True).weights)


def test_one_label_or_one_item_or_a_reading_of_nothing_is_no_special_case():
    nothing = np.zeros((1, 4), dtype=np.float32)
    for items in (AXES[3:], nothing, np.vstack([AXES, nothing])):
        for labels in (AXES[:1], AXES[:3]):
            begin = label_head.start(labels, items, is_single=True)
            assert np.isfinite(begin.weights).all()
            assert np.isfinite(begin.scores(nothing)).all()
    alone = label_head.start(AXES[:1], AXES, is_single=True)
    assert label_head.shares(alone.scores(AXES)).tolist() == [[1.0]] * 4
    none = label_head.start(AXES[:0], AXES, is_single=True)
    assert none.scores(AXES).shape == (4, 0)
