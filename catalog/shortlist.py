"""PURE numpy: the labels worth asking about, and the words of a title that speak for one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Stored as the prompt version of suggestions that no language model was asked about.
VERSION = "head-1"
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


def top(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """The positions of the n highest of (n_labels,), best first; ties go to the earlier."""
    return np.argsort(-scores, kind="stable")[:n].astype(np.int64)


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
