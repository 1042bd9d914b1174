"""Items in: what is valid, what is refused and how it is said, and what happens to the text that is new."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from kombu.exceptions import OperationalError
from redis.exceptions import ResponseError

from catalog import tasks
from catalog.embedding import item_text, text_hash
from catalog.feeds.text import FeedError
from catalog.item_rows import UnreadableRow
from catalog.items import Rejection, hide, set_hidden, upsert_items
from catalog.models import Item, LabelRequest
from recsite.operations.errors import NotFoundError
from tests.factories import ItemFactory, TaxonomyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture()
def rung(monkeypatch):
    """The ids that embed_items was rung for, call by call."""
    calls: list[list[int]] = []
    monkeypatch.setattr(tasks.embed_items, "delay", calls.append)
    return calls


def row(**fields):
    return {"external_id": "sku-1", "title": "Rye bread", **fields}


def stored(**fields):
    report = upsert_items([row(**fields)])
    assert report.rejected == ()
    return Item.objects.get(external_id="sku-1")


def refusal(**fields) -> Rejection:
    report = upsert_items([row(**fields)])
    assert (report.created, report.updated, Item.objects.count()) == (0, 0, 0)
    (rejection,) = report.rejected
    return rejection


def test_a_row_becomes_an_item_with_every_field():
    item = stored(
        description="Dark.\nSour.",
        brand="Mill",
        product_type="Food > Bread",
        link="https://shop.example/rye?a=1",
        image_url="https://shop.example/rye.png",
        price="12.345",
        currency="usd",
        is_in_stock="out of stock",
        is_hidden=True,
        attributes={"grain": "rye"},
        published_at="2025-03-01T09:30:00+02:00",
    )
    assert (item.title, item.description, item.brand) == ("Rye bread", "Dark.\nSour.", "Mill")
    assert (item.price, item.currency) == (Decimal("12.35"), "USD")
    assert (item.is_in_stock, item.is_hidden, item.attributes) == (False, True, {"grain": "rye"})
    assert item.published_at == datetime(2025, 3, 1, 7, 30, tzinfo=UTC)
    assert item.text_hash == text_hash(item_text("Rye bread", "Mill", "Dark.\nSour."))


def test_new_text_is_embedded_and_labelled_and_unchanged_text_is_not(rung, django_capture_on_commit_callbacks):
    taxonomy = TaxonomyFactory()
    TaxonomyFactory(is_active=False)
    with django_capture_on_commit_callbacks(execute=True):
        first = upsert_items([row(), row(external_id="sku-2")])
    ids = list(Item.objects.order_by("pk").values_list("pk", flat=True))
    assert (first.created, rung) == (2, [ids])
    assert set(LabelRequest.objects.values_list("item_id", "taxonomy_id", "status")) == {
        (pk, taxonomy.pk, "pending") for pk in ids
    }
    with django_capture_on_commit_callbacks(execute=True):
        again = upsert_items([row(), row(external_id="sku-2", price=3)])
    assert (again.created, again.updated, again.unchanged, len(rung)) == (0, 1, 1, 1)
    with django_capture_on_commit_callbacks(execute=True):
        upsert_items([row(title="Wheat bread"), row(external_id="sku-2", price=3)])
    assert rung[1:] == [[Item.objects.get(external_id="sku-1").pk]]


def test_an_unchanged_row_is_not_written():
    before = stored(price=3).updated_at
    assert stored(price="3.00").updated_at == before


def test_a_silent_broker_loses_nothing(monkeypatch, django_capture_on_commit_callbacks):
    def away(ids):
        raise OperationalError("connection refused")

    TaxonomyFactory()
    monkeypatch.setattr(tasks.embed_items, "delay", away)
    with django_capture_on_commit_callbacks(execute=True):
        assert upsert_items([row()]).created == 1
    assert Item.objects.without_current_embedding().count() == LabelRequest.objects.waiting().count() == 1


def test_valid_rows_are_kept_and_the_others_named():
    report = upsert_items(
        [
            row(),
            {"title": "No id"},
            row(external_id="sku-3", price=-1),
            ["not", "an", "object"],
            UnreadableRow("Line 5 is not valid JSON: it ends early."),
            row(external_id=6),
            {"external_id": "sku-7"},
        ]
    )
    assert report.created == 2
    assert list(Item.objects.order_by("external_id").values_list("external_id", flat=True)) == ["6", "sku-1"]
    assert [(rejection.row, rejection.external_id, rejection.field) for rejection in report.rejected] == [
        (2, "", "external_id"),
        (3, "sku-3", "price"),
        (4, "", ""),
        (5, "", ""),
        (7, "sku-7", "title"),
    ]
    assert report.rejected[1].message == "price is -1.00; it cannot be negative."
    assert report.rejected[2].message == "Row 4 is a list; send an object with the fields of an item."
    assert report.rejected[3].message == "Line 5 is not valid JSON: it ends early."


def test_a_title_of_ten_megabytes_is_refused_clearly():
    assert refusal(title="x" * 10_000_000) == Rejection(
        1, "sku-1", "title", "title has 10,000,000 characters; at most 500 fit. Shorten it."
    )


def test_a_title_of_exactly_500_characters_fits_and_one_more_does_not():
    assert len(stored(title="é" * 500).title) == 500
    report = upsert_items([row(title="é" * 501)])
    assert report.rejected[0].message == "title has 501 characters; at most 500 fit. Shorten it."


@pytest.mark.parametrize(
    ("written", "price", "currency"),
    [
        (12.99, "12.99", ""),
        (7, "7.00", ""),
        ("12.99 USD", "12.99", "USD"),
        ("USD 12.99", "12.99", "USD"),
        ("€12,99", "12.99", "EUR"),
        ("12,5 eur", "12.50", "EUR"),
        ("$1,299.50", "1299.50", ""),
        ("1.299,50 EUR", "1299.50", "EUR"),
        ("1,299", "1299.00", ""),
        ("1,234,567", "1234567.00", ""),
        ("0", "0.00", ""),
        ("-0.001", "0.00", ""),
    ],
)
def test_prices_are_read_as_shops_write_them(written, price, currency):
    item = stored(price=written)
    assert (str(item.price), item.currency) == (price, currency)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (float("nan"), "price is nan; send a finite number, or null where there is no price."),
        (float("inf"), "price is inf; send a finite number, or null where there is no price."),
        (Decimal("NaN"), "price is NaN; send a finite number, or null where there is no price."),
        ("NaN", "price 'NaN' is not a price; send one like 12.99 or '12.99 USD'."),
        ("free", "price 'free' is not a price; send one like 12.99 or '12.99 USD'."),
        ("1.2.3", "price '1.2.3' is not a price; send one like 12.99 or '12.99 USD'."),
        (True, "price is true or false; send a number like 12.99."),
        (1e12, "price is above 9,999,999,999.99; check the amount."),
        (10**400, "price is above 9,999,999,999.99; check the amount."),
        ("-3 USD", "price is -3.00; it cannot be negative."),
    ],
)
def test_a_price_that_is_none_is_refused(written, message):
    assert (refusal(price=written).field, refusal(price=written).message) == ("price", message)


def test_a_price_and_a_currency_that_disagree_are_refused():
    assert refusal(price="3 USD", currency="EUR").message == "price says USD and currency says EUR; send one of them."


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("currency", "Dollars", "currency 'Dollars' is not an ISO 4217 code; send three letters like USD."),
        ("link", "javascript:alert(1)", "link 'javascript:alert(1)' is not a web address; send one like https://…"),
        ("image_url", "rye.png", "image_url 'rye.png' is not a web address; send one like https://…"),
        ("is_in_stock", "maybe", "is_in_stock is 'maybe'; send true or false, or 'in stock' or 'out of stock'."),
        ("is_hidden", 2, "is_hidden is 2; send true or false, or 'in stock' or 'out of stock'."),
        ("published_at", "soon", "published_at 'soon' is not a time; send ISO 8601 like 2025-03-01T09:30:00Z."),
        ("published_at", 0, "published_at is in 1970; send a time from 1990 up to ten years ahead, or null."),
        (
            "published_at",
            "2999-01-01",
            "published_at is in 2999; send a time from 1990 up to ten years ahead, or null.",
        ),
        ("title", "  ", "title is empty; every item needs one."),
        ("title", {"en": "Bread"}, "title is an object; send text."),
        ("attributes", [1], 'attributes is a list; send an object like {"colour": "red"}.'),
        ("attributes", {"a": float("inf")}, "attributes hold inf, which JSON has no word for; send a number or null."),
        ("attributes", {"a": "x" * 50_000}, "attributes take 50,009 characters as JSON; at most 50,000 fit."),
        ("description", "x" * 20_001, "description has 20,001 characters; at most 20,000 fit. Shorten it."),
        ("external_id", "a\x00b", "external_id is blank or holds control characters; remove them."),
        ("external_id", "x" * 201, "external_id has 201 characters; at most 200 fit."),
    ],
)
def test_what_is_wrong_is_said_with_the_field_and_the_way_out(field, value, message):
    rejection = refusal(**{field: value})
    assert (rejection.field, rejection.message) == (field, message)


def test_attributes_nested_without_end_are_refused():
    deep: dict = {}
    for _ in range(50):
        deep = {"in": deep}
    assert refusal(attributes=deep).message == "attributes are nested more than 20 deep; flatten them."


@pytest.mark.parametrize(
    "written", ["in stock", "in_stock", "In-Stock", "available", "true", "1", 1, True, "preorder", None]
)
def test_words_of_feeds_for_in_stock(written):
    assert stored(is_in_stock=written).is_in_stock is True


@pytest.mark.parametrize("written", ["out of stock", "out_of_stock", "sold out", "FALSE", "no", 0, False])
def test_words_of_feeds_for_out_of_stock(written):
    assert stored(is_in_stock=written).is_in_stock is False


@pytest.mark.parametrize(
    "written",
    ["2025-03-01T09:30:00Z", "2025-03-01 09:30", 1740821400, "1740821400", 1740821400000, datetime(2025, 3, 1, 9, 30)],
)
def test_times_are_read_as_iso_and_as_seconds_or_milliseconds(written):
    assert stored(published_at=written).published_at == datetime(2025, 3, 1, 9, 30, tzinfo=UTC)


def test_text_is_cleaned_of_what_the_database_or_a_page_cannot_take():
    item = stored(
        title=" Fish\x00 &amp; chips\x07 \ud800 &#39;large&#39;\u00a0\ufeff\n for two ",
        description="One\r\n\x00two\x1b",
        attributes={"no\x00te": ["a\x00b", {"c": "\ud800"}]},
    )
    assert item.title == "Fish & chips ? 'large' for two"
    assert item.description == "One\ntwo"
    assert item.attributes == {"note": ["ab", {"c": "?"}]}


def test_emoji_and_right_to_left_text_stay_as_they_are():
    assert stored(title="🍞 خبز الجاودار 黑麦面包").title == "🍞 خبز الجاودار 黑麦面包"


def test_unknown_columns_become_attributes_and_are_counted():
    report = upsert_items([row(colour="red", attributes={"size": "L"}), row(external_id="sku-2", colour="blue")])
    assert report.into_attributes == {"colour": 2}
    assert Item.objects.get(external_id="sku-1").attributes == {"colour": "red", "size": "L"}


def test_what_the_api_answers_can_be_sent_back():
    assert stored(labels=[], embedding={"status": "waiting"}, id=4, created_at="x").attributes == {}


def test_the_last_row_of_an_id_wins_and_the_others_are_reported():
    report = upsert_items([row(title="One"), row(external_id="sku-2"), row(title="Two")])
    assert Item.objects.get(external_id="sku-1").title == "Two"
    assert (report.created, report.repeated, report.repeated_ids, report.rows) == (2, 1, ("sku-1",), 3)


def test_the_last_row_of_an_id_wins_across_chunks_too():
    rows = [row(external_id=f"sku-{n}") for n in range(1, 1001)] + [row(title="Last")]
    report = upsert_items(rows)
    assert Item.objects.get(external_id="sku-1").title == "Last"
    assert (report.created, report.updated, report.repeated, report.rows) == (1000, 0, 1, 1001)


def test_a_full_row_empties_what_it_does_not_name_but_keeps_hidden_and_stock():
    stored(
        brand="Mill", price="3 USD", is_hidden=True, is_in_stock=False, attributes={"a": 1}, published_at="2025-01-01"
    )
    item = stored()
    assert (item.brand, item.price, item.currency, item.attributes, item.published_at) == ("", None, "", {}, None)
    assert (item.is_hidden, item.is_in_stock) == (True, False)


def test_a_partial_row_keeps_what_it_does_not_name_and_merges_attributes():
    stored(brand="Mill", price="3 USD", attributes={"a": 1, "b": 2})
    report = upsert_items([{"external_id": "sku-1", "price": 4, "attributes": {"b": None, "c": 3}}], partial=True)
    item = Item.objects.get()
    assert report.updated == 1
    assert (item.title, item.brand, item.price, item.currency) == ("Rye bread", "Mill", Decimal("4.00"), "USD")
    assert item.attributes == {"a": 1, "c": 3}


def test_partial_rows_of_one_id_add_up():
    stored()
    upsert_items([{"external_id": "sku-1", "price": 4}, {"external_id": "sku-1", "brand": "Mill"}], partial=True)
    assert Item.objects.values_list("price", "brand").get() == (Decimal("4.00"), "Mill")


def test_a_partial_row_of_an_unknown_item_needs_a_title():
    report = upsert_items([{"external_id": "new", "price": 4}, row()], partial=True)
    assert report.created == 1
    assert report.rejected[0].message == "There is no item 'new' to change; send its title to create it."


def test_a_dry_run_counts_and_writes_nothing(rung, django_capture_on_commit_callbacks):
    ItemFactory(external_id="sku-1", title="Old")
    with django_capture_on_commit_callbacks(execute=True):
        report = upsert_items([row(), row(external_id="sku-2"), row(external_id="")], dry_run=True)
    assert (report.created, report.updated, len(report.rejected), rung) == (1, 1, 1, [])
    assert Item.objects.get().title == "Old"


def test_a_source_that_breaks_leaves_whole_chunks_only():
    def rows():
        yield from (row(external_id=f"sku-{n}") for n in range(1500))
        raise FeedError("The XML is not well-formed.")

    with pytest.raises(FeedError):
        upsert_items(rows())
    assert Item.objects.count() == 1000


def test_progress_is_reported_chunk_by_chunk():
    done: list[int] = []
    upsert_items((row(external_id=f"sku-{n}") for n in range(1200)), on_progress=done.append)
    assert done == [1000, 200]


def test_queries_do_not_grow_with_the_rows_of_a_chunk():
    TaxonomyFactory()

    def queries(start: int, n: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            upsert_items(row(external_id=f"sku-{start + k}") for k in range(n))
        return len(captured)

    assert queries(0, 2) == queries(10, 500)


def test_hiding_is_by_id_and_says_which_is_unknown():
    item = ItemFactory(external_id="sku-9")
    hide("sku-9")
    item.refresh_from_db()
    assert item.is_hidden
    with pytest.raises(NotFoundError, match="There is no item 'sku-10'"):
        hide("sku-10")


def test_hiding_counts_only_items_that_change():
    shown, hidden = ItemFactory(), ItemFactory(is_hidden=True)
    assert set_hidden([shown.pk, hidden.pk], hidden=True) == 1
    assert set_hidden([shown.pk, hidden.pk], hidden=False) == 2


@pytest.mark.parametrize("nothing", ["", "  ", None])
@pytest.mark.parametrize("partial", [False, True])
def test_an_empty_cell_shows_nothing_again_that_staff_hid(nothing, partial):
    item = ItemFactory(is_hidden=True, is_in_stock=False)
    row = {"external_id": item.external_id, "title": "Rye", "is_hidden": nothing, "is_in_stock": nothing}
    assert upsert_items([row], partial=partial).updated == 1
    item.refresh_from_db()
    assert (item.title, item.is_hidden, item.is_in_stock) == ("Rye", True, False)


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_full_loses_the_bell_and_not_the_answer(monkeypatch):
    def refuse(item_ids):
        raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.")

    monkeypatch.setattr(tasks.embed_items, "delay", refuse)
    assert upsert_items([{"external_id": "1", "title": "Rye"}]).created == 1
    assert Item.objects.without_current_embedding().values_list("external_id", flat=True).get() == "1"
