from __future__ import annotations

import numpy as np
import pytest

from recommender.algorithms.cleaning import cancellations, outliers, titles
from recommender.algorithms.cleaning.bots import bots
from recommender.algorithms.cleaning.identifiers import one_id_per_item, tidy_id
from recommender.algorithms.cleaning.non_items import Patterns, non_items, shape
from recommender.algorithms.cleaning.titles import best_titles, is_note
from tests.recommender.sales import DAY, sale, sales, shop


def test_ids_that_differ_by_case_and_share_a_name_become_one():
    rows, done = one_id_per_item(sales(sale("12A", title="CUP"), sale("12a", title="CUP"), sale("13B", title="PAN")))
    assert list(rows["item"]) == ["12A", "12A", "13B"]
    assert (done.changed, done.rows[0].row, done.rows[0].reason) == (1, 2, "12a is written 12A")


def test_ids_whose_case_means_something_stay_apart():
    rows, done = one_id_per_item(sales(sale("xQ", title="A cat"), sale("Xq", title="A dog")))
    assert (list(rows["item"]), done.changed) == (["xQ", "Xq"], 0)


def test_case_is_ignored_or_not_where_the_mapping_says_so():
    different = sales(sale("xQ", title="A cat"), sale("XQ", title="A dog"))
    assert list(one_id_per_item(different, ignore_case=True)[0]["item"]) == ["XQ", "XQ"]
    alike = sales(sale("xQ", title="A cat"), sale("XQ", title="A cat"))
    assert list(one_id_per_item(alike, ignore_case=False)[0]["item"]) == ["xQ", "XQ"]


def test_a_shop_of_small_letters_keeps_them():
    rows, _ = one_id_per_item(sales(sale("a1", title="CUP"), sale("a1", title="CUP"), sale("A1", title="CUP")))
    assert set(rows["item"]) == {"a1"}


@pytest.mark.parametrize(("written", "tidied"), [(" 85123A ", "85123A"), ("BANK  FEE", "BANK_FEE"), ("８５１", "851")])
def test_ids_lose_spaces_and_full_width_signs(written, tidied):
    assert tidy_id(written) == tidied


@pytest.mark.parametrize(
    "note", ["damaged", "?", "damages, lost bits etc", "wet & rotting", "missing (wrongly coded?)", "??", "-"]
)
def test_what_happened_to_stock_is_a_note(note):
    assert is_note(note)


@pytest.mark.parametrize(
    "name", ["", "FOUND OBJECTS MOBILE", "WET FLOOR SIGN", "RUSTY HEART", "TEST TUBE VASE", "牛奶"]
)
def test_a_name_is_no_note(name):
    assert not is_note(name)


def test_the_best_name_is_good_then_frequent_lately():
    old = [sale("1A", title="OLD NAME", time=0.0, basket=str(n)) for n in range(3)]
    new = [sale("1A", title="NEW NAME", time=400 * DAY, basket=str(n)) for n in range(2)]
    notes = [sale("1A", title="damaged", time=401 * DAY, basket=str(n)) for n in range(9)]
    assert dict(best_titles(sales(*old, *new, *notes))) == {"1A": "NEW NAME"}


def test_an_item_without_a_name_is_called_by_its_id():
    assert dict(best_titles(sales(sale("7", title="")))) == {"7": "7"}


def test_names_lose_entities_and_runs_of_spaces():
    assert titles.tidy(" Salt &amp;amp;  pepper ") == "Salt & pepper"


def test_shapes_of_ids():
    assert [shape(item) for item in ("85123A", "POST", "GIFT_0001_20", "牛奶12")] == ["9A", "A", "A_9_9", "A9"]


NO_PATTERNS = Patterns()


def found(*extra: dict, patterns: Patterns = NO_PATTERNS) -> set[str]:
    rows = sales(*shop(), *extra)
    return set(non_items(rows, best_titles(rows), patterns))


def test_a_name_that_is_nothing_but_a_service_is_enough():
    assert found(sale("1900A", title="Postage")) == {"1900A"}


def test_a_service_word_needs_a_second_sign():
    assert found(sale("1900A", title="GOTHIC CARRIAGE LANTERN")) == set()
    assert found(sale("GIFT", title="Shop gift voucher 20")) == {"GIFT"}


def test_an_unlike_id_alone_is_not_enough():
    assert found(sale("PADS", title="PADS TO MATCH ALL CUSHIONS")) == set()


def test_an_unlike_id_and_a_wild_price_are_enough_in_any_language():
    wild = [
        sale("X", title="ralph", price=price, basket=str(n)) for n, price in enumerate([1.0, 9.0, 40.0, 90.0, 300.0])
    ]
    assert found(*wild) == {"X"}


def test_patterns_of_a_mapping_add_and_keep():
    extra = (sale("1900A", title="BAG TAX REFUNDED"), sale("1901A", title="Postage"))
    assert found(*extra, patterns=Patterns(titles=("bag tax",), keep_ids=("1901A",))) == {"1900A"}
    assert found(*extra, patterns=Patterns(ids=("^1900",))) == {"1900A", "1901A"}


def match(*rows: dict) -> cancellations.Matched:
    table = sales(*rows)
    return cancellations.match(table, cancellations.are_cancellations(table))


def test_a_cancellation_takes_from_the_newest_earlier_purchase_then_from_the_one_before():
    matched = match(
        sale(quantity=5, time=1.0), sale(quantity=3, time=2.0), sale(quantity=9, time=9.0), sale(quantity=-4, time=5.0)
    )
    assert list(matched.remaining) == [4, 0, 9, 0]
    assert matched.cancelled_at[1] == 5.0 and np.isnan(matched.cancelled_at[[0, 2]]).all()
    assert matched.unmatched[3] == 0


def test_what_finds_no_purchase_is_counted():
    matched = match(sale(quantity=2, time=1.0), sale(quantity=-5, time=2.0), sale(quantity=-1, time=3.0))
    assert list(matched.unmatched) == [0, 3, 1]


def test_another_customer_another_item_and_nobody_match_nothing():
    matched = match(
        sale("1A", quantity=2, time=1.0),
        sale("2A", quantity=-1, time=2.0),
        sale("1A", user="bob", quantity=-1, time=2.0),
        sale("1A", user="", quantity=-1, time=2.0),
    )
    assert list(matched.remaining) == [2, 0, 0, 0]


def test_baskets_with_a_c_are_cancellations_where_baskets_are_numbers():
    numbers = [sale(basket=str(n)) for n in range(500, 520)]
    rows = sales(*numbers, sale(basket="C521", quantity=1))
    assert list(np.flatnonzero(cancellations.are_cancellations(rows))) == [20]
    words = sales(sale(basket="C1"), sale(basket="C2"), sale(basket="D3"))
    assert not cancellations.are_cancellations(words).any()


def test_a_price_far_off_comes_to_the_limit_and_a_dear_one_stays():
    prices = [3.0, 3.0, 3.1, 2.9, 3.0, 6.0, 3000.0, 0.0]
    became = outliers.usual_prices(sales(*(sale(price=price) for price in prices)))
    assert list(became[:6]) == prices[:6] and became[7] == 0.0
    assert became[6] == pytest.approx(3.0 * 1.75**6)


def test_a_wholesale_order_of_a_wholesaler_is_no_error():
    others = [sale("1A", user=f"u{n}", quantity=1) for n in range(9)]
    wholesaler = [sale(f"{n}B", user="big", quantity=1000) for n in range(5)]
    rows = sales(*others, *wholesaler, sale("1A", user="big", quantity=1000))
    assert outliers.usual_quantities(rows)[-1] == 1000
    small = [sale(f"{n}B", user="ann", quantity=1) for n in range(5)]
    rows = sales(*others, *small, sale("1A", user="ann", quantity=1000))
    assert outliers.usual_quantities(rows)[-1] == 64


def test_items_with_few_rows_are_not_judged():
    assert outliers.usual_prices(sales(sale(price=1.0), sale(price=9999.0)))[1] == 9999.0


def test_a_bot_acts_at_more_moments_a_day_than_a_person_can():
    people = [sale(user=f"u{n}", time=float(n)) for n in range(20)]
    machine = [sale(user="bot", time=float(n * 60)) for n in range(600)]
    long_order = [sale(f"{n}A", user="big", time=5.0) for n in range(600)]
    nobody = [sale(user="", time=float(n * 60)) for n in range(600)]
    assert bots(sales(*people, *machine, *long_order, *nobody)) == {"bot": "600 actions in one day"}
