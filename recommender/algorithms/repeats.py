"""Buying again: how likely an item is taken again, and when."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from recommender.algorithms.histories import DAY_S, History, Interactions

PRIOR_STEPS = 3.0
SHORTEST_CYCLE_DAYS = 1.0 / 24.0
FEATURES = (
    "often lately",
    "share of steps",
    "steps since",
    "days since",
    "days since, in cycles",
    "item taken again",
    "item popular",
    "item's recent users",
    "item trending",
)
FADED_STEPS = 4.0
UNKNOWN_CYCLE_DAYS = 60.0
LEAST_ROWS = 200
SELDOM = float(np.log(0.002))
"""Log odds below which an item of the past counts like any other."""


@dataclass(frozen=True)
class Repeats:
    """By item, (n_items,): `rates`, the probability that a step with it is followed by one with it again, 0..1, drawn
    to the rate of all items where few steps tell; `shares` of its users who took it again; `cycles_days`, the median
    time until they did, 0 where nobody has."""

    rates: NDArray[np.float64]
    shares: NDArray[np.float64]
    cycles_days: NDArray[np.float64]


def repeats(rows: Interactions, *, prior_steps: float = PRIOR_STEPS) -> Repeats:
    n = rows.n_items
    pairs = np.unique(np.stack([rows.users, rows.items, rows.steps]), axis=1) if len(rows) else np.zeros((3, 0), int)
    users, items, steps = pairs
    last_step = np.zeros(rows.n_users, dtype=np.int64)
    np.maximum.at(last_step, rows.users, rows.steps)
    same = (users[:-1] == users[1:]) & (items[:-1] == items[1:])
    is_next = same & (steps[1:] == steps[:-1] + 1)
    has_next = steps < last_step[users] if len(users) else np.zeros(0, dtype=bool)
    again = np.bincount(items[:-1][is_next], minlength=n) if len(items) else np.zeros(n)
    trials = np.bincount(items[has_next], minlength=n)
    overall = float(again.sum()) / max(float(trials.sum()), 1.0)
    rates = (again + prior_steps * overall) / (trials + prior_steps)
    takers = np.unique(np.stack([users, items]), axis=1) if len(items) else np.zeros((2, 0), dtype=np.int64)
    repeaters = np.unique(np.stack([users[1:][same], items[1:][same]]), axis=1) if len(items) else takers
    shares = np.bincount(repeaters[1], minlength=n) / np.maximum(np.bincount(takers[1], minlength=n), 1)
    return Repeats(np.asarray(rates), np.asarray(shares), _cycles(rows))


def _cycles(rows: Interactions) -> NDArray[np.float64]:
    order = np.lexsort((rows.times_s, rows.items, rows.users))
    users, items, times_s = rows.users[order], rows.items[order], rows.times_s[order]
    again = (users[1:] == users[:-1]) & (items[1:] == items[:-1]) & (times_s[1:] > times_s[:-1])
    gaps_days = ((times_s[1:] - times_s[:-1]) / DAY_S)[again]
    of_item = items[1:][again]
    cycles = np.zeros(rows.n_items)
    by_item = np.lexsort((gaps_days, of_item))
    of_item, gaps_days = of_item[by_item], gaps_days[by_item]
    for item, start, count in zip(*np.unique(of_item, return_index=True, return_counts=True), strict=True):
        cycles[item] = float(np.median(gaps_days[start : start + count]))
    # Clicked again within the hour is no cycle; nor are times that only say what came after what.
    return np.where(cycles >= SHORTEST_CYCLE_DAYS, cycles, 0.0)


@dataclass(frozen=True)
class Known:
    """What is known of some items when the question is whether they are taken again; (n,) each."""

    rates: NDArray[np.float64]
    cycles_days: NDArray[np.float64]
    popularity: NDArray[np.float64]
    recent_users: NDArray[np.int64]
    trend: NDArray[np.float64]

    def of(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Known:
        """Of some of the items: a mask, or their rows."""
        return Known(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class RepeatModel:
    """Log odds of taking an item again in the next step: weights . (features - means) / scales + bias.

    The default is a plain one: often, lately, and an item that people do take again.
    """

    weights: tuple[float, ...] = (0.8, 0.6, -0.4, -0.1, 0.1, 0.6, 0.4, 0.0, 0.0)
    means: tuple[float, ...] = (0.0,) * len(FEATURES)
    scales: tuple[float, ...] = (1.0,) * len(FEATURES)
    bias: float = -1.0

    def log_odds(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """features: (n, len(FEATURES)); returns (n,)."""
        scaled = (features - np.array(self.means)) / np.array(self.scales)
        return np.asarray(scaled @ np.array(self.weights) + self.bias)


def fit(features: NDArray[np.float64], is_taken: NDArray[np.float64]) -> RepeatModel:
    """Logistic regression with a weak pull to 0. The default where nothing, or everything, was taken again."""
    if len(is_taken) < LEAST_ROWS or not 0 < is_taken.mean() < 1:
        return RepeatModel()
    means, scales = features.mean(axis=0), features.std(axis=0)
    scales = np.where(scales > 1e-9, scales, 1.0)
    rows = np.column_stack([(features - means) / scales, np.ones(len(features))])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = rows @ weights
        pull = np.append(weights[:-1], 0.0)
        value = np.logaddexp(0.0, odds) - is_taken * odds
        return float(value.sum() + 0.5 * pull @ pull), rows.T @ (expit(odds) - is_taken) + pull

    found = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x
    return RepeatModel(tuple(found[:-1].tolist()), tuple(means.tolist()), tuple(scales.tolist()), float(found[-1]))


def repeat_features(past: History, items: NDArray[np.int64], known: Known) -> NDArray[np.float64]:
    """(n, len(FEATURES)) of items that the user took. items: (n,), each in the history with a weight above 0."""
    liked = past.weights > 0
    own, places = np.unique(past.items[liked], return_inverse=True)
    steps_ago, days_ago = past.steps_ago[liked], past.days_ago[liked]
    count = np.bincount(places, minlength=len(own)).astype(np.float64)
    faded = np.bincount(places, weights=np.exp2(-steps_ago / FADED_STEPS), minlength=len(own))
    last_steps, last_days = np.full(len(own), np.inf), np.full(len(own), np.inf)
    np.minimum.at(last_steps, places, steps_ago)
    np.minimum.at(last_days, places, days_ago)
    row = np.searchsorted(own, items)
    steps = float(past.steps_ago.max()) + 1.0
    cycles = np.where(known.cycles_days > 0, known.cycles_days, UNKNOWN_CYCLE_DAYS)
    return np.column_stack(
        [
            np.log(faded[row]),
            np.log(count[row] / steps),
            np.log1p(last_steps[row]),
            np.log1p(last_days[row]),
            np.minimum(last_days[row] / cycles, 3.0),
            np.log(known.rates + 1e-4),
            np.log(known.popularity + 0.5),
            np.log(known.recent_users + 0.5),
            known.trend,
        ]
    )


def still_liked(past: History, items: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,): whether what the user did with each of these items speaks for it, all in all. items: (n,)."""
    liked = np.unique(past.items[past.weights > 0])
    net = dict.fromkeys(liked.tolist(), 0.0)
    for item, weight in zip(past.items.tolist(), past.weights.tolist(), strict=True):
        net[item] = net.get(item, 0.0) + weight
    return np.array([net.get(item, 0.0) > 0 for item in items.tolist()], dtype=bool)


def repeat_scores(past: History, items: NDArray[np.int64], known: Known, model: RepeatModel) -> NDArray[np.float64]:
    """How much speaks for taking each of these items again: the log odds above those of SELDOM. items: (n,) and `known`
    of them; returns (n,), 0 for an item that the user never took, gave back or hardly takes again."""
    again = still_liked(past, items)
    scores = np.zeros(len(items))
    if again.any():
        odds = model.log_odds(repeat_features(past, items[again], known.of(again)))
        scores[again] = np.maximum(odds - SELDOM, 0.0)
    return scores
