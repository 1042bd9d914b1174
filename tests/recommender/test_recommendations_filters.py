"""Lists over the API for a placement and within filters: what is let in, what is refused, what rules did."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Item
from recommender import interests, neighbours
from recommender.models import Rule, Slate
from tests.factories import (
    ApiKeyFactory,
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    TaxonomyFactory,
    unit_vector,
)

pytestmark = pytest.mark.django_db


@pytest.fixture()
def labels():
    """Twenty-four items in Bread and Tea below Food, and in Soap; prices and pieces are 0 to 23, the last unknown."""
    groceries = TaxonomyFactory(slug="groceries")
    food = LabelFactory(taxonomy=groceries, name="Food")
    leaves = [
        LabelFactory(taxonomy=groceries, parent=food, name="Bread"),
        LabelFactory(taxonomy=groceries, parent=food, name="Tea"),
        LabelFactory(taxonomy=groceries, name="Soap"),
    ]
    for place in range(24):
        item = ItemFactory(
            external_id=f"i{place}",
            title=f"Thing {place}",
            brand=("Mill", "Sea, Salt & Co")[place % 2],
            price=Decimal(place),
            stock_quantity=None if place == 23 else place,
            vector=unit_vector(place),
        )
        ItemLabelFactory(item=item, label=leaves[place % 3])
    user = EndUserFactory(external_id="u")
    for item in Item.objects.order_by("pk")[:3]:
        EventFactory(user=user, item=item)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    return {"Food": food, "Bread": leaves[0], "Tea": leaves[1], "Soap": leaves[2]}


@pytest.fixture()
def ask(labels):
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=ApiKeyFactory(scopes=["read"]).secret)

    def asked(**parameters):
        return client.get("/api/v1/users/u/recommendations/", {"n": 24, "repeats": "allow", **parameters})

    return asked


def places(response) -> list[int]:
    assert response.status_code == 200, response.json()
    return sorted(int(each["item"]["external_id"][1:]) for each in response.json()["items"])


def error(response) -> tuple[str | None, str]:
    assert response.status_code == 400
    (only,) = response.json()["errors"]
    return only["attr"], only["detail"]


def test_several_labels_are_any_of_them_and_what_lies_below(ask, labels):
    assert places(ask(labels=[labels["Food"].pk])) == [place for place in range(24) if place % 3 != 2]
    assert places(ask(labels=["groceries:Food > Bread", "groceries:Soap"])) == [p for p in range(24) if p % 3 != 1]
    assert places(ask(labels=["groceries: Food>Bread"])) == list(range(0, 24, 3))


def test_a_merged_label_is_what_it_became(ask, labels):
    old = LabelFactory(taxonomy=labels["Tea"].taxonomy, name="Herbal", is_deprecated=True, merged_into=labels["Tea"])
    assert places(ask(labels=[old.pk])) == list(range(1, 24, 3)) == places(ask(labels=["groceries:Herbal"]))


def test_all_filters_hold_at_once(ask):
    assert places(ask(brand=["sea, salt & co"], price_from="5", price_to="11", labels=["groceries:Food"])) == [7, 9]
    assert places(ask(brand=["Mill", "Sea, Salt & Co"], price_to="2.00")) == [0, 1, 2]
    assert places(ask(stock_from=20)) == [20, 21, 22]  # nobody told how many of the last are left
    assert places(ask(items=["i3", "i4", "nobody's"], stock_from="4")) == [4]


def test_a_filter_is_kept_with_the_slate_and_a_short_list_says_so(ask, labels):
    response = ask(items=["i3", "i4"], placement="checkout", price_from="1.50")
    assert "Only 2 of the 24 asked for" in response.json()["notice"]
    slate = Slate.objects.get()
    assert slate.placement == "checkout"
    assert slate.request["within"] == {"items": ["i3", "i4"], "price_from": "1.50"}
    ask()
    assert "within" not in Slate.objects.latest("pk").request


def test_what_cannot_be_is_refused_by_name_and_keeps_no_slate(ask):
    _, detail = error(ask(labels=["groceries:Food > Wine"]))
    assert "There is no label 'groceries:Food > Wine'" in detail and "taxonomy:path" in detail
    for unknown in ("Food", "999999999999", "9" * 30, "²", ":", ""):
        assert ask(labels=[unknown]).status_code == 400
    assert error(ask(price_from="9", price_to="3")) == ("price_from", "Prices run from 9.00 to 3.00; swap the two.")
    for name, value in (
        ("price_from", "cheap"),
        ("price_to", "-1"),
        ("price_to", "NaN"),
        ("stock_from", "1.5"),
        ("stock_from", "-1"),
        ("stock_from", str(2**31)),
        ("placement", "x" * 101),
    ):
        assert error(ask(**{name: value}))[0] == name
    for name in ("items", "brand", "labels"):
        refused = ask(**{name: [f"a{number}" for number in range(201)]})
        assert refused.status_code == 400 and refused.json()["errors"][0]["attr"] == name
    assert not Slate.objects.exists()


def test_rules_of_the_placement_are_named_at_the_items_they_touched(ask, labels):
    Rule.objects.create(
        name="Tea first",
        version=3,
        action="pin",
        scope={"items": ["i4"]},
        position=1,
        placement="checkout",
        state="published",
        published_at=timezone.now() - timedelta(hours=1),
    )
    first = ask(placement="checkout").json()["items"][0]
    assert first["item"]["external_id"] == "i4"
    assert first["rules"] == [{"name": "Tea first", "version": 3, "action": "pin"}]
    assert all(each["rules"] == [] for each in ask(placement="home").json()["items"])


def test_the_schema_has_every_parameter_and_the_rules(client):
    schema = client.get("/api/schema/?format=json").json()
    call = schema["paths"]["/api/v1/users/{external_id}/recommendations/"]["get"]
    by_name = {each["name"]: each["schema"] for each in call["parameters"] if each["in"] == "query"}
    assert set(by_name) == {
        "brand",
        "items",
        "labels",
        "n",
        "placement",
        "price_from",
        "price_to",
        "repeats",
        "stock_from",
        "strategy",
    }
    assert all(by_name[name]["type"] == "array" for name in ("brand", "items", "labels"))
    item = schema["components"]["schemas"]["RankedItem"]["properties"]
    assert set(item) == {"position", "item", "score", "parts", "why", "rules"}
    touch = schema["components"]["schemas"]["RuleTouch"]["properties"]
    assert set(touch) == {"name", "version", "action"}
    assert "stock_quantity" in schema["components"]["schemas"]["ItemOutput"]["properties"]
