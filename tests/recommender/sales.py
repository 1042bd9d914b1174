"""Made-up sales of a small shop, as rows for preparation."""

from __future__ import annotations

from typing import Any

import pandas as pd

from recommender.algorithms.cleaning.steps import COLUMNS, empty_rows

DAY = 86_400.0


def sale(item: str = "1001A", **values: Any) -> dict[str, Any]:
    usual = {"user": "ann", "title": f"{item} MUG", "quantity": 2.0, "price": 3.0, "time": DAY, "basket": "500"}
    return {**usual, **values, "item": item}


def sales(*rows: dict[str, Any]) -> pd.DataFrame:
    """Rows numbered from 1, as they stand."""
    if not rows:
        return empty_rows()
    table = pd.DataFrame([{"row": number, **row} for number, row in enumerate(rows, 1)])
    for column in ("quantity", "price", "time"):
        table[column] = table[column].astype("float64")
    for column in ("user", "item", "title", "basket"):
        table[column] = table[column].astype("str")
    return table.loc[:, list(COLUMNS)]


def shop(n: int = 60) -> list[dict[str, Any]]:
    """Ordinary sales of n items with ids of four digits and a letter, so that other ids stand out."""
    return [sale(f"{1000 + i}A", user=f"u{i % 7}", basket=str(500 + i), time=DAY * (1 + i % 9)) for i in range(n)]
