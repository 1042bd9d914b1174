"""Purchases split by time into what may be learned from and what must be foretold. Pure.

Never at random: a row drawn at random lets the future explain the past. What was cancelled counts as known only from
the moment of its cancellation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

DAY = 86_400.0
SHORTEST_VALID_DAYS = 28.0
LONGEST_VALID_DAYS = 60.0
LARGEST_VALID_SHARE = 1 / 3


@dataclass(frozen=True)
class Question:
    """What one customer took next: histories oldest first, one entry a purchase row; targets in order of id."""

    user: str
    items: tuple[str, ...]
    times: tuple[float, ...]
    targets: tuple[str, ...]
    time: float


@dataclass(frozen=True)
class Split:
    """`train`: known before valid_at; `train_for_test`: known before split_at; valid asks between them, test after."""

    valid_at: float
    split_at: float
    train: pd.DataFrame
    train_for_test: pd.DataFrame
    valid: tuple[Question, ...]
    test: tuple[Question, ...]


def validation_start(first: float, split_at: float, last: float) -> float:
    """As long before the split as the test lasts, 28 to 60 days, and at most a third of what lies before the split."""
    days = min(max((last - split_at) / DAY, SHORTEST_VALID_DAYS), LONGEST_VALID_DAYS)
    return split_at - min(days * DAY, max(0.0, split_at - first) * LARGEST_VALID_SHARE)


def split(rows: pd.DataFrame, *, split_at: float, valid_at: float | None = None) -> Split:
    """rows: as `Prepared.rows`. Raises ValueError where valid_at is not before split_at."""
    if valid_at is None:
        first, last = (float(rows["time"].min()), float(rows["time"].max())) if len(rows) else (split_at, split_at)
        valid_at = validation_start(first, split_at, last)
    if valid_at > split_at or (valid_at == split_at and len(rows) and float(rows["time"].min()) < split_at):
        raise ValueError("validation has to begin before the split")
    train, train_for_test = known_before(rows, valid_at), known_before(rows, split_at)
    before_split = rows[rows["time"] < split_at]
    return Split(
        valid_at=valid_at,
        split_at=split_at,
        train=train,
        train_for_test=train_for_test,
        valid=questions(train, known_before(before_split, split_at), after=valid_at),
        test=questions(train_for_test, known_before(rows, np.inf), after=split_at),
    )


def known_before(rows: pd.DataFrame, moment: float) -> pd.DataFrame:
    """Purchases before the moment that were not cancelled by then."""
    is_known = (rows["time"] < moment) & ~(rows["cancelled_at"] < moment)
    return rows[is_known]


def questions(history: pd.DataFrame, rows: pd.DataFrame, *, after: float) -> tuple[Question, ...]:
    """One for each user with a history: their first basket at or after the moment. In order of time, then user."""
    later = rows[(rows["time"] >= after) & rows["user"].isin(history["user"].unique())]
    later = later.sort_values(["time", "basket", "row"], kind="stable")
    first = later.drop_duplicates("user")[["user", "basket"]]
    targets = later.merge(first, on=["user", "basket"]).groupby("user", sort=False)
    asked = {str(user): (tuple(sorted(set(found["item"]))), float(found["time"].iloc[0])) for user, found in targets}
    known = history[history["user"].isin(asked)].sort_values(["time", "basket", "row"], kind="stable")
    found = []
    for user, past in known.groupby("user", sort=False):
        items, time = asked[str(user)]
        found.append(Question(str(user), tuple(past["item"]), tuple(past["time"]), items, time))
    return tuple(sorted(found, key=lambda question: (question.time, question.user)))
