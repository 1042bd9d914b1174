"""What preparation writes: RecBole atomic files, tab-separated with a header of name:type."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from recommender.algorithms.splitting import Question

ITEM = ("item_id:token", "title:token_seq", "price:float", "first_seen:float")
INTER = ("user_id:token", "item_id:token", "timestamp:float")
QUESTION = ("user_id:token", "item_id_list:token_seq", "timestamp_list:float_seq", "item_id:token", "timestamp:float")


def write_items(path: Path, rows: pd.DataFrame, titles: pd.Series, *, split_at: float) -> int:
    """Every item ever sold, by id. Price: the median of what was paid before the split, later for what is new."""
    first_seen = rows.groupby("item")["time"].min()
    paid = rows[rows["price"] > 0]
    prices = paid.groupby("item")["price"].median()
    prices.update(paid[paid["time"] < split_at].groupby("item")["price"].median())
    return _write(
        path,
        ITEM,
        (
            (item, titles[item], f"{prices[item]:.2f}" if item in prices.index else "", f"{first_seen[item]:.0f}")
            for item in first_seen.index
        ),
    )


def write_events(path: Path, rows: pd.DataFrame) -> int:
    times = (f"{time:.0f}" for time in rows["time"])
    return _write(path, INTER, zip(rows["user"], rows["item"], times, strict=True))


def write_questions(path: Path, questions: Iterable[Question]) -> int:
    """One row a target, with the whole history before it."""
    return _write(
        path,
        QUESTION,
        (
            (
                asked.user,
                " ".join(asked.items),
                " ".join(f"{time:.0f}" for time in asked.times),
                item,
                f"{asked.time:.0f}",
            )
            for asked in questions
            for item in asked.targets
        ),
    )


def _write(path: Path, header: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> int:
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("\t".join(header) + "\n")
        for cells in lines:
            file.write("\t".join(" ".join(cell.split()) for cell in cells) + "\n")
            written += 1
    return written
