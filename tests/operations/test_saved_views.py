"""Saved views: a page's filters under a name, one's own or shared."""

from __future__ import annotations

import pytest
from django.test import Client

from recsite.operations import saved_views
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import SavedView
from tests.factories import StaffFactory
from tests.pages import HTMX, queries_of, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db

ON_JOBS = {**HTMX, "HX-Current-URL": "http://testserver/operations/jobs/?kind=evaluate&page=3"}


def test_filters_are_saved_without_the_place_in_the_list_and_always_in_one_order() -> None:
    assert saved_views.canonical("q=a&page=2&label=9&label=3&empty=&after=x") == "label=3&label=9&q=a"


def test_a_view_is_saved_chosen_renamed_deleted_and_had_back() -> None:
    client = staff_client()
    said = client.post(
        "/saved-views/new/", {"page": "jobs", "name": " Evaluations ", "query": "page=3&kind=evaluate"}, headers=ON_JOBS
    )
    assert toast_of(said)["message"] == "Saved as “Evaluations”."
    view = SavedView.objects.get()
    assert (view.page, view.query, view.is_shared) == ("jobs", "kind=evaluate", False)
    page = client.get("/operations/jobs/?kind=evaluate").content.decode()
    assert '<a href="/operations/jobs/?kind=evaluate" aria-current="true">' in page
    client.post(f"/saved-views/{view.pk}/", {"name": "Measured", "is_shared": "on"}, headers=ON_JOBS)
    view.refresh_from_db()
    assert (view.name, view.is_shared, view.query) == ("Measured", True, "kind=evaluate")
    gone = client.post(f"/saved-views/{view.pk}/", {"act": "delete"}, headers=ON_JOBS)
    assert not SavedView.objects.exists()
    undo = toast_of(gone)["undo"]
    client.post(undo["url"], undo["values"], headers=ON_JOBS)
    back = SavedView.objects.get()
    assert (back.name, back.is_shared, back.query) == ("Measured", True, "kind=evaluate")


def test_others_see_what_is_shared_and_change_nothing_of_it() -> None:
    ann, bob = StaffFactory(username="ann"), StaffFactory(username="bob")
    mine = saved_views.save("jobs", "Mine", "kind=evaluate", is_shared=False, staff=ann)
    shared = saved_views.save("jobs", "Ours", "status=failed", is_shared=True, staff=ann)
    client = Client()
    client.force_login(bob)
    words = text_of(client.get("/operations/jobs/"))
    assert "Ours shared by ann" in words
    assert "Mine" not in words
    for view in (mine, shared):
        client.post(f"/saved-views/{view.pk}/", {"act": "delete"}, headers=HTMX)
        with pytest.raises(NotFoundError):
            saved_views.change(view.pk, name="Stolen", is_shared=False, staff=bob)
    assert sorted(SavedView.objects.values_list("name", flat=True)) == ["Mine", "Ours"]


def test_a_name_is_needed_and_one_page_has_it_once() -> None:
    ann = StaffFactory()
    saved_views.save("jobs", "A", "q=a", is_shared=False, staff=ann)
    other = saved_views.save("jobs", "B", "q=b", is_shared=False, staff=ann)
    with pytest.raises(ConflictError):
        saved_views.change(other.pk, name="A", is_shared=False, staff=ann)
    for name in ("", "  ", "x" * 101):
        with pytest.raises(InvalidInputError):
            saved_views.save("jobs", name, "", is_shared=False, staff=ann)
    again = saved_views.save("jobs", "A", "q=new", is_shared=False, staff=ann)
    assert SavedView.objects.count() == 2
    assert again.query == "q=new"


def test_a_page_nobody_knows_keeps_no_views() -> None:
    client = staff_client()
    assert client.post("/saved-views/new/", {"page": "no-such", "name": "x"}).status_code == 404
    assert client.get("/saved-views/?page=").status_code == 404
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("page", ["/catalog/", "/users/", "/operations/jobs/", "/changes/"])
def test_pages_with_views_take_as_many_queries_for_many(page: str) -> None:
    client = staff_client()
    few = queries_of(client, page)
    name = {"/catalog/": "catalog", "/users/": "users", "/operations/jobs/": "jobs", "/changes/": "changes"}[page]
    for n in range(8):
        saved_views.save(name, f"View {n}", f"q={n}", is_shared=True, staff=StaffFactory())
    assert "View 7" in text_of(client.get(page))
    assert queries_of(client, page) == few
