"""RecBole's `.inter` files: tab-separated, a header of name:type, no quotes. With a rating a row is a rate event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.tables import read_table
from catalog.feeds.text import FeedError, Head
from catalog.item_rows import UnreadableRow
from recommender.event_feeds.fields import event_fields

NAME = "recbole"
TITLE = "RecBole .inter"


def matches(head: Head) -> bool:
    return head.suffix == "inter" or "user_id:token" in head.first_line.split("\t")


def _column(name: str) -> str:
    return name.strip().partition(":")[0].lower()


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    for row in read_table(file, delimiter="\t", quoted=False, header=_column):
        if isinstance(row, UnreadableRow):
            yield row
            continue
        if not {"user_id", "item_id"} <= set(row):
            raise FeedError("The table lacks user_id:token or item_id:token; a RecBole .inter file has both.")
        event = event_fields(row)
        if row.get("rating") and not event.get("type"):
            event["type"] = "rate"
        yield event
