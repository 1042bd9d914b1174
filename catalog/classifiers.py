"""What labelling knows of one taxonomy at this moment: its labels, its zero-shot start, what was learned since."""

from __future__ import annotations

import hashlib
import threading
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

SEPARATOR = " > "


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


def classifier(taxonomy: Taxonomy, reader: Reader, neighbours: Neighbourhood) -> Classifier:
    """As things stand; what is costly about it is kept in the process until labels or the catalog change."""
    labels = label_set(taxonomy, reader)
    begin = _start(labels, reader, neighbours)
    live = LabelHead.objects.live(taxonomy.pk)
    head, version = begin, 0
    if live is not None and live.model == reader_name(labels, reader):
        learned, ids = label_head.from_bytes(bytes(live.weights))
        if ids == labels.ids:
            head, version = learned, live.version
    fit = OpinionFit.objects.filter(taxonomy=taxonomy).first()
    return Classifier(
        labels=labels,
        start=begin,
        head=head,
        version=version,
        weights=opinions.weights_of(fit.parameters if fit else {}),
        reader=reader_name(labels, reader),
    )


def reader_name(labels: LabelSet, reader: Reader) -> str:
    return reader.name if labels.is_single else reader.small.name


def label_set(taxonomy: Taxonomy, reader: Reader) -> LabelSet:
    """The assignable labels, in the order of their keys, with the vectors that items will be compared with."""
    is_single = taxonomy.choice == Taxonomy.Choice.SINGLE
    embed_labels(taxonomy.pk, embedder=reader.small)
    labels = list(Label.objects.filter(taxonomy=taxonomy).assignable().order_by("pk").distinct())
    if not labels:
        vectors = np.zeros((0, reader.dim if is_single else settings.EMBEDDING_DIM), dtype=np.float32)
    elif is_single:
        vectors = readings.of_labels([(label.name, label.description) for label in labels], reader)
    else:
        vectors = LabelEmbedding.objects.rows([label.pk for label in labels])
    return LabelSet(
        taxonomy_id=taxonomy.pk,
        question=taxonomy.question,
        is_single=is_single,
        ids=tuple(label.pk for label in labels),
        names=told_names([label.path for label in labels]),
        vectors=vectors,
    )


def assignable_ids(taxonomy: Taxonomy) -> set[int]:
    return set(Label.objects.filter(taxonomy=taxonomy).assignable().values_list("pk", flat=True))


def told_names(paths: list[str]) -> tuple[str, ...]:
    """What the language model reads: the last name of each path, with the one above it where names are alike."""
    last = [path.split(SEPARATOR)[-1] for path in paths]
    alike = {name for name in last if last.count(name) > 1} if len(set(last)) < len(last) else set()
    return tuple(
        SEPARATOR.join(path.split(SEPARATOR)[-2:]) if name in alike else name
        for path, name in zip(paths, last, strict=True)
    )


_lock = threading.Lock()
_starts: dict[int, tuple[str, Head]] = {}


def _start(labels: LabelSet, reader: Reader, neighbours: Neighbourhood) -> Head:
    seen = (
        f"{reader.name} {len(neighbours.keys)} {neighbours.keys[:1]} {labels.ids}".encode() + labels.vectors.tobytes()
    )
    key = hashlib.sha256(seen).hexdigest()
    with _lock:
        kept = _starts.get(labels.taxonomy_id)
        if kept is not None and kept[0] == key:
            return kept[1]
    found = label_head.start(labels.vectors, neighbours.vectors, is_single=labels.is_single)
    with _lock:
        _starts[labels.taxonomy_id] = (key, found)
    return found
