"""What a step of preparation did: how many rows it left out or changed, and a few of them with the reason. Pure.

Rows are a DataFrame with the columns of COLUMNS: `row` is the number in the file (1 is the first row of data), `time`
is seconds since 1970 (NaN where unreadable), `quantity` is negative where something comes back, `price` is NaN where a
file has none, and text that is missing is "".
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.algorithms.cleaning.report import ROWS_SHOWN, OffendingRow, Step

COLUMNS = ("row", "user", "item", "title", "quantity", "price", "time", "basket")
TEXTS = ("user", "item", "title", "basket")


def empty_rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            column: pd.Series(
                dtype="str" if column in TEXTS else "int64" if column == "row" else "float64",
            )
            for column in COLUMNS
        }
    )


def shown(
    rows: pd.DataFrame, is_offending: NDArray[np.bool_], reasons: NDArray[np.object_]
) -> tuple[OffendingRow, ...]:
    """The first offending rows. `reasons` has one entry a row of `rows`."""
    places = np.flatnonzero(is_offending)
    numbers = rows["row"].to_numpy()[places]
    first = places[np.argsort(numbers, kind="stable")[:ROWS_SHOWN]]
    found = rows.iloc[first]
    return tuple(
        OffendingRow(row=int(values["row"]), values=_values(values), reason=str(reasons[place]))
        for place, values in zip(first, found.to_dict("records"), strict=True)
    )


def step(
    name: str,
    words: str,
    rows: pd.DataFrame,
    *,
    dropped: NDArray[np.bool_] | None = None,
    changed: NDArray[np.bool_] | None = None,
    reasons: NDArray[np.object_],
) -> Step:
    """Counts and first rows; masks and reasons have one entry a row of `rows`, which are the rows before the step."""
    nobody = np.zeros(len(rows), dtype=bool)
    is_dropped = nobody if dropped is None else dropped
    is_changed = nobody if changed is None else changed & ~is_dropped
    return Step(
        step=name,
        words=words,
        dropped=int(is_dropped.sum()),
        changed=int(is_changed.sum()),
        rows=shown(rows, is_dropped | is_changed, reasons),
    )


def _values(values: dict[str, object]) -> dict[str, str | float | None]:
    told: dict[str, str | float | None] = {}
    for column in COLUMNS[1:]:
        value = values[column]
        if column in TEXTS:
            told[column] = str(value)
        else:
            number = float(value)  # type: ignore[arg-type]
            told[column] = None if not np.isfinite(number) else moment(number) if column == "time" else number
    return told


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
