"""Parquet with the field names of an item as columns; `attributes` is JSON text, further columns become attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO

from catalog.feeds.text import FeedError, Head, compact
from catalog.item_rows import FIELDS
from catalog.models import Item

NAME = "parquet"
TITLE = "Parquet"
KEEPS = frozenset(FIELDS)
BATCH = 2000


def matches(head: Head) -> bool:
    return head.raw.startswith(b"PAR1")


def read(file: BinaryIO) -> Iterator[dict[str, object]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file)
        if "external_id" not in table.schema_arrow.names:
            raise FeedError("The file has no column external_id; its columns carry the field names of an item.")
        for batch in table.iter_batches(batch_size=BATCH):
            for row in batch.to_pylist():
                if row.get("stock_quantity", 0) is None:  # an empty cell, as in a table: it does not say unknown
                    del row["stock_quantity"]
                yield row
    except (pyarrow.ArrowException, OSError, OverflowError) as error:  # a damaged page, a time beyond Python's
        raise FeedError(f"This is not a readable Parquet file: {error}.") from None


def write(items: Iterable[Item], file: BinaryIO) -> int:
    import pyarrow
    import pyarrow.parquet

    text = pyarrow.string()
    kinds = {
        "price": pyarrow.decimal128(12, 2),
        "is_in_stock": pyarrow.bool_(),
        "is_hidden": pyarrow.bool_(),
        "published_at": pyarrow.timestamp("us", tz="UTC"),
        "stock_quantity": pyarrow.int64(),
    }
    schema = pyarrow.schema([(name, kinds.get(name, text)) for name in ("external_id", *FIELDS)])
    written = 0
    iterator = iter(items)
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(iterator, BATCH)):
            columns = {name: [getattr(item, name) for item in batch] for name in schema.names}
            columns["attributes"] = [compact(item.attributes) for item in batch]
            writer.write_table(pyarrow.Table.from_pydict(columns, schema=schema))
            written += len(batch)
    return written
