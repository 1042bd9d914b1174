"""PURE: whether users were split between the arms of an experiment as was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import chi2

# So rare that it is not chance even where it is looked at every hour.
MISMATCH_BELOW = 0.001
FEWEST_USERS = 100


def is_mismatch(users: Sequence[int], shares: Sequence[float]) -> bool:
    """Pearson's chi-squared test of the users of each arm against their shares, which need not add up to 1.

    False for fewer than two arms or a hundred users: too few to tell.
    """
    total, wanted = sum(users), sum(shares)
    if len(users) < 2 or total < FEWEST_USERS or wanted <= 0:
        return False
    expected = [total * share / wanted for share in shares]
    if any(each <= 0 for each in expected):
        return any(n and not each for n, each in zip(users, expected, strict=True))
    statistic = sum((n - each) ** 2 / each for n, each in zip(users, expected, strict=True))
    return float(chi2.sf(statistic, len(users) - 1)) < MISMATCH_BELOW
