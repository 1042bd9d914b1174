"""How sure the difference between two arms is. The unit is the user; every figure is over users."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtr, ndtri
from scipy.stats import chi2

Z95 = 1.959963984540054
LEAST_USERS = 100  # of each arm, before the interval that holds at every look is given: it rests on large numbers
TUNED_FOR = 100.0  # v at which that interval is narrowest: 400 users who did it, in two equal arms
MISMATCH_BELOW = 0.001


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    @property
    def leaves_out_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Share:
    """So many of n users did it."""

    count: int
    n: int

    @property
    def value(self) -> float:
        return self.count / self.n if self.n else 0.0


@dataclass(frozen=True)
class Sums:
    """Of a figure over n users: its sum and the sum of its squares."""

    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0

    @property
    def variance_of_mean(self) -> float:
        """nan below two users."""
        if self.n < 2:
            return math.nan
        spread = max(0.0, self.squares - self.total**2 / self.n)
        return spread / (self.n - 1) / self.n


def wilson(share: Share, *, z: float = Z95) -> Interval:
    """Wilson's score interval (1927); 0..1 where there are no users."""
    if not share.n:
        return Interval(0.0, 1.0)
    n, p = share.n, share.value
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if share.count == 0 else middle - half
    return Interval(low, 1.0 if share.count == n else middle + half)


def newcombe(control: Share, arm: Share) -> Interval:
    """95% interval of arm - control: Newcombe (1998), method 10, of two Wilson intervals."""
    one, other = wilson(arm), wilson(control)
    difference = arm.value - control.value
    low = difference - math.hypot(arm.value - one.low, other.high - control.value)
    high = difference + math.hypot(one.high - arm.value, control.value - other.low)
    return Interval(low, high)


def p_value(control: Share, arm: Share) -> float:
    """Two-sided, of the pooled z-test of two shares; 1 where nothing can be told."""
    n = control.n + arm.n
    if not control.n or not arm.n:
        return 1.0
    pooled = (control.count + arm.count) / n
    spread = math.sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / arm.n))
    return 1.0 if spread == 0 else _two_sided((arm.value - control.value) / spread)


def always_valid(control: Share, arm: Share, *, alpha: float = 0.05) -> Interval | None:
    """Interval of arm - control that holds at every look at once; None below LEAST_USERS of either arm.

    S = m (p1 - p0), m = n0 n1 / (n0 + n1), moves as a martingale while users, and what they do, come in; v is its
    variance so far. |S| stays below sqrt((v + r) log((v + r) / (r alpha^2))) for ever with probability 1 - alpha
    (Howard et al. 2021, eq. 14), with the estimated variance in v (Waudby-Smith et al. 2021). Shares are taken with one
    user more on either side, so that no share is exactly 0.
    """
    if min(control.n, arm.n) < LEAST_USERS:
        return None
    p0, p1 = (control.count + 1) / (control.n + 2), (arm.count + 1) / (arm.n + 2)
    m = control.n * arm.n / (control.n + arm.n)
    v = m * m * (p0 * (1 - p0) / control.n + p1 * (1 - p1) / arm.n)
    r = TUNED_FOR / _mixture_optimum(alpha)
    half = math.sqrt((v + r) * math.log((v + r) / (r * alpha * alpha))) / m
    difference = arm.value - control.value
    return Interval(max(-1.0, difference - half), min(1.0, difference + half))


def _mixture_optimum(alpha: float) -> float:
    """v / r at which the boundary is about narrowest (Howard et al. 2021, section 3.5)."""
    twice = -2 * math.log(alpha)
    return twice + math.log(twice) + 1


def mean_interval(sums: Sums) -> Interval | None:
    """95% interval of the mean over users; None below two users."""
    return None if sums.n < 2 else _around(sums.mean, sums.variance_of_mean)


def difference_of_means(control: Sums, arm: Sums) -> tuple[Interval, float] | None:
    """95% interval of arm - control and its two-sided p-value, by Welch's variance; None below two users an arm."""
    if min(control.n, arm.n) < 2:
        return None
    variance = control.variance_of_mean + arm.variance_of_mean
    difference = arm.mean - control.mean
    p = _two_sided(difference / math.sqrt(variance)) if variance else float(difference == 0)
    return _around(difference, variance), p


def ratio_interval(top: Sums, bottom: Sums, products: float) -> Interval | None:
    """95% interval of sum(top) / sum(bottom) over the same users, by the delta method; products: sum of top * bottom.

    None below two users, or where the bottom adds up to nothing.
    """
    n = top.n
    if n < 2 or not bottom.total:
        return None
    ratio = top.total / bottom.total
    squares = top.squares - 2 * ratio * products + ratio**2 * bottom.squares  # of the residuals, whose mean is 0
    return _around(ratio, max(0.0, squares) / (n - 1) * n / bottom.total**2)


def mismatch_p(users: Sequence[int], shares: Sequence[float]) -> float:
    """p-value of the chi-square test that users fell into the arms by these shares; 1 where there are none.

    Raises ValueError where lengths differ or a share is not above 0.
    """
    if len(users) != len(shares) or any(share <= 0 for share in shares):
        raise ValueError("Every arm needs its users and a share above 0.")
    n, total = sum(users), sum(shares)
    if not n:
        return 1.0
    expected = [n * share / total for share in shares]
    statistic = sum((seen - wanted) ** 2 / wanted for seen, wanted in zip(users, expected, strict=True))
    return float(chi2.sf(statistic, len(users) - 1))


def users_needed(
    baseline: float, lift: float, *, ratio: float = 1.0, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Users of the control to tell baseline * (1 + lift) from baseline; the arm needs `ratio` times as many.

    Fleiss (1981), without continuity correction. None where either share is not within 0..1, or lift is 0.
    """
    other = baseline * (1 + lift)
    if not (0 < baseline < 1 and 0 < other < 1) or lift == 0 or ratio <= 0:
        return None
    middle = (baseline + ratio * other) / (1 + ratio)
    under_null = math.sqrt((1 + 1 / ratio) * middle * (1 - middle))
    as_it_is = math.sqrt(baseline * (1 - baseline) + other * (1 - other) / ratio)
    needed = ndtri(1 - alpha / 2) * under_null + ndtri(power) * as_it_is
    return math.ceil((needed / (other - baseline)) ** 2)


def _two_sided(z: float) -> float:
    return float(2 * ndtr(-abs(z)))


def _around(value: float, variance: float) -> Interval:
    half = Z95 * math.sqrt(variance)
    return Interval(value - half, value + half)
