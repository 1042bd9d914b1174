from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rest_framework.test import APIClient

from recommender.models import EndUser, Event
from tests.factories import ApiKeyFactory, EndUserFactory, EventFactory, ItemFactory

URL = "/api/v1/events/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> APIClient:
    return APIClient(headers={"X-API-Key": ApiKeyFactory().secret})


def event(**changes: object) -> dict[str, object]:
    return {"user": "u1", "item": "i1", "type": "purchase", **changes}


def errors(response) -> list[tuple[str, str, str]]:
    return [(error["attr"], error["code"], error["detail"]) for error in response.json()["errors"]]


def test_one_event_is_answered_201_and_is_stored(client):
    ItemFactory(external_id="i1")
    response = client.post(URL, event(event_id="e1", value=2), format="json")
    assert response.status_code == 201
    assert response.json() == {"accepted": 1, "duplicates": [], "rejected": []}
    assert Event.objects.get().external_id == "e1"


def test_of_a_list_the_valid_ones_are_stored_and_the_others_listed(client):
    ItemFactory(external_id="i1")
    response = client.post(URL, [event(event_id="e1"), event(event_id="e2", item="i-404"), event(event_id="e1")])
    assert response.status_code == 201
    assert response.json() == {
        "accepted": 1,
        "duplicates": ["e1"],
        "rejected": [
            {
                "row": 1,
                "event_id": "e2",
                "field": "item",
                "message": "There is no item 'i-404'; send it to /api/v1/items/ first, then this event again.",
            }
        ],
    }


def test_an_event_that_is_stored_already_is_answered_200(client):
    ItemFactory(external_id="i1")
    client.post(URL, event(event_id="e1"))
    response = client.post(URL, event(event_id="e1"))
    assert response.status_code == 200
    assert response.json() == {"accepted": 0, "duplicates": ["e1"], "rejected": []}
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "attr", "words"),
    [
        ({"item": "i-404"}, "item", "There is no item 'i-404'"),
        ({"type": "buy"}, "type", "There is no event type 'buy'"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, "occurred_at", "before 2000"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at", "more than a day ahead"),
        ({"user": ""}, "user", "user is missing"),
    ],
)
def test_one_invalid_event_is_answered_400_by_field_and_leaves_nothing(client, changes, attr, words):
    ItemFactory(external_id="i1")
    response = client.post(URL, event(**changes))
    assert response.status_code == 400
    ((found, code, detail),) = errors(response)
    assert (found, code) == (attr, "rejected")
    assert words in detail
    assert not Event.objects.exists()
    assert not EndUser.objects.exists()


def test_a_list_without_a_valid_event_is_answered_400_by_row_and_field(client):
    response = client.post(URL, [event(), event(type="buy"), 3])
    assert response.status_code == 400
    assert [(attr, code) for attr, code, _ in errors(response)] == [
        ("0.item", "rejected"),
        ("1.type", "rejected"),
        ("2.non_field_errors", "rejected"),
    ]


@pytest.mark.parametrize("body", ["{", '{"user": NaN}', '{"user": "u1", "value": Infinity}', "", "nonsense"])
def test_malformed_json_is_answered_400(client, body):
    response = client.generic("POST", URL, body, content_type="application/json")
    assert response.status_code == 400
    assert not Event.objects.exists()


@pytest.mark.parametrize("body", ["3", '"purchase"', "null", "[]"])
def test_json_that_is_no_event_is_answered_400(client, body):
    response = client.generic("POST", URL, body, content_type="application/json")
    assert response.status_code == 400


def test_another_content_type_is_answered_415(client):
    assert client.generic("POST", URL, "user=u1", content_type="application/x-www-form-urlencoded").status_code == 415


def test_more_than_a_thousand_events_are_answered_413_and_a_thousand_are_taken(client):
    ItemFactory(external_id="i1")
    response = client.post(URL, [event() for _ in range(1001)])
    assert response.status_code == 413
    assert "1,001 events; send at most 1,000" in errors(response)[0][2]
    assert not Event.objects.exists()
    assert client.post(URL, [event() for _ in range(1000)]).json()["accepted"] == 1000


def test_a_body_of_ten_megabytes_is_answered_413_unread(client):
    response = client.post(URL, event(basket="x" * 10_000_000))
    assert response.status_code == 413
    assert "at most 5,242,880 are read" in errors(response)[0][2]


def test_a_broker_that_is_away_does_not_fail_the_call(client, broker_away, django_capture_on_commit_callbacks):
    ItemFactory(external_id="i1")
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(URL, event())
    assert response.status_code == 201
    assert Event.objects.count() == 1


def test_who_may_write_and_read():
    ItemFactory(external_id="i1")
    assert APIClient().post(URL, event(), format="json").status_code == 401
    assert APIClient().get(URL).status_code == 401
    reader = APIClient(headers={"X-API-Key": ApiKeyFactory(scopes=["read"]).secret})
    assert reader.post(URL, event(), format="json").status_code == 403
    assert reader.get(URL).status_code == 200
    assert not Event.objects.exists()


def test_the_list_is_newest_first_and_pages_by_cursor(client):
    item = ItemFactory(external_id="i1")
    user = EndUserFactory(external_id="u1")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for hour in range(5):
        # Two share an hour: the later written comes first.
        EventFactory(user=user, item=item, external_id=f"e{hour}", occurred_at=start + timedelta(hours=min(hour, 3)))
    page = client.get(URL, {"limit": 2}).json()
    assert [row["event_id"] for row in page["results"]] == ["e4", "e3"]
    seen = [row["event_id"] for row in page["results"]]
    while page["next"]:
        page = client.get(page["next"]).json()
        seen += [row["event_id"] for row in page["results"]]
    assert seen == ["e4", "e3", "e2", "e1", "e0"]
    assert page["results"][-1] | {"id": 0, "received_at": ""} == {
        "id": 0,
        "event_id": "e0",
        "user": "u1",
        "item": "i1",
        "type": "purchase",
        "occurred_at": "2026-01-01T00:00:00Z",
        "value": 1.0,
        "price": None,
        "basket": "",
        "received_at": "",
    }


def test_the_list_is_filtered_by_user_item_type_and_time(client):
    item, other_item = ItemFactory(external_id="i1"), ItemFactory(external_id="i2")
    user, other_user = EndUserFactory(external_id="u1"), EndUserFactory(external_id="u2")
    january, march = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    EventFactory(external_id="a", user=user, item=item, type="view", occurred_at=january)
    EventFactory(external_id="b", user=user, item=other_item, type="purchase", occurred_at=march)
    EventFactory(external_id="c", user=other_user, item=item, type="purchase", occurred_at=march)

    def found(**query: str) -> set[str]:
        return {row["event_id"] for row in client.get(URL, query).json()["results"]}

    assert found(user="u1") == {"a", "b"}
    assert found(item="i1") == {"a", "c"}
    assert found(type="purchase") == {"b", "c"}
    assert found(user="u1", type="purchase") == {"b"}
    assert found(since="2026-02-01T00:00:00Z") == {"b", "c"}
    assert found(until="2026-03-01T00:00:00Z") == {"a"}
    assert found(user="nobody") == set()
    assert client.get(URL, {"type": "buy"}).status_code == 400


def test_the_list_takes_the_same_number_of_queries_for_one_and_for_fifty(client, django_assert_num_queries):
    client.get(URL)
    for number in range(50):
        EventFactory(external_id=f"e{number}")
    with django_assert_num_queries(2):  # the key, the page
        assert len(client.get(URL, {"limit": 50}).json()["results"]) == 50
