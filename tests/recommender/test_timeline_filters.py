"""A user's events by type and day, page by page; interests with the events behind them; freshness."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.http import QueryDict
from django.utils import timezone

from recommender.models import EndUser, InterestVector, ItemStatistics
from recommender.timeline import Timeline, timeline, timeline_filters
from tests.factories import EndUserFactory, EventFactory, InterestLabelFactory, ItemFactory, LabelFactory, axis
from tests.pages import queries_of, shopper_client, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.fixture
def user() -> EndUser:
    """A view on the 1st, a purchase on the 2nd, a view and a purchase on the 3rd."""
    user, item = EndUserFactory(external_id="ada"), ItemFactory(title="Rye")
    for day, kind in ((1, "view"), (2, "purchase"), (3, "view"), (3, "purchase")):
        EventFactory(user=user, item=item, type=kind, occurred_at=at(day))
    return user


def shown(found: Timeline) -> list[tuple[int, str]]:
    return [(e.occurred_at.day, e.type) for day in found.days for basket in day.baskets for e in basket.events]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [(3, "purchase"), (3, "view"), (2, "purchase"), (1, "view")]),
        ("type=view", [(3, "view"), (1, "view")]),
        ("type=view&type=purchase&from=2026-03-03", [(3, "purchase"), (3, "view")]),
        ("from=2026-03-02&to=2026-03-02", [(2, "purchase")]),
        ("to=2026-03-01", [(1, "view")]),
        ("day=2026-03-02", [(2, "purchase"), (1, "view")]),
        ("day=2026-03-02&from=2026-03-02", [(2, "purchase")]),
        ("type=hide", []),
    ],
)
def test_events_are_filtered_by_type_and_day(user: EndUser, query: str, expected: list[tuple[int, str]]) -> None:
    assert shown(timeline(user, filters=timeline_filters(QueryDict(query)))) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=teleport", "type"),
        ("from=2026-02-30", "from"),
        ("to=soon", "to"),
        ("day=9999-12-31", "day"),
        ("from=2026-03-03&to=2026-03-01", "to"),
    ],
)
def test_a_filter_that_cannot_be_is_told_and_left_out(user: EndUser, query: str, field: str) -> None:
    filters = timeline_filters(QueryDict(query))
    assert list(filters.errors) == [field]
    assert len(shown(timeline(user, filters=filters))) == 4
    page = staff_client().get(f"/users/ada/?show=events&{query}").content.decode()
    assert "field-error" in page
    assert filters.errors[field].split("“")[0] in page.partition(f'id="error-{field}"')[2][:400]


def test_days_are_those_of_the_staff_member() -> None:
    user, item = EndUserFactory(), ItemFactory()
    EventFactory(user=user, item=item, occurred_at=at(1, 23))
    with timezone.override("Asia/Shanghai"):
        found = timeline(user, filters=timeline_filters(QueryDict("from=2026-03-02")))
    assert [day.day for day in found.days] == [date(2026, 3, 2)]


def test_the_next_page_keeps_the_filters_and_the_address_takes_them_over(user: EndUser) -> None:
    item = ItemFactory()
    for minute in range(45):
        EventFactory(user=user, item=item, type="view", occurred_at=at(5).replace(minute=minute))
    client = staff_client()
    part = f"/user-parts/{user.pk}/timeline/"
    form = {"HX-Request": "true", "HX-Trigger": "timeline-form"}
    response = client.get(f"{part}?show=events&type=view&from=&to=&day=", headers=form)
    assert response["HX-Push-Url"] == "/users/ada/?show=events&type=view"
    address = response.content.decode().partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
    rest = client.get(address)
    assert "HX-Push-Url" not in rest
    assert shown(rest.context["timeline"])[-2:] == [(3, "view"), (1, "view")]
    assert len(shown(rest.context["timeline"])) == 7
    assert client.get(f"{part}?show=events", headers=form)["HX-Push-Url"] == "/users/ada/?show=events"


def test_a_timeline_without_such_events_says_so_and_leads_back(user: EndUser) -> None:
    words = text_of(staff_client().get("/users/ada/?show=events&type=hide"))
    assert "No such events" in words
    assert "Show all events" in words


def test_the_events_take_as_many_queries_for_many_as_for_few(user: EndUser) -> None:
    client = staff_client()
    few = queries_of(client, "/users/ada/?show=events&type=view&type=purchase")
    for hour in range(20):
        EventFactory(user=user, type="view", occurred_at=at(6, hour), basket=f"b{hour % 4}")
    assert queries_of(client, "/users/ada/?show=events&type=view&type=purchase") == few
    assert few <= 24


# ---------------------------------------------------------------- interests and freshness
def test_a_label_opens_to_the_events_behind_it(user: EndUser) -> None:
    item = user.events.first().item
    label = LabelFactory(name="Bakery")
    InterestLabelFactory(user=user, label=label, weight=0.5, items=[item.pk])
    EventFactory(user=user, item=ItemFactory(title="Soap"))
    words = text_of(staff_client().get(f"/user-parts/{user.pk}/interests/{label.pk}/events/"))
    assert words.count("Rye") == 4
    assert "3 Mar 2026" in words
    assert "Soap" not in words
    assert staff_client().get(f"/user-parts/{user.pk}/interests/{label.pk + 999}/events/").status_code == 404


def test_rebuild_now_builds_the_interests_at_once_and_tells_the_page(user: EndUser) -> None:
    bought = ItemFactory(vector=axis(1))
    EventFactory(user=user, item=bought)
    address = f"/user-parts/{user.pk}/freshness/"
    assert "Interests are 5 events behind" in text_of(staff_client().get(address))
    response = staff_client().post(address)
    assert "Interests are current" in text_of(response)
    assert "rebuilt just now" in text_of(response)
    assert toast_of(response)["message"] == "Interests are rebuilt from all events."
    assert '"interests-current": true' in response["HX-Trigger"]
    assert InterestVector.objects.get(user=user).medoid == bought


def test_others_rebuild_nothing(user: EndUser) -> None:
    assert shopper_client().post(f"/user-parts/{user.pk}/freshness/").status_code == 403
    assert not InterestVector.objects.exists()


def test_the_page_says_how_old_the_statistics_of_everybody_are(user: EndUser) -> None:
    assert "No statistics of everybody yet" in text_of(staff_client().get("/users/ada/"))
    ItemStatistics.objects.create(item=ItemFactory(), built_at=timezone.now())
    assert "Statistics of everybody: just now" in text_of(staff_client().get("/users/ada/"))
