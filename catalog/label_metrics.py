"""PURE numpy: how good labels are, how honest their confidence, and what random audits prove about both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BINS = 15
CURVE_BINS = 10
COVERAGE_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
RESAMPLES = 2_000
Z95 = 1.959963984540054

# What `log_proof` bets on: that misses are none, or this part of those that the wanted precision allows.
MISS_PARTS = (0.0, 0.1, 0.2, 0.4, 0.6)
# One in forty: the 2.5% by which a 95% interval may lie too high.
LOG_PROVEN = math.log(40.0)
MOST_AUDITS = 300


@dataclass(frozen=True)
class CurveBin:
    """One step of the reliability curve: suggestions whose confidence lies in low..high."""

    low: float
    high: float
    n: int
    right: int
    confidence: float
    interval: tuple[float, float]

    @property
    def accuracy(self) -> float:
        return self.right / self.n


def accuracy_at(ranked: NDArray[np.int64], truth: NDArray[np.int64], k: int) -> float:
    """Share of rows whose truth is among the first k. ranked: (n, >= k) label positions, best first; truth: (n,)."""
    return float(np.mean((ranked[:, :k] == truth[:, None]).any(axis=1)))


def macro_f1(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Mean F1 over the labels that occur in the truth; a label that is never predicted counts 0."""
    scores = []
    for label in np.unique(truth):
        hits = np.sum((predicted == label) & (truth == label))
        named, wanted = np.sum(predicted == label), np.sum(truth == label)
        scores.append(2.0 * hits / (named + wanted))
    return float(np.mean(scores))


def expected_calibration_error(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """|confidence - accuracy| over BINS equal intervals of confidence, weighted by their rows (Naeini et al. 2015)."""
    places = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = [
        abs(confidence[places == place].mean() - is_right[places == place].mean()) * np.mean(places == place)
        for place in np.unique(places)
    ]
    return float(np.sum(gaps))


def coverage(
    confidence: NDArray[np.float64], is_right: NDArray[np.bool_], shares: Sequence[float] = COVERAGE_SHARES
) -> list[dict[str, float]]:
    """Accuracy over the surest share of the rows; of equally sure ones the earlier come first."""
    surest = is_right[np.argsort(-confidence, kind="stable")]
    sizes = [(share, max(1, round(share * len(surest)))) for share in shares]
    return [{"share": share, "accuracy": round(float(surest[:size].mean()), 4)} for share, size in sizes]


def interval(values: NDArray[np.float64], *, seed: int) -> list[float]:
    """95% bootstrap interval of the mean of (n,) values."""
    random = np.random.default_rng(seed)
    means = values[random.integers(0, len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]


def wilson(right: int, n: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927), honest where few were counted or all were right; 0..1 where none was."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = right / n, Z95 * Z95
    middle = share + z2 / (2 * n)
    reach = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    low = 0.0 if right == 0 else (middle - reach) / scale
    high = 1.0 if right == n else (middle + reach) / scale
    return low, high


def brier(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """Mean squared distance of confidence from what came true (Brier 1950): 0 is best, .25 is a coin's."""
    return float(np.mean((confidence - is_right) ** 2))


def reliability(
    confidence: NDArray[np.float64], is_right: NDArray[np.bool_], *, bins: int = CURVE_BINS
) -> list[CurveBin]:
    """Equal intervals of confidence, ascending, those without a row left out. The last one includes 1."""
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    curve = []
    for place in np.unique(places):
        inside = places == place
        n, right = int(inside.sum()), int(is_right[inside].sum())
        mean = float(confidence[inside].mean())
        curve.append(CurveBin(place / bins, (place + 1) / bins, n, right, mean, wilson(right, n)))
    return curve


def lowest_threshold(confidence: NDArray[np.float64], is_right: NDArray[np.bool_], *, wanted: float) -> float | None:
    """The lowest confidence from which upwards the Wilson interval's lower end reaches `wanted`; None where none does.

    It is the best of many looks at the same rows, so it is a place to start from and no proof.
    """
    order = np.argsort(-confidence, kind="stable")
    sure, rights = confidence[order], np.cumsum(is_right[order])
    found = None
    for place in range(len(sure)):
        is_last_of_equals = place + 1 == len(sure) or sure[place + 1] < sure[place]
        if is_last_of_equals and wilson(int(rights[place]), place + 1)[0] >= wanted:
            found = float(sure[place])
    return found


def log_proof(right: int, n: int, *, wanted: float) -> float:
    """Log of the evidence that more than `wanted` are right: the mean likelihood ratio of a few better precisions.

    Where at most `wanted` are right, the chance that this EVER reaches log(x) is at most 1/x, however often one looks
    (Ville 1939); an interval that is looked at after each audit promises no such thing.
    """
    wrong = n - right
    terms = []
    for part in MISS_PARTS:
        if part == 0.0 and wrong:
            continue
        gain = right * math.log((1 - (1 - wanted) * part) / wanted)
        terms.append(gain + (wrong * math.log(part) if wrong else 0.0))
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms) / len(MISS_PARTS))


def is_proven(right: int, n: int, *, wanted: float) -> bool:
    """Whether so many right audits of n prove `wanted`: by their interval, and by what repeated looks need."""
    return wilson(right, n)[0] >= wanted and log_proof(right, n, wanted=wanted) >= LOG_PROVEN


def audits_until_proven(right: int, n: int, *, wanted: float, most: int) -> int | None:
    """How many more audits it takes if all of them are right; None where that is past `most` altogether."""
    if not is_proven(right + max(0, most - n), max(n, most), wanted=wanted):
        return None
    low, high = 0, max(0, most - n)
    while low < high:
        middle = (low + high) // 2
        if is_proven(right + middle, n + middle, wanted=wanted):
            high = middle
        else:
            low = middle + 1
    return low


@lru_cache(maxsize=128)
def fewest_audits(wanted: float) -> int:
    """How many audits prove `wanted` where each is right: 87 for .95."""
    n = 1
    while not is_proven(n, n, wanted=wanted):
        n *= 2
    return audits_until_proven(0, 0, wanted=wanted, most=n) or n


def most_audits(wanted: float) -> int:
    """After how many audits waiting for a proof is given up, and how many of the newest count later: 300.

    Above .95 four times the fewest that prove it, because 300 could not prove .99 even if all were right.
    """
    return MOST_AUDITS if wanted <= 0.95 else max(MOST_AUDITS, 4 * fewest_audits(wanted))
