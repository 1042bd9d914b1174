"""PURE numpy: from an item's vector to the few labels worth asking about, and from opinions to a confidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
# Several choices: the cosine at which a label is as likely as not, and how fast belief grows around it.
CHOICE_AT = 0.33
CHOICE_SCALE = 0.05
# What the model's whole share moves that cosine by, and the share that moves it not at all.
CHOICE_SHIFT = 0.2
CHOICE_SHARE = 0.2
MAX_EVIDENCE_WORDS = 3

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
    odds = np.clip((scores - CHOICE_AT) / CHOICE_SCALE, -30, 30)
    result: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-odds))).astype(np.float32)
    return result


def blended(
    scores: NDArray[np.float32], positions: NDArray[np.int64], shares: Sequence[float], *, is_single: bool
) -> NDArray[np.float32]:
    """(len(positions),) in 0..1: the embeddings' confidence in the shortlisted labels, moved by the model's answer.

    shares: (len(positions) + 1,), the model's share of each, then of "none of these".
    """
    answer = np.asarray(shares[: len(positions)], dtype=np.float32)
    if is_single:
        prior = tempered(scores)[positions]
        result: NDArray[np.float32] = MODEL_WEIGHT * answer + (1 - MODEL_WEIGHT) * prior
        return result
    return confidences(scores[positions] + CHOICE_SHIFT * (answer - CHOICE_SHARE), is_single=False)


def phrases(title: str) -> tuple[str, ...]:
    """Runs of one to MAX_EVIDENCE_WORDS words of the title, each a verbatim part of it."""
    words = list(_WORD.finditer(title))[:16]
    found = {
        title[words[start].start() : words[end].end()]
        for start in range(len(words))
        for end in range(start, min(start + MAX_EVIDENCE_WORDS, len(words)))
    }
    return tuple(sorted(found))


def evidence(candidates: Sequence[str], vectors: Mapping[str, NDArray[np.float32]], label: NDArray[np.float32]) -> str:
    """The phrase whose vector lies closest to the label's; ties go to the shorter, '' where there is none."""
    scored = [(round(float(vectors[phrase] @ label), 4), -len(phrase), phrase) for phrase in candidates]
    return max(scored)[2] if scored else ""
