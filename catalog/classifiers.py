"""What labelling knows of one taxonomy at this moment: its labels, its zero-shot start, what was learned since."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

import numpy as np
from django.conf import settings

from catalog import label_head, opinions, readings
from catalog.embedding import embed_labels
from catalog.label_head import Head
from catalog.models import Label, LabelEmbedding, LabelHead, OpinionFit, Taxonomy
from catalog.opinions import OpinionWeights
from catalog.readings import Neighbourhood, Reader
from catalog.shortlist import LabelSet
from catalog.taxonomy_rows import SEPARATOR


@dataclass(frozen=True)
class Classifier:
    """`start` is the zero-shot classifier, `head` what decisions made of it: the same where none did.

    Both read readings where one label is to be chosen, and items' own embeddings where there may be several.
    """

    labels: LabelSet
    start: Head
    head: Head
    version: int
    weights: OpinionWeights
    reader: str

    @property
    def name(self) -> str:
        """What is stored beside a suggestion."""
        return f"{self.reader}, head {self.version}" if self.version else self.reader


Described = tuple[tuple[int, str, str, str], ...]  # id, name, path and description of each label, by id


def classifier(taxonomy: Taxonomy, reader: Reader, neighbours: Neighbourhood) -> Classifier:
    """As things stand, for a few small queries: what is costly about it is kept in the process until the labels, the
    live head or what was read of the catalog change."""
    assignable = Label.objects.filter(taxonomy=taxonomy).assignable().order_by("pk").distinct()
    described = tuple(assignable.values_list("pk", "name", "path", "description"))
    labels, begin = _zero_shot(taxonomy, described, reader, neighbours)
    head, version = begin, 0
    live = LabelHead.objects.live_version(taxonomy.pk)
    if live is not None and live[2] == reader_name(labels, reader):
        learned, ids = _learned(taxonomy.pk, live[0])
        if ids == labels.ids:
            head, version = learned, live[1]
    return Classifier(
        labels=labels,
        start=begin,
        head=head,
        version=version,
        weights=opinions.weights_of(OpinionFit.objects.parameters_of(taxonomy.pk)),
        reader=reader_name(labels, reader),
    )


def reader_name(labels: LabelSet, reader: Reader) -> str:
    return reader.name if labels.is_single else reader.small.name


def _label_set(taxonomy: Taxonomy, described: Described, reader: Reader) -> LabelSet:
    """With the vectors that items will be compared with."""
    is_single = taxonomy.choice == Taxonomy.Choice.SINGLE
    embed_labels(taxonomy.pk, embedder=reader.small)
    if not described:
        vectors = np.zeros((0, reader.dim if is_single else settings.EMBEDDING_DIM), dtype=np.float32)
    elif is_single:
        vectors = readings.of_labels([(name, description) for _, name, _, description in described], reader)
    else:
        vectors = LabelEmbedding.objects.rows([pk for pk, *_ in described])
    return LabelSet(
        taxonomy_id=taxonomy.pk,
        question=taxonomy.question,
        is_single=is_single,
        ids=tuple(pk for pk, *_ in described),
        names=told_names([path for _, _, path, _ in described]),
        vectors=vectors,
    )


def assignable_ids(taxonomy: Taxonomy) -> set[int]:
    return set(Label.objects.filter(taxonomy=taxonomy).assignable().values_list("pk", flat=True))


def told_names(paths: list[str]) -> tuple[str, ...]:
    """What the language model reads: the last name of each path, with the one above it where names are alike."""
    last = [path.split(SEPARATOR)[-1] for path in paths]
    times = Counter(last)
    return tuple(
        SEPARATOR.join(path.split(SEPARATOR)[-2:]) if times[name] > 1 else name
        for path, name in zip(paths, last, strict=True)
    )


# ---------------------------------------------------------------- kept in the process
@dataclass(frozen=True)
class _Kept:
    made_from: tuple[str, str, str, Described]
    neighbours: Neighbourhood
    labels: LabelSet
    start: Head


_lock = threading.Lock()
_starts: dict[int, _Kept] = {}
_heads: dict[int, tuple[int, Head, tuple[int, ...]]] = {}


def _zero_shot(
    taxonomy: Taxonomy, described: Described, reader: Reader, neighbours: Neighbourhood
) -> tuple[LabelSet, Head]:
    made_from = (taxonomy.question, taxonomy.choice, reader.name, described)
    with _lock:
        kept = _starts.get(taxonomy.pk)
    if kept is None or kept.made_from != made_from:
        labels = _label_set(taxonomy, described, reader)
    elif kept.neighbours is neighbours:
        return kept.labels, kept.start
    else:
        labels = kept.labels
    found = label_head.start(labels.vectors, neighbours.vectors, is_single=labels.is_single)
    with _lock:
        _starts[taxonomy.pk] = _Kept(made_from, neighbours, labels, found)
    return labels, found


def _learned(taxonomy_id: int, head_id: int) -> tuple[Head, tuple[int, ...]]:
    """A version's weights never change."""
    with _lock:
        kept = _heads.get(taxonomy_id)
    if kept is None or kept[0] != head_id:
        kept = (head_id, *label_head.from_bytes(bytes(LabelHead.objects.get(pk=head_id).weights)))
        with _lock:
            _heads[taxonomy_id] = kept
    return kept[1], kept[2]
