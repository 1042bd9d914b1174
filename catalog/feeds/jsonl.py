"""Our own format: one JSON object a line, with the field names of an item. A JSON list of objects is read too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from catalog.feeds.text import FeedError, Head, opened
from catalog.item_rows import FIELDS, UnreadableRow
from catalog.models import Item

NAME = "jsonl"
TITLE = "recsite JSON lines"
KEEPS = frozenset(FIELDS)


def matches(head: Head) -> bool:
    return head.suffix in {"jsonl", "ndjson", "json"} or head.text.lstrip()[:1] in {"{", "["}


def read(file: BinaryIO) -> Iterator[dict[str, object] | UnreadableRow]:
    for value in read_values(file):
        if isinstance(value, (dict, UnreadableRow)):
            yield value
        else:
            yield UnreadableRow("This line is JSON but no object; write one object a line.")


def read_values(file: BinaryIO) -> Iterator[Any]:
    """The JSON value of each line, or of each element where the file is one list."""
    text = opened(file)
    try:
        first = text.readline()
        while first and not first.strip():
            first = text.readline()
        if first.lstrip().startswith("["):
            try:
                yield from json.loads(first + text.read(), parse_constant=_refuse)
            except (ValueError, RecursionError) as error:
                raise FeedError(f"The file begins a JSON list but is not valid JSON: {error}.") from None
            return
        number = 0
        for number, line in enumerate(_from(first, text), 1):
            if line.strip():
                yield _parsed(line, number)
        if number == 0:
            raise FeedError("The file is empty; export the feed again.")
    finally:
        text.detach()


def _from(first: str, rest: Iterable[str]) -> Iterator[str]:
    if first:
        yield first
        yield from rest


def _parsed(line: str, number: int) -> Any:
    try:
        return json.loads(line.strip(), parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return UnreadableRow(f"Line {number} is not valid JSON: {error.msg} at character {error.pos + 1}.")
    except (ValueError, RecursionError) as error:
        return UnreadableRow(f"Line {number} is not valid JSON: {error}.")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON; write a number or null")


def write(items: Iterable[Item], file: BinaryIO) -> int:
    written = 0
    for item in items:
        row: dict[str, Any] = {"external_id": item.external_id} | {name: getattr(item, name) for name in FIELDS}
        row["price"] = None if item.price is None else str(item.price)
        row["published_at"] = item.published_at.isoformat() if item.published_at else None
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        written += 1
    return written
