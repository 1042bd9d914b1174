from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from recommender.demo import groceries, loading, titles
from tests.recommender.tills import product, sale

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
NEW_YORK = "America/New_York"


def cleaned(products, sales, **changes):
    options = {"now": NOW, "min_purchases": 1, "weeks_moved": 0, **changes}
    return groceries.clean(pd.DataFrame(products), pd.DataFrame(sales), **options)


def dropped(demo) -> dict[str, tuple[int, int]]:
    return {entry.reason: (entry.products, entry.rows) for entry in demo.dropped}


# ---------------------------------------------------------------- titles


@pytest.mark.parametrize(
    ("raw", "readable"),
    [
        ("16 OZ", "16 oz"),
        ("L    16 OZ", "16 oz"),
        ("16 OZS.", "16 oz"),
        ("(600) 4 LB", "4 lb"),
        ("22515 32 OZ", "32 oz"),
        (".875 OZ", "0.88 oz"),
        ("5.0 OZ", "5 oz"),
        ("15 1/4 OZ", "15.25 oz"),
        ("3/4 OZ", "0.75 oz"),
        ("1/2 GAL", "0.5 gal"),
        ("1 GA", "1 gal"),
        ("PT", "1 pt"),
        ("1 DZ", "1 dozen"),
        ("2000 ML", "2 L"),
        ("279.6 SQ FT", "279.6 sq ft"),
        ("24 LOAD", "24 loads"),
        ("12 PK", "12-pack"),
        ("5 LB BAG", "5 lb bag"),
        ("10/6.75 OZ", "10 × 6.75 oz"),
        ("4/4 OZ", "4 × 4 oz"),
        ("12 PK/12 OZ", "12 × 12 oz"),
        ("12 OZ/12 PK", "12 × 12 oz"),
        ("2 - 7.5 OZ", "2 × 7.5 oz"),
        ("10 CT/12 OZ", "10 count, 12 oz"),
        ("14 OZ/8 CT", "8 count, 14 oz"),
        ("30 CT/30 GAL", "30 count, 30 gal"),
        ("405.6 OZ", "24 × 16.9 oz"),
        ("16.9 OZ", "16.9 oz"),
        ("48-54 CT", "48–54 count"),
        ("1 CT", ""),
        ("971838  PK", ""),
        ("CTN", ""),
        ("", ""),
    ],
)
def test_a_size_reads_as_on_a_shelf_or_is_left_out(raw, readable):
    assert titles.readable_size(raw) == readable


@pytest.mark.parametrize(
    ("size", "price", "is_case"),
    [
        ("40 LB", 0.94, True),
        ("18 LB", 2.94, True),
        ("48-54 CT", 0.69, True),
        ("24 CT", 0.99, True),
        ("15 LB", 3.99, False),
        ("3 LB", 2.99, False),
        ("4 CT", 2.99, False),
        ("8 OZ", 1.99, False),
    ],
)
def test_the_crate_that_fresh_food_came_in_is_told_from_what_a_shopper_buys(size, price, is_case):
    assert titles.is_shipping_case(size, price) is is_case


def test_an_ambiguous_type_is_named_by_its_category_and_says_so():
    assert titles.type_name("PREMIUM", "BACON") == titles.TypeName("Premium bacon", "", "category")
    assert titles.type_name("PREMIUM", "PASTA SAUCE").title == "Premium pasta sauce"
    assert titles.type_name("TORTILLA/NACHO CHIPS", "BAG SNACKS") == titles.TypeName("Tortilla chips", "", "type")


def test_a_type_nobody_named_is_spelled_out():
    assert titles.type_name("FRZN BRD CHIX (ALL)", "") == titles.TypeName("Frozen breaded chicken", "", "rule")
    assert titles.type_name("MISC. RTS SOUP", "").title == "Ready to serve soup"


# ---------------------------------------------------------------- cleaning


def test_an_item_has_a_readable_title_a_median_price_and_its_first_sale():
    demo = cleaned(
        [product(1, "TORTILLA/NACHO CHIPS"), product(2, "TORTILLA/NACHO CHIPS", brand="Private", package_size="PT")],
        [
            sale(1, 10, quantity=2, sales_value=5.0),
            sale(1, 11, sales_value=3.0),
            sale(1, 12, sales_value=0.0),
            sale(1, 9, sales_value=9.0),
            sale(2, 10, sales_value=1.25),
        ],
    )
    private, national = demo.items  # the most bought last
    assert (national.external_id, national.title, national.brand) == ("product-1", "Tortilla chips, 13 oz", "")
    assert (private.title, private.brand) == ("Tortilla chips, 1 pt (store brand)", "Store brand")
    # Of 2.50, 3.00 and 9.00: what was free with a coupon is no price.
    assert national.price == Decimal("3.00")
    assert national.published_at == datetime(2017, 6, 10, 16, 0, tzinfo=UTC)
    assert national.attributes == {"size": "13 oz"}


def test_store_brand_is_said_only_where_others_make_the_same():
    demo = cleaned([product(1, "BANANAS", brand="Private", package_size="")], [sale(1, 1)])
    assert (demo.items[0].title, demo.items[0].brand) == ("Bananas", "Store brand")


def test_department_and_category_are_nowhere_in_what_the_labeller_reads():
    demo = cleaned(
        [product(1, "CORN CHIPS", department="GROCERY", product_category="BAG SNACKS")],
        [sale(1, 1)],
    )
    (item,) = demo.items
    assert (item.department, item.product_category) == ("GROCERY", "BAG SNACKS")
    read = loading._item_row(item)
    assert "department" not in read and "product_category" not in read
    text = " ".join(str(value) for value in read.values()).lower()
    assert "grocery" not in text and "bag snacks" not in text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"product_type": None}, groceries.NO_NAME),
        ({"product_type": "GASOLINE-REG UNLEADED", "department": "MISCELLANEOUS"}, groceries.FUEL),
        ({"product_type": "WASHER FLUID", "department": "FUEL"}, groceries.FUEL),
        ({"product_type": "COUPONS/STORE & MFG", "department": "COUPON"}, groceries.COUPON),
        ({"product_type": "MASTERCARD GIFT CARD"}, groceries.SERVICE),
        ({"product_type": "PREPAID WIRELESS CARDS"}, groceries.SERVICE),
        ({"product_type": "TICKETS"}, groceries.SERVICE),
        ({"product_type": "BOTTLE DEPOSITS"}, groceries.SERVICE),
        ({"product_type": "MISC SALES TRANS"}, groceries.MISCELLANEOUS),
        ({"product_type": "KEY RING", "product_category": "COUPON/MISC ITEMS"}, groceries.MISCELLANEOUS),
    ],
)
def test_what_is_no_shelf_item_is_dropped_and_counted(changes, reason):
    demo = cleaned(
        [product(1, "CORN CHIPS"), product(2, "X") | changes],
        [sale(1, 1), sale(2, 1), sale(2, 2)],
    )
    assert [item.product_id for item in demo.items] == [1]
    assert dropped(demo) == {reason: (1, 2)}
    assert len(demo.purchases) == 1


def test_greeting_cards_and_ticketless_types_are_kept():
    demo = cleaned([product(1, "CARDS EVERYDAY"), product(2, "THICKETS")], [sale(1, 1), sale(2, 1)])
    assert len(demo.items) == 2


def test_zero_and_absurd_quantities_and_unknown_products_are_dropped_and_counted():
    demo = cleaned(
        [product(1, "CORN CHIPS")],
        [
            sale(1, 1, quantity=0),
            sale(1, 2, quantity=100),
            sale(1, 3, quantity=101),
            sale(404, 4),
        ],
    )
    assert demo.purchases.quantity.tolist() == [100]
    assert dropped(demo) == {
        groceries.UNKNOWN_PRODUCT: (0, 1),
        groceries.ZERO_QUANTITY: (0, 1),
        groceries.ABSURD_QUANTITY: (0, 1),
    }
    assert demo.households == (0, 1, 2)
    assert demo.households_without_purchases == 2


def test_seldom_bought_products_are_left_out_by_baskets_not_by_rows():
    sales = [sale(1, 1), sale(1, 2), sale(2, 1), sale(2, 1), sale(2, 1)]
    demo = cleaned([product(1, "CORN CHIPS"), product(2, "POTATO CHIPS")], sales, min_purchases=2)
    assert [item.product_id for item in demo.items] == [1]
    assert dropped(demo) == {groceries.SELDOM_BOUGHT: (1, 3)}


def test_a_product_rung_up_twice_in_a_basket_is_one_purchase():
    demo = cleaned(
        [product(1, "CORN CHIPS")],
        [sale(1, 5, quantity=1, sales_value=1.0), sale(1, 5, quantity=2, sales_value=3.5)],
    )
    assert demo.purchases.quantity.tolist() == [3]
    assert demo.purchases.price.tolist() == [1.5]


def test_tobacco_is_there_but_hidden():
    demo = cleaned([product(1, "CIGARETTES"), product(2, "CORN CHIPS")], [sale(1, 1), sale(2, 1)])
    assert [item.is_hidden for item in demo.items] == [True, False]


# ---------------------------------------------------------------- dates


def test_the_newest_purchase_lands_in_the_week_before_loading():
    last = datetime(2018, 1, 1, 4, 1, 20, tzinfo=UTC)  # Sunday, 31 December 2017, 23:01 in the shop
    assert groceries.weeks_between(last, NOW) == 464
    moved = groceries.move(pd.Series([pd.Timestamp(last)]), weeks=464)[0]
    assert moved == pd.Timestamp("2026-11-23 04:01:20", tz="UTC")
    assert pd.Timedelta(0) <= NOW - moved < pd.Timedelta(weeks=1)


def test_weekday_and_hour_of_the_shop_stay_what_they_were_across_daylight_saving():
    # 3 July 2017, 08:00 in summer time, moved 26 weeks into winter.
    moved = groceries.move(pd.Series([pd.Timestamp("2017-07-03 12:00", tz="UTC")]), weeks=26)[0]
    assert moved == pd.Timestamp("2018-01-01 13:00", tz="UTC")
    assert moved.tz_convert(NEW_YORK).hour == 8


def test_an_hour_that_daylight_saving_skips_is_shifted_and_not_lost():
    # 02:30 on 11 March 2018 did not exist in New York.
    moved = groceries.move(pd.Series([pd.Timestamp("2018-03-04 07:30", tz="UTC")]), weeks=1)[0]
    assert moved == pd.Timestamp("2018-03-11 07:00", tz="UTC")


# ---------------------------------------------------------------- the real source


@pytest.fixture(scope="module")
def real() -> groceries.Demo:
    directory = loading.data_directory()
    return groceries.clean(
        pd.read_parquet(directory / "products.parquet"), pd.read_parquet(directory / "transactions.parquet"), now=NOW
    )


def test_what_is_kept_of_the_source_and_what_is_not(real):
    assert (len(real.items), len(real.households), len(real.purchases)) == (2748, 2469, 761_912)
    assert real.households_without_purchases == 28
    assert real.weeks_moved == 464
    assert dropped(real) == {
        groceries.UNKNOWN_PRODUCT: (0, 4836),
        groceries.NO_NAME: (528, 1474),
        groceries.FUEL: (35, 14_697),
        groceries.COUPON: (40, 411),
        groceries.SERVICE: (106, 1419),
        groceries.MISCELLANEOUS: (148, 2800),
        groceries.ZERO_QUANTITY: (0, 3928),
        groceries.ABSURD_QUANTITY: (0, 1),
        groceries.SELDOM_BOUGHT: (64_943, 677_829),
    }
    assert sum(entry.rows for entry in real.dropped) + len(real.purchases) == 1_469_307


def test_every_title_of_the_catalog_was_written_by_hand_and_reads_well(real):
    assert Counter(item.named_by for item in real.items) == {"type": 2208, "category": 540}
    for item in real.items:
        assert re.fullmatch(r"[A-Z][^_/()]*( \(store brand\))?", item.title), item.title
        shouted = re.findall(r"\b[A-Z]{2,}\b", item.title)
        assert set(shouted) <= {"USDA", "TV"}, item.title
        assert len(item.title) <= 70, item.title
        assert Decimal("0.10") <= item.price <= 25, item.title


def test_purchases_are_sorted_priced_and_of_items_that_are_kept(real):
    purchases = real.purchases
    assert bool(np.all(purchases.occurred_at[1:] >= purchases.occurred_at[:-1]))
    assert purchases.occurred_at[-1] == np.datetime64("2026-11-23T04:01:20")
    assert set(purchases.product.tolist()) == {item.product_id for item in real.items}
    assert purchases.quantity.min() == 1 and purchases.quantity.max() <= 100
    assert purchases.price.min() >= 0
