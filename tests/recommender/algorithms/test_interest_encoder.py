"""Training the encoder: ranks by hand, a rotation found, and the identity where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.algorithms.interest import unit
from recommender.algorithms.interest_encoder import Examples, goodness, ranks, scores_of, train
from recommender.algorithms.interest_transform import InterestTransform

DIM = 6


def examples(inputs, targets, *, shares=None, known=None):
    """One interest a user, unless there are more dimensions."""
    rows = np.asarray(inputs, dtype=np.float32)
    rows = rows[:, None, :] if rows.ndim == 2 else rows
    given_shares = np.ones(rows.shape[:2]) if shares is None else shares
    return Examples(
        inputs=rows,
        shares=np.asarray(given_shares, dtype=np.float32),
        targets=np.asarray(targets, dtype=np.int64),
        weights=np.ones(len(rows), dtype=np.float32),
        known=None if known is None else np.asarray(known, dtype=np.int64),
    )


def some_items(n=40, *, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32))


def turned(angle=0.9):
    """A rotation of the first two axes, and of the next two."""
    rotation = np.eye(DIM, dtype=np.float32)
    cos, sin = np.cos(angle), np.sin(angle)
    for at in (0, 2):
        rotation[at : at + 2, at : at + 2] = [[cos, -sin], [sin, cos]]
    return rotation


def taken_next(n, items, rotation, *, seed):
    """Users whose next item is the one closest to their interest, turned."""
    inputs = unit(np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32))
    return examples(inputs, (inputs @ rotation.T @ items.T).argmax(axis=1))


def test_ranks_and_what_they_are_worth_by_hand():
    """Two interests of shares .36 and .64: scores are the larger of .6 * cos and .8 * cos."""
    items = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    one = examples([[[1, 0], [0, 1]]], [0], shares=[[0.36, 0.64]])
    start = InterestTransform.identity(2)
    assert scores_of(start, one.inputs, one.shares, items)[0].tolist() == pytest.approx([0.6, 0.8, 0.64])
    assert ranks(start, one, items).tolist() == [3.0]
    assert goodness(start, one, items) == pytest.approx(0.5)
    # What the user took before is not ranked; the target is, even where it is among it.
    without = examples([[[1, 0], [0, 1]]], [0], shares=[[0.36, 0.64]], known=[[1, 0, -1]])
    assert ranks(start, without, items).tolist() == [2.0]


def test_equal_scores_share_the_mean_of_their_ranks():
    items = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    assert ranks(InterestTransform.identity(2), examples([[1, 0]], [1]), items).tolist() == [1.5]


def test_an_interest_that_is_not_there_scores_nothing():
    items = np.array([[-1, 0], [0, 1]], dtype=np.float32)
    found = scores_of(
        InterestTransform.identity(2),
        np.array([[[1, 0], [0, 0]]], dtype=np.float32),
        np.array([[1, 0]], dtype=np.float32),
        items,
    )
    assert found[0].tolist() == [-1.0, 0.0]


def test_training_finds_a_rotation_that_is_known():
    items, rotation = some_items(), turned()
    train_on, tune = taken_next(1500, items, rotation, seed=1), taken_next(150, items, rotation, seed=2)
    unseen = taken_next(300, items, rotation, seed=3)
    found = train(train_on, items, validation=tune, pulls=(0.001,), learning_rate=0.02)
    start = InterestTransform.identity(DIM)
    assert goodness(start, unseen, items) < 0.7
    assert goodness(found.transform, unseen, items) > 0.9
    assert found.report.after > found.report.before
    # Each of its rows points where the rotation's does; how long they are makes no difference.
    assert np.diag(unit(found.transform.w1) @ unit(rotation).T).min() > 0.9


def test_nothing_to_learn_leaves_the_identity():
    """Each takes what is closest already: no step makes that better."""
    items = some_items()
    found = train(
        taken_next(300, items, np.eye(DIM, dtype=np.float32), seed=1),
        items,
        validation=taken_next(100, items, np.eye(DIM, dtype=np.float32), seed=2),
    )
    assert found.transform.is_identity
    assert (found.report.epochs, found.report.before, found.report.after) == (0, 1.0, 1.0)


@pytest.mark.parametrize(("n", "m"), [(0, 5), (5, 0)])
def test_without_examples_or_validation_the_identity_stays(n, m):
    items, rotation = some_items(), turned()
    found = train(taken_next(n, items, rotation, seed=1), items, validation=taken_next(m, items, rotation, seed=2))
    assert found.transform.is_identity


def test_one_item_is_nothing_to_rank():
    items = some_items(1)
    one = examples(items, [0])
    assert train(one, items, validation=one).transform.is_identity
    assert ranks(InterestTransform.identity(DIM), one, items).tolist() == [1.0]


def test_the_same_seed_gives_the_same_encoder_and_progress_is_told():
    items, rotation = some_items(), turned()
    train_on, tune = taken_next(200, items, rotation, seed=1), taken_next(50, items, rotation, seed=2)
    told: list[tuple[int, int]] = []
    once = train(
        train_on,
        items,
        validation=tune,
        pulls=(0.01,),
        learning_rate=0.02,
        on_epoch=lambda done, most: told.append((done, most)),
    )
    again = train(train_on, items, validation=tune, pulls=(0.01,), learning_rate=0.02)
    assert once.transform.w1.tolist() == again.transform.w1.tolist()
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][0] <= told[0][1]


def test_a_strong_pull_keeps_it_near_the_identity():
    items, rotation = some_items(), turned()
    train_on, tune = taken_next(400, items, rotation, seed=1), taken_next(100, items, rotation, seed=2)

    def away(pull):
        found = train(train_on, items, validation=tune, pulls=(pull,), learning_rate=0.02)
        return np.linalg.norm(found.transform.w1 - np.eye(DIM))

    assert away(10.0) < away(0.001) / 3


def test_parts_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="do not belong together"):
        examples(np.zeros((2, DIM)), [0])


@given(st.permutations(list(range(8))), st.permutations(list(range(10))))
def test_ranks_follow_a_change_of_order_of_users_and_of_items(users, order):
    items, rotation = some_items(10, seed=5), turned()
    all_users, transform = (
        taken_next(8, items, rotation, seed=6),
        InterestTransform(rotation, np.zeros(DIM, np.float32)),
    )
    before = ranks(transform, all_users, items)
    place_of = np.argsort(order)
    moved = all_users.take(np.array(users))
    moved = Examples(moved.inputs, moved.shares, place_of[moved.targets], moved.weights)
    assert ranks(transform, moved, items[order]).tolist() == before[users].tolist()
    scaled = InterestTransform(rotation * 3.0, np.zeros(DIM, np.float32))
    assert ranks(scaled, all_users, items) == pytest.approx(before)
