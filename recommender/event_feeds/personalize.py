"""Amazon Personalize's interactions CSV: USER_ID, ITEM_ID, TIMESTAMP (epoch seconds), EVENT_TYPE and EVENT_VALUE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.tables import read_table
from catalog.feeds.text import FeedError, Head
from catalog.item_rows import UnreadableRow

NAME = "personalize"
TITLE = "Amazon Personalize interactions"
NEEDED = {"USER_ID", "ITEM_ID", "TIMESTAMP"}
FIELDS = {
    "USER_ID": "user",
    "ITEM_ID": "item",
    "TIMESTAMP": "occurred_at",
    "EVENT_TYPE": "type",
    "EVENT_VALUE": "value",
}


def matches(head: Head) -> bool:
    return {column.strip() for column in head.columns} >= NEEDED


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    for row in read_table(file):
        if isinstance(row, UnreadableRow):
            yield row
            continue
        if not set(row) >= NEEDED:
            raise FeedError("The table lacks USER_ID, ITEM_ID or TIMESTAMP; Personalize asks for all three.")
        yield {field: row[column] for column, field in FIELDS.items() if row.get(column)}
