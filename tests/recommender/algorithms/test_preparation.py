from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.algorithms.cleaning.identifiers import one_id_per_item
from recommender.algorithms.cleaning.report import ROWS_SHOWN
from recommender.algorithms.cleaning.steps import COLUMNS
from recommender.algorithms.preparation import (
    Prepared,
    prepare,
    with_one_time_a_basket,
    with_usual,
    without_cancellations,
    without_duplicates,
    without_missing,
)
from tests.recommender.sales import DAY, sale, sales, shop


def counts(prepared: Prepared) -> dict[str, tuple[int, int]]:
    return {step.step: (step.dropped, step.changed) for step in prepared.steps if step.dropped or step.changed}


def test_each_step_counts_its_rows_and_names_them():
    rows = [
        *shop(),
        sale("", title="NO ITEM"),
        sale("1001A", time=float("nan")),
        shop()[5],
        sale("1002A", title="damaged", price=0.0, user="", quantity=-3.0),
        sale("1002A", price=0.0, basket="900"),
        sale("POST", title="POSTAGE"),
        sale("1003A", quantity=4.0, time=DAY * 2, basket="901"),
        sale("1003A", quantity=-4.0, time=DAY * 3, basket="C902"),
        sale("1003A", user="bob", quantity=-4.0, time=DAY * 3, basket="C903"),
        sale("1004A", user="", basket="904"),
    ]
    prepared = prepare(sales(*rows))
    assert counts(prepared) == {
        "missing": (2, 0),
        "duplicates": (1, 0),
        "stock_notes": (2, 0),
        "non_items": (1, 0),
        "cancellations": (2, 0),
        "unmatched": (1, 0),
        "anonymous": (1, 0),
    }
    assert (prepared.rows_in, len(prepared.kept), len(prepared.anonymous)) == (70, 60, 1)
    told = {found.row: found.reason for step in prepared.steps for found in step.rows}
    assert told[61] == "no item"
    assert told[64] == "a note about stock, not a sale"
    assert told[66].startswith("the name 'POSTAGE' is no item's")
    assert told[67] == "a purchase that was cancelled"
    assert told[69] == "a cancellation with no, or not enough, earlier purchases in the file"


def test_dropped_rows_and_kept_rows_add_up():
    prepared = prepare(sales(*shop(), *shop(9), sale("POST", title="POSTAGE"), sale("1A", user="")))
    assert prepared.rows_in == len(prepared.kept) + sum(step.dropped for step in prepared.steps)


def test_a_purchase_cancelled_in_part_keeps_the_rest():
    prepared = prepare(sales(sale(quantity=5.0, time=1.0), sale(quantity=-2.0, time=2.0, basket="501")))
    assert list(prepared.kept["quantity"]) == [3.0]
    assert counts(prepared) == {"cancellations": (1, 1)}


def test_items_that_are_always_free_stay_and_what_was_given_away_goes():
    prepared = prepare(sales(sale("1A", price=0.0), sale("2A", price=4.0), sale("2A", price=0.0, basket="501")))
    assert list(prepared.kept["item"]) == ["1A", "2A"]


def test_without_prices_nothing_is_taken_for_a_note():
    prepared = prepare(sales(*(sale(f"{n}A", price=float("nan"), title="lost") for n in range(3))))
    assert len(prepared.kept) == 3


def test_rows_of_a_basket_get_its_first_time_and_rows_without_one_are_one_by_the_second():
    prepared = prepare(
        sales(
            sale("1A", time=60.0),
            sale("2A", time=120.0),
            sale("3A", time=9.0, basket=""),
            sale("4A", time=9.0, basket=""),
        )
    )
    assert list(prepared.kept["time"]) == [9.0, 9.0, 60.0, 60.0]
    assert prepared.kept["basket"].nunique() == 2


def test_each_item_has_one_name_and_the_report_shows_the_old():
    rows = [sale("1A", title="GREEN CUP", basket=str(n)) for n in range(3)]
    prepared = prepare(sales(*rows, sale("1A", title="CUP  GREEN", basket="9")))
    assert set(prepared.kept["title"]) == {"GREEN CUP"}
    (named,) = [step for step in prepared.steps if step.step == "titles"]
    assert [(found.values["title"], found.reason) for found in named.rows] == [
        ("CUP  GREEN", "the item is called GREEN CUP")
    ]


def test_only_the_first_offending_rows_are_kept():
    prepared = prepare(sales(*shop(), *shop()))
    (duplicates,) = [step for step in prepared.steps if step.step == "duplicates"]
    assert (duplicates.dropped, len(duplicates.rows)) == (60, ROWS_SHOWN)
    assert [found.row for found in duplicates.rows] == list(range(61, 61 + ROWS_SHOWN))


def test_an_empty_file_is_prepared_to_nothing():
    prepared = prepare(sales())
    assert (prepared.rows_in, len(prepared.rows), len(prepared.titles), counts(prepared)) == (0, 0, 0, {})


def test_one_row_stays_as_it_is():
    prepared = prepare(sales(sale()))
    assert (len(prepared.kept), counts(prepared)) == (1, {})


any_sale = st.builds(
    sale,
    st.sampled_from(["1001A", "1001a", "1002B", "1003", "POST", "M", ""]),
    title=st.sampled_from(["BLUE MUG", "MUG  BLUE", "PLATE", "POSTAGE", "Manual", "damaged", "?", ""]),
    user=st.sampled_from(["ann", "bob", ""]),
    quantity=st.sampled_from([1.0, 2.0, 5.0, 1000.0, -1.0, -2.0, -7.0, 0.0, float("nan")]),
    price=st.sampled_from([1.0, 1.2, 5.0, 9000.0, 0.0, -4.0, float("nan")]),
    time=st.sampled_from([0.0, 60.0, DAY, 200 * DAY, float("nan")]),
    basket=st.sampled_from(["500", "501", "C502", ""]),
)
any_sales = st.lists(any_sale, max_size=30).map(lambda rows: sales(*rows))


def plain(rows: pd.DataFrame) -> list[tuple[object, ...]]:
    return [tuple(None if value != value else value for value in row) for row in rows.itertuples(index=False)]


@settings(max_examples=60, deadline=None)
@given(any_sales, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    one, other = prepare(rows), prepare(rows.iloc[order])
    assert plain(one.rows) == plain(other.rows)
    assert plain(one.anonymous) == plain(other.anonymous)
    assert one.steps == other.steps
    assert one.titles.to_dict() == other.titles.to_dict()


@settings(max_examples=60, deadline=None)
@given(any_sales)
def test_every_row_is_accounted_for_and_no_kept_row_is_a_cancellation(rows):
    prepared = prepare(rows)
    assert prepared.rows_in == len(prepared.kept) + sum(step.dropped for step in prepared.steps)
    assert (prepared.kept["quantity"] > 0).all()
    assert set(prepared.kept["row"]) <= set(rows["row"])
    assert (prepared.kept["user"] != "").all() and (prepared.kept["item"] != "").all()
    assert np.isfinite(prepared.kept["time"]).all()


@pytest.mark.parametrize(
    "clean",
    [
        one_id_per_item,
        without_missing,
        without_duplicates,
        lambda rows: without_cancellations(without_missing(rows)[0])[:2],
        partial(with_usual, column="price"),
        partial(with_usual, column="quantity"),
        lambda rows: with_one_time_a_basket(without_cancellations(without_missing(rows)[0])[0]),
    ],
    ids=["ids", "missing", "duplicates", "cancellations", "prices", "quantities", "times"],
)
@settings(max_examples=30, deadline=None)
@given(rows=any_sales)
def test_a_step_leaves_alone_what_it_has_cleaned(clean, rows):
    once, _ = clean(rows)
    again, done = clean(once)
    assert plain(again.loc[:, list(COLUMNS)]) == plain(once.loc[:, list(COLUMNS)])
    assert done.changed == 0


def test_cleaning_a_clean_shop_changes_nothing():
    once = prepare(sales(*shop(), sale("POST", title="POSTAGE"), sale("1003A", title="damaged", price=0.0, user="")))
    again = prepare(once.kept.loc[:, list(COLUMNS)])
    assert (plain(again.kept), counts(again)) == (plain(once.kept), {})
