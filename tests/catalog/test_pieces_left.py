"""Pieces left: as feeds and the API tell them, over a round trip, and never wiped by who does not know them."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from catalog.feeds import FEEDS, feed_named, open_feed
from catalog.items import upsert_items
from catalog.models import Item
from tests.factories import ApiKeyFactory, ItemFactory
from tests.pages import staff_client, text_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("row", [{}, {"stock_quantity": ""}, {"stock_quantity": "  "}])
@pytest.mark.parametrize("partial", [True, False])
def test_pieces_left_outlive_a_feed_that_does_not_tell_them(row, partial):
    upsert_items([{"external_id": "1", "title": "Rye", "stock_quantity": "12"}])
    upsert_items([{"external_id": "1", "title": "Rye loaf", **row}], partial=partial)
    item = Item.objects.get(external_id="1")
    assert (item.title, item.stock_quantity) == ("Rye loaf", 12)
    upsert_items([{"external_id": "1", "title": "Rye loaf", "stock_quantity": None}], partial=partial)
    item.refresh_from_db()
    assert item.stock_quantity is None


@pytest.mark.parametrize(
    ("written", "pieces"), [(0, 0), (12, 12), ("7", 7), (7.0, 7), ("1,200", 1200), (2**31 - 1, 2**31 - 1)]
)
def test_pieces_are_read_as_feeds_write_them(written, pieces):
    assert upsert_items([{"external_id": "1", "title": "Rye", "stock_quantity": written}]).rejected == ()
    assert Item.objects.get().stock_quantity == pieces


@pytest.mark.parametrize("written", [-1, "-3", 1.5, "many", True, [3], float("nan"), float("inf"), 2**31])
def test_pieces_that_are_no_count_are_refused_and_nothing_is_stored(written):
    (refused,) = upsert_items([{"external_id": "1", "title": "Rye", "stock_quantity": written}]).rejected
    assert refused.field == "stock_quantity" and "stock_quantity is" in refused.message
    assert not Item.objects.exists()


@pytest.mark.parametrize("name", sorted(name for name, feed in FEEDS.items() if "stock_quantity" in feed.KEEPS))
def test_pieces_left_come_back_and_an_unknown_number_wipes_nothing(name, tmp_path):
    counted = {"many": 1234, "backorder": 0, "unknown": None}
    for external_id, pieces in counted.items():
        ItemFactory(external_id=external_id, title=external_id, stock_quantity=pieces)
    path = tmp_path / f"items.{name}"
    with path.open("wb") as file:
        feed_named(name).write(Item.objects.order_by("id"), file)
    Item.objects.all().delete()
    upsert_items(open_feed(path)[1])
    found = {item.external_id: (item.stock_quantity, item.is_in_stock) for item in Item.objects.all()}
    assert found == {external_id: (pieces, True) for external_id, pieces in counted.items()}


def test_shopify_counts_the_pieces_of_all_variants_where_it_counts_each(tmp_path):
    head = "Handle,Title,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price\n"
    lines = (
        "tea,Tea,t-1,shopify,3,5\ntea,,t-2,shopify,4,6\ntea,,t-3,shopify,-2,6\n"
        "jam,Jam,j-1,shopify,3,5\njam,,j-2,,7,5\n"
        "rye,Rye,r-1,shopify,,5\n"
    )
    path = tmp_path / "shop.csv"
    path.write_text(head + lines)
    assert {row["external_id"]: row.get("stock_quantity", "absent") for row in open_feed(path)[1]} == {
        "tea": 7,
        "jam": "absent",
        "rye": "absent",
    }


def test_the_api_takes_and_tells_them_and_the_page_shows_them():
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=ApiKeyFactory(scopes=["read", "write"]).secret)
    address = "/api/v1/items/rye/"
    ItemFactory(external_id="rye", title="Rye")
    assert client.get(address).json()["stock_quantity"] is None
    assert "left" not in text_of(staff_client().get("/catalog/rye/"))
    client.patch(address, {"stock_quantity": 1}, format="json")
    assert "1 piece left" in text_of(staff_client().get("/catalog/rye/"))
    client.patch(address, {"stock_quantity": 1200}, format="json")
    told = client.get(address).json()
    assert told["stock_quantity"] == 1200
    assert client.put(address, told, format="json").status_code == 200
    assert client.put(address, {"title": "Rye loaf"}, format="json").status_code == 200
    assert Item.objects.get().stock_quantity == 1200
    assert "1,200 pieces left" in text_of(staff_client().get("/catalog/rye/"))
    refused = client.patch(address, {"stock_quantity": -1}, format="json")
    assert refused.status_code == 400 and "stock_quantity is -1" in refused.json()["errors"][0]["detail"]
    assert Item.objects.get().stock_quantity == 1200
