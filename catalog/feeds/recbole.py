"""RecBole's atomic `.item` files: tab-separated, a header of name:type, no quotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from catalog.feeds.tables import read_table, write_table
from catalog.feeds.text import FeedError, Head, first_named
from catalog.item_rows import UnreadableRow
from catalog.models import Item

NAME = "recbole"
TITLE = "RecBole .item"
KEEPS = frozenset(
    {
        "title",
        "description",
        "brand",
        "product_type",
        "link",
        "image_url",
        "price",
        "currency",
        "is_in_stock",
        "is_hidden",
        "published_at",
        "stock_quantity",
    }
)
COLUMNS = (
    "item_id:token",
    "title:token_seq",
    "description:token_seq",
    "brand:token",
    "category:token",
    "link:token",
    "image_url:token",
    "price:float",
    "currency:token",
    "is_in_stock:float",
    "is_hidden:float",
    "timestamp:float",
    "stock_quantity:float",
)
TITLES = ("title", "name", "item_name", "movie_title", "product_title")
CATEGORIES = ("category", "categories", "product_type", "genre", "genres", "class")


def matches(head: Head) -> bool:
    return head.suffix == "item" or head.first_line.split("\t")[0].startswith("item_id:")


def _column(name: str) -> str:
    return name.strip().partition(":")[0].lower()


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    for row in read_table(file, delimiter="\t", quoted=False, header=_column):
        if isinstance(row, UnreadableRow):
            yield row
            continue
        if "item_id" not in row:
            raise FeedError("The table has no column item_id:token; a RecBole .item file has one.")
        yield _item(row)


def _item(row: dict[str, str]) -> dict[str, object]:
    item: dict[str, object] = {
        "external_id": row.pop("item_id"),
        "title": first_named(row, *TITLES),
        "product_type": first_named(row, *CATEGORIES),
        "published_at": first_named(row, "timestamp", "published_at"),
    }
    for flag in ("is_in_stock", "is_hidden"):
        if value := row.pop(flag, ""):
            item[flag] = {"1.0": "1", "0.0": "0"}.get(value, value)
    return {name: value for name, value in row.items() if value} | item


def write(items: Iterable[Item], file: BinaryIO) -> int:
    """Line breaks and tabs inside a value become spaces: the format has no quotes."""
    return write_table(items, file, columns=COLUMNS, row=_row, delimiter="\t", quoted=False)


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
        str(int(item.is_in_stock)),
        str(int(item.is_hidden)),
        str(int(item.published_at.timestamp())) if item.published_at else "",
        "" if item.stock_quantity is None else str(item.stock_quantity),
    ]
