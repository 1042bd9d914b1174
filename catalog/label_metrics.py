"""PURE numpy: how good labels are, and how honest their confidence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15
COVERAGE_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
RESAMPLES = 2_000


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


def coverage(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Accuracy over the surest share of the rows; of equally sure ones the earlier come first."""
    surest = is_right[np.argsort(-confidence, kind="stable")]
    sizes = [(share, max(1, round(share * len(surest)))) for share in COVERAGE_SHARES]
    return [{"share": share, "accuracy": round(float(surest[:size].mean()), 4)} for share, size in sizes]


def interval(values: NDArray[np.float64], *, seed: int) -> list[float]:
    """95% bootstrap interval of the mean of (n,) values."""
    random = np.random.default_rng(seed)
    means = values[random.integers(0, len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]
