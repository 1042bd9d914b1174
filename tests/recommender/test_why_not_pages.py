"""Why not on its page, as a part, and by the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Item
from recommender.slates import recommend
from tests.factories import ApiKeyFactory
from tests.pages import HTMX, assert_guarded, staff_client, text_of
from tests.recommender.audited_shop import never_exploring, open_shop, take

pytestmark = pytest.mark.django_db


@pytest.fixture()
def shop() -> list[Item]:
    never_exploring()
    return open_shop()


def left_out(n: int = 5) -> Item:
    listed = [each.item for each in recommend("u0", n=n + 1, record=False).items]
    return listed[n]


def test_the_page_is_for_staff() -> None:
    assert_guarded("/why-not/")
    assert_guarded("/user-parts/why-not/")


def test_without_a_user_and_an_item_there_is_only_the_form() -> None:
    words = text_of(staff_client().get("/why-not/"))
    assert "Find out" in words
    assert "Step by step" not in words


def test_the_address_alone_gives_the_answer(shop: list[Item]) -> None:
    item = left_out()
    address = f"/why-not/?user=u0&item={item.external_id}&n=5"
    page, part = staff_client().get(address), staff_client().get(address.replace("/why-not", "/user-parts/why-not"))
    for words in (text_of(page), text_of(part)):
        assert "What would have to change" in words
        assert "standard deviations would bring it to place" in words
        assert "Its score beside the last one on the list" in words
    assert b"<html" in page.content
    assert b"<html" not in part.content


def test_an_unknown_item_fails_the_first_step(shop: list[Item]) -> None:
    response = staff_client().get("/user-parts/why-not/?user=u0&item=i99", headers=HTMX)
    assert "There is no item “i99” in the catalog; send it first." in text_of(response)
    assert b'class="is-failed" aria-current="step"' in response.content


@pytest.mark.parametrize("at", ["2026-02-45T10:00", "yesterday", "", "2999-01-01T10:00"])
def test_nonsense_in_the_address_is_as_if_it_were_not_there(shop: list[Item], at: str) -> None:
    response = staff_client().get(f"/why-not/?user=u0&item=i1&n=many&at={at}&repeats=perhaps&placement=%00")
    assert response.status_code == 200
    assert b'name="at" value=""' in response.content


def test_a_past_moment_is_answered_as_of_then(shop: list[Item]) -> None:
    (event,) = take(recommend("u0", n=1, record=False).user, left_out())
    before = (event.occurred_at - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    address = f"/why-not/?user=u0&item={event.item.external_id}&n=5"
    assert "Bought on" in text_of(staff_client().get(address))
    assert "Bought on" not in text_of(staff_client().get(f"{address}&at={before}"))


def test_a_title_that_is_markup_is_shown_as_text(shop: list[Item]) -> None:
    item = left_out()
    Item.objects.filter(pk=item.pk).update(title="<b>Bold</b> & “quoted”")
    content = staff_client().get(f"/why-not/?user=u0&item={item.external_id}&n=5").content.decode()
    assert "&lt;b&gt;Bold&lt;/b&gt; &amp; “quoted”" in content
    assert "<b>Bold</b>" not in content


def test_the_number_of_queries_does_not_grow_with_the_list(shop: list[Item]) -> None:
    client = staff_client()

    def queries(n: int) -> int:
        item = left_out(n)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/user-parts/why-not/?user=u0&item={item.external_id}&n={n}").status_code == 200
        return len(captured)

    queries(3)
    assert abs(queries(3) - queries(9)) <= 2


def test_the_api_gives_the_step_the_cause_and_the_remedy(shop: list[Item]) -> None:
    key, item = ApiKeyFactory(scopes=["read"]), left_out()
    headers = {"X-API-Key": key.secret}
    answer = Client().get(f"/api/v1/users/u0/why-not/?item={item.external_id}&n=5", headers=headers)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["user"], said["item"], said["position"]) == ("u0", item.external_id, None)
    assert said["dropped"]["step"] in ("score", "place")
    assert said["remedies"]
    assert {rank["source"] for rank in said["sources"]} >= {"neighbours", "popular"}
    assert said["score"]["own"] == pytest.approx(sum(part["contribution"] for part in said["score"]["parts"]))
    assert timezone.now() > item.created_at


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("item=i99", 404), ("item=i1&n=0", 400), ("item=i1&strategy=none", 404)]
)
def test_the_api_refuses_with_a_reason(shop: list[Item], query: str, status: int) -> None:
    headers = {"X-API-Key": ApiKeyFactory(scopes=["read"]).secret}
    answer = Client().get(f"/api/v1/users/u0/why-not/?{query}", headers=headers)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["detail"]


def test_the_api_needs_the_read_scope(shop: list[Item]) -> None:
    headers = {"X-API-Key": ApiKeyFactory(scopes=["write"]).secret}
    assert Client().get("/api/v1/users/u0/why-not/?item=i1", headers=headers).status_code == 403
    assert Client().get("/api/v1/users/u0/why-not/?item=i1").status_code == 401


def test_the_schema_documents_it() -> None:
    schema = staff_client().get("/api/schema/?format=json").json()
    path = schema["paths"]["/api/v1/users/{external_id}/why-not/"]["get"]
    assert {"item", "n", "placement", "repeats", "strategy", "at"} <= {each["name"] for each in path["parameters"]}
