"""What a step of preparation did, as reports keep it. Pure, and light: pages read it too."""

from __future__ import annotations

from dataclasses import dataclass

ROWS_SHOWN = 20


@dataclass(frozen=True)
class OffendingRow:
    row: int
    values: dict[str, str | float | None]
    reason: str


@dataclass(frozen=True)
class Step:
    """`words` says in one plain sentence what the step is about; `rows` are the first ROWS_SHOWN by row number."""

    step: str
    words: str
    dropped: int = 0
    changed: int = 0
    rows: tuple[OffendingRow, ...] = ()
