"""Our own table: a header with the field names of an item; further columns become attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from catalog.feeds.tables import read_table, write_table
from catalog.feeds.text import Head, compact
from catalog.item_rows import FIELDS, UnreadableRow
from catalog.models import Item

NAME = "csv"
TITLE = "recsite CSV"
KEEPS = frozenset(FIELDS)
COLUMNS = ("external_id", *FIELDS)
OTHER_NAMES = {
    "id": "external_id",
    "item_id": "external_id",
    "sku": "external_id",
    "name": "title",
    "image": "image_url",
    "image_link": "image_url",
    "url": "link",
    "category": "product_type",
    "in_stock": "is_in_stock",
    "availability": "is_in_stock",
    "hidden": "is_hidden",
    "stock": "stock_quantity",
    "quantity": "stock_quantity",
    "inventory": "stock_quantity",
}


def matches(head: Head) -> bool:
    names = {_field(column) for column in head.columns}
    return "external_id" in names and "title" in names


def _field(column: str) -> str:
    name = column.strip().lower().replace(" ", "_")
    return OTHER_NAMES.get(name, name)


def read(file: BinaryIO) -> Iterator[dict[str, str] | UnreadableRow]:
    return read_table(file, header=_field)


def write(items: Iterable[Item], file: BinaryIO) -> int:
    return write_table(items, file, columns=COLUMNS, row=_row)


def _row(item: Item) -> list[str]:
    return [
        item.external_id,
        item.title,
        item.description,
        item.brand,
        item.product_type,
        item.link,
        item.image_url,
        "" if item.price is None else str(item.price),
        item.currency,
        "true" if item.is_in_stock else "false",
        "true" if item.is_hidden else "false",
        compact(item.attributes) if item.attributes else "",
        item.published_at.isoformat() if item.published_at else "",
        "" if item.stock_quantity is None else str(item.stock_quantity),
    ]
