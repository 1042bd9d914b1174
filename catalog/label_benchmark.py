"""Measure zero-shot labelling on files: the site's own functions, and no row of the running site.

The truth is read only to count what was right, except for the reviews that are simulated through the real queue.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog import asking, label_descriptions, label_head, label_metrics, learning, opinions, review_queue, shortlist
from catalog.asking import Answer, Work
from catalog.classifiers import Classifier, told_names
from catalog.embedding import item_text, normalise, text_hash
from catalog.models import Taxonomy
from catalog.providers import ChatModel
from catalog.readings import Neighbourhood, Reader, ReadText
from catalog.shortlist import LabelSet
from catalog.suggestions import Key
from catalog.taxonomy_rows import SEPARATOR
from recsite.operations.errors import InvalidInputError

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
    """ranked: (n, 3) label positions, best first; confidence, second: (n,), of the first and the second."""

    ranked: NDArray[np.int64]
    confidence: NDArray[np.float64]
    second: NDArray[np.float64]
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


def measure(case: Case, *, reader: Reader, chat_model: ChatModel | None, reviews: int, seed: int) -> dict[str, object]:
    """JSON: the figures of the best there is, of the small embeddings alone beside it, and after simulated reviews.

    reader: with the larger embedding model or without; chat_model: None for embeddings only.
    """
    alone = _zero_shot(case, Reader(reader.small), None)
    best = alone if chat_model is None and reader.large is None else _zero_shot(case, reader, chat_model)
    found: dict[str, object] = {
        "n": len(case.texts),
        "labels": len(case.paths),
        "model": chat_model.name if chat_model else None,
        "embedder": reader.name,
        "asked": sum(work.key in best.answers for work in best.works),
        "labels_s": round(best.labels_s, 1),
        **_figures(best.labelled, case.truth, seed=seed),
        "embeddings_only": _figures(alone.labelled, case.truth, seed=seed),
    }
    if reviews:
        found["after_reviews"] = _after_reviews(case, best, reviews=reviews, seed=seed)
        if best is not alone:
            found["embeddings_only_after_reviews"] = _after_reviews(case, alone, reviews=reviews, seed=seed)
    return found


@dataclass(frozen=True)
class _Run:
    """One way of labelling a case. vectors: (n, dim); works in the case's order; answers by text."""

    labelled: Labelled
    classifier: Classifier
    neighbours: Neighbourhood
    vectors: NDArray[np.float32]
    smoothed: NDArray[np.float32]
    works: tuple[Work, ...]
    answers: Mapping[Key, Answer]
    labels_s: float


def _zero_shot(case: Case, reader: Reader, chat_model: ChatModel | None) -> _Run:
    """As the site does it: descriptions once a label, readings, the start, and the model where it is worth asking."""
    began = time.perf_counter()
    labels = _label_set(case, reader, chat_model)
    labels_s = time.perf_counter() - began
    began = time.perf_counter()
    texts = {text_hash(text): ReadText(title, text) for title, text in zip(case.titles, case.texts, strict=True)}
    keys = [text_hash(text) for text in case.texts]
    distinct = reader.read(list(texts.values()))
    neighbours = Neighbourhood(tuple(texts), distinct)
    by_key = dict(zip(texts, zip(distinct, neighbours.smoothed(list(texts), distinct), strict=True), strict=True))
    vectors, smoothed = (np.stack([by_key[key][which] for key in keys]) for which in (0, 1))
    begin = label_head.start(labels.vectors, distinct, is_single=True)
    classifier = Classifier(labels, begin, begin, 0, opinions.PRIOR, reader.name)
    works = _works(keys, texts, classifier, smoothed)
    answers = _ask(works, chat_model) if chat_model else {}
    labelled = _labelled(works, answers, seconds=time.perf_counter() - began)
    return _Run(labelled, classifier, neighbours, vectors, smoothed, works, answers, labels_s)


def _label_set(case: Case, reader: Reader, chat_model: ChatModel | None) -> LabelSet:
    descriptions = list(case.descriptions)
    if chat_model is not None:
        missing = [place for place, text in enumerate(descriptions) if not text]
        written = label_descriptions.write([case.paths[place] for place in missing], chat_model)
        for place, text in zip(missing, written, strict=True):
            descriptions[place] = text
    names = [path.split(SEPARATOR)[-1] for path in case.paths]
    return LabelSet(
        taxonomy_id=NO_TAXONOMY,
        question=Taxonomy._meta.get_field("question").get_default(),
        is_single=True,
        ids=tuple(range(len(names))),
        names=told_names(list(case.paths)),
        vectors=reader.read_labels(list(zip(names, descriptions, strict=True))),
    )


def _works(
    keys: Sequence[str], texts: Mapping[str, ReadText], classifier: Classifier, smoothed: NDArray[np.float32]
) -> tuple[Work, ...]:
    scored = zip(keys, classifier.start.scores(smoothed), classifier.head.scores(smoothed), strict=True)
    return tuple(
        Work((key, NO_TAXONOMY), texts[key].text, texts[key].title, classifier, begin, learned)
        for key, begin, learned in scored
    )


def _ask(works: Sequence[Work], chat_model: ChatModel) -> dict[Key, Answer]:
    waiting = list({work.key: work for work in works if work.to_ask()}.values())
    answers: dict[Key, Answer] = {}
    for start in range(0, len(waiting), AT_ONCE):
        replies, gone = asking.ask(waiting[start : start + AT_ONCE], chat_model)
        if gone is not None:
            raise gone
        answers.update({reply.work.key: reply.answer for reply in replies if reply.answer is not None})
    return answers


def _labelled(works: Sequence[Work], answers: Mapping[Key, Answer], *, seconds: float) -> Labelled:
    shares = np.stack([work.confidences(answers.get(work.key)) for work in works])
    ranked = np.stack([shortlist.top(row, asking.KEPT) for row in shares])
    best = np.take_along_axis(shares, ranked[:, :2], axis=1).astype(np.float64)
    second = best[:, 1] if best.shape[1] > 1 else np.zeros(len(best))
    return Labelled(ranked, best[:, 0], second, seconds)


# ---------------------------------------------------------------- reviews
def _after_reviews(case: Case, run: _Run, *, reviews: int, seed: int) -> dict[str, object]:
    """The figures over the items nobody reviewed, after so many decisions in the queue's order.

    A reviewer who always knows the truth takes the queue as it is, and the site learns as often as it does.
    """
    decided: list[int] = []
    labelled, classifier = run.labelled, run.classifier
    wanted = min(reviews, len(case.texts) - 1)
    while len(decided) < wanted:
        new = _next(run, labelled, decided, n=min(learning.EVERY_DECISIONS, wanted - len(decided)))
        if not new:
            break
        decided += new
        classifier = _learned(case, run, decided)
        texts = {work.key[0]: ReadText(work.title, work.text) for work in run.works}
        works = _works([work.key[0] for work in run.works], texts, classifier, run.smoothed)
        labelled = _labelled(works, run.answers, seconds=run.labelled.seconds)
    rest = np.setdiff1d(np.arange(len(case.texts)), decided)
    left = Labelled(labelled.ranked[rest], labelled.confidence[rest], labelled.second[rest], labelled.seconds)
    figures = dict(_figures(left, case.truth[rest], seed=seed))
    del figures["items_per_s"]
    return {"reviews": len(decided), "n": len(rest), "weights": classifier.weights.as_dict(), **figures}


def _next(run: _Run, labelled: Labelled, decided: Sequence[int], *, n: int) -> list[int]:
    """The next positions to review. One item a text: the site puts its twins behind all others."""
    free: dict[str, int] = {}
    done = {run.works[place].key[0] for place in decided}
    for place, work in enumerate(run.works):
        if work.key[0] not in done:
            free.setdefault(work.key[0], place)
    if not free:
        return []
    places = np.array(list(free.values()), dtype=np.int64)
    doubts = (1.0 - (labelled.confidence - labelled.second)).astype(np.float32)
    if len(places) > review_queue.COMPARED:
        places = places[np.argsort(-doubts[places], kind="stable")[: review_queue.COMPARED]]
    hashes = [run.works[place].key[0] for place in places]
    order, _ = review_queue.queue(hashes, run.vectors[places], doubts[places], run.vectors[list(decided)], n=n)
    return places[order].tolist()


def _learned(case: Case, run: _Run, decided: Sequence[int]) -> Classifier:
    rows, truth = list(decided), case.truth[list(decided)]
    targets = np.eye(len(case.paths), dtype=np.float32)[truth]
    begin = run.classifier.start
    head = label_head.train(begin, run.vectors[rows], targets, is_single=True)
    apart = label_head.out_of_fold(begin, run.vectors[rows], targets, is_single=True, scored=run.smoothed[rows])
    model = np.zeros_like(apart)
    for row, place in enumerate(rows):
        if answer := run.answers.get(run.works[place].key):
            model[row, list(answer)] = opinions.log_ratio(list(answer.values()))
    drawn = [row for row, place in enumerate(rows) if review_queue.is_drawn(run.works[place].key[0])]
    weights, _ = learning.fit_weights(begin.scores(run.smoothed[rows])[drawn], apart[drawn], model[drawn], truth[drawn])
    return replace(run.classifier, head=head, version=1, weights=weights)


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
