"""Writing many rows at once: COPY of text, ids that continue after those stored, indexes built afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from django.db import connection, models
from numpy.typing import NDArray

BLOCK_ROWS = 20_000
BUILD_MEMORY = "512MB"
NULL = r"\N"


def copy_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Rows as text: no tabs, line breaks or backslashes within a value, NULL for nothing. Returns how many."""
    statement = f"COPY {model._meta.db_table} ({', '.join(columns)}) FROM STDIN"
    written = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        block: list[str] = []
        for row in rows:
            block.append("\t".join(map(str, row)))
            written += 1
            if len(block) == BLOCK_ROWS:
                copy.write("\n".join(block) + "\n")
                block.clear()
        if block:
            copy.write("\n".join(block) + "\n")
    return written


def next_id(model: type[models.Model]) -> int:
    """The first id that no row has."""
    return int(model._default_manager.aggregate(most=models.Max("pk"))["most"] or 0) + 1


def continue_ids(*tables: type[models.Model]) -> None:
    """Let the sequences know of ids that were given out by hand."""
    with connection.cursor() as cursor:
        for model in tables:
            name = model._meta.db_table
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), (SELECT max(id) FROM "  # noqa: S608  (a table's name)
                f"{name}))",
                [name],
            )


@contextmanager
def indexes_afterwards(*tables: type[models.Model]) -> Iterator[None]:
    """The models' own indexes are dropped, and built again once their rows are there: minutes instead of hours."""
    with connection.schema_editor(atomic=False) as editor:
        for model in tables:
            for index in model._meta.indexes:
                editor.remove_index(model, index)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('maintenance_work_mem', %s, false)", [BUILD_MEMORY])
        with connection.schema_editor(atomic=False) as editor:
            for model in tables:
                for index in model._meta.indexes:
                    editor.add_index(model, index)


def halves(vectors: NDArray[np.float32]) -> Iterator[str]:
    """Each row as pgvector reads it."""
    for row in vectors:
        yield "[" + ",".join(np.char.mod("%.3f", row)) + "]"


def analyse(*tables: type[models.Model]) -> None:
    with connection.cursor() as cursor:
        for model in tables:
            cursor.execute(f"VACUUM (ANALYZE) {model._meta.db_table}")
