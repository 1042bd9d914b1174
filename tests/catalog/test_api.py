"""The catalog's API: items in and out, filters, and every refusal with what, which and what to do."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from catalog.models import Item
from tests.factories import (
    PASSWORD,
    ApiKeyFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    StaffFactory,
    TaxonomyFactory,
)

pytestmark = pytest.mark.django_db

URL = "/api/v1/items/"


@pytest.fixture()
def api():
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=ApiKeyFactory().secret)
    return client


def post_raw(api, body: str | bytes):
    return api.post(URL, data=body, content_type="application/json")


def errors(response):
    return [(error["code"], error["attr"], error["detail"]) for error in response.json()["errors"]]


def test_a_list_is_upserted_and_the_rejected_are_named(api):
    ItemFactory(external_id="2", title="Wheat", description="", brand="", price=None, currency="")
    response = api.post(
        URL,
        [
            {"external_id": "1", "title": "Rye", "price": 3.5, "currency": "EUR", "colour": "dark"},
            {"external_id": "2", "title": "Wheat"},
            {"external_id": "3", "title": "Oat", "price": -1},
        ],
    )
    assert response.status_code == 200
    assert response.json() == {
        "created": 1,
        "updated": 0,
        "unchanged": 1,
        "repeated": 0,
        "into_attributes": {"colour": 1},
        "rejected": [
            {"row": 3, "external_id": "3", "field": "price", "message": "price is -1.00; it cannot be negative."}
        ],
    }
    assert Item.objects.count() == 2


def test_one_item_is_upserted_without_a_list(api):
    assert api.post(URL, {"external_id": "1", "title": "Rye"}).json()["created"] == 1


def test_none_valid_is_a_400_that_names_each(api):
    response = api.post(URL, [{"external_id": "1", "title": ""}, "text"])
    assert response.status_code == 400
    assert response.json()["type"] == "validation_error"
    assert errors(response) == [
        ("invalid", "1.title", "title is empty; every item needs one."),
        ("invalid", "2", "Row 2 is text; send an object with the fields of an item."),
    ]
    assert len(response.json()["rejected"]) == 2
    assert not Item.objects.exists()


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("[]", "The list is empty; send at least one item."),
        (
            json.dumps([{"external_id": str(n), "title": "x"} for n in range(1001)]),
            "The list has 1,001 items; send at most 1,000 a call, or import a file.",
        ),
        ('{"external_id": "1",}', "The body is not valid JSON: Expecting property name enclosed in double quotes at"),
        ("", "external_id is missing; send the id that the shop's events use."),
        ("rye", "The body is not valid JSON: Expecting value at line 1, column 1."),
        (
            '{"external_id": "1", "title": "x", "price": NaN}',
            "The body is not valid JSON: NaN is not a JSON value; send a finite number or null.",
        ),
        ('{"price": -Infinity}', "The body is not valid JSON: -Infinity is not a JSON value; send a finite number or"),
        ("[" * 100_000, "The body is nested too deeply; flatten it."),
        (b'{"title": "\xff"}', "The body is not UTF-8: byte 11 cannot be read."),
        ("1" * 5000, "The body is not valid JSON: Exceeds the limit (4300 digits) for integer string conversion"),
        ("null", "Row 1 is null; send an object with the fields of an item."),
    ],
)
def test_a_body_that_is_no_list_of_items_is_a_400(body, detail, api):
    response = post_raw(api, body)
    assert response.status_code == 400
    assert errors(response)[0][2].startswith(detail)
    assert not Item.objects.exists()


def test_a_number_too_large_for_a_float_is_refused(api):
    response = post_raw(api, '{"external_id": "1", "title": "x", "price": 1e999}')
    assert errors(response) == [
        ("invalid", "1.price", "price is inf; send a finite number, or null where there is no price.")
    ]


def test_a_body_above_five_megabytes_is_a_413(api):
    title = "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    response = api.post(URL, {"external_id": "1", "title": title})
    assert response.status_code == 413
    assert errors(response) == [
        ("too_large", None, "The body is larger than 5 MB; send it in several calls, or import a file.")
    ]


def test_another_content_type_is_a_415(api):
    response = api.post(URL, data="external_id,title\n1,a", content_type="text/csv")
    assert (response.status_code, errors(response)[0][0]) == (415, "unsupported_media_type")


def test_an_item_is_shown_with_its_labels_and_whether_it_can_be_recommended(api):
    item = ItemFactory(external_id="food/rye 1", vector=True)
    taxonomy = TaxonomyFactory(slug="groceries")
    bread, milk = LabelFactory(taxonomy=taxonomy, name="Bread"), LabelFactory(taxonomy=taxonomy, name="Milk")
    ItemLabelFactory(item=item, label=bread, confidence=0.9)
    ItemLabelFactory(item=item, label=milk, rank=2, confidence=0.4, is_assigned=False)
    corrected = LabelFactory(taxonomy=taxonomy, parent=bread, name="Rye")
    ItemLabelFactory(
        item=item,
        label=LabelFactory(taxonomy=taxonomy, name="Tea"),
        rank=3,
        confidence=0.3,
        decision="corrected",
        final_label=corrected,
    )
    body = api.get(f"{URL}food/rye%201/").json()
    assert (body["external_id"], body["embedding"], body["is_recommendable"]) == (
        "food/rye 1",
        {"status": "current"},
        True,
    )
    assert [(label["path"], label["suggested"], label["state"], label["confidence"]) for label in body["labels"]] == [
        ("Bread", "Bread", "suggested", 0.9),
        ("Bread > Rye", "Tea", "corrected", 0.3),
    ]
    assert (body["labels"][0]["taxonomy"], body["labels"][0]["source"]) == ("groceries", "language_model")


def test_the_state_of_the_embedding_is_told(api):
    ItemFactory(external_id="waiting")
    ItemFactory(external_id="outdated", vector=True)
    api.patch(f"{URL}outdated/", {"title": "Another title"})
    ItemFactory(external_id="sold-out", vector=True, is_in_stock=False)
    told = {
        item["external_id"]: (item["embedding"]["status"], item["is_recommendable"])
        for item in api.get(URL).json()["results"]
    }
    assert told == {"waiting": ("waiting", False), "outdated": ("outdated", True), "sold-out": ("current", False)}


def test_put_creates_then_replaces_and_what_was_got_can_be_put_back(api):
    created = api.put(f"{URL}rye-1/", {"title": "Rye", "brand": "Mill"})
    assert (created.status_code, created.json()["brand"]) == (201, "Mill")
    again = api.put(f"{URL}rye-1/", created.json())
    assert (again.status_code, again.json()) == (200, created.json())
    assert api.put(f"{URL}rye-1/", {"title": "Rye"}).json()["brand"] == ""


def test_patch_changes_what_it_names(api):
    ItemFactory(external_id="rye-1", brand="Mill")
    response = api.patch(f"{URL}rye-1/", {"price": "4 USD"})
    assert (response.status_code, response.json()["price"], response.json()["brand"]) == (200, "4.00", "Mill")


def test_delete_hides(api):
    item = ItemFactory(external_id="rye-1", vector=True)
    assert api.delete(f"{URL}rye-1/").status_code == 204
    item.refresh_from_db()
    assert item.is_hidden
    assert api.get(f"{URL}rye-1/").json()["is_recommendable"] is False


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize("external_id", ["nobody", "a%00b"])
def test_an_unknown_item_is_a_404(method, external_id, api):
    response = getattr(api, method)(f"{URL}{external_id}/", {} if method == "patch" else None)
    assert response.status_code == 404
    assert errors(response)[0][0] == "not_found"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"title": "Rye", "price": -1}, ("invalid", "price", "price is -1.00; it cannot be negative.")),
        ({"price": 1}, ("invalid", "title", "title is missing; every item needs one.")),
        (
            {"title": "Rye", "external_id": "other"},
            ("invalid", "external_id", "It differs from the address, 'rye-1'; an item's id cannot change."),
        ),
        ([], ("invalid", None, "Send one object with the fields of an item.")),
    ],
)
def test_a_put_that_is_refused_leaves_no_trace(body, error, api):
    response = api.put(f"{URL}rye-1/", body)
    assert (response.status_code, errors(response)) == (400, [error])
    assert not Item.objects.exists()


def test_filters_narrow_the_list(api):
    bread = LabelFactory(taxonomy=TaxonomyFactory(slug="groceries"), name="Bread")
    rye_bread = LabelFactory(taxonomy=bread.taxonomy, parent=bread, name="Rye")
    tea = LabelFactory(taxonomy=bread.taxonomy, name="Tea")
    rye = ItemFactory(external_id="rye", title="Dark rye loaf", brand="Mill")
    oat = ItemFactory(external_id="oat", title="Oat flakes", brand="Other", is_in_stock=False)
    ItemFactory(external_id="old", title="Old thing", brand="Other", is_hidden=True)
    ItemLabelFactory(item=rye, label=rye_bread)
    ItemLabelFactory(item=oat, label=tea, decision="corrected", final_label=bread)

    def found(**query):
        return [item["external_id"] for item in api.get(URL, query).json()["results"]]

    assert found() == ["old", "oat", "rye"]
    assert found(q="dark rye lof") == found(q="dark") == ["rye"]
    assert found(brand="mill") == ["rye"]
    assert found(in_stock="false") == ["oat"]
    assert found(hidden="true") == ["old"]
    assert found(label="bread") == ["oat", "rye"]
    assert found(label="Bread > Rye") == ["rye"]
    assert found(label="Tea") == found(label="Bre") == []


@pytest.mark.parametrize("query", [{"q": "a\x00b"}, {"q": "x" * 201}, {"offset": 10**30}])
def test_a_filter_that_cannot_be_asked_is_a_400(query, api):
    assert api.get(URL, query).status_code == 400


def test_the_page_is_bounded_and_its_queries_constant(api):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(URL, {"limit": 10_000}).status_code == 200
        return len(captured)

    ItemLabelFactory(item=ItemFactory(vector=True))
    api.get(URL)
    one = queries()
    for _ in range(5):
        ItemLabelFactory(item=ItemFactory(vector=True), decision="corrected", final_label=LabelFactory())
    assert queries() == one == 4  # key, count, items, labels


def test_taxonomies_are_listed_with_their_labels(api):
    bread = LabelFactory(taxonomy=TaxonomyFactory(slug="groceries"), name="Bread", description="Loaves.")
    rye = LabelFactory(taxonomy=bread.taxonomy, parent=bread, name="Rye", icon="bread")
    (taxonomy,) = api.get("/api/v1/taxonomies/").json()["results"]
    assert (taxonomy["slug"], taxonomy["choice"]) == ("groceries", "single")
    assert [(label["path"], label["parent"], label["icon"]) for label in taxonomy["labels"]] == [
        ("Bread", None, ""),
        ("Bread > Rye", bread.pk, "bread"),
    ]
    assert taxonomy["labels"][1]["id"] == rye.pk


def test_a_key_needs_the_scope_and_staff_need_a_session():
    client = APIClient()
    assert client.get(URL).status_code == 401
    client.credentials(HTTP_X_API_KEY=ApiKeyFactory(scopes=["read"]).secret)
    assert client.get(URL).status_code == 200
    refused = client.post(URL, {"external_id": "1", "title": "Rye"})
    assert (refused.status_code, Item.objects.count()) == (403, 0)
    client.credentials(HTTP_X_API_KEY="unknown.key")
    assert client.get(URL).status_code == 401
    staff = APIClient()
    assert staff.login(username=StaffFactory().username, password=PASSWORD)
    assert staff.post(URL, {"external_id": "1", "title": "Rye"}).status_code == 200
    visitor = APIClient()
    visitor.force_login(StaffFactory(is_staff=False, is_superuser=False))
    assert visitor.get(URL).status_code == 403


def test_the_schema_is_complete():
    schema = StringIO()
    call_command("spectacular", fail_on_warn=True, format="openapi-json", stdout=schema)
    paths = json.loads(schema.getvalue())["paths"]
    assert {"get", "put", "patch", "delete"} <= set(paths["/api/v1/items/{external_id}/"])
    assert {"get", "post"} <= set(paths["/api/v1/items/"])


@pytest.mark.parametrize("address", [f"{URL}%20sku-1/", f"{URL}sku-1%20/"])
def test_an_address_with_a_space_around_the_id_writes_nothing(api, address):
    response = api.put(address, {"title": "Rye"})
    assert response.status_code == 400
    assert errors(response) == [("invalid", "external_id", "It begins or ends with a space; take that out.")]
    assert not Item.objects.exists()
