"""Files of taxonomies: one module a format, found by name or by how a file begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from django.utils.translation import gettext

from catalog.feeds.text import FeedError, Head, read_head
from catalog.item_rows import UnreadableRow
from catalog.taxonomy_files import csv_table, google, shopify

__all__ = ["FORMATS", "FeedError", "Row", "read_taxonomy"]

#: Columns to text: label (a path joined by " > "), and taxonomy, description, icon, external_id, name:LANGUAGE if any.
Row = Mapping[str, str] | UnreadableRow


class TaxonomyFile(Protocol):
    """What every module here offers."""

    NAME: str
    TITLE: str

    def matches(self, head: Head) -> bool:
        """Whether a file that begins like this is in the format."""

    def read(self, file: BinaryIO) -> Iterator[Row]:
        """Rows, parents before what lies below them where the file has them so. Raises FeedError where it cannot."""


# The first that matches wins; a table is what is left.
FORMATS: dict[str, TaxonomyFile] = {one.NAME: one for one in (google, shopify, csv_table)}


def read_taxonomy(path: Path, *, name: str = "", shown_name: str = "") -> list[Row]:
    """The rows of the file, read to its end. name: of the format, else the one it looks like; shown_name: what errors
    call the file. Raises FeedError where it is missing, empty, or cannot be read as that."""
    called = shown_name or path.name
    head = read_head(path)
    if head.is_empty:
        raise FeedError(
            gettext("%(file)s is empty; give it the columns taxonomy, label, description, icon.") % {"file": called}
        )
    if name and name not in FORMATS:
        raise FeedError(
            gettext("There is no format %(name)r; use one of %(known)s.")
            % {"name": name, "known": ", ".join(sorted(FORMATS))}
        )
    reader = FORMATS[name] if name else next((one for one in FORMATS.values() if one.matches(head)), csv_table)
    with path.open("rb") as file:
        rows = list(reader.read(file))
    if not rows:
        raise FeedError(
            gettext("%(file)s holds no labels as %(format)s; check the file, or name its format.")
            % {"file": called, "format": reader.TITLE}
        )
    first = next((row for row in rows if not isinstance(row, UnreadableRow)), None)
    if first is None or "label" not in first:
        raise FeedError(gettext("%(file)s lacks the column label; its header is the first line.") % {"file": called})
    return rows
