"""Experiments in which nothing differs, simulated: how often an interval says that something does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.algorithms.experiment_statistics import Share, always_valid, newcombe

RUNS, DAYS = 1_500, 28
TOLERANCE = 3 * np.sqrt(0.05 * 0.95 / RUNS)  # of a share of alarms that is 5% in truth


def a_a(
    *, users_a_day: int, rate: float, delay_days: float, shares: tuple[float, float] = (0.5, 0.5), seed: int = 7
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(users, users who did it) by run, day and arm. Users come each day; who does it, does it some days later."""
    rng = np.random.default_rng(seed)
    new = rng.poisson(users_a_day * np.array(shares), size=(RUNS, DAYS, 2))
    did = np.zeros_like(new)
    for day in range(DAYS):
        doers = rng.binomial(new[:, day], rate)
        left, chance = doers, 1 - np.exp(-1 / delay_days) if delay_days else 1.0
        for later in range(day, DAYS):
            done = rng.binomial(left, chance)
            did[:, later] += done
            left = left - done
    return new.cumsum(axis=1), did.cumsum(axis=1)


def alarms(users: NDArray[np.int64], did: NDArray[np.int64], *, is_fixed: bool) -> NDArray[np.bool_]:
    """By run and day: whether the interval leaves out 0."""
    found = np.zeros(users.shape[:2], dtype=bool)
    for run in range(users.shape[0]):
        for day in range(users.shape[1]):
            control, arm = (Share(int(did[run, day, each]), int(users[run, day, each])) for each in (0, 1))
            interval = newcombe(control, arm) if is_fixed else always_valid(control, arm)
            found[run, day] = interval is not None and interval.leaves_out_zero
    return found


@pytest.mark.parametrize(
    ("users_a_day", "rate", "delay_days", "shares"),
    [(200, 0.04, 0.0, (0.5, 0.5)), (60, 0.10, 3.0, (0.5, 0.5)), (1_000, 0.02, 2.0, (0.8, 0.2))],
)
def test_false_alarms_stay_below_five_in_a_hundred(
    users_a_day: int, rate: float, delay_days: float, shares: tuple[float, float]
) -> None:
    users, did = a_a(users_a_day=users_a_day, rate=rate, delay_days=delay_days, shares=shares)
    fixed = alarms(users, did, is_fixed=True)
    assert fixed[:, -1].mean() <= 0.05 + TOLERANCE  # read once, at the end
    assert fixed.any(axis=1).mean() > 0.15  # read every day
    assert alarms(users, did, is_fixed=False).any(axis=1).mean() <= 0.05  # read every day


def test_a_difference_that_is_there_is_seen_before_the_end_by_the_interval_for_every_look() -> None:
    users, did = a_a(users_a_day=400, rate=0.10, delay_days=1.0)
    better = did.copy()
    better[:, :, 1] = np.random.default_rng(8).binomial(users[:, :, 1] - did[:, :, 1], 0.05) + did[:, :, 1]
    seen = alarms(users[:200], better[:200], is_fixed=False)
    assert seen.any(axis=1).mean() > 0.95
    assert np.median(seen.argmax(axis=1)) < DAYS / 2
