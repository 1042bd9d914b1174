"""The table of users, and the page of one: their list, timeline and freshness."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from recommender.models import EndUser, Event, Slate
from recommender.timeline import timeline
from tests.factories import (
    EndUserFactory,
    EventFactory,
    InterestLabelFactory,
    InterestVectorFactory,
    ItemFactory,
    LabelFactory,
    axis,
)
from tests.pages import HTMX, queries_of, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


def at(day: int, hour: int = 12, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


# ---------------------------------------------------------------- users


def test_the_table_of_users_takes_as_many_queries_for_twenty_as_for_two() -> None:
    for user in EndUserFactory.create_batch(2):
        InterestLabelFactory(user=user)
        EventFactory(user=user)
    client = staff_client()
    few = queries_of(client, "/users/")
    for user in EndUserFactory.create_batch(18):
        InterestLabelFactory(user=user)
        EventFactory(user=user)
    assert queries_of(client, "/users/") == few
    assert few <= 13


def test_the_table_shows_events_interests_and_freshness_most_recent_first() -> None:
    idle, old, new = (EndUserFactory(external_id=name) for name in ("idle", "old", "new"))
    EventFactory(user=old, occurred_at=at(1))
    for _ in range(2):
        EventFactory(user=new, occurred_at=at(2))
    EndUser.objects.filter(pk=new.pk).update(interests_event_id=new.events.latest("pk").pk)
    InterestLabelFactory(user=new, label=LabelFactory(name="Bakery"), weight=0.75)
    words = text_of(staff_client().get("/users/", headers=HTMX))
    assert words.index("new Bakery 75% 2 2 Mar 2026 Current") < words.index("old – 1 1 Mar 2026 Behind")
    assert words.index("old") < words.index("idle – 0 never No events")
    assert "new" not in text_of(staff_client().get("/users/?behind=1", headers=HTMX)).split()
    assert idle.external_id in text_of(staff_client().get("/users/?q=DLE", headers=HTMX))


def test_users_are_paged_without_counting_them() -> None:
    EndUserFactory.create_batch(27)
    client = staff_client()
    first, second = text_of(client.get("/users/", headers=HTMX)), text_of(client.get("/users/?page=2", headers=HTMX))
    assert "1–25" in first
    assert "Next" in first
    assert "26–27" in second
    assert "Next" not in second
    assert client.get("/users/?page=x").status_code == 200


# ---------------------------------------------------------------- one user


def make_shop() -> tuple[EndUser, Event]:
    """Six items that may be recommended, and a user who bought the first."""
    items = [ItemFactory(title=f"Item number {n}", vector=axis(n)) for n in range(6)]
    user = EndUserFactory(external_id="u1")
    return user, EventFactory(user=user, item=items[0], occurred_at=at(1))


def test_a_user_page_takes_as_many_queries_for_much_history_as_for_little() -> None:
    user, event = make_shop()
    interest = InterestVectorFactory(user=user, medoid=event.item, vector=axis(0))
    InterestLabelFactory(user=user, items=[event.item.pk])
    client = staff_client()
    few = queries_of(client, "/users/u1/")
    for place in range(1, 4):
        events = [{"event": event.pk, "item": event.item.pk, "weight": 1.0}]
        InterestVectorFactory(user=user, position=place, medoid=event.item, vector=axis(place), events=events)
        InterestLabelFactory(user=user, items=[event.item.pk])
    for hour in range(20):
        EventFactory(user=user, item=event.item, occurred_at=at(2, hour))
    assert interest.position == 0
    assert queries_of(client, "/users/u1/") - few <= 3  # evidence that a list without it skips
    assert few <= 62


def test_a_user_page_shows_the_list_with_parts_that_add_up() -> None:
    make_shop()
    response = staff_client().get("/user-parts/list/?user=u1&n=6&repeats=exclude")
    made = response.context["list"]
    assert len(made.items) == 5
    for row in response.context["lists"].first.rows:
        total = sum(part.contribution for part in row.ranked.parts)
        assert row.ranked.score == pytest.approx(total)
    assert Slate.objects.count() == 0
    allowed = staff_client().get("/user-parts/list/?user=u1&n=6&repeats=allow").context["list"]
    assert {ranked.item.title for ranked in allowed.items} == {f"Item number {n}" for n in range(6)}


def test_a_user_nobody_knows_gets_a_list_and_the_page_says_so() -> None:
    make_shop()
    response = staff_client().get("/users/stranger/")
    assert response.status_code == 200
    words = text_of(response)
    assert "Nobody has recorded an event of this user yet." in words
    assert "Nobody knows this user yet" in words
    assert len(response.context["lists"].first.rows) == 6
    assert not EndUser.objects.filter(external_id="stranger").exists()


def test_a_recorded_event_is_kept_and_the_page_is_told() -> None:
    user, _ = make_shop()
    ItemFactory(external_id="sku-new")
    response = staff_client().post(
        "/user-parts/record-event/", {"user": "u1", "item": "sku-new", "type": "view"}, headers=HTMX
    )
    newest = user.events.latest("pk")
    assert (newest.item.external_id, newest.type) == ("sku-new", "view")
    assert '"event-recorded": true' in response["HX-Trigger"]
    assert "HX-Refresh" not in response


def test_the_first_event_of_a_stranger_reloads_the_page() -> None:
    ItemFactory(external_id="sku-1")
    payload = {"user": "stranger", "item": "sku-1", "type": "purchase", "was_unknown": "true"}
    response = staff_client().post("/user-parts/record-event/", payload, headers=HTMX)
    assert response["HX-Refresh"] == "true"


@pytest.mark.parametrize(("item", "kind"), [("no-such-item", "view"), ("sku-1", "teleport"), ("", "view")])
def test_an_event_that_is_refused_leaves_no_trace_and_the_toast_says_why(item: str, kind: str) -> None:
    ItemFactory(external_id="sku-1")
    response = staff_client().post("/user-parts/record-event/", {"user": "u9", "item": item, "type": kind})
    assert toast_of(response)["kind"] == "danger"
    assert toast_of(response)["message"]
    assert not Event.objects.exists()
    assert not EndUser.objects.exists()


def test_freshness_says_how_many_events_are_behind_and_calls_once_it_is_current() -> None:
    user, _ = make_shop()
    behind = staff_client().get(f"/user-parts/{user.pk}/freshness/")
    assert "Interests are 1 event behind" in text_of(behind)
    assert "every 1s" in behind.content.decode()
    assert "HX-Trigger" not in behind
    EndUser.objects.filter(pk=user.pk).update(interests_event_id=user.events.latest("pk").pk)
    current = staff_client().get(f"/user-parts/{user.pk}/freshness/")
    assert "Interests are current" in text_of(current)
    assert current["HX-Trigger"] == "interests-current"
    assert "every 1s" not in current.content.decode()


def test_the_timeline_groups_events_by_day_and_basket_newest_first() -> None:
    user, item = EndUserFactory(), ItemFactory()
    for day, hour, basket in ((1, 9, "a"), (2, 9, "b"), (2, 10, "c"), (2, 11, "b"), (2, 12, "")):
        EventFactory(user=user, item=item, occurred_at=at(day, hour), basket=basket, price="2.50", value=2)
    shown = timeline(user)
    assert [(day.day.day, [(b.name, len(b.events), b.paid) for b in day.baskets]) for day in shown.days] == [
        (2, [("", 1, 5.0), ("b", 2, 10.0), ("c", 1, 5.0)]),
        (1, [("a", 1, 5.0)]),
    ]
    assert shown.oldest is None


def test_the_timeline_goes_on_after_the_last_event_shown_even_at_the_same_moment() -> None:
    user, item = EndUserFactory(), ItemFactory()
    events = [EventFactory(user=user, item=item, occurred_at=at(1)) for _ in range(5)]
    first = timeline(user, n=2)
    assert first.oldest == events[3]
    rest = timeline(user, after=(first.oldest.occurred_at, first.oldest.pk), n=10)
    assert [event.pk for day in rest.days for basket in day.baskets for event in basket.events] == [
        events[2].pk,
        events[1].pk,
        events[0].pk,
    ]


def test_load_more_brings_the_next_events() -> None:
    user, item = EndUserFactory(), ItemFactory()
    for hour in range(45):
        EventFactory(user=user, item=item, occurred_at=at(1) + timedelta(hours=hour))
    client = staff_client()
    first = client.get(f"/user-parts/{user.pk}/timeline/")
    oldest = first.context["timeline"].oldest
    more = client.get(
        f"/user-parts/{user.pk}/timeline/", {"after": oldest.occurred_at.isoformat(), "after_id": oldest.pk}
    )
    assert more.content.decode().count("<li>") == 5
    assert "Load more" not in text_of(more)


@pytest.mark.parametrize(
    "address", ["/users/a%00b/", f"/users/{'x' * 201}/", "/user-parts/list/", "/user-parts/list/?user=%00"]
)
def test_the_page_of_an_id_that_no_user_can_have_is_not_found(address: str) -> None:
    assert staff_client().get(address).status_code == 404


def test_the_timeline_starts_at_the_newest_where_the_address_names_no_real_moment() -> None:
    user, _ = make_shop()
    for after in ("2026-13-45T00:00:00Z", "yesterday"):
        response = staff_client().get(f"/user-parts/{user.pk}/timeline/?after={after}&after_id=1")
        assert response.status_code == 200
        assert response.context["is_continued"] is False
