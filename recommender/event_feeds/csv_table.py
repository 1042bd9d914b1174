"""A comma- or tab-separated table with a header; user and item are needed, columns that are no field are left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.tables import read_table
from catalog.feeds.text import FeedError, Head
from catalog.item_rows import UnreadableRow
from recommender.event_feeds.fields import event_fields, field_name

NAME = "csv"
TITLE = "recsite CSV"


def matches(head: Head) -> bool:
    return {"user", "item"} <= {field_name(column) for column in head.columns}


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    for row in read_table(file, header=field_name):
        if isinstance(row, UnreadableRow):
            yield row
            continue
        if not {"user", "item"} <= set(row):
            raise FeedError("The table lacks a column user or item; its header is the first line.")
        yield event_fields(row)
