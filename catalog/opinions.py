"""PURE numpy and scipy: several opinions about one item become one honest confidence, and decisions say how much
each opinion weighs.

For one choice the opinions are pooled log-linearly, softmax(we E + wh H + wl L): E the zero-shot scores of the
embeddings, H the head's, L the language model's shares as log ratios to chance, 0 for labels it was not asked about.
The weights carry the temperature too, so what is fitted is the calibration as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

ASKED = 5
ASKED_EACH = 4
# Beyond this distance between the first and the second share the language model is not asked: it would change little
# (docs/labelling.md).
ASK_BELOW_MARGIN = 0.4
# Several choices: who is asked about, and the stated prior of the pool of log odds, fitted on 55 products labelled by
# hand: head alone, or .44 head + .93 model - .5.
ASK_EACH_BETWEEN = (0.05, 0.9)
EACH_WITH_MODEL = (0.44, 0.93, -0.5)
# The language model's share of a label is never taken for 0: it has only five letters to choose from.
FLOOR = 0.02
# How far, in log weights, a fit may easily move from the prior.
PRIOR_SPREAD = 0.3
MIN_DECISIONS = 10


@dataclass(frozen=True)
class OpinionWeights:
    """Factors of E, H and L. The two first multiply scores (cosines), the last natural logarithms."""

    embedding: float
    head: float
    language_model: float

    def as_dict(self) -> dict[str, float]:
        return {"embedding": self.embedding, "head": self.head, "language_model": self.language_model}


# Round values that serve several catalogs alike; on which they were chosen says docs/labelling.md, "What was tried".
PRIOR = OpinionWeights(embedding=1.0, head=22.0, language_model=0.45)


def weights_of(parameters: Mapping[str, object]) -> OpinionWeights:
    """Of what OpinionFit stores; the prior where there is nothing."""
    found = parameters.get("weights")
    return OpinionWeights(**found) if isinstance(found, dict) and found else PRIOR


def log_ratio(shares: Sequence[float]) -> NDArray[np.float32]:
    """The model's shares of the labels it was asked about -> natural logarithms of their ratio to chance."""
    given = np.asarray(shares, dtype=np.float32)
    floored = (given + FLOOR) / (1.0 + FLOOR * len(given))
    result: NDArray[np.float32] = np.log(floored * len(given)).astype(np.float32)
    return result


def pooled(
    start: NDArray[np.float32],
    head: NDArray[np.float32],
    model: NDArray[np.float32] | None = None,
    *,
    weights: OpinionWeights = PRIOR,
) -> NDArray[np.float32]:
    """Shares over the last axis that sum to 1.

    start, head: scores, (…, n_labels); model: log ratios, 0 where it was not asked.
    """
    logits = weights.embedding * start + weights.head * head
    if model is not None:
        logits = logits + weights.language_model * model
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float32] = (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def pooled_each(
    head_log_odds: NDArray[np.float32], model_log_odds: Mapping[int, float] | None = None
) -> NDArray[np.float32]:
    """(n_labels,) in 0..1, each on its own. model_log_odds: by position, of the labels the model was asked about."""
    of_head, of_model, begin = EACH_WITH_MODEL
    log_odds = head_log_odds.astype(np.float64)
    for place, opinion in (model_log_odds or {}).items():
        log_odds[place] = of_head * log_odds[place] + of_model * opinion + begin
    result: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-np.clip(log_odds, -30, 30)))).astype(np.float32)
    return result


def fit(
    start: NDArray[np.float32],
    head: NDArray[np.float32],
    model: NDArray[np.float32],
    truth: NDArray[np.int64],
    *,
    prior: OpinionWeights = PRIOR,
) -> OpinionWeights:
    """The weights that make decided labels likeliest, held near the prior; the prior below MIN_DECISIONS.

    start, head, model: (n, n_labels), head scored by heads that did not see the row; truth: (n,) positions. A
    weight is a factor of the prior's and never negative: an opinion that misleads is turned down, not round.
    """
    if len(truth) < MIN_DECISIONS:
        return prior
    base = np.array([prior.embedding, prior.head, prior.language_model])
    stacked = np.stack([start, head, model], axis=-1).astype(np.float64)
    rows = np.arange(len(truth))

    def loss(moved: NDArray[np.float64]) -> float:
        logits = stacked @ (base * np.exp(moved))
        top = logits.max(axis=1)
        likelihood = logits[rows, truth] - top - np.log(np.exp(logits - top[:, None]).sum(axis=1))
        return float(-likelihood.sum() + (moved**2).sum() / (2 * PRIOR_SPREAD**2))

    found = minimize(loss, np.zeros(3), method="L-BFGS-B", bounds=[(-3.0, 2.0)] * 3)
    we, wh, wl = (base * np.exp(found.x)).tolist()
    return OpinionWeights(we, wh, wl)


def margin(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the best of the last axis lies before the second; 1 where there is one label only."""
    if shares.shape[-1] < 2:
        return np.ones(shares.shape[:-1], dtype=np.float32)
    best = np.partition(shares, -2, axis=-1)
    result: NDArray[np.float32] = best[..., -1] - best[..., -2]
    return result
