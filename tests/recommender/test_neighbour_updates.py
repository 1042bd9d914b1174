"""What follows an item, counted as events come, beside what a full rebuild makes of the same events."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommender import interests, neighbour_updates, neighbours
from recommender.models import EndUser, Event, ItemStatistics, Neighbour
from tests.factories import EndUserFactory, EventFactory, ItemFactory, axis

pytestmark = pytest.mark.django_db


def take(user, *items, days_ago: float, **more):
    moment = timezone.now() - timedelta(days=days_ago)
    found = [EventFactory(user=user, item=item, occurred_at=moment, **more) for item in items]
    user.refresh_from_db()
    return found


def followers() -> dict[tuple[int, int], float]:
    rows = Neighbour.objects.filter(kind=Neighbour.Kind.NEXT, score__gt=0)
    return {(row.item_id, row.neighbour_id): row.score for row in rows}


def known(count: int = 8):
    """A shop whose statistics and interests are current: users walk from item to item."""
    items = [ItemFactory(vector=axis(place % 4)) for place in range(count)]
    users = [EndUserFactory() for _ in range(12)]
    for place, user in enumerate(users):
        for step in range(4):
            take(user, items[(place + step) % (count - 2)], days_ago=20 - step)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    return items, users


def test_an_item_taken_just_now_follows_and_is_followed_as_a_rebuild_would_say():
    items, users = known()
    new, later = items[-1], items[-2]
    take(users[0], new, days_ago=0.2)
    take(users[0], later, days_ago=0.1)
    take(users[1], new, days_ago=0.1)
    assert not any(new.pk in pair for pair in followers())
    interests.rebuild_many([user.pk for user in users])
    updated = followers()
    neighbours.rebuild_statistics()
    rebuilt = followers()
    assert {pair for pair in updated if new.pk in pair} == {pair for pair in rebuilt if new.pk in pair}
    assert updated[new.pk, later.pk] > 0
    # Each event is a step beside another here, so events are occurrences, and the two are the same.
    assert updated == {pair: pytest.approx(score, abs=1e-9) for pair, score in rebuilt.items()}


def test_single_events_of_strangers_make_the_addition_smaller_never_larger():
    items, users = known()
    for _ in range(4):  # of the item's events only some were steps beside another
        take(EndUserFactory(), items[0], days_ago=3)
    neighbours.rebuild_statistics()
    start = followers()
    last = Event.objects.filter(user=users[0]).order_by("occurred_at").last()
    take(users[0], items[-1], days_ago=0.1)
    interests.rebuild(users[0].pk)
    updated = followers()
    neighbours.rebuild_statistics()
    rebuilt = followers()
    for pair, score in updated.items():
        assert score - start.get(pair, 0.0) <= rebuilt.get(pair, 0.0) - start.get(pair, 0.0) + 1e-9
        assert score == pytest.approx(rebuilt[pair], abs=0.1)
    assert updated[last.item_id, items[-1].pk] > 0


def test_an_event_counts_once_however_often_interests_are_rebuilt():
    items, users = known()
    take(users[0], items[-1], days_ago=0.1)
    interests.rebuild(users[0].pk)
    first, counted = followers(), dict(ItemStatistics.objects.values_list("item_id", "events"))
    for _ in range(2):
        interests.rebuild(users[0].pk)
    interests.rebuild_all()
    assert followers() == first
    assert dict(ItemStatistics.objects.values_list("item_id", "events")) == counted
    assert counted[items[-1].pk] == 1


def test_what_the_statistics_know_already_is_not_counted_again():
    items, users = known()
    take(users[0], items[-1], days_ago=0.1)
    neighbours.rebuild_statistics()
    known_already = followers()
    assert not EndUser.objects.get(pk=users[0].pk).interests_are_current
    interests.rebuild(users[0].pk)
    assert followers() == known_already


def test_looks_that_are_taken_back_and_events_dated_before_others_end_where_a_rebuild_does():
    items, users = known()
    take(users[2], items[-1], days_ago=18.5)  # between two steps that were next to each other
    interests.rebuild(users[2].pk)
    late = followers()
    take(users[3], items[-2], days_ago=0.3)
    interests.rebuild(users[3].pk)
    take(users[3], items[-2], days_ago=0.2, type=Event.Type.REFUND)
    interests.rebuild(users[3].pk)
    updated = followers()
    neighbours.rebuild_statistics()
    rebuilt = followers()
    assert any(items[-1].pk in pair for pair in late)
    assert not any(items[-2].pk in pair for pair in rebuilt)
    assert not any(items[-2].pk in pair and score > 1e-6 for pair, score in updated.items())
    shared = [pair for pair in rebuilt if pair in updated]
    assert len(shared) == len(rebuilt)
    assert np.abs([updated[pair] - rebuilt[pair] for pair in shared]).max() < 0.05


def test_without_statistics_or_while_they_are_rebuilt_nothing_is_counted(monkeypatch):
    item, other, user = ItemFactory(), ItemFactory(), EndUserFactory()
    take(user, item, days_ago=2)
    take(user, other, days_ago=1)
    interests.rebuild(user.pk)
    assert not Neighbour.objects.exists()
    assert not ItemStatistics.objects.exists()
    items, users = known()
    take(users[0], items[-1], days_ago=0.1)
    before = followers()
    monkeypatch.setattr(type(Neighbour.objects.all()), "is_rebuilding", lambda self: True)
    interests.rebuild(users[0].pk)
    assert followers() == before
    assert EndUser.objects.get(pk=users[0].pk).interests_are_current


def test_the_number_of_queries_does_not_grow_with_users_or_events():
    items, users = known()
    counts = []
    for chosen in (users[:1], users[1:]):
        for user in chosen:
            take(user, items[-1], items[-2], days_ago=0.1)
        fresh = list(EndUser.objects.filter(pk__in=[user.pk for user in chosen]))
        rows = Event.objects.latest_of([user.pk for user in fresh], 300)
        histories = {user.pk: [row for row in rows if row.user_id == user.pk] for user in fresh}
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert neighbour_updates.count_new(fresh, histories) > 0
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 6


def test_too_many_pairs_wait_for_the_rebuild(monkeypatch):
    items, users = known()
    before = followers()
    monkeypatch.setattr(neighbour_updates, "MOST_PAIRS", 1)
    take(users[0], items[-1], items[-2], days_ago=0.1)
    interests.rebuild(users[0].pk)
    assert followers() == before
