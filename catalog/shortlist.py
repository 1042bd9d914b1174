"""PURE numpy: from an item's vector to the few labels worth asking about, and from opinions to a confidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Stored as the prompt version of suggestions that come from embeddings alone.
VERSION = "cosine-1"
SHORTLIST = 5
# A label that lies near everything is near for no reason: half of its mean similarity is taken away.
MEAN_REMOVED = 0.5
# The mean of few items is mostly chance: it counts half at this many items, fully at many.
MEAN_HALF_AT_ITEMS = 50
TEMPERATURE = 0.05
# Beyond this distance between the first and the second label the language model is not asked; see docs/labelling.md.
SURE_MARGIN = 0.2
MODEL_WEIGHT = 0.5
# Several choices: how many labels are asked about, and the log odds of a label, fitted on 55 products labelled by
# hand (docs/labelling.md): from its cosine alone, and from its cosine with the model's log odds of Yes.
ASKED_EACH = 4
CHOICE_BY_COSINE = (17.9, -7.47)
CHOICE_BY_COSINE_AND_MODEL = (7.9, 0.93, -3.83)
MAX_EVIDENCE_WORDS = 3
MAX_EVIDENCE_CHARS = 100

_WORD = re.compile(r"[^\W\d_][\w'’&-]*")


@dataclass(frozen=True)
class LabelSet:
    """What labelling needs to know of a taxonomy. `vectors` is (n_labels, dim), unit rows, in the order of `ids`."""

    taxonomy_id: int
    question: str
    is_single: bool
    ids: tuple[int, ...]
    names: tuple[str, ...]
    vectors: NDArray[np.float32]


def similarities(
    items: NDArray[np.float32], labels: LabelSet, centre: NDArray[np.float32], n_items: int
) -> NDArray[np.float32]:
    """(n, n_labels): cosine; where one label is to be chosen, less a part of each label's mean over the catalog.

    items: (n, dim), unit rows; centre: (dim,), the mean of the catalog's `n_items` vectors.
    """
    removed = MEAN_REMOVED * n_items / (n_items + MEAN_HALF_AT_ITEMS) if labels.is_single else 0.0
    vectors = labels.vectors
    scores: NDArray[np.float32] = (items @ vectors.T - removed * (vectors @ centre)).astype(np.float32)
    return scores


def tempered(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the last axis at TEMPERATURE: how the embeddings alone would spread their belief."""
    heated = (scores - scores.max(axis=-1, keepdims=True)) / TEMPERATURE
    exponentials = np.exp(heated)
    result: NDArray[np.float32] = (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def top(scores: NDArray[np.float32], n: int = SHORTLIST) -> NDArray[np.int64]:
    """The positions of the n highest of (n_labels,), best first; ties go to the earlier."""
    return np.argsort(-scores, kind="stable")[:n].astype(np.int64)


def margin(scores: NDArray[np.float32]) -> float:
    """How far the best of (n_labels,) lies before the second; infinite where there is one label only."""
    if len(scores) < 2:
        return float("inf")
    second, first = np.partition(scores, -2)[-2:]
    return float(first - second)


def confidences(scores: NDArray[np.float32], *, is_single: bool) -> NDArray[np.float32]:
    """(n_labels,) in 0..1, from embeddings alone: shares that sum to 1 for one choice, each on its own for several."""
    if is_single:
        return tempered(scores)
    slope, start = CHOICE_BY_COSINE
    return _probability(slope * scores + start)


def asked_about(scores: NDArray[np.float32], *, is_single: bool) -> NDArray[np.int64]:
    """The positions of the labels that the model is asked about, best first."""
    return top(scores, SHORTLIST if is_single else ASKED_EACH)


def blended(scores: NDArray[np.float32], opinions: Sequence[float], *, is_single: bool) -> NDArray[np.float32]:
    """(n_asked,) in 0..1: confidence in the labels of `asked_about` after the model's answer.

    opinions: for one choice the model's share of each of these labels, for several its log odds of Yes for each.
    """
    positions = asked_about(scores, is_single=is_single)
    opinion = np.asarray(opinions, dtype=np.float32)
    if is_single:
        prior = tempered(scores)[positions]
        result: NDArray[np.float32] = MODEL_WEIGHT * opinion + (1 - MODEL_WEIGHT) * prior
        return result
    of_cosine, of_model, start = CHOICE_BY_COSINE_AND_MODEL
    return _probability(of_cosine * scores[positions] + of_model * opinion + start)


def _probability(log_odds: NDArray[Any]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-np.clip(log_odds, -30, 30)))).astype(np.float32)
    return result


def phrases(title: str) -> tuple[str, ...]:
    """Runs of one to MAX_EVIDENCE_WORDS words of the title, each a short and verbatim part of it."""
    words = list(_WORD.finditer(title))[:16]
    found = {
        title[words[start].start() : words[end].end()]
        for start in range(len(words))
        for end in range(start, min(start + MAX_EVIDENCE_WORDS, len(words)))
    }
    return tuple(sorted(phrase for phrase in found if len(phrase) <= MAX_EVIDENCE_CHARS))


def evidence(candidates: Sequence[str], vectors: Mapping[str, NDArray[np.float32]], label: NDArray[np.float32]) -> str:
    """The phrase whose vector lies closest to the label's; ties go to the shorter, '' where there is none."""
    scored = [(round(float(vectors[phrase] @ label), 4), -len(phrase), phrase) for phrase in candidates]
    return max(scored)[2] if scored else ""
