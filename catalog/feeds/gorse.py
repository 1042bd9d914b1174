"""Gorse's items as JSON lines: ItemId, IsHidden, Categories, Timestamp, Labels, Comment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from catalog.feeds.jsonl import read_values
from catalog.feeds.text import Head
from catalog.item_rows import FIELDS, UnreadableRow
from catalog.models import Item

NAME = "gorse"
TITLE = "Gorse items JSON lines"
KEEPS = frozenset(FIELDS)
NO_TIME = "0001-01-01"


def matches(head: Head) -> bool:
    return head.text.lstrip()[:1] in {"{", "["} and '"ItemId"' in head.text


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    for value in read_values(file):
        if isinstance(value, UnreadableRow):
            yield value
        elif isinstance(value, dict):
            yield _item(value)
        else:
            yield UnreadableRow("This line is JSON but no object; Gorse writes one object a line.")


def _item(value: dict[str, Any]) -> dict[str, object]:
    labels = value.get("Labels")
    known: dict[str, object] = {}
    attributes: dict[str, object] = {}
    if isinstance(labels, dict):
        for name, label in labels.items():
            (known if name in FIELDS and name != "attributes" else attributes)[str(name)] = label
        if isinstance(labels.get("attributes"), dict):
            attributes = {key: label for key, label in attributes.items() if key != "attributes"} | labels["attributes"]
    elif labels:
        attributes["labels"] = labels
    comment = value.get("Comment") or ""
    title = known.pop("title", "") or comment
    if comment and comment != title:
        known.setdefault("description", comment)
    categories = value.get("Categories")
    item: dict[str, object] = {
        "external_id": value.get("ItemId"),
        "title": title,
        "product_type": " > ".join(str(name) for name in categories) if isinstance(categories, list) else "",
        "attributes": attributes,
        "is_hidden": bool(value.get("IsHidden", False)),
    }
    timestamp = value.get("Timestamp")
    if timestamp and not str(timestamp).startswith(NO_TIME):
        item["published_at"] = timestamp
    return known | item


def write(items: Iterable[Item], file: BinaryIO) -> int:
    written = 0
    for item in items:
        labels: dict[str, object] = {
            "title": item.title,
            "description": item.description,
            "brand": item.brand,
            "link": item.link,
            "image_url": item.image_url,
            "price": None if item.price is None else str(item.price),
            "currency": item.currency,
            "is_in_stock": item.is_in_stock,
            "stock_quantity": item.stock_quantity,
            "attributes": item.attributes,
        }
        row = {
            "ItemId": item.external_id,
            "IsHidden": item.is_hidden,
            "Categories": item.product_type.split(" > ") if item.product_type else [],
            "Timestamp": item.published_at.isoformat() if item.published_at else f"{NO_TIME}T00:00:00Z",
            "Labels": labels,
            "Comment": item.title,
        }
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        written += 1
    return written
