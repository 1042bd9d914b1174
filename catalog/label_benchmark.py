"""Measure zero-shot labelling on files: the site's own functions, and no row of the running site.

The truth is read only to count what was right.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog import asking, label_metrics, shortlist
from catalog.asking import Work
from catalog.embedding import item_text, label_vectors, normalise, text_hash
from catalog.models import Taxonomy
from catalog.providers import ChatModel, Embedder
from catalog.shortlist import LabelSet
from recsite.operations.errors import InvalidInputError

PATH_SEPARATOR = " > "
AT_ONCE = 24
NO_TAXONOMY = 0


@dataclass(frozen=True)
class Case:
    """Texts to label, the label paths to choose from, and the right path's position for each text, (n,)."""

    titles: tuple[str, ...]
    texts: tuple[str, ...]
    paths: tuple[str, ...]
    descriptions: tuple[str, ...]
    truth: NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """ranked: (n, 3) label positions, best first; confidence: (n,), of the first."""

    ranked: NDArray[np.int64]
    confidence: NDArray[np.float64]
    seconds: float


def read_case(items: Path, taxonomy: Path, truth: Path, *, sample: int | None, seed: int) -> Case:
    """Items that have a truth, a random `sample` of them where one is asked for. Raises InvalidInputError."""
    paths: dict[str, str] = {}
    for row in _rows(taxonomy, "label"):
        paths.setdefault(row["label"].strip(), (row.get("description") or "").strip())
    places = {path: place for place, path in enumerate(paths)}
    right = {row["id"]: row["label"].strip() for row in _rows(truth, "id", "label")}
    if unknown := sorted(set(right.values()) - set(places)):
        raise InvalidInputError(f"{truth.name} has the label {unknown[0]!r}, which {taxonomy.name} lacks.")
    rows = [row for row in _rows(items, "id", "title") if row["id"] in right]
    if not rows:
        raise InvalidInputError(f"No id of {items.name} is in {truth.name}; nothing can be measured.")
    if sample is not None and sample < len(rows):
        chosen = np.random.default_rng(seed).choice(len(rows), size=sample, replace=False)
        rows = [rows[place] for place in sorted(chosen.tolist())]
    return Case(
        titles=tuple(normalise(row["title"]) for row in rows),
        texts=tuple(item_text(row["title"], row.get("brand") or "", row.get("description") or "") for row in rows),
        paths=tuple(paths),
        descriptions=tuple(paths.values()),
        truth=np.array([places[right[row["id"]]] for row in rows], dtype=np.int64),
    )


def _rows(path: Path, *needed: str) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from error
    if missing := [name for name in needed if name not in (reader.fieldnames or [])]:
        raise InvalidInputError(f"{path.name} has no column {missing[0]!r}; it needs {', '.join(needed)}.")
    if not rows:
        raise InvalidInputError(f"{path.name} has no rows.")
    return rows


def measure(case: Case, *, embedder: Embedder, chat_model: ChatModel | None, seed: int) -> dict[str, object]:
    """JSON: the figures of the best there is (with the model where one is given), and of embeddings alone beside it."""
    works, vectors_s = _works(case, embedder)
    alone = _by_embeddings(works, vectors_s)
    best = alone if chat_model is None else _by_model(works, chat_model, alone)
    figures = _figures(best, case.truth, seed=seed)
    return {
        "n": len(case.texts),
        "labels": len(case.paths),
        "model": chat_model.name if chat_model else None,
        "embedder": embedder.name,
        **figures,
        "embeddings_only": _figures(alone, case.truth, seed=seed),
    }


def _works(case: Case, embedder: Embedder) -> tuple[list[Work], float]:
    """Also the seconds that the items' vectors and scores took; those of the labels are spent once a taxonomy."""
    names = tuple(path.split(PATH_SEPARATOR)[-1] for path in case.paths)
    labels = LabelSet(
        taxonomy_id=NO_TAXONOMY,
        question=Taxonomy._meta.get_field("question").get_default(),
        is_single=True,
        ids=tuple(range(len(names))),
        names=names,
        vectors=label_vectors(list(zip(names, case.descriptions, strict=True)), embedder),
    )
    started = time.perf_counter()
    vectors = embedder.embed(list(case.texts))
    scores = shortlist.similarities(vectors, labels, vectors.mean(axis=0), len(vectors))
    works = [
        Work((text_hash(text), NO_TAXONOMY), text, title, labels, score)
        for text, title, score in zip(case.texts, case.titles, scores, strict=True)
    ]
    return works, time.perf_counter() - started


def _by_embeddings(works: Sequence[Work], vectors_s: float) -> Labelled:
    shares = np.stack([shortlist.confidences(work.scores, is_single=True) for work in works])
    ranked = np.stack([shortlist.top(work.scores, asking.KEPT) for work in works])
    return Labelled(ranked, _of_first(shares, ranked), vectors_s)


def _by_model(works: Sequence[Work], chat_model: ChatModel, alone: Labelled) -> Labelled:
    """As the site does: sure ones keep the embeddings' labels, the rest are asked about, once a distinct text."""
    ranked, confidence = alone.ranked.copy(), alone.confidence.copy()
    places: dict[str, list[int]] = {}
    for place, work in enumerate(works):
        if not work.is_sure:
            places.setdefault(work.key[0], []).append(place)
    waiting = [works[own[0]] for own in places.values()]
    started = time.perf_counter()
    for start in range(0, len(waiting), AT_ONCE):
        answers, gone = asking.ask(waiting[start : start + AT_ONCE], chat_model)
        if gone is not None:
            raise gone
        for answer in answers:
            if answer.opinions is None:
                continue
            positions = shortlist.asked_about(answer.work.scores, is_single=True)
            blended = shortlist.blended(answer.work.scores, answer.opinions, is_single=True)
            best = shortlist.top(blended, asking.KEPT)
            for place in places[answer.work.key[0]]:
                ranked[place], confidence[place] = positions[best], blended[best[0]]
    return Labelled(ranked, confidence, alone.seconds + time.perf_counter() - started)


def _of_first(shares: NDArray[np.float32], ranked: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.take_along_axis(shares, ranked[:, :1], axis=1)[:, 0].astype(np.float64)


def _figures(labelled: Labelled, truth: NDArray[np.int64], *, seed: int) -> Mapping[str, object]:
    is_right = labelled.ranked[:, 0] == truth
    return {
        "accuracy@1": round(label_metrics.accuracy_at(labelled.ranked, truth, 1), 4),
        "accuracy@3": round(label_metrics.accuracy_at(labelled.ranked, truth, 3), 4),
        "macro_f1": round(label_metrics.macro_f1(labelled.ranked[:, 0], truth), 4),
        "ece": round(label_metrics.expected_calibration_error(labelled.confidence, is_right), 4),
        "items_per_s": round(len(truth) / max(labelled.seconds, 1e-9), 2),
        "coverage": label_metrics.coverage(labelled.confidence, is_right),
        "ci95": {"accuracy@1": label_metrics.interval(is_right.astype(np.float64), seed=seed)},
    }
