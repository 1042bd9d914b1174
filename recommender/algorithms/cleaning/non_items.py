"""What is sold but is no item: postage, fees, adjustments, vouchers, samples, test rows. Found by evidence. Pure.

No list of one shop's codes: an item is left out where two signs agree, or one that cannot be mistaken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recommender.algorithms.cleaning.service_words import CERTAIN, LIKELY

RARE_SHAPE = 0.02
USUAL_SHAPES = 0.8
PRICE_RATIO = 5.0
RETURNED_SHARE = 0.4
ENOUGH_ROWS = 5
ENOUGH_SIGNS = 2

_CERTAIN = re.compile(rf"({CERTAIN})\W*", re.IGNORECASE)
_LIKELY = re.compile(rf"\b({LIKELY})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Patterns:
    """Regular expressions of a shop's own, found anywhere, whatever the case. `keep_ids` are never left out."""

    ids: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    keep_ids: tuple[str, ...] = ()


NO_PATTERNS = Patterns()


def shape(item: str) -> str:
    """Runs of digits as 9, runs of letters as A: 85123A -> 9A, POST -> A."""
    return re.sub(r"[^\W\d_]+", "A", re.sub(r"\d+", "9", item))


def non_items(rows: pd.DataFrame, titles: pd.Series, patterns: Patterns = NO_PATTERNS) -> dict[str, str]:
    """Item -> why it is none. titles: by item. Leaving these out and asking again finds nothing new."""
    if rows.empty:
        return {}
    signs = _signs(rows, titles, patterns)
    found: dict[str, str] = {}
    items = [str(item) for item in titles.index]
    while True:
        left = [item for item in items if item not in found]
        rare = _rare_shapes(left)
        new = {
            item: "; ".join([*signs[item][1], *(["an id unlike the others"] if item in rare else [])])
            for item in left
            if signs[item][0] + (item in rare) >= ENOUGH_SIGNS
        }
        if not new:
            return found
        found |= new


def _signs(rows: pd.DataFrame, titles: pd.Series, patterns: Patterns) -> dict[str, tuple[int, list[str]]]:
    priced = rows[rows["price"] > 0]
    by_item = priced.groupby("item")["price"]
    ratios = by_item.quantile(0.9) / by_item.quantile(0.1)
    wild = set(ratios.index[(ratios >= PRICE_RATIO) & (by_item.size() >= ENOUGH_ROWS)])
    sizes = rows.groupby("item").size()
    shares = (rows["quantity"] < 0).groupby(rows["item"]).mean()
    returned = set(shares.index[(shares >= RETURNED_SHARE) & (sizes >= ENOUGH_ROWS)])
    negative = set(rows.loc[rows["price"] < 0, "item"])
    kept = set(patterns.keep_ids)
    own = _own(patterns)
    signs: dict[str, tuple[int, list[str]]] = {}
    for key, name in titles.items():
        item, title = str(key), str(name)
        if item in kept:
            signs[item] = (-ENOUGH_SIGNS, [])
            continue
        told: list[tuple[int, str]] = []
        if reason := next(
            (reason for pattern, text, reason in own if pattern.search(item if text == "id" else title)), ""
        ):
            told.append((ENOUGH_SIGNS, reason))
        if _CERTAIN.fullmatch(title.strip()):
            told.append((ENOUGH_SIGNS, f"the name {title!r} is no item's"))
        elif word := _LIKELY.search(title):
            told.append((1, f"the name has the word {word.group(0)!r}"))
        if item in wild:
            told.append((1, f"its price goes up and down {PRICE_RATIO:g} times and more"))
        if item in returned:
            told.append((1, "much of it goes back"))
        if item in negative:
            told.append((1, "its price is below zero"))
        signs[item] = (sum(points for points, _ in told), [reason for _, reason in told])
    return signs


def _own(patterns: Patterns) -> Sequence[tuple[re.Pattern[str], str, str]]:
    return [
        *((re.compile(text, re.IGNORECASE), "id", f"its id matches {text!r}") for text in patterns.ids),
        *((re.compile(text, re.IGNORECASE), "title", f"its name matches {text!r}") for text in patterns.titles),
    ]


def _rare_shapes(items: Sequence[str]) -> set[str]:
    """Items whose id is shaped like fewer than 2 in 100, in a shop where at least 80 in 100 are shaped alike often."""
    if not items:
        return set()
    shapes = np.array([shape(item) for item in items], dtype=object)
    counts = pd.Series(shapes).value_counts()
    rare = set(counts.index[counts < RARE_SHAPE * len(items)])
    if counts[~counts.index.isin(rare)].sum() < USUAL_SHAPES * len(items):
        return set()
    return {item for item, its in zip(items, shapes, strict=True) if its in rare}
