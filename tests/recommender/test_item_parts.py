"""The parts of an item's page that know events: what is taken next, figures, weeks, and the lists it was in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from recommender.models import Event, ItemStatistics, Neighbour
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    SlateFactory,
    SlateItemFactory,
)
from tests.pages import queries_of, staff_client, text_of

pytestmark = pytest.mark.django_db


def at(day: int) -> datetime:
    return datetime(2026, 3, day, 12, tzinfo=UTC)


def test_an_item_shows_its_neighbours_with_score_and_users_strongest_first() -> None:
    item, near, far = ItemFactory(), ItemFactory(title="Near"), ItemFactory(title="Far", is_hidden=True)
    ItemLabelFactory(item=near, label=LabelFactory(name="Bakery"))
    Neighbour.objects.create(item=item, neighbour=far, score=0.25, users=3)
    Neighbour.objects.create(item=item, neighbour=near, score=0.5, users=9)
    client = staff_client()
    words = text_of(client.get(f"/items/{item.pk}/next/"))
    assert words.index("0.50 · 9 users") < words.index("0.25 · 3 users")
    assert "Bakery" in words
    few = queries_of(client, f"/items/{item.pk}/next/")
    for _ in range(6):
        Neighbour.objects.create(item=item, neighbour=ItemFactory(), score=0.1, users=1)
    assert queries_of(client, f"/items/{item.pk}/next/") == few


def test_an_item_shows_its_figures_its_weeks_and_the_lists_it_was_in() -> None:
    item, user = ItemFactory(), EndUserFactory(external_id="u1")
    for day in (2, 3, 16):
        EventFactory(item=item, user=user, occurred_at=at(day))
    ItemStatistics.objects.create(item=item, events=1_003, users=1, recent_users=1, last_event_at=at(16))
    SlateItemFactory(slate=SlateFactory(user=user), item=item, position=4)
    assert [count for _, count in Event.objects.all().count_by_week(item, 4)] == [0, 2, 0, 1]
    words = text_of(staff_client().get(f"/items/{item.pk}/activity/"))
    for expected in ("1,003", "u1 place 4", "Last week 1"):
        assert expected in words


def test_a_week_that_is_not_over_is_not_shown_as_a_collapse() -> None:
    item, now = ItemFactory(), timezone.now()
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    for moment in (monday - timedelta(days=1), monday - timedelta(days=2), monday):
        EventFactory(item=item, occurred_at=moment)
    ItemStatistics.objects.create(item=item, events=3, users=3, recent_users=3, last_event_at=monday)
    assert "Last week 2" in text_of(staff_client().get(f"/items/{item.pk}/activity/"))
