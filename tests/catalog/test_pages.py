"""The catalog's pages: the grid with search and facets, one item, and decisions about its labels."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from catalog import browsing
from catalog.browsing import Browse
from catalog.models import Item, ItemLabel
from tests.factories import (
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    LabelRequestFactory,
    StaffFactory,
    TaxonomyFactory,
    axis,
)
from tests.pages import HTMX, assert_guarded, queries_of, shopper_client, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


def browse(address: str) -> Browse:
    return browsing.loosened(browsing.parse(QueryDict(address)))


def found(address: str) -> list[str]:
    return [item.title for item in browsing.items_for(browse(address))]


def counts(address: str, facet: str) -> dict[str, int | None]:
    facets = {each.title: each for each in browsing.facets_for(browse(address))}
    return {option.name: option.count for option in facets[facet].options}


# ---------------------------------------------------------------- who may look


def test_the_catalog_is_for_staff() -> None:
    ItemFactory(external_id="a/b c?#é")
    for address in ("/catalog/", "/catalog/a/b%20c%3F%23%C3%A9/"):
        assert_guarded(address)
    pk = Item.objects.get().pk
    assert_guarded(f"/items/{pk}/similar/")


def test_nobody_but_staff_hides_an_item() -> None:
    item = ItemFactory()
    for client in (Client(), shopper_client()):
        client.post(f"/items/{item.pk}/visibility/", {"is_hidden": "true"})
    item.refresh_from_db()
    assert item.is_hidden is False


# ---------------------------------------------------------------- the grid


def test_the_grid_takes_as_many_queries_for_thirty_items_as_for_two() -> None:
    taxonomy = TaxonomyFactory(name="Aisle")
    labels = [LabelFactory(taxonomy=taxonomy) for _ in range(3)]
    for item in ItemFactory.create_batch(2):
        ItemLabelFactory(item=item, label=labels[0])
    client = staff_client()
    few = queries_of(client, "/catalog/")
    for place, item in enumerate(ItemFactory.create_batch(28)):
        ItemLabelFactory(item=item, label=labels[place % 3])
    assert queries_of(client, "/catalog/") == few
    assert few <= 20


def test_an_empty_catalog_says_how_items_come_in() -> None:
    assert "POST /api/v1/items/" in text_of(staff_client().get("/catalog/"))


def test_htmx_gets_the_results_alone_and_going_back_gets_the_whole_page() -> None:
    ItemFactory(title="Rye bread")
    client = staff_client()
    part = client.get("/catalog/?q=rye", headers=HTMX).content.decode()
    assert "Rye bread" in part
    assert "<html" not in part
    back = client.get("/catalog/?q=rye", headers={**HTMX, "HX-History-Restore-Request": "true"}).content.decode()
    assert "<html" in back


def test_labels_of_one_taxonomy_are_alternatives_and_those_of_two_must_both_hold() -> None:
    aisle, occasion = TaxonomyFactory(name="Aisle"), TaxonomyFactory(name="Occasion")
    bakery, dairy = LabelFactory(taxonomy=aisle, name="Bakery"), LabelFactory(taxonomy=aisle, name="Dairy")
    breakfast = LabelFactory(taxonomy=occasion, name="Breakfast")
    bread, milk, rolls = (ItemFactory(title=title) for title in ("Bread", "Milk", "Rolls"))
    for item, label in ((bread, bakery), (rolls, bakery), (milk, dairy), (milk, breakfast), (rolls, breakfast)):
        ItemLabelFactory(item=item, label=label)
    assert sorted(found(f"label={bakery.pk}&label={dairy.pk}")) == ["Bread", "Milk", "Rolls"]
    assert found(f"label={bakery.pk}&label={breakfast.pk}") == ["Rolls"]
    # Each count says what choosing it would give: its own taxonomy's choice is set aside, the other's is not.
    assert counts(f"label={bakery.pk}&label={breakfast.pk}", "Aisle") == {"Bakery": 1, "Dairy": 1}
    assert counts(f"label={bakery.pk}&label={breakfast.pk}", "Occasion") == {"Breakfast": 1}
    assert counts("", "Aisle") == {"Bakery": 2, "Dairy": 1}


def test_a_corrected_label_counts_as_what_it_was_corrected_to_and_a_rejected_one_not_at_all() -> None:
    aisle = TaxonomyFactory(name="Aisle")
    bakery, dairy = LabelFactory(taxonomy=aisle, name="Bakery"), LabelFactory(taxonomy=aisle, name="Dairy")
    ItemLabelFactory(item=ItemFactory(title="Butter"), label=bakery, decision="corrected", final_label=dairy)
    ItemLabelFactory(item=ItemFactory(title="Soap"), label=bakery, decision="rejected", is_assigned=False)
    ItemLabelFactory(item=ItemFactory(title="Old"), label=bakery, superseded_at=timezone.now())
    assert counts("", "Aisle") == {"Dairy": 1}
    assert found(f"label={dairy.pk}") == ["Butter"]
    assert found(f"label={bakery.pk}") == []


def test_facets_narrow_by_brand_stock_visibility_and_review() -> None:
    plain = ItemFactory(title="Plain", brand="Mill")
    ItemFactory(title="Gone", brand="Farm", is_in_stock=False)
    ItemFactory(title="Secret", brand="Farm", is_hidden=True)
    ItemLabelFactory(item=plain)
    assert found("stock=sold_out") == ["Gone"]
    assert found("visibility=hidden") == ["Secret"]
    assert sorted(found("brand=Farm")) == ["Gone", "Secret"]
    assert found("review=waiting") == ["Plain"]
    assert sorted(found("review=unlabelled")) == ["Gone", "Secret"]
    assert counts("", "Brand") == {"Farm": 2, "Mill": 1}
    assert counts("brand=Mill", "Brand") == {"Farm": 2, "Mill": 1}
    assert counts("", "Stock") == {"In stock": 2, "Out of stock": 1}


def test_sorts_put_items_without_a_price_last_and_least_certain_labels_first() -> None:
    for title, price, confidence in (("A", "2.00", 0.9), ("B", None, 0.2), ("C", "1.00", 0.5)):
        ItemLabelFactory(item=ItemFactory(title=title, price=price and Decimal(price)), confidence=confidence)
    assert found("sort=price") == ["C", "A", "B"]
    assert found("sort=-price") == ["A", "C", "B"]
    assert found("sort=unsure") == ["B", "C", "A"]
    assert found("sort=title") == ["A", "B", "C"]
    assert found("") == ["C", "B", "A"]


def test_a_search_that_matches_nothing_as_written_shows_titles_that_come_close() -> None:
    ItemFactory(title="Yogurt with cherries")
    ItemFactory(title="Washing powder")
    assert found("q=yogrt") == ["Yogurt with cherries"]
    assert browse("q=yogrt").is_loose
    assert not browse("q=yogurt").is_loose
    assert "Nothing matches “yogrt” as it is written" in text_of(staff_client().get("/catalog/?q=yogrt"))
    assert found("q=zzzzqqq") == []


@pytest.mark.parametrize(
    "address", ["label=x&label=-1&label=9" + "9" * 40, "page=0&page=x", "page=99999", "sort=evil", "q=%00", "stock=%27"]
)
def test_nonsense_in_the_address_shows_a_page_all_the_same(address: str) -> None:
    ItemFactory()
    assert staff_client().get(f"/catalog/?{address}").status_code == 200


def test_an_address_says_all_of_a_view() -> None:
    asked = Browse(q="ä b", labels=(3, 4), brands=("A&B",), stock="in_stock", review="waiting", sort="price")
    assert browsing.parse(QueryDict(asked.address())) == asked


def test_a_chip_takes_away_its_own_filter_only() -> None:
    ItemFactory(brand="Mill")
    asked = browse("q=wheat&brand=Mill&stock=in_stock")
    chips = {chip.name: chip.address_without for chip in browsing.chips_for(asked, browsing.facets_for(asked))}
    assert chips == {
        "“wheat”": "brand=Mill&stock=in_stock",
        "Mill": "q=wheat&stock=in_stock",
        "In stock": "q=wheat&brand=Mill",
    }


def test_hostile_titles_are_shown_and_keys_are_written_without_separators() -> None:
    ItemFactory(pk=1_234_567, title="<script>alert(1)</script> \"'&", image_url="https://img.example/a.png")
    page = staff_client().get("/catalog/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert 'id="item-1234567"' in page
    assert "1,234,567" not in page


# ---------------------------------------------------------------- hiding


def test_an_item_is_hidden_and_the_toast_offers_to_show_it_again() -> None:
    item, client = ItemFactory(title="Rye bread"), staff_client()
    hidden = client.post(f"/items/{item.pk}/visibility/", {"is_hidden": "true"}, headers=HTMX)
    item.refresh_from_db()
    assert item.is_hidden is True
    assert "is-hidden" in hidden.content.decode()
    undo = toast_of(hidden)["undo"]
    assert undo == {
        "url": f"/items/{item.pk}/visibility/",
        "target": f"#item-{item.pk}",
        "values": {"is_hidden": "false", "part": ""},
    }
    client.post(undo["url"], undo["values"], headers=HTMX)
    item.refresh_from_db()
    assert item.is_hidden is False
    assert client.get(f"/items/{item.pk}/visibility/").status_code == 405


# ---------------------------------------------------------------- one item


def test_an_item_page_shows_each_label_with_its_state_and_where_it_came_from() -> None:
    item = ItemFactory(external_id="shelf/1", title="Butter")
    aisle = TaxonomyFactory(name="Aisle")
    dairy, bakery = LabelFactory(taxonomy=aisle, name="Dairy"), LabelFactory(taxonomy=aisle, name="Bakery")
    ItemLabelFactory(item=item, label=dairy, confidence=0.87, model="qwen", evidence="butter")
    ItemLabelFactory(
        item=item, label=bakery, decision="rejected", is_assigned=False, reviewer=StaffFactory(username="mia")
    )
    LabelRequestFactory(item=item, taxonomy=aisle, status="provisional")
    response = staff_client().get("/catalog/shelf/1/")
    page, words = response.content.decode(), text_of(response)
    assert "chip-suggested" in page
    assert "chip-rejected" in page
    assert "87%" in words
    assert "qwen" in words
    assert '· letters-1">qwen</span>' in page
    assert "Rejected , mia" in words or "Rejected, mia" in words
    assert "embeddings only so far" in words


def test_an_item_page_takes_as_many_queries_for_eight_labels_as_for_one() -> None:
    one, many = ItemFactory(vector=axis(0)), ItemFactory(vector=axis(1))
    ItemLabelFactory(item=one)
    for _ in range(8):
        ItemLabelFactory(item=many)
    client = staff_client()
    few = queries_of(client, f"/catalog/{one.external_id}/")
    assert queries_of(client, f"/catalog/{many.external_id}/") == few
    assert few <= 14


def test_an_unknown_item_is_not_found() -> None:
    response = staff_client().get("/catalog/no-such-item/")
    assert response.status_code == 404
    assert "There is nothing at this address" in text_of(response)


def test_labels_are_accepted_rejected_and_taken_back_from_the_item_page() -> None:
    item_label, client = ItemLabelFactory(), staff_client()
    address = f"/item-labels/{item_label.pk}/decision/"
    accepted = client.post(address, {"decision": "accept"}, headers=HTMX)
    item_label.refresh_from_db()
    assert item_label.decision == ItemLabel.Decision.ACCEPTED
    assert item_label.reviewer is not None
    assert "chip-accepted" in accepted.content.decode()
    client.post(address, {"decision": "undo"}, headers=HTMX)
    item_label.refresh_from_db()
    assert (item_label.decision, item_label.reviewer, item_label.is_assigned) == ("", None, True)
    client.post(address, {"decision": "reject"}, headers=HTMX)
    item_label.refresh_from_db()
    assert (item_label.decision, item_label.is_assigned) == (ItemLabel.Decision.REJECTED, False)


def test_a_decision_of_somebody_else_is_not_overwritten_and_the_toast_says_whose_it_is() -> None:
    mia = StaffFactory(username="mia")
    item_label = ItemLabelFactory(decision="accepted", reviewer=mia, decided_at=timezone.now())
    response = staff_client().post(f"/item-labels/{item_label.pk}/decision/", {"decision": "reject"}, headers=HTMX)
    item_label.refresh_from_db()
    assert (item_label.decision, item_label.reviewer) == ("accepted", mia)
    assert toast_of(response)["kind"] == "danger"
    assert "by mia" in toast_of(response)["message"]


def test_a_label_is_corrected_from_the_item_page_to_a_label_of_its_taxonomy() -> None:
    aisle, other = TaxonomyFactory(), TaxonomyFactory()
    item_label = ItemLabelFactory(label=LabelFactory(taxonomy=aisle, name="Soda"))
    juice, elsewhere = LabelFactory(taxonomy=aisle, name="Juice"), LabelFactory(taxonomy=other, name="Party")
    client, address = staff_client(), f"/item-labels/{item_label.pk}/decision/"
    assert 'data-opens="correct-' in client.get(f"/catalog/{item_label.item.external_id}/").content.decode()
    for typed in (elsewhere.path, "Jui", "", "J\x00"):
        refused = client.post(address, {"decision": "correct", "label": typed}, headers=HTMX)
        assert (refused.status_code, toast_of(refused)["kind"]) == (204, "danger")
        assert "choose one of the list" in toast_of(refused)["message"]
    item_label.refresh_from_db()
    assert item_label.decision == ""
    corrected = client.post(address, {"decision": "correct", "label": " juice "}, headers=HTMX)
    item_label.refresh_from_db()
    assert (item_label.decision, item_label.final_label) == (ItemLabel.Decision.CORRECTED, juice)
    assert item_label.label.name == "Soda"
    assert toast_of(corrected)["message"] == "Corrected to Juice."
    assert "chip-corrected" in corrected.content.decode()


def test_labels_to_correct_to_are_leaves_in_use_of_one_taxonomy_found_as_they_are_typed() -> None:
    aisle = TaxonomyFactory()
    drinks = LabelFactory(taxonomy=aisle, name="Drinks", path="Drinks")
    LabelFactory(taxonomy=aisle, name="Juice", path="Drinks > Juice", parent=drinks)
    LabelFactory(taxonomy=aisle, name="Old juice", path="Drinks > Old juice", parent=drinks, is_deprecated=True)
    LabelFactory(taxonomy=aisle, name="Bread", path="Bread")
    LabelFactory(name="Juicer", path="Juicer")
    assert_guarded(f"/taxonomies/{aisle.pk}/label-options/")
    address = f"/taxonomies/{aisle.pk}/label-options/?label="
    page = staff_client().get(address + "jui").content.decode()
    assert re.findall(r'data-value="([^"]+)"', page) == ["Drinks &gt; Juice"]
    assert staff_client().get(address).content.decode().count('role="option"') == 2


def test_an_attribute_or_a_taxonomy_may_be_called_items() -> None:
    item = ItemFactory(attributes={"items": 6})
    ItemLabelFactory(item=item, label=LabelFactory(taxonomy=TaxonomyFactory(name="items"), name="Soda"))
    words = text_of(staff_client().get(f"/catalog/{item.external_id}/"))
    assert "Items 6" in words
    assert "items Soda" in words


def test_an_unknown_decision_changes_nothing() -> None:
    item_label = ItemLabelFactory()
    response = staff_client().post(f"/item-labels/{item_label.pk}/decision/", {"decision": "burn"}, headers=HTMX)
    item_label.refresh_from_db()
    assert item_label.decision == ""
    assert toast_of(response)["message"] == "Choose accept, reject, correct or undo."


def test_similar_items_come_closest_first_without_the_item_itself() -> None:
    item = ItemFactory(title="Milk", vector=axis(0))
    ItemFactory(title="Cream", vector=(axis(0) + axis(1)) / 2**0.5)
    ItemFactory(title="Soap", vector=axis(2))
    words = text_of(staff_client().get(f"/items/{item.pk}/similar/"))
    assert words.index("Cream") < words.index("Soap")
    assert "0.71" in words
    assert "Milk" not in words


def test_an_item_without_a_vector_says_that_it_is_still_to_come() -> None:
    item = ItemFactory()
    assert "No vector yet" in text_of(staff_client().get(f"/items/{item.pk}/similar/"))
