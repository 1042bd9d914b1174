"""Our own table: label, and taxonomy, description, icon, external_id and name:LANGUAGE where it has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from django.utils.translation import gettext_noop

from catalog.feeds.tables import read_table
from catalog.feeds.text import Head
from catalog.item_rows import UnreadableRow

NAME = "csv"
TITLE = gettext_noop("a table")
ALIASES = {"path": "label"}


def matches(head: Head) -> bool:
    return "label" in {_column(name) for name in head.columns}


def read(file: BinaryIO) -> Iterator[Mapping[str, str] | UnreadableRow]:
    return read_table(file, header=_column)


def _column(name: str) -> str:
    written = name.strip().lower()
    return ALIASES.get(written, written)
