"""Cancellations matched to what they cancel: the newest earlier purchases of the same user and item. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_PREFIXED = re.compile(r"[A-Za-z]\d+")
NUMBERED = 0.9


@dataclass(frozen=True)
class Matched:
    """One entry a row. `remaining`: what of a purchase was kept; `cancelled_at`: when nothing of it was left, else NaN;
    `unmatched`: how much of a cancellation found no purchase, 0 for purchases."""

    remaining: NDArray[np.float64]
    cancelled_at: NDArray[np.float64]
    unmatched: NDArray[np.float64]


def are_cancellations(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows with a quantity below zero, and rows of a basket "C" + number where baskets are numbers."""
    negative = (rows["quantity"] < 0).to_numpy()
    baskets = [str(basket) for basket in rows["basket"].unique()]
    known = [basket for basket in baskets if basket]
    if not known or sum(basket.isdecimal() or bool(_PREFIXED.fullmatch(basket)) for basket in known) < NUMBERED * len(
        known
    ):
        return np.asarray(negative)
    marked = {basket for basket in known if basket[:1] in "Cc" and _PREFIXED.fullmatch(basket)}
    plain = sum(basket.isdecimal() for basket in known)
    if plain < len(known) / 2:
        return np.asarray(negative)
    return np.asarray(negative | rows["basket"].isin(marked).to_numpy())


def match(rows: pd.DataFrame, is_cancellation: NDArray[np.bool_]) -> Matched:
    """Oldest cancellation first, each takes from the newest purchase not after it, then from the one before, and so on.

    A cancellation without a user matches nothing: nobody knows whose purchase it was.
    """
    quantity = np.abs(rows["quantity"].to_numpy(np.float64))
    time = rows["time"].to_numpy(np.float64)
    numbers = rows["row"].to_numpy()
    remaining = np.where(is_cancellation, 0.0, quantity)
    cancelled_at = np.full(len(rows), np.nan)
    unmatched = np.where(is_cancellation, quantity, 0.0)
    users, items = rows["user"].to_numpy(dtype=object), rows["item"].to_numpy(dtype=object)
    order = np.lexsort((numbers, time))
    wanted = {(users[at], items[at]) for at in np.flatnonzero(is_cancellation) if users[at]}
    # Purchases in order of time; a cancellation in the same second comes after the purchases of that second.
    order = order[np.argsort(time[order] * 2 + is_cancellation[order], kind="stable")]
    bought: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for at in order:
        key = (users[at], items[at])
        if key not in wanted:
            continue
        if not is_cancellation[at]:
            bought[key].append(int(at))
            continue
        purchases = bought[key]
        while purchases and unmatched[at] > 0:
            newest = purchases[-1]
            taken = min(remaining[newest], unmatched[at])
            remaining[newest] -= taken
            unmatched[at] -= taken
            if remaining[newest] <= 0:
                cancelled_at[newest] = time[at]
                purchases.pop()
    return Matched(remaining=remaining, cancelled_at=cancelled_at, unmatched=unmatched)
