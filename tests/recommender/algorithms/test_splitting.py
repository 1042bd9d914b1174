from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.algorithms.preparation import prepare
from recommender.algorithms.splitting import split, validation_start
from tests.recommender.sales import DAY, sale, sales


def purchases(*rows: dict) -> pd.DataFrame:
    return prepare(sales(*rows)).rows


def test_a_test_asks_for_the_first_basket_after_the_split_with_the_history_before():
    halves = split(
        purchases(
            sale("2A", time=1 * DAY, basket="1"),
            sale("1A", time=3 * DAY, basket="2"),
            sale("1A", time=6 * DAY, basket="3"),
            sale("4A", time=10 * DAY, basket="4"),
            sale("3A", time=10 * DAY, basket="4"),
            sale("3A", time=10 * DAY, basket="4", price=2.0),
            sale("5A", time=12 * DAY, basket="5"),
            sale("5A", user="new", time=11 * DAY, basket="6"),
        ),
        split_at=10 * DAY,
        valid_at=5 * DAY,
    )
    (asked,) = halves.test
    assert (asked.user, asked.items, asked.targets) == ("ann", ("2A", "1A", "1A"), ("3A", "4A"))
    assert (asked.times, asked.time) == ((1 * DAY, 3 * DAY, 6 * DAY), 10 * DAY)
    (valid,) = halves.valid
    assert (valid.items, valid.targets, valid.time) == (("2A", "1A"), ("1A",), 6 * DAY)
    assert (list(halves.train["item"]), list(halves.train_for_test["item"])) == (["2A", "1A"], ["2A", "1A", "1A"])


def test_what_is_cancelled_later_is_still_in_the_history_but_no_answer():
    rows = purchases(
        sale("1A", time=1 * DAY, basket="1"),
        sale("2A", time=2 * DAY, basket="2"),
        sale("2A", time=12 * DAY, basket="C3", quantity=-2.0),
        sale("3A", time=11 * DAY, basket="4"),
        sale("4A", time=11 * DAY, basket="4"),
        sale("4A", time=13 * DAY, basket="C5", quantity=-2.0),
    )
    (asked,) = split(rows, split_at=10 * DAY, valid_at=9 * DAY).test
    assert (asked.items, asked.targets) == (("1A", "2A"), ("3A",))
    later = split(rows, split_at=12.5 * DAY, valid_at=9 * DAY)
    assert list(later.train_for_test["item"]) == ["1A", "3A", "4A"]


def test_validation_is_as_long_as_the_test_within_28_and_60_days_and_a_third():
    assert validation_start(0.0, 300 * DAY, 340 * DAY) == 260 * DAY
    assert validation_start(0.0, 300 * DAY, 310 * DAY) == 272 * DAY
    assert validation_start(0.0, 300 * DAY, 500 * DAY) == 240 * DAY
    assert validation_start(0.0, 30 * DAY, 70 * DAY) == 20 * DAY


def test_validation_must_begin_before_the_split():
    with pytest.raises(ValueError, match="before the split"):
        split(purchases(sale(time=1.0)), split_at=5.0, valid_at=6.0)


def test_nothing_and_one_row_are_split():
    assert split(purchases(), split_at=5.0).test == ()
    halves = split(purchases(sale(time=1.0)), split_at=5.0)
    assert (halves.test, halves.valid, len(halves.train_for_test)) == ((), (), 1)


some_sales = st.lists(
    st.builds(
        sale,
        st.sampled_from(["1A", "2A", "3A"]),
        user=st.sampled_from(["ann", "bob"]),
        time=st.integers(0, 20).map(lambda day: day * DAY),
        basket=st.just(""),
        quantity=st.sampled_from([1.0, 2.0, -1.0]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(some_sales, st.integers(1, 19), st.randoms())
def test_no_history_knows_the_future_and_no_order_of_rows_matters(rows, day, random):
    known = purchases(*rows)
    halves = split(known, split_at=day * DAY)
    for questions, begins in ((halves.valid, halves.valid_at), (halves.test, halves.split_at)):
        assert len({asked.user for asked in questions}) == len(questions)
        for asked in questions:
            assert asked.items and asked.targets
            assert max(asked.times) < begins <= asked.time
            assert list(asked.times) == sorted(asked.times)
    assert all(asked.time < halves.split_at for asked in halves.valid)
    shuffled = known.sample(frac=1.0, random_state=random.randrange(2**31))
    again = split(shuffled, split_at=day * DAY)
    assert (again.test, again.valid) == (halves.test, halves.valid)
    assert set(again.train["row"]) == set(halves.train["row"])
