"""Names of items: tidied, told from notes about stock, and the best of several chosen. Pure."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd

HALF_LIFE_DAYS = 90.0
UPPER_SHOP = 0.9

# What people write where a name belongs when stock is counted. A title is a note only if all its words are of these.
_NOTES = (
    "adjusted adjustment amended amendment cant checked coded coding counted cracked crushed damage damaged "
    "damages damges damp destroyed dirty discoloured donated error faulty found incorrect invc invcing lost "
    "mailout missing missings mixed mouldy rotting rust rusted rusty short smashed sold thrown torn uneven "
    "unknown unsaleable unsellable update wet wrong wrongly"
)
_FILLERS = (
    "a about again all also amazon an and another as at away bad barcode bit bits but by check code come "
    "connections correct count credit ctn debt display dotcom ebay entry etc find fixed for from given gone had "
    "in invoice is it items my no non not of off on online or out parts pcs pieces previous qnty qty quantity "
    "return returned returns sales set sets show size so some stands stock taken that the them this to unit units "
    "up used was water were when with zips"
)
NOTE_WORDS = frozenset(_NOTES.split())
FILLER_WORDS = frozenset(_FILLERS.split())
_WORD = re.compile(r"[^\W\d_]+")
_LETTER = re.compile(r"[^\W\d_]")


def tidy(title: str) -> str:
    """HTML entities resolved, runs of white space one space; "" stays ""."""
    return " ".join(html.unescape(html.unescape(title)).split())


def is_note(title: str) -> bool:
    """Whether a title says what happened to stock instead of naming an item: "damaged", "?", "wet and rotting"."""
    words = [word.lower() for word in _WORD.findall(title)]
    if not words:
        return bool(title.strip())
    if len("".join(words)) < 2:
        return True
    return any(word in NOTE_WORDS for word in words) and all(
        word in NOTE_WORDS or word in FILLER_WORDS for word in words
    )


def writes_upper_case(titles: pd.Series) -> bool:
    """Whether the shop writes its names in capitals, so that a name in small letters is somebody's remark."""
    counts = titles[titles != ""].value_counts()
    lettered = {str(title): int(n) for title, n in counts.items() if _LETTER.search(str(title))}
    total = sum(lettered.values())
    return total > 0 and sum(n for title, n in lettered.items() if title.upper() == title) >= UPPER_SHOP * total


def is_remark(title: str) -> bool:
    """In a shop that writes capitals: a name without a single capital word of two letters."""
    return not any(len(word) > 1 and word.upper() == word for word in _WORD.findall(title))


def best_titles(rows: pd.DataFrame) -> pd.Series:
    """By item its best name: good ones before notes, then the most frequent, where a row counts half every 90 days
    before the item's newest one; then the newest, then the first by alphabet. An item without a name gets its id."""
    named = rows.loc[rows["title"] != "", ["item", "title", "time"]]
    newest = named.groupby("item")["time"].transform("max")
    weights = 0.5 ** ((newest - named["time"]) / 86_400 / HALF_LIFE_DAYS)
    names = (
        named.assign(weight=weights)
        .groupby(["item", "title"], as_index=False)
        .agg(weight=("weight", "sum"), newest=("time", "max"))
    )
    capitals = writes_upper_case(rows["title"])
    distinct = names["title"].unique()
    poor = {title: is_note(title) or (capitals and is_remark(title)) for title in distinct}
    names["poor"] = names["title"].map(poor).astype(bool)
    # Sums of the same rows in another order differ in the last digits; the tie-break must not see that.
    names["weight"] = names["weight"].round(6)
    names = names.sort_values(["item", "poor", "weight", "newest", "title"], ascending=[True, True, False, False, True])
    best = names.drop_duplicates("item").set_index("item")["title"]
    items = np.sort(rows["item"].unique())
    return pd.Series({item: best.get(item, item) for item in items}, dtype="str")
