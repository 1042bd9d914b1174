"""Our own format: one JSON object a line, with the field names of the API. A JSON list of objects is read too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.jsonl import read_values
from catalog.feeds.text import Head
from catalog.item_rows import UnreadableRow
from recommender.event_feeds.fields import event_fields

NAME = "jsonl"
TITLE = "recsite JSON lines"


def matches(head: Head) -> bool:
    return head.suffix in {"jsonl", "ndjson", "json"} or head.text.lstrip()[:1] in {"{", "["}


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    for value in read_values(file):
        if isinstance(value, UnreadableRow):
            yield value
        elif isinstance(value, dict):
            yield event_fields(value)
        else:
            yield UnreadableRow("This line is JSON but no object; write one object a line.")
