"""The label head applied to any vector in the items' own space, such as a user's interest: what it is about.

Where one label is to be chosen. A head that reads two embedding models knows the small one's part of each label, and
items' own vectors are the small one's; so that part alone is asked. No model is loaded.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog import label_head, readings
from catalog.label_head import Head
from catalog.models import Label, LabelEmbedding, LabelHead, Taxonomy

LABELS_A_VECTOR = 3


@dataclass(frozen=True)
class VectorLabel:
    taxonomy_id: int
    label_id: int
    share: float


def labels_of(vectors: NDArray[np.float32]) -> list[list[VectorLabel]]:
    """Of each of (n, dim) unit rows the likeliest labels of every active taxonomy of one choice, likeliest first.

    share: 0..1 of all labels of the taxonomy. Taxonomies whose labels have no vector yet are left out.
    """
    found: list[list[VectorLabel]] = [[] for _ in vectors]
    if not len(vectors):
        return found
    wanted = Taxonomy.objects.filter(is_active=True, choice=Taxonomy.Choice.SINGLE).order_by("position", "pk")
    for taxonomy_id in wanted.values_list("pk", flat=True):
        head, label_ids = _head(taxonomy_id, vectors.shape[1])
        if not label_ids:
            continue
        shares = label_head.shares(head.scores(vectors))
        for own, row in zip(found, shares, strict=True):
            best = np.argsort(-row, kind="stable")[:LABELS_A_VECTOR].tolist()
            own += [VectorLabel(taxonomy_id, label_ids[place], round(float(row[place]), 4)) for place in best]
    return found


_lock = threading.Lock()
_heads: dict[int, tuple[tuple[object, ...], Head, tuple[int, ...]]] = {}


def _head(taxonomy_id: int, dim: int) -> tuple[Head, tuple[int, ...]]:
    """Kept in the process until the labels or the live version change."""
    labels = Label.objects.filter(taxonomy_id=taxonomy_id).assignable()
    live = LabelHead.objects.live_version(taxonomy_id)
    made_from = (live[0] if live else 0, labels.digest(), dim)
    with _lock:
        kept = _heads.get(taxonomy_id)
    if kept is None or kept[0] != made_from:
        ids = set(labels.values_list("pk", flat=True))
        learned = _learned(live[0], ids, dim) if live else None
        kept = (made_from, *(learned or _start(ids, dim)))
        if learned or len(kept[2]) == len(ids):  # else labels wait for their vectors, and there will be more
            with _lock:
                _heads[taxonomy_id] = kept
    return kept[1], kept[2]


def _learned(head_id: int, label_ids: set[int], dim: int) -> tuple[Head, tuple[int, ...]] | None:
    """The live head's part for the first `dim` numbers of a reading; None where it knows other labels."""
    head, ids = label_head.from_bytes(bytes(LabelHead.objects.get(pk=head_id).weights))
    if set(ids) != label_ids or head.weights.shape[1] < dim:
        return None
    return readings.of_small(head, dim), ids


def _start(label_ids: set[int], dim: int) -> tuple[Head, tuple[int, ...]]:
    ids = tuple(LabelEmbedding.objects.filter(label_id__in=label_ids).order_by("pk").values_list("pk", flat=True))
    rows = LabelEmbedding.objects.rows(ids) if ids else np.zeros((0, dim), dtype=np.float32)
    return label_head.start(rows, rows[:0], is_single=True), ids
