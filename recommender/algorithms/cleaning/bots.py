"""Users that act at a rate no person does. Pure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recommender.algorithms.cleaning.rates import MOST_A_DAY

FAR = 10.0
SIGMA = 1.4826


def bots(rows: pd.DataFrame) -> dict[str, str]:
    """User -> why: on some day more than 500 different moments of action, and ten robust standard deviations above
    the log of what users do on their busiest day. A basket is one moment, however long. Rows without a user are
    nobody's.

    Leaving these out and asking again finds nothing new.
    """
    known = rows[rows["user"] != ""]
    if known.empty:
        return {}
    days = (known["time"] // 86_400).astype("int64")
    moments = known.assign(day=days)[["user", "day", "time"]].drop_duplicates()
    busiest = moments.groupby(["user", "day"]).size().groupby(level=0).max().sort_index()
    found: dict[str, str] = {}
    while True:
        left = busiest[~busiest.index.isin(found)]
        if left.empty:
            return found
        logs = np.log(left.to_numpy(np.float64))
        middle = float(np.median(logs))
        reach = FAR * SIGMA * float(np.median(np.abs(logs - middle)))
        limit = max(float(MOST_A_DAY), float(np.exp(middle + reach)))
        new = {str(user): f"{int(n):,} actions in one day" for user, n in left.items() if n > limit}
        if not new:
            return found
        found |= new
