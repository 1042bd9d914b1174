"""Parquet with the field names of an event as columns; further columns are left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.text import FeedError, Head
from recommender.event_feeds.fields import event_fields, field_name

NAME = "parquet"
TITLE = "Parquet"
BATCH = 2000


def matches(head: Head) -> bool:
    return head.raw.startswith(b"PAR1")


def read(file: BinaryIO) -> Iterator[dict[str, object]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file)
        if not {"user", "item"} <= {field_name(column) for column in table.schema_arrow.names}:
            raise FeedError("The file lacks a column user or item; its columns carry the field names of an event.")
        for batch in table.iter_batches(batch_size=BATCH):
            for row in batch.to_pylist():
                yield event_fields(row)
    except pyarrow.ArrowException as error:
        raise FeedError(f"This is not a readable Parquet file: {error}.") from None
