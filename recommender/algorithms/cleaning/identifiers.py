"""One item, one id: spaces and full-width signs go, and spellings that differ by case only become one. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import numpy as np
import pandas as pd

from recommender.algorithms.cleaning.report import Step
from recommender.algorithms.cleaning.steps import step
from recommender.algorithms.cleaning.titles import tidy

WORDS = "Ids of items written in several ways become one."
SHARED_NAMES = 0.5


def tidy_id(text: str) -> str:
    """NFKC, no spaces around, spaces inside as "_": a sequence of ids is written with spaces between them."""
    return "_".join(unicodedata.normalize("NFKC", text).split())


def one_id_per_item(rows: pd.DataFrame, *, ignore_case: bool | None = None) -> tuple[pd.DataFrame, Step]:
    """The rows with one spelling an item. ignore_case: None decides by `case_means_nothing`."""
    written = rows["item"].to_numpy(dtype=object)
    spellings = _each_once(rows["item"], tidy_id)
    if ignore_case or (ignore_case is None and case_means_nothing(spellings, rows["title"])):
        spellings = _each_once(spellings, prevailing_case(spellings))
    became = spellings.to_numpy(dtype=object)
    changed = written != became
    reasons = np.array(
        [f"{old} is written {new}" if new != old else "" for old, new in zip(written, became, strict=True)]
    )
    done = step("ids", WORDS, rows, changed=changed, reasons=reasons.astype(object))
    return rows.assign(item=spellings), done


def case_means_nothing(items: pd.Series, titles: pd.Series) -> bool:
    """Whether ids that differ only by case are one item: at least half of such groups share a name.

    Ids such as those of videos do mean their case; their spellings then have different names, and stay apart. Where
    there is no such group, or no names to compare, nothing is joined.
    """
    pairs = pd.DataFrame(
        {"item": items.to_numpy(dtype=object), "title": titles.to_numpy(dtype=object)}
    ).drop_duplicates()
    pairs["folded"] = _each_once(pairs["item"], str.upper)
    spellings = pairs.groupby("folded")["item"].transform("nunique")
    pairs = pairs[spellings > 1].copy()
    pairs["title"] = [tidy(title).casefold() for title in pairs["title"]]
    pairs = pairs[pairs["title"] != ""]
    named = pairs[pairs.groupby("folded")["item"].transform("nunique") > 1]
    if named.empty:
        return False
    holders = named.groupby(["folded", "title"])["item"].nunique()
    return float((holders.groupby(level=0).max() > 1).mean()) >= SHARED_NAMES


def prevailing_case(items: pd.Series) -> Callable[[str], str]:
    counts = items.value_counts()
    upper = sum(int(n) for item, n in counts.items() if str(item) != str(item).lower())
    lower = sum(int(n) for item, n in counts.items() if str(item) != str(item).upper())
    return str.upper if upper >= lower else str.lower


def _each_once(texts: pd.Series, change: Callable[[str], str]) -> pd.Series:
    became = {text: change(str(text)) for text in texts.unique()}
    return texts.map(became).astype("str")
