from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Model
from rest_framework.test import APIClient

from recommender import erasure
from recommender.models import EndUser, Event, GoldenExpectation, InterestLabel, InterestVector, Slate, SlateItem
from recommender.slates import recommend
from recsite.operations.errors import NotFoundError
from tests.factories import (
    ApiKeyFactory,
    EndUserFactory,
    EventFactory,
    GoldenExpectationFactory,
    InterestLabelFactory,
    InterestVectorFactory,
    ItemFactory,
    RuleFactory,
    SlateFactory,
    SlateItemFactory,
)

URL = "/api/v1/users/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> APIClient:
    return APIClient(headers={"X-API-Key": ApiKeyFactory().secret})


def test_put_creates_a_user_and_then_replaces_their_attributes(client):
    created = client.put(f"{URL}u1/", {"attributes": {"age": 34, "city": "Köln"}}, format="json")
    assert created.status_code == 201
    assert created.json()["attributes"] == {"age": 34, "city": "Köln"}
    replaced = client.put(f"{URL}u1/", {"attributes": {"city": "Bonn"}}, format="json")
    assert replaced.status_code == 200
    assert EndUser.objects.get().attributes == {"city": "Bonn"}


@pytest.mark.parametrize("external_id", ["household-1", "a/b/c", "用户一", "me@shop.example", "a b"])
def test_any_id_a_shop_may_use_works_in_the_address(client, external_id):
    EndUserFactory(external_id=external_id)
    response = client.get(f"{URL}{external_id}/")
    assert response.status_code == 200
    assert response.json()["external_id"] == external_id


def test_an_unknown_user_is_answered_404_with_what_to_do(client):
    response = client.get(f"{URL}nobody/")
    assert response.status_code == 404
    (error,) = response.json()["errors"]
    assert error["code"] == "not_found"
    assert "There is no user 'nobody'" in error["detail"]
    assert client.delete(f"{URL}nobody/").status_code == 404


@pytest.mark.parametrize(
    ("external_id", "body"),
    [
        ("u1", {"attributes": ["a"]}),
        ("u1", {"attributes": "a"}),
        ("u1", ["a"]),
        ("x" * 201, {"attributes": {}}),
        ("u1", {"attributes": {"note": "x" * 20_001}}),
        ("u1", {"attributes": {"note": "a\x00b"}}),
    ],
)
def test_what_cannot_be_stored_is_answered_400_and_leaves_nothing(client, external_id, body):
    assert client.put(f"{URL}{external_id}/", body, format="json").status_code == 400
    assert not EndUser.objects.exists()


def test_the_list_pages_and_searches_by_the_beginning_of_the_id(client):
    for external_id in ("household-1", "household-12", "visitor-1"):
        EndUserFactory(external_id=external_id)
    page = client.get(URL, {"limit": 2}).json()
    assert [row["external_id"] for row in page["results"]] == ["household-1", "household-12"]
    assert [row["external_id"] for row in client.get(page["next"]).json()["results"]] == ["visitor-1"]
    found = client.get(URL, {"search": "household-1"}).json()["results"]
    assert [row["external_id"] for row in found] == ["household-1", "household-12"]


def test_delete_erases_the_user_with_all_that_is_known_and_nobody_else(client):
    user, other = EndUserFactory(external_id="u1"), EndUserFactory(external_id="u2")
    for owner in (user, other):
        EventFactory(user=owner)
        InterestVectorFactory(user=owner)
        InterestLabelFactory(user=owner)
        SlateItemFactory(slate=SlateFactory(user=owner))
    SlateItemFactory(slate=SlateFactory(user=None, user_external_id="u1"))

    assert client.delete(f"{URL}u1/").status_code == 204

    owned: list[type[Model]] = [Event, InterestVector, InterestLabel, Slate]
    for model in owned:
        assert [row.user_id for row in model._default_manager.all()] == [other.pk], model
    assert SlateItem.objects.count() == 1
    assert list(EndUser.objects.values_list("external_id", flat=True)) == ["u2"]
    assert client.get(f"{URL}u1/").status_code == 404


def test_slates_of_a_visitor_nobody_knew_can_be_erased_too():
    SlateFactory(user=None, user_external_id="visitor")
    assert erasure.erase("visitor") == erasure.Erased(events=0, slates=1)
    assert not Slate.objects.exists()
    with pytest.raises(NotFoundError):
        erasure.erase("visitor")


def test_erasing_needs_the_scope_write():
    EndUserFactory(external_id="u1")
    assert APIClient().delete(f"{URL}u1/").status_code == 401
    reader = APIClient(headers={"X-API-Key": ApiKeyFactory(scopes=["read"]).secret})
    assert reader.delete(f"{URL}u1/").status_code == 403
    assert EndUser.objects.count() == 1


@pytest.mark.parametrize("external_id", ["a%00b", "x" * 201, "%20"])
def test_an_id_that_no_user_can_have_is_refused_by_every_method(client, external_id):
    for method in (client.get, client.delete, client.put):
        response = method(f"{URL}{external_id}/", {"attributes": {}} if method == client.put else None, format="json")
        assert response.status_code == 400
        assert "1 to 200 characters" in response.json()["errors"][0]["detail"]
    assert EndUser.objects.count() == 0


def test_spaces_around_an_id_are_left_out_everywhere_as_events_do(client):
    assert client.put(f"{URL}%20u1%20/", {"attributes": {}}, format="json").status_code == 201
    assert client.get(f"{URL}%20u1/").json()["external_id"] == "u1"
    assert client.get(f"{URL}u1%20/recommendations/").json()["is_known_user"] is True
    assert client.delete(f"{URL}%20u1/").status_code == 204
    assert EndUser.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_erasing_waits_for_a_rebuild_that_is_under_way():
    """A rebuild of a hundred users would else fail with the one who is gone."""
    user = EndUserFactory(external_id="u1")
    locked, release = threading.Event(), threading.Event()

    def rebuild() -> None:
        with transaction.atomic():
            EndUser.objects.lock_interests([user.pk])
            locked.set()
            release.wait(10)
        connection.close()

    worker = threading.Thread(target=rebuild)
    worker.start()
    assert locked.wait(10)
    try:
        with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '100ms'")
            erasure.erase("u1")
    finally:
        release.set()
        worker.join()
    assert EndUser.objects.get() == user
    erasure.erase("u1")
    assert EndUser.objects.count() == 0


def test_erasing_reaches_rules_and_golden_users_and_makes_no_rule_one_for_everybody():
    EndUserFactory(external_id="u1")
    ItemFactory(external_id="a", vector=True)
    alone = RuleFactory(action="exclude", scope={"items": ["a"]}, audience={"users": ["u1"]})
    shared = RuleFactory(action="exclude", audience={"users": ["u1", "u2"]}, state="retired")
    GoldenExpectationFactory(user_external_id="u1")
    kept = GoldenExpectationFactory(user_external_id="u2")

    erasure.erase("u1")

    alone.refresh_from_db()
    shared.refresh_from_db()
    assert (alone.audience, shared.audience) == ({"users": ["(erased)"]}, {"users": ["(erased)", "u2"]})
    assert list(GoldenExpectation.objects.all()) == [kept]
    assert [each.item.external_id for each in recommend("u3", n=5, record=False).items] == ["a"]
