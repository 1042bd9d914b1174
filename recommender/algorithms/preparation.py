"""THE order in which raw rows of a shop become clean purchases, each step counted. Pure.

Dropped is only what is no purchase of an item by somebody; a number that cannot be right is mended and its row stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.algorithms.cleaning import bots as inhuman
from recommender.algorithms.cleaning import cancellations, identifiers, outliers, titles
from recommender.algorithms.cleaning.non_items import NO_PATTERNS, Patterns, non_items
from recommender.algorithms.cleaning.report import Step
from recommender.algorithms.cleaning.steps import COLUMNS, step


@dataclass(frozen=True)
class Choices:
    """ignore_case: whether ids differing by case are one item; None lets the names decide."""

    ignore_case: bool | None = None
    patterns: Patterns = field(default_factory=Patterns)


BY_ITSELF = Choices()


@dataclass(frozen=True)
class Prepared:
    """`rows`: all purchases, oldest first, with COLUMNS and `cancelled_at`, NaN where something was kept of it.

    A purchase cancelled later was still known at the time between, so a history that ends there has to hold it;
    `kept` has those that nobody cancelled. `anonymous`: the same without a user. `titles`: item -> name.
    """

    rows: pd.DataFrame
    anonymous: pd.DataFrame
    titles: pd.Series
    steps: tuple[Step, ...]
    rows_in: int

    @property
    def kept(self) -> pd.DataFrame:
        return self.rows[self.rows["cancelled_at"].isna()]


def prepare(raw: pd.DataFrame, choices: Choices = BY_ITSELF) -> Prepared:
    """raw: columns as in `cleaning.steps.COLUMNS`, in any order of rows; row numbers must differ."""
    rows = raw.loc[:, list(COLUMNS)].sort_values("row", kind="stable", ignore_index=True)
    as_named = pd.Series(rows["title"].to_numpy(), index=rows["row"].to_numpy())
    rows["title"] = _mapped(rows["title"], titles.tidy)
    steps: list[Step] = []
    for clean in (
        partial(identifiers.one_id_per_item, ignore_case=choices.ignore_case),
        without_missing,
        without_duplicates,
        without_stock_notes,
        partial(without_non_items, patterns=choices.patterns),
        without_cancellations,
        without_bots,
        partial(with_usual, column="price"),
        partial(with_usual, column="quantity"),
        with_one_time_a_basket,
    ):
        rows, *done = clean(rows)
        steps += done
    rows, names, named = with_one_name(rows, as_named)
    rows = rows.sort_values(["time", "user", "basket", "row"], kind="stable")
    is_anonymous = (rows["user"] == "").to_numpy()
    return Prepared(
        rows=rows[~is_anonymous].reset_index(drop=True),
        anonymous=rows[is_anonymous].reset_index(drop=True),
        titles=names,
        steps=(*steps, named, _anonymous(rows, is_anonymous)),
        rows_in=len(raw),
    )


def _anonymous(rows: pd.DataFrame, is_anonymous: NDArray[np.bool_]) -> Step:
    words = "Purchases of nobody we know: in no history, kept apart as baskets."
    dropped = is_anonymous & rows["cancelled_at"].isna().to_numpy()
    return step("anonymous", words, rows, dropped=dropped, reasons=_same("no customer", rows))


def without_missing(rows: pd.DataFrame) -> tuple[pd.DataFrame, Step]:
    lacks = [
        ((rows["item"] == "").to_numpy(), "no item"),
        (~np.isfinite(rows["time"].to_numpy(np.float64)), "no time that can be read"),
        (~np.isfinite(rows["quantity"].to_numpy(np.float64)), "no quantity that can be read"),
        ((rows["quantity"] == 0).to_numpy(), "a quantity of zero"),
    ]
    reasons = _first_reason(rows, lacks)
    is_lacking = reasons != ""
    done = step("missing", "Rows without item, time or quantity.", rows, dropped=is_lacking, reasons=reasons)
    return rows[~is_lacking], done


def without_duplicates(rows: pd.DataFrame) -> tuple[pd.DataFrame, Step]:
    """The first of rows alike in everything but their number."""
    alike = rows.duplicated([column for column in COLUMNS if column != "row"]).to_numpy()
    words = "Rows that say word for word what an earlier row says."
    done = step("duplicates", words, rows, dropped=alike, reasons=_same("the same as an earlier row", rows))
    return rows[~alike], done


def without_stock_notes(rows: pd.DataFrame) -> tuple[pd.DataFrame, Step]:
    """Rows at no price that record what happened to stock, or what was given away. Needs prices to tell."""
    price = rows["price"].to_numpy(np.float64)
    unpaid = ~(price > 0) if bool((price > 0).any()) else np.zeros(len(rows), dtype=bool)
    nobody = (rows["user"] == "").to_numpy()
    nameless = (rows["title"] == "").to_numpy() & bool((rows["title"] != "").any())
    capitals = titles.writes_upper_case(rows["title"])
    remark = _mapped(rows["title"], lambda title: str(titles.is_note(title) or (capitals and titles.is_remark(title))))
    is_remark = (remark == "True").to_numpy() & ~nameless & (rows["title"] != "").to_numpy()
    sells = rows["item"].isin(rows.loc[rows["price"] > 0, "item"].unique()).to_numpy()
    comes_back = (rows["quantity"] < 0).to_numpy()
    reasons = _first_reason(
        rows,
        [
            (unpaid & is_remark & (nobody | sells), "a note about stock, not a sale"),
            (unpaid & nobody & comes_back, "stock written off: no price, no customer"),
            (unpaid & nobody & (nameless | sells), "stock moved: no price, no customer"),
            (unpaid & sells & ~comes_back, "given away: the item has a price elsewhere"),
        ],
    )
    is_note = reasons != ""
    words = "Notes about stock and what was given away: no price was paid."
    return rows[~is_note], step("stock_notes", words, rows, dropped=is_note, reasons=reasons)


def without_non_items(rows: pd.DataFrame, patterns: Patterns = NO_PATTERNS) -> tuple[pd.DataFrame, Step]:
    found = non_items(rows, titles.best_titles(rows), patterns)
    negative = (rows["price"] < 0).to_numpy()
    reasons = np.array([found.get(item, "") for item in rows["item"].to_numpy(dtype=object)], dtype=object)
    reasons[negative & (reasons == "")] = "a price below zero"
    is_none = reasons != ""
    words = "Postage, fees, adjustments, vouchers, samples and tests: sold, but no items."
    return rows[~is_none], step("non_items", words, rows, dropped=is_none, reasons=reasons)


def without_cancellations(rows: pd.DataFrame) -> tuple[pd.DataFrame, Step, Step]:
    """Adds `cancelled_at`; a purchase that is left in part has what is left as quantity. Purchases cancelled in full
    stay in the rows and count as dropped."""
    is_cancellation = cancellations.are_cancellations(rows)
    matched = cancellations.match(rows, is_cancellation)
    in_full = ~np.isnan(matched.cancelled_at)
    in_part = ~is_cancellation & ~in_full & (matched.remaining < np.abs(rows["quantity"].to_numpy(np.float64)))
    lacks = is_cancellation & (matched.unmatched > 0)
    reasons = _first_reason(
        rows,
        [
            (lacks & (rows["user"] == "").to_numpy(), "a cancellation without a customer"),
            (lacks, "a cancellation with no, or not enough, earlier purchases in the file"),
            (is_cancellation, "a cancellation, taken from earlier purchases"),
            (in_full, "a purchase that was cancelled"),
            (in_part, "a purchase cancelled in part"),
        ],
    )
    words = "Cancellations, and the purchases they took back."
    taken = (is_cancellation & ~lacks) | in_full
    done = step("cancellations", words, rows, dropped=taken, changed=in_part, reasons=reasons)
    words = "Cancellations that found no earlier purchase, or not enough, to take from."
    without = step("unmatched", words, rows, dropped=lacks, reasons=reasons)
    quantity = np.where(in_full, rows["quantity"].to_numpy(np.float64), matched.remaining)
    after = rows.assign(quantity=quantity, cancelled_at=matched.cancelled_at)
    return after[~is_cancellation], done, without


def without_bots(rows: pd.DataFrame) -> tuple[pd.DataFrame, Step]:
    found = inhuman.bots(rows)
    reasons = np.array([found.get(user, "") for user in rows["user"].to_numpy(dtype=object)], dtype=object)
    is_bot = reasons != ""
    counted = is_bot & rows["cancelled_at"].isna().to_numpy()
    done = step("bots", "Users who act faster than a person can.", rows, dropped=counted, reasons=reasons)
    return rows[~is_bot], done


def with_usual(rows: pd.DataFrame, column: str) -> tuple[pd.DataFrame, Step]:
    words = {
        "price": "Prices far from what the item costs, brought to the limit.",
        "quantity": "Quantities far from what is usual for item and customer, brought to the limit.",
    }[column]
    became = (outliers.usual_prices if column == "price" else outliers.usual_quantities)(rows)
    was = rows[column].to_numpy(np.float64)
    changed = (became != was) & ~np.isnan(was)
    reasons = np.full(len(rows), "", dtype=object)
    for at in np.flatnonzero(changed):
        reasons[at] = f"{column} {was[at]:g} is {became[at]:.4g} now"
    return rows.assign(**{column: became}), step(
        "prices" if column == "price" else "quantities", words, rows, changed=changed, reasons=reasons
    )


def with_one_time_a_basket(rows: pd.DataFrame) -> tuple[pd.DataFrame, Step]:
    """Rows of a basket get its earliest time; rows without a basket are one with those of their user and second."""
    time = rows["time"].to_numpy(np.float64)
    lacks = (rows["basket"] == "").to_numpy()
    basket = rows["basket"].to_numpy(dtype=object).copy()
    for at in np.flatnonzero(lacks):
        basket[at] = f"at-{time[at]:.0f}"
    after = rows.assign(basket=pd.Series(basket, index=rows.index, dtype="str"))
    after["time"] = after.groupby(["user", "basket"])["time"].transform("min") if len(after) else after["time"]
    changed = (after["time"].to_numpy() != time) & rows["cancelled_at"].isna().to_numpy()
    words = "Rows of one basket at several times get its first."
    done = step("times", words, rows, changed=changed, reasons=_same("its basket began earlier", rows))
    return after, done


def with_one_name(rows: pd.DataFrame, as_named: pd.Series) -> tuple[pd.DataFrame, pd.Series, Step]:
    """as_named: by row number, the name in the file."""
    best = titles.best_titles(rows)
    after = rows.assign(title=rows["item"].map(best).astype("str"))
    was = as_named.reindex(rows["row"].to_numpy()).to_numpy(dtype=object)
    became = after["title"].to_numpy(dtype=object)
    changed = (was != became) & rows["cancelled_at"].isna().to_numpy()
    reasons = np.full(len(rows), "", dtype=object)
    for at in np.flatnonzero(changed):
        reasons[at] = f"the item is called {became[at]}"
    words = "Items with several names get the good one used most, lately above all."
    return after, best, step("titles", words, rows.assign(title=was), changed=changed, reasons=reasons)


def _mapped(texts: pd.Series, change: Callable[[str], str]) -> pd.Series:
    became = {text: change(str(text)) for text in texts.unique()}
    return texts.map(became).astype("str")


def _same(reason: str, rows: pd.DataFrame) -> NDArray[np.object_]:
    return np.full(len(rows), reason, dtype=object)


def _first_reason(rows: pd.DataFrame, cases: list[tuple[NDArray[np.bool_], str]]) -> NDArray[np.object_]:
    """By row the reason of the first case that holds, or ""."""
    reasons = np.full(len(rows), "", dtype=object)
    for holds, reason in reversed(cases):
        reasons[holds] = reason
    return reasons
