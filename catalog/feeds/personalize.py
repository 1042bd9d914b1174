"""Amazon Personalize items CSV: ITEM_ID, CREATION_TIMESTAMP (seconds), CATEGORY_L1 … (several joined by |), PRICE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from catalog.feeds.tables import read_table, write_table
from catalog.feeds.text import FeedError, Head, first_named
from catalog.item_rows import UnreadableRow
from catalog.models import Item

NAME = "personalize"
TITLE = "Amazon Personalize items CSV"
KEEPS = frozenset(
    {
        "title",
        "description",
        "brand",
        "product_type",
        "price",
        "currency",
        "is_in_stock",
        "is_hidden",
        "published_at",
        "stock_quantity",
    }
)
COLUMNS = (
    "ITEM_ID",
    "CREATION_TIMESTAMP",
    "TITLE",
    "PRODUCT_DESCRIPTION",
    "BRAND",
    "CATEGORY_L1",
    "PRICE",
    "CURRENCY",
    "IN_STOCK",
    "HIDDEN",
    "STOCK_QUANTITY",
)
TITLES = ("TITLE", "ITEM_NAME", "PRODUCT_NAME", "NAME")
LEVELS = ("CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3", "CATEGORY_L4")


def matches(head: Head) -> bool:
    return "ITEM_ID" in {name.strip() for name in head.columns}


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    for row in read_table(file, header=lambda name: name.strip().upper()):
        if isinstance(row, UnreadableRow):
            yield row
            continue
        if "ITEM_ID" not in row:
            raise FeedError("The table has no column ITEM_ID; a Personalize items file has one.")
        yield _item(row)


def _item(row: dict[str, str]) -> dict[str, object]:
    description = first_named(row, "PRODUCT_DESCRIPTION", "DESCRIPTION", "ITEM_DESCRIPTION")
    levels = [row.pop(level, "").strip() for level in LEVELS]
    item: dict[str, object] = {
        "external_id": row.pop("ITEM_ID"),
        # Personalize wants no title; the first line of the description is the closest there is.
        "title": first_named(row, *TITLES) or description.partition("\n")[0][:200],
        "description": description,
        "brand": row.pop("BRAND", ""),
        "product_type": " > ".join(level.partition("|")[0] for level in levels if level)
        or first_named(row, "CATEGORY", "GENRES"),
        "price": row.pop("PRICE", ""),
        "currency": row.pop("CURRENCY", ""),
        "published_at": row.pop("CREATION_TIMESTAMP", ""),
    }
    for column, name in (("IN_STOCK", "is_in_stock"), ("HIDDEN", "is_hidden")):
        if value := row.pop(column, ""):
            item[name] = value
    return {name.lower(): value for name, value in row.items() if value} | item


def write(items: Iterable[Item], file: BinaryIO) -> int:
    return write_table(items, file, columns=COLUMNS, row=_row)


def _row(item: Item) -> list[str]:
    return [
        item.external_id,
        str(int((item.published_at or item.created_at).timestamp())),
        item.title,
        item.description,
        item.brand,
        item.product_type,
        "" if item.price is None else str(item.price),
        item.currency,
        "true" if item.is_in_stock else "false",
        "true" if item.is_hidden else "false",
        "" if item.stock_quantity is None else str(item.stock_quantity),
    ]
