"""Moments to learn from: what was known before, what was new, split by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recommender import encoder_examples
from recommender.encoder_examples import moments_of
from tests.factories import EventFactory, ItemFactory, axis
from tests.recommender.partners import PAIRS, lesson, partners, take

START = datetime(2026, 3, 1, tzinfo=UTC)


def row(item, day, event_type="purchase", *, value=1.0, basket=""):
    return (1, item, event_type, value, START + timedelta(days=day), basket)


def found(history):
    return [
        ([each[1] for each in moment.before], moment.target, moment.weight)
        for moment in moments_of(history, np.random.default_rng(0))
    ]


def test_each_new_item_is_a_moment_with_what_was_known_before_it():
    assert found([row(1, 0), row(2, 1), row(3, 2, "view")]) == [([1], 2, 1.0), ([1, 2], 3, 0.2)]


def test_what_the_user_had_before_and_what_they_disliked_are_no_targets_but_history():
    history = [row(1, 0), row(1, 1), row(2, 2, "hide"), row(2, 3), row(3, 4, "rate", value=2), row(4, 5)]
    assert found(history) == [([1, 1, 2, 2, 3], 4, 1.0)]


def test_a_basket_is_one_moment_and_its_items_do_not_explain_each_other():
    history = [row(1, 0), row(2, 1, basket="b"), row(3, 1.01, basket="b"), row(4, 2)]
    first, second = found(history)
    assert first[0] == [1]
    assert first[1] in (2, 3)
    assert second == ([1, 2, 3], 4, 1.0)


def test_only_the_newest_moments_of_a_user_are_taken():
    history = [row(item, item) for item in range(20)]
    assert [target for _, target, _ in found(history)] == [16, 17, 18, 19]


@pytest.mark.parametrize("history", [[], [row(1, 0)], [row(1, 0), row(2, 0)]])
def test_without_anything_before_it_nothing_is_a_moment(history):
    assert found(history) == []


@pytest.mark.django_db
def test_the_newest_fifth_is_kept_for_validation_and_no_user_is_in_both_halves():
    take(partners(), 50)
    made = lesson()
    assert (len(made.train), len(made.tune), len(made.held_out)) == (40, 5, 5)
    assert (made.users, len(made.item_vectors)) == (40, 2 * PAIRS)
    assert made.train.shares.sum(axis=1).tolist() == pytest.approx([1.0] * 40)
    # The item taken before is not ranked.
    assert (made.held_out.known >= 0).sum(axis=1).tolist() == [1] * 5


@pytest.mark.django_db
def test_what_happened_all_at_once_can_not_be_split():
    for _ in range(3):
        EventFactory(item=ItemFactory(vector=axis(1)))
    assert (len(lesson().train), lesson().split_at) == (0, None)


@pytest.mark.django_db
def test_without_events_or_vectors_there_is_nothing_to_learn():
    assert len(lesson().train) == 0
    EventFactory()
    assert len(encoder_examples.lesson().train) == 0
