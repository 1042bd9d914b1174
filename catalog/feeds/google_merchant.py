"""Google Merchant feeds: a table with its column names, or RSS/Atom with the g: namespace."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from catalog.feeds.tables import read_table, write_table
from catalog.feeds.text import FeedError, Head, first_named, money
from catalog.feeds.xml_entries import read_entries
from catalog.item_rows import UnreadableRow
from catalog.models import Item

NAME = "google_merchant"
TITLE = "Google Merchant (TSV, CSV, RSS or Atom)"
KEEPS = frozenset(
    {"title", "description", "brand", "product_type", "link", "image_url", "price", "currency", "is_in_stock"}
)
COLUMNS = (
    "id",
    "title",
    "description",
    "link",
    "image_link",
    "availability",
    "price",
    "brand",
    "product_type",
)
ENTRIES = frozenset({"item", "entry"})


def matches(head: Head) -> bool:
    if head.suffix in {"xml", "rss", "atom"} or head.text.lstrip().startswith(("<?xml", "<rss", "<feed")):
        return True
    return {"id", "title"} < {_column(name) for name in head.columns} and bool(
        {"image_link", "availability"} & {_column(name) for name in head.columns}
    )


def _column(name: str) -> str:
    return name.strip().lower().removeprefix("g:").replace(" ", "_")


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    file.seek(0)
    begin = file.read(4096).lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").replace(b"\x00", b"")
    is_xml = begin.startswith(b"<")
    rows = read_entries(file, ENTRIES, name=_column) if is_xml else read_table(file, header=_column)
    first = next(rows, None)
    if isinstance(first, dict) and "id" not in first and not is_xml:
        raise FeedError("The feed has no id; a Google Merchant feed names id, title, link, image_link, price.")
    for row in itertools.chain([] if first is None else [first], rows):
        yield row if isinstance(row, UnreadableRow) else _item(row)


def _item(row: dict[str, str]) -> dict[str, object]:
    item: dict[str, object] = {
        "external_id": row.pop("id", ""),
        "title": row.pop("title", ""),
        "description": first_named(row, "description", "summary"),
        "link": row.pop("link", ""),
        "image_url": row.pop("image_link", ""),
        "price": row.pop("price", ""),
        "product_type": row.pop("product_type", "") or row.get("google_product_category", ""),
        "brand": row.pop("brand", ""),
    }
    if availability := row.pop("availability", ""):
        item["is_in_stock"] = availability
    return item | {name: value for name, value in row.items() if value}


def write(items: Iterable[Item], file: BinaryIO) -> int:
    """A tab-separated table, which Google takes as it is."""
    return write_table(items, file, columns=COLUMNS, row=_row, delimiter="\t")


def _row(item: Item) -> list[str]:
    return [
        item.external_id,
        item.title,
        item.description,
        item.link,
        item.image_url,
        "in_stock" if item.is_in_stock else "out_of_stock",
        money(item),
        item.brand,
        item.product_type,
    ]
