"""Taxonomies in the API: what a label tells, pages of labels, and the same search as the console's."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from catalog.models import LabelName
from tests.factories import ApiKeyFactory, LabelFactory, TaxonomyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=ApiKeyFactory().secret)
    return client


@pytest.fixture
def bread():
    taxonomy = TaxonomyFactory(slug="aisles")
    bread = LabelFactory(taxonomy=taxonomy, name="Bread", external_id="7", description_source="person")
    LabelName.objects.create(label=bread, language="zh-hans", name="面包")
    LabelFactory(taxonomy=taxonomy, name="Loaves", is_deprecated=True, merged_into=bread)
    return bread


def test_a_label_tells_its_names_its_id_and_what_it_became(api: APIClient, bread) -> None:
    (taxonomy,) = api.get("/api/v1/taxonomies/").json()["results"]
    first, merged = taxonomy["labels"]
    assert (taxonomy["slug"], taxonomy["abstain_below"]) == ("aisles", 0.2)
    assert first == {
        "id": bread.pk,
        "name": "Bread",
        "names": {"zh-hans": "面包"},
        "path": "Bread",
        "parent": None,
        "external_id": "7",
        "description": bread.description,
        "description_source": "person",
        "icon": "",
        "is_deprecated": False,
        "merged_into": None,
    }
    assert (merged["is_deprecated"], merged["merged_into"]) == (True, "Bread")


def test_labels_are_searched_in_any_language_and_named_in_the_one_asked_for(api: APIClient, bread) -> None:
    for q in ("bread", "面包", "braed", "7"):
        page = api.get("/api/v1/taxonomies/aisles/labels/", {"q": q, "language": "zh-CN"}).json()
        assert [(label["name"], label["shown_name"]) for label in page["results"]] == [("Bread", "面包")]
        assert page["count"] == 1


def test_labels_come_in_pages_with_as_many_queries_whatever_their_number(api: APIClient, bread) -> None:
    address = "/api/v1/taxonomies/aisles/labels/"

    def queries(**parameters: object) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(address, parameters).status_code == 200
        return len(captured)

    queries()  # warm
    few, few_found = queries(), queries(q="l")
    for n in range(30):
        LabelFactory(taxonomy=bread.taxonomy, name=f"Label {n}")
    assert (queries(), queries(q="l")) == (few, few_found)
    page = api.get(address, {"limit": 10, "offset": 30}).json()
    assert (page["count"], len(page["results"])) == (32, 2)
    found = api.get(address, {"q": "label", "limit": 10, "offset": 25}).json()
    assert (found["count"], len(found["results"])) == (30, 5)


def test_what_cannot_be_answered_says_why(api: APIClient, bread) -> None:
    missing = api.get("/api/v1/taxonomies/none/labels/")
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, "not_found")
    for parameters, attribute in (({"q": "x" * 201}, "q"), ({"language": "?"}, "language")):
        refused = api.get("/api/v1/taxonomies/aisles/labels/", parameters)
        assert (refused.status_code, refused.json()["errors"][0]["attr"]) == (400, attribute)
    assert APIClient().get("/api/v1/taxonomies/aisles/labels/").status_code in (401, 403)
