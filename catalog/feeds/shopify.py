"""Shopify's product CSV. Rows that share a Handle are variants and further images of one item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import BinaryIO

from catalog.feeds.tables import read_table, write_table
from catalog.feeds.text import FeedError, Head, plain
from catalog.item_rows import UnreadableRow
from catalog.models import Item

NAME = "shopify"
TITLE = "Shopify products CSV"
KEEPS = frozenset(
    {
        "title",
        "description",
        "brand",
        "product_type",
        "image_url",
        "price",
        "is_in_stock",
        "is_hidden",
        "stock_quantity",
    }
)
COLUMNS = (
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Type",
    "Published",
    "Variant SKU",
    "Variant Inventory Tracker",
    "Variant Inventory Qty",
    "Variant Inventory Policy",
    "Variant Price",
    "Image Src",
    "Status",
)


def matches(head: Head) -> bool:
    columns = {name.strip() for name in head.columns}
    return "Handle" in columns and bool({"Title", "Variant Price", "Body (HTML)"} & columns)


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    handles: dict[str, list[dict[str, str]]] = {}
    for row in read_table(file):
        if isinstance(row, UnreadableRow):
            yield row
            continue
        if "Handle" not in row:
            raise FeedError("The table has no column Handle; a Shopify product export has one.")
        handles.setdefault(row["Handle"].strip(), []).append(row)
    for handle, rows in handles.items():
        yield _item(handle, rows)


def _item(handle: str, rows: list[dict[str, str]]) -> dict[str, object]:
    variants = [row for row in rows if row.get("Variant Price", "").strip() or row.get("Variant SKU", "").strip()]
    status = _first(rows, "Status").lower() or "active"
    attributes: dict[str, object] = {}
    if tags := [tag.strip() for tag in _first(rows, "Tags").split(",") if tag.strip()]:
        attributes["tags"] = tags
    if len(variants) > 1:
        attributes["variants"] = [_variant(row) for row in variants[:100]]
    elif variants and (sku := variants[0].get("Variant SKU", "").strip()):
        attributes["sku"] = sku
    item: dict[str, object] = {
        "external_id": handle,
        "title": _first(rows, "Title"),
        "description": plain(_first(rows, "Body (HTML)")),
        "brand": _first(rows, "Vendor"),
        "product_type": _first(rows, "Type") or _first(rows, "Product Category"),
        "image_url": _first(rows, "Image Src"),
        "price": _lowest_price(variants),
        "is_in_stock": any(_sellable(row) for row in variants) if variants else True,
        "attributes": attributes,
    }
    if (pieces := _pieces(variants)) is not None:
        item["stock_quantity"] = pieces
    if _first(rows, "Published") or _first(rows, "Status"):
        item["is_hidden"] = _first(rows, "Published").lower() in {"false", "no", "0"} or status != "active"
    return item


def _first(rows: list[dict[str, str]], column: str) -> str:
    return next((row[column].strip() for row in rows if row.get(column, "").strip()), "")


def _variant(row: dict[str, str]) -> dict[str, str]:
    options = [row.get(f"Option{number} Value", "").strip() for number in (1, 2, 3)]
    return {
        "sku": row.get("Variant SKU", "").strip(),
        "price": row.get("Variant Price", "").strip(),
        "options": " / ".join(option for option in options if option),
    }


def _lowest_price(variants: list[dict[str, str]]) -> str:
    """As written, so that a price nobody can read is rejected with its row."""
    prices = [row["Variant Price"].strip() for row in variants if row.get("Variant Price", "").strip()]
    try:
        return min(prices, key=Decimal, default="")
    except InvalidOperation:
        return prices[0]


def _sellable(row: dict[str, str]) -> bool:
    if not row.get("Variant Inventory Tracker", "").strip():
        return True
    if row.get("Variant Inventory Policy", "").strip().lower() == "continue":
        return True
    try:
        return Decimal(row.get("Variant Inventory Qty", "").strip() or "0") > 0
    except InvalidOperation:
        return False


def _pieces(variants: list[dict[str, str]]) -> int | None:
    """Of all variants together, those sold beyond their stock as none; None where Shopify does not count each."""
    total = 0
    for row in variants:
        quantity = row.get("Variant Inventory Qty", "").strip()
        if not row.get("Variant Inventory Tracker", "").strip() or not re.fullmatch(r"-?\d{1,9}", quantity):
            return None
        total += max(0, int(quantity))
    return total if variants else None


def write(items: Iterable[Item], file: BinaryIO) -> int:
    return write_table(items, file, columns=COLUMNS, row=_row)


def _row(item: Item) -> list[str]:
    paragraphs = "".join(f"<p>{_escaped(line)}</p>" for line in item.description.split("\n") if line)
    return [
        item.external_id,
        item.title,
        paragraphs,
        item.brand,
        item.product_type,
        "false" if item.is_hidden else "true",
        str(item.attributes.get("sku", item.external_id)),
        *_inventory(item),
        "" if item.price is None else str(item.price),
        item.image_url,
        "draft" if item.is_hidden else "active",
    ]


def _inventory(item: Item) -> tuple[str, str, str]:
    """Tracker, quantity and policy. Shopify sells what it does not count, and what may be sold beyond its stock."""
    if not item.is_in_stock:
        return "shopify", "0", "deny"
    if item.stock_quantity is None:
        return "", "", "deny"
    return "shopify", str(item.stock_quantity), "continue" if item.stock_quantity == 0 else "deny"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
