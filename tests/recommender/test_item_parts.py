"""The parts of an item's page that know events: what is taken next, figures, weeks, and the lists it was in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from recommender.audit import audience_of
from recommender.models import Event, ItemStatistics, Neighbour, Slate
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


def test_an_item_shows_its_figures_and_its_weeks() -> None:
    item, user = ItemFactory(), EndUserFactory(external_id="u1")
    for day in (2, 3, 16):
        EventFactory(item=item, user=user, occurred_at=at(day))
    ItemStatistics.objects.create(item=item, events=1_003, users=1, recent_users=1, last_event_at=at(16))
    assert [count for _, count in Event.objects.all().count_by_week(item, 4)] == [0, 2, 0, 1]
    words = text_of(staff_client().get(f"/items/{item.pk}/activity/"))
    for expected in ("1,003", "Last week 1"):
        assert expected in words


def test_a_week_that_is_not_over_is_not_shown_as_a_collapse() -> None:
    item, now = ItemFactory(), timezone.now()
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    for moment in (monday - timedelta(days=1), monday - timedelta(days=2), monday):
        EventFactory(item=item, occurred_at=moment)
    ItemStatistics.objects.create(item=item, events=3, users=3, recent_users=3, last_event_at=monday)
    assert "Last week 2" in text_of(staff_client().get(f"/items/{item.pk}/activity/"))


def test_who_gets_it_recommended_is_told_by_user_from_the_lists_of_the_last_week(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item, often, once = ItemFactory(), EndUserFactory(external_id="often"), EndUserFactory(external_id="once")
    for user, position in ((often, 2), (often, 4), (once, 9)):
        SlateItemFactory(slate=SlateFactory(user=user), item=item, position=position)
    old = SlateItemFactory(slate=SlateFactory(user=EndUserFactory(external_id="long-ago")), item=item, position=1)
    Slate.objects.filter(pk=old.slate_id).update(served_at=timezone.now() - timedelta(days=8))
    audience = audience_of(item.pk)
    assert [(shown.user_external_id, shown.position, shown.times) for shown in audience.users] == [
        ("once", 9, 1),
        ("often", 4, 2),
    ]
    assert (audience.n_users, audience.slates, audience.is_more, audience.mean_position) == (2, 3, False, 5.0)
    client = staff_client()
    words = text_of(client.get(f"/items/{item.pk}/audience/"))
    assert "3 lists of the last 7 days, for 2 users, at place 5.0 on average." in words
    few = queries_of(client, f"/items/{item.pk}/audience/")
    for _ in range(6):
        SlateItemFactory(slate=SlateFactory(), item=item)
    assert queries_of(client, f"/items/{item.pk}/audience/") == few
    monkeypatch.setattr("recommender.audit.AUDIENCE_SLATES", 4)
    assert (audience_of(item.pk).slates, audience_of(item.pk).is_more) == (4, True)
    assert "In no list of the last 7 days" in text_of(client.get(f"/items/{ItemFactory().pk}/audience/"))
