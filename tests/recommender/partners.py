"""A made shop in which whoever takes an item takes its partner next: something an interest encoder can learn."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.utils import timezone

from catalog.models import Item
from recommender import encoder_examples, interest_encoders
from recommender.algorithms import interest_encoder
from recommender.models import EndUser, Event, InterestEncoder
from tests.factories import EndUserFactory, ItemFactory, axis

PAIRS = 6


def learns_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few examples are enough, and few steps."""
    monkeypatch.setattr(interest_encoders, "MIN_EXAMPLES", 20)
    monkeypatch.setattr(interest_encoders, "MIN_HELD_OUT", 5)
    trained = partial(interest_encoder.train, pulls=(0.001,), learning_rate=0.05)
    monkeypatch.setattr(interest_encoders.algorithm, "train", trained)


def partners() -> list[tuple[Item, Item]]:
    """Pairs of items of which no two look alike."""
    items = [ItemFactory(vector=axis(place)) for place in range(2 * PAIRS)]
    return list(zip(items[:PAIRS], items[PAIRS:], strict=True))


def take(pairs: list[tuple[Item, Item]], users: int, *, until: datetime | None = None, shift: int = 0) -> None:
    """Users who take the first of a pair and, an hour later, the partner `shift` pairs on; a user each hour."""
    until = until or timezone.now()
    events = []
    for number in range(users):
        user, at = EndUserFactory(), until - timedelta(hours=users - number + 1)
        first = pairs[number % PAIRS][0]
        second = pairs[(number + shift) % PAIRS][1]
        for item, moment in ((first, at), (second, at + timedelta(hours=1))):
            events.append(Event(user=user, item=item, type=Event.Type.PURCHASE, occurred_at=moment))
    Event.objects.bulk_create(events)
    EndUser.objects.note_all_events()


def lesson() -> encoder_examples.Lesson:
    return encoder_examples.lesson()


def live() -> InterestEncoder:
    found = InterestEncoder.objects.live()
    assert found is not None
    return found
