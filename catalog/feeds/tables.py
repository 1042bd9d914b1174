"""Comma- or tab-separated tables with a header, in and out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from catalog.feeds.text import FeedError, delimiter_of, opened
from catalog.item_rows import UnreadableRow
from catalog.models import Item

csv.field_size_limit(32 * 1024 * 1024)


def read_table(
    file: BinaryIO, *, delimiter: str = "", quoted: bool = True, header: Callable[[str], str] = str.strip
) -> Iterator[dict[str, str] | UnreadableRow]:
    """One dict a row, columns renamed by `header`. A row with more cells than the header is unreadable; missing
    cells at its end count as not named. Raises FeedError where there is no header or two columns share a name."""
    text = opened(file)
    lines = (line.replace("\x00", "") for line in text)
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise FeedError("The file is empty; export the feed again.")
    rows = csv.reader(
        _prepended(first, lines),
        delimiter=delimiter or delimiter_of(first),
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )
    try:
        names = [header(name) for name in next(rows)]
        while names and not names[-1]:
            names.pop()
        twice = {name for name in names if name and names.count(name) > 1}
        if twice:
            raise FeedError(f"The header names {', '.join(sorted(twice))} twice; keep one column of each.")
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if any(cell.strip() for cell in cells[len(names) :]):
                yield UnreadableRow(
                    f"Line {rows.line_num} has {len(cells)} cells and the header {len(names)}; "
                    "quote cells that hold the separator."
                )
                continue
            yield {name: cell for name, cell in zip(names, cells, strict=False) if name}
    except csv.Error as error:
        raise FeedError(f"Line {rows.line_num} is not a valid table row ({error}); check its quotes.") from None
    finally:
        text.detach()


def _prepended(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def write_table(
    items: Iterable[Item],
    file: BinaryIO,
    *,
    columns: Sequence[str],
    row: Callable[[Item], Sequence[str]],
    delimiter: str = ",",
    quoted: bool = True,
) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    written = 0
    try:
        if quoted:
            writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
            writer.writerow(columns)
            for item in items:
                writer.writerow(row(item))
                written += 1
        else:
            text.write(delimiter.join(columns) + "\n")
            for item in items:
                text.write(delimiter.join(" ".join(cell.split()) for cell in row(item)) + "\n")
                written += 1
    finally:
        text.detach()
    return written
