"""Interests rebuilt from events: vectors, labels, the events behind, and two rebuilds at once."""

from __future__ import annotations

import threading
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommender import interests
from recommender.models import EndUser, Event, InterestLabel, InterestVector
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelEmbeddingFactory,
    LabelFactory,
    TaxonomyFactory,
    axis,
)

pytestmark = pytest.mark.django_db


def days_ago(days: float):
    return timezone.now() - timedelta(days=days)


def vectors_of(user):
    return list(InterestVector.objects.filter(user=user).order_by("position"))


@pytest.fixture()
def catalog():
    """Six items on three axes, whose mean is the same everywhere: bread, bread, cheese, cheese, soap, soap."""
    return [ItemFactory(vector=axis(index // 2)) for index in range(6)]


def test_two_tastes_become_two_vectors_with_shares_medoids_and_events(catalog):
    user, moment = EndUserFactory(), days_ago(1)
    bread = [EventFactory(user=user, item=catalog[place], occurred_at=moment) for place in (0, 1)]
    cheese = EventFactory(user=user, item=catalog[2], occurred_at=moment, type=Event.Type.ADD_TO_CART)
    assert interests.rebuild(user.pk) is True
    strong, weak = vectors_of(user)
    assert [strong.weight, weak.weight] == pytest.approx([2 / 2.6, 0.6 / 2.6])
    assert [strong.medoid_id, weak.medoid_id] == [catalog[0].pk, catalog[2].pk]
    assert strong.events == [
        {"event": bread[1].pk, "item": catalog[1].pk, "weight": 1.0},
        {"event": bread[0].pk, "item": catalog[0].pk, "weight": 1.0},
    ]
    assert weak.events == [{"event": cheese.pk, "item": catalog[2].pk, "weight": 0.6}]
    # Centred by the mean (1/3, 1/3, 1/3): bread's (2/3, -1/3, -1/3) at unit length.
    assert np.array(strong.vector)[:4].tolist() == pytest.approx([0.8165, -0.4082, -0.4082, 0.0], abs=1e-3)


def test_a_recent_event_weighs_twice_one_of_a_half_life_ago(catalog):
    user, now = EndUserFactory(), timezone.now()
    EventFactory(user=user, item=catalog[0], occurred_at=now - timedelta(days=interests.HALF_LIFE_DAYS))
    EventFactory(user=user, item=catalog[2], occurred_at=now)
    interests.rebuild(user.pk)
    assert [(each.medoid_id, each.weight) for each in vectors_of(user)] == [
        (catalog[2].pk, pytest.approx(2 / 3)),
        (catalog[0].pk, pytest.approx(1 / 3)),
    ]


def test_what_was_refunded_or_hidden_is_no_interest_and_impressions_say_nothing(catalog):
    user, moment = EndUserFactory(), days_ago(1)
    for item, types in ((0, ["purchase"]), (2, ["purchase", "refund"]), (4, ["view", "hide"]), (5, ["impression"])):
        for event_type in types:
            EventFactory(user=user, item=catalog[item], type=event_type, occurred_at=moment)
    interests.rebuild(user.pk)
    assert [(each.medoid_id, each.weight) for each in vectors_of(user)] == [(catalog[0].pk, 1.0)]


def test_interest_labels_weigh_confidence_and_what_people_decided_counts_in_full(catalog):
    user, bread, cheese = EndUserFactory(), LabelFactory(), None
    cheese = LabelFactory(taxonomy=bread.taxonomy)
    ItemLabelFactory(item=catalog[0], label=bread, confidence=0.5)
    ItemLabelFactory(item=catalog[1], label=bread, confidence=0.5, decision="accepted")
    ItemLabelFactory(item=catalog[2], label=bread, confidence=0.5, decision="corrected", final_label=cheese)
    ItemLabelFactory(item=catalog[3], label=bread, confidence=0.9, is_assigned=False)
    moment = days_ago(1)
    for place in range(4):
        EventFactory(user=user, item=catalog[place], occurred_at=moment)
    interests.rebuild(user.pk)
    found = InterestLabel.objects.filter(user=user)
    assert [(each.label_id, each.weight, each.items) for each in found] == [
        (bread.pk, pytest.approx(1.5 / 2.5), [catalog[1].pk, catalog[0].pk]),
        (cheese.pk, pytest.approx(1.0 / 2.5), [catalog[2].pk]),
    ]


def test_items_without_a_vector_still_count_for_labels(catalog):
    user, label, plain = EndUserFactory(), LabelFactory(), ItemFactory()
    ItemLabelFactory(item=plain, label=label)
    EventFactory(user=user, item=plain)
    interests.rebuild(user.pk)
    assert vectors_of(user) == []
    assert [(each.label_id, each.weight) for each in user.interest_labels.all()] == [(label.pk, 1.0)]


def test_each_interest_is_named_by_the_label_head(catalog):
    """The mean of all items is the same on each axis, so an interest in bread lies closest to the label bread."""
    taxonomy = TaxonomyFactory()
    bread, soap = (LabelFactory(taxonomy=taxonomy) for _ in range(2))
    for label, place in ((bread, 0), (soap, 2)):
        LabelEmbeddingFactory(label=label, vector=axis(place))
    user = EndUserFactory()
    EventFactory(user=user, item=catalog[0], occurred_at=days_ago(1))
    EventFactory(user=user, item=catalog[4], occurred_at=days_ago(1), type="view")
    interests.rebuild(user.pk)
    named = [(each.labels[0]["taxonomy"], each.labels[0]["label"]) for each in vectors_of(user)]
    assert named == [(taxonomy.pk, bread.pk), (taxonomy.pk, soap.pk)]
    # No item carries a label yet, so what the interests are about stands in, by their weights.
    labels = list(InterestLabel.objects.filter(user=user))
    assert [label.label_id for label in labels] == [bread.pk, soap.pk]
    assert [label.weight for label in labels] == pytest.approx([1 / 1.2, 0.2 / 1.2], abs=1e-3)
    assert labels[0].items == [catalog[0].pk]
    # As soon as an item carries one, what items carry counts and nothing else.
    ItemLabelFactory(item=catalog[4], label=soap, confidence=0.6)
    interests.rebuild(user.pk)
    assert [label.label_id for label in InterestLabel.objects.filter(user=user)] == [soap.pk]


def test_rebuilding_twice_changes_nothing(catalog):
    user = EndUserFactory()
    for place in (0, 2, 3):
        EventFactory(user=user, item=catalog[place])

    def snapshot():
        return [
            (each.position, list(each.vector), each.weight, each.medoid_id, each.events) for each in vectors_of(user)
        ]

    interests.rebuild(user.pk)
    once = snapshot()
    interests.rebuild(user.pk)
    assert snapshot() == once


def test_a_rebuild_notes_the_newest_event_and_a_stale_only_rebuild_then_does_nothing(catalog):
    user = EndUserFactory()
    event = EventFactory(user=user, item=catalog[0])
    assert EndUser.objects.stale().get() == user
    assert interests.rebuild(user.pk, only_if_stale=True) is True
    user.refresh_from_db()
    assert user.interests_event_id == event.pk
    assert user.interests_are_current
    assert interests.rebuild(user.pk, only_if_stale=True) is False
    assert interests.rebuild(user.pk) is True


def test_there_is_nothing_to_rebuild_for_a_user_who_is_not_there():
    assert interests.rebuild(987654321) is False
    assert interests.rebuild_many([]) == 0


def test_only_the_newest_events_count(catalog, monkeypatch):
    monkeypatch.setattr(interests, "HISTORY_EVENTS", 2)
    user = EndUserFactory()
    for place, days in ((0, 3), (2, 2), (4, 1)):
        EventFactory(user=user, item=catalog[place], occurred_at=days_ago(days))
    interests.rebuild(user.pk)
    assert {each.medoid_id for each in vectors_of(user)} == {catalog[2].pk, catalog[4].pk}


def test_all_users_at_once_get_what_each_gets_alone(catalog):
    users = [EndUserFactory() for _ in range(3)]
    for place, user in enumerate(users):
        EventFactory(user=user, item=catalog[place])
        EventFactory(user=user, item=catalog[place + 2])
    silent = EndUserFactory()
    reports = []
    assert interests.rebuild_all(on_progress=lambda done, total, message: reports.append((done, total))) == 3
    assert reports == [(3, 3)]
    together = {user.pk: [list(each.vector) for each in vectors_of(user)] for user in users}
    for user in users:
        interests.rebuild(user.pk)
        assert [list(each.vector) for each in vectors_of(user)] == together[user.pk]
    assert vectors_of(silent) == []


def test_the_number_of_queries_does_not_grow_with_the_history(catalog):
    few, many = EndUserFactory(), EndUserFactory()
    EventFactory(user=few, item=catalog[0])
    for place in range(6):
        for _ in range(4):
            EventFactory(user=many, item=catalog[place])
    counts = []
    for user in (few, many):
        with CaptureQueriesContext(connection) as queries:
            interests.rebuild(user.pk)
        counts.append(len(queries))
    assert counts[0] >= counts[1] - 1
    assert counts[1] <= 16


@pytest.mark.django_db(transaction=True)
def test_two_rebuilds_at_once_leave_one_complete_set_of_vectors():
    items = [ItemFactory(vector=axis(index // 2)) for index in range(6)]
    user = EndUserFactory()
    for item in items:
        EventFactory(user=user, item=item)
    failures: list[Exception] = []

    def run():
        try:
            for _ in range(5):
                interests.rebuild(user.pk)
        except Exception as error:  # noqa: BLE001  (shown by the assertion)
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [each.position for each in vectors_of(user)] == [0, 1, 2]
    assert sum(each.weight for each in vectors_of(user)) == pytest.approx(1.0)
