"""Numbers far from what is usual, by medians on the log scale, brought back to the limit. Pure.

A large order is no error by itself: many shops sell to shops. So a quantity must be far from what is usual for the item
and far from what is usual for the customer, and the purchase stays: only its number is brought down to the limit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FAR = 6.0  # robust standard deviations
SIGMA = 1.4826  # of a normal distribution, from its median absolute deviation
PRICE_FLOOR = float(np.log(1.75))  # a limit is never nearer than 1.75 ** 6 = 29 times
QUANTITY_FLOOR = float(np.log(2.0))  # never nearer than 2 ** 6 = 64 times
ENOUGH_ROWS = 5


def limits(
    logs: NDArray[np.float64], groups: NDArray[np.int64], *, floor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(lowest, highest) usual log for each entry: its group's median -+ 6 sigma; infinite below 5 rows."""
    values = pd.Series(logs)
    by_group = values.groupby(groups)
    middle = by_group.transform("median")
    deviation = (values - middle).abs().groupby(groups).transform("median")
    reach = FAR * np.maximum(SIGMA * deviation, floor)
    reach = np.where(by_group.transform("size") >= ENOUGH_ROWS, reach, np.inf)
    return (middle - reach).to_numpy(), (middle + reach).to_numpy()


def usual_prices(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Prices, each within the limits of its item. Prices of 0 and unknown ones stay as they are."""
    prices = rows["price"].to_numpy(np.float64).copy()
    at = np.flatnonzero(prices > 0)
    if not len(at):
        return prices
    groups = pd.factorize(rows["item"].to_numpy(dtype=object)[at])[0]
    logs = np.log(prices[at])
    low, high = limits(logs, groups, floor=PRICE_FLOOR)
    far = (logs < low - 1e-9) | (logs > high + 1e-9)
    prices[at[far]] = np.exp(np.clip(logs[far], low[far], high[far]))
    return prices


def usual_quantities(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Quantities, each at most the larger of its item's and its customer's limit; whole numbers stay whole."""
    quantities = rows["quantity"].to_numpy(np.float64).copy()
    at = np.flatnonzero(quantities > 0)
    if not len(at):
        return quantities
    logs = np.log(quantities[at])
    items = pd.factorize(rows["item"].to_numpy(dtype=object)[at])[0]
    users = pd.factorize(rows["user"].to_numpy(dtype=object)[at])[0]
    of_item = limits(logs, items, floor=QUANTITY_FLOOR)[1]
    of_user = limits(logs, users, floor=QUANTITY_FLOOR)[1]
    # A user we know too little of, or do not know at all, says nothing against the item's limit.
    is_unknown = np.isinf(of_user) | (rows["user"].to_numpy(dtype=object)[at] == "")
    limit = np.where(is_unknown, of_item, np.maximum(of_item, of_user))
    far = logs > limit + 1e-9
    most = np.exp(limit[far])
    whole = quantities[at[far]] == np.floor(quantities[at[far]])
    quantities[at[far]] = np.where(whole, np.floor(most + 1e-9), most)
    return quantities
