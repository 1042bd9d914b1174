"""A chart as page, CSV and JSON take it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from recsite.operations.templatetags.console import calendar_day, number

Cell = str | int | float | date | None
Drawn = Literal["stack", "lines", "bars", "curve", "reliability", "histogram"]

# Okabe and Ito's palette, which colour-blind people can tell apart, in a light and a dark set (css/foundation.css).
COLOURS = ("interest", "label_affinity", "neighbours", "popular", "new", "repeat", "trending", "language_model")
REST_COLOUR = "other"


@dataclass(frozen=True)
class Empty:
    """What is said where there is nothing to draw: what is missing, and where to get it."""

    title: str
    words: str
    action: str = ""
    address: str = ""
    glyph: str = "chart-line"


@dataclass(frozen=True)
class Series:
    name: str
    colour: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Column:
    """`key` is its name in files; `title`, with its unit, on the page."""

    key: str
    title: str


@dataclass(frozen=True)
class Chart:
    key: str
    question: str
    drawn: Drawn
    x_title: str
    y_title: str
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    series: tuple[Series, ...] = ()
    categories: tuple[str, ...] = ()
    data: object = None
    summary: str = ""
    note: str = ""
    as_of: datetime | None = None
    warning: str = ""
    empty: Empty | None = None
    more: tuple[tuple[str, str], ...] = ()
    is_wide: bool = False

    @property
    def data_id(self) -> str:
        return f"data-{self.key}"

    @property
    def drawing(self) -> dict[str, object]:
        """What the browser draws from."""
        return {
            "drawn": self.drawn,
            "x": self.x_title,
            "y": self.y_title,
            "categories": list(self.categories),
            "series": [{"name": one.name, "colour": one.colour, "values": list(one.values)} for one in self.series],
            "data": self.data,
        }

    @property
    def shown_rows(self) -> list[list[tuple[str, bool]]]:
        """(text, whether it is a number) of each cell."""
        return [[_shown(cell) for cell in row] for row in self.rows]

    @property
    def csv(self) -> str:
        """Words that a spreadsheet would run as a formula are quoted."""
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerow([_safe(column.key) for column in self.columns])
        for row in self.rows:
            writer.writerow([_safe(cell) for cell in row])
        return written.getvalue()

    @property
    def json(self) -> dict[str, object]:
        return {
            "chart": self.key,
            "question": self.question,
            "summary": self.summary,
            "data_as_of": self.as_of.isoformat() if self.as_of else None,
            "rows": [
                {
                    column.key: cell.isoformat() if isinstance(cell, date) else cell
                    for column, cell in zip(self.columns, row, strict=True)
                }
                for row in self.rows
            ],
        }


def _shown(cell: Cell) -> tuple[str, bool]:
    if isinstance(cell, date):
        return calendar_day(cell), False
    if cell is None:
        return "–", True
    if isinstance(cell, str):
        return cell, False
    return number(cell, 0 if float(cell).is_integer() else 3 if abs(cell) < 10 else 1), True


def _safe(cell: Cell) -> object:
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else round(cell, 4)
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t" else cell
