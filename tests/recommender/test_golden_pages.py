"""Pages of golden users: the list, the form with the present list, switching, deleting and its undo, checking."""

from __future__ import annotations

from typing import Any

import pytest

from recommender import golden, neighbours
from recommender.models import GoldenExpectation, Slate
from recsite.operations.models import Job
from tests.factories import GoldenExpectationFactory
from tests.pages import HTMX, staff_client, text_of, toast_of
from tests.recommender.ruled_shop import build

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop() -> None:
    build()
    neighbours.rebuild_statistics()


def typed(**other: Any) -> dict[str, Any]:
    return {"user_external_id": "u1", "kind": "never", "items": ["a9"], "least": "1", "n": "3"} | other


def send(address: str, **values: Any) -> Any:
    return staff_client().post(address, values, headers=HTMX)


def test_one_is_added_with_what_it_found_and_changed() -> None:
    assert "Nothing is expected yet" in text_of(staff_client().get("/rules/golden/"))
    assert send("/golden-users/new/", **typed(note="why"))["HX-Redirect"] == "/rules/golden/"
    words = text_of(staff_client().get("/rules/golden/"))
    assert "u1: never “Item 9” in the first 3. “why” Holds None of them is shown." in words
    expectation = GoldenExpectation.objects.get()
    page = staff_client().get(f"/golden-users/{expectation.pk}/edit/").content.decode()
    assert 'name="items" value="a9"' in page
    send(f"/golden-users/{expectation.pk}/edit/", **typed(items=["a0"]))
    words = text_of(staff_client().get("/rules/golden/"))
    assert "1 expectation is broken" in words
    assert "Broken “Item 0” is shown at position 1." in words


def test_what_makes_no_sense_is_said_and_everything_typed_is_still_there() -> None:
    for wrong, said in (
        ({"user_external_id": " "}, "Name the golden user"),
        ({"items": []}, "Say which items it is about"),
        ({"n": "many"}, "“many” is no whole number."),
        ({"kind": "brands", "least": "9"}, "At least 9 of 3 cannot be"),
        ({"price_from": "cheap"}, "“cheap” cannot be read here."),
        ({"items": ["gone"]}, "No item has the id “gone”."),
    ):
        page = send("/golden-users/new/", **typed(note="kept", **wrong)).content.decode()
        assert said in page
        assert 'value="kept"' in page
    assert not GoldenExpectation.objects.exists()


def test_the_form_shows_the_list_of_now_and_whether_it_holds() -> None:
    words = text_of(send("/golden-users/preview/", **typed(items=["a1"])))
    assert words.startswith("u1: never “Item 1” in the first 3. Does not hold now “Item 1” is shown at position 2.")
    assert "1 Item 0 2 Item 1" in words
    assert "Nobody knows this user yet" in text_of(send("/golden-users/preview/", **typed(user_external_id="martian")))
    assert "Name the golden user" in text_of(send("/golden-users/preview/", **typed(user_external_id="")))
    assert not Slate.objects.exists()
    assert not GoldenExpectation.objects.exists()


def test_deleting_and_switching_off_are_undone_from_the_toast() -> None:
    expectation = GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a0"]}, n=3, note="why")
    off = toast_of(send(f"/golden-users/{expectation.pk}/act/off/"))
    assert GoldenExpectation.objects.get().is_active is False
    send(off["undo"]["url"])
    assert GoldenExpectation.objects.get().is_active is True
    deleted = toast_of(send(f"/golden-users/{expectation.pk}/act/delete/"))
    assert not GoldenExpectation.objects.exists()
    send(deleted["undo"]["url"], **deleted["undo"]["values"])
    back = GoldenExpectation.objects.get()
    assert (back.user_external_id, back.scope, back.note, back.is_met) == ("u1", {"items": ["a0"]}, "why", False)
    assert send(f"/golden-users/{back.pk}/act/dance/").status_code == 404


@pytest.mark.parametrize("values", ["", "[]", "{", '{"kind": "never"}', '{"user_external_id": 3}'])
def test_an_undo_that_was_tampered_with_brings_nothing_back(values: str) -> None:
    assert toast_of(send("/golden-users/restore/", values=values))["kind"] == "danger"
    assert not GoldenExpectation.objects.exists()


def test_few_are_checked_at_once_and_many_by_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a0"]}, n=3)
    GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a9"]}, n=3)
    assert toast_of(send("/golden-users/check/"))["message"] == "2 checked, 1 broken."
    assert list(GoldenExpectation.objects.order_by("pk").values_list("is_met", flat=True)) == [False, True]
    monkeypatch.setattr(golden, "CHECKED_AT_ONCE", 1)
    response = send("/golden-users/check/")
    job = Job.objects.get(kind="check_golden_users")
    assert response["HX-Redirect"] == f"/operations/jobs/{job.pk}/"
    assert send("/golden-users/check/")["HX-Redirect"] == f"/operations/jobs/{job.pk}/"
