"""Gorse's feedback, as JSON lines or CSV: FeedbackType, UserId, ItemId, Timestamp, and Value since Gorse 0.5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from catalog.feeds.jsonl import read_values
from catalog.feeds.tables import read_table
from catalog.feeds.text import FeedError, Head
from catalog.item_rows import UnreadableRow

NAME = "gorse"
TITLE = "Gorse feedback"
NO_TIME = "0001-01-01"


def _plain(column: str) -> str:
    return column.strip().lower().replace("_", "")


def matches(head: Head) -> bool:
    if head.text.lstrip()[:1] in {"{", "["}:
        return '"FeedbackType"' in head.text
    return {"feedbacktype", "userid", "itemid"} <= {_plain(column) for column in head.columns}


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    is_json = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}
    file.seek(0)
    if is_json:
        for value in read_values(file):
            if isinstance(value, dict):
                yield _event({_plain(str(name)): cell for name, cell in value.items()})
            elif isinstance(value, UnreadableRow):
                yield value
            else:
                yield UnreadableRow("This line is JSON but no object; Gorse writes one object a line.")
        return
    for row in read_table(file, header=_plain):
        if isinstance(row, UnreadableRow):
            yield row
        elif {"feedbacktype", "userid", "itemid"} <= set(row):
            yield _event(row)
        else:
            raise FeedError("The table lacks a column FeedbackType, UserId or ItemId; Gorse's export has them.")


def _event(row: Mapping[str, object]) -> dict[str, object]:
    event: dict[str, object] = {"user": row.get("userid"), "item": row.get("itemid"), "type": row.get("feedbacktype")}
    timestamp = row.get("timestamp")
    if timestamp and not str(timestamp).startswith(NO_TIME):
        event["occurred_at"] = timestamp
    # Gorse counts from 0 and treats 0 as "once".
    if row.get("value") not in (None, "", 0, 0.0, "0"):
        event["value"] = row["value"]
    return event
