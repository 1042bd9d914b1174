"""Feeds in and out: one module a format, found by name, by the file's ending, or by its first lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from catalog.feeds import csv_table, google_merchant, gorse, jsonl, parquet, personalize, recbole, shopify
from catalog.feeds.text import FeedError, Head, read_head
from catalog.item_rows import UnreadableRow
from catalog.models import Item

__all__ = ["FEEDS", "FeedError", "feed_named", "open_feed", "sniff"]

Row = Mapping[str, object] | UnreadableRow


class Feed(Protocol):
    """What every module here offers."""

    NAME: str
    TITLE: str
    #: Fields that survive writing and reading back.
    KEEPS: frozenset[str]

    def matches(self, head: Head) -> bool:
        """Whether a file that begins like this is in the format."""

    def read(self, file: BinaryIO) -> Iterator[Row]:
        """Rows with the field names of an item. Raises FeedError where the file cannot be read at all."""

    def write(self, items: Iterable[Item], file: BinaryIO) -> int:
        """How many items were written."""


# The first that matches wins, so the particular come before the general.
FEEDS: dict[str, Feed] = {
    feed.NAME: feed for feed in (parquet, google_merchant, shopify, recbole, personalize, gorse, jsonl, csv_table)
}


def feed_named(name: str) -> Feed:
    if name not in FEEDS:
        raise FeedError(f"There is no format {name!r}; use one of {', '.join(sorted(FEEDS))}.")
    return FEEDS[name]


def sniff(path: Path) -> Feed:
    """The format of a file, by its ending and its first lines."""
    head = read_head(path)
    for feed in FEEDS.values():
        if feed.matches(head):
            return feed
    raise FeedError(f"{path.name} begins like no format we know; name one with --format ({', '.join(sorted(FEEDS))}).")


def open_feed(path: Path, *, name: str = "") -> tuple[Feed, Iterator[Row]]:
    """The feed and its rows. Raises FeedError where the file is missing, empty, or in no format we know."""
    if read_head(path).is_empty:
        raise FeedError(f"{path.name} is empty; export the feed again.")
    feed = feed_named(name) if name else sniff(path)
    return feed, _rows(feed, path)


def _rows(feed: Feed, path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        yield from feed.read(file)
