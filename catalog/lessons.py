"""What people's decisions about a taxonomy teach, as the rows that a label head is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from catalog import opinions, readings
from catalog.classifiers import Classifier
from catalog.models import ItemEmbedding, ItemLabel, Taxonomy
from catalog.readings import Neighbourhood, Reader
from catalog.review_queue import is_drawn

# Texts times labels that a head is trained on, of many the newest decided: a bound of memory. It is reached by 1,700
# texts where there are 6,000 labels, and by 360,000 where there are 28.
MOST_SCORES = 10_000_000


@dataclass(frozen=True)
class Lesson:
    """What decisions say, one row a text, oldest first: of items with one text the newest decided, so that no text is
    both trained on and asked about. vectors, smoothed: (n, dim); targets: (n, n_labels), as
    `label_head.train` takes them; truth: (n,) positions, -1 where only wrong labels are known;
    drawn: (n,), whether the queue put the text there by lot."""

    vectors: NDArray[np.float32]
    smoothed: NDArray[np.float32]
    targets: NDArray[np.float32]
    truth: NDArray[np.int64]
    drawn: NDArray[np.bool_]
    decided_at: tuple[datetime, ...]
    model: NDArray[np.float32]


def lesson_of(taxonomy: Taxonomy, found: Classifier, reader: Reader, neighbours: Neighbourhood) -> Lesson:
    rows = list(ItemLabel.objects.decided_by_people().filter(taxonomy=taxonomy).for_training())
    place = {pk: position for position, pk in enumerate(found.labels.ids)}
    by_item: dict[int, list[ItemLabel]] = {}
    for row in rows:
        by_item.setdefault(row.item_id, []).append(row)
    texts = {mine[0].item.text_hash: readings.read_text(mine[0].item) for mine in by_item.values()}
    if found.labels.is_single:
        vectors = readings.of_texts(texts, reader)
    else:
        vectors = ItemEmbedding.objects.vectors_by_text(texts, model=reader.small.name)
    by_text: dict[str, tuple[datetime, int, list[ItemLabel]]] = {}
    for item_id, mine in by_item.items():
        said = (max(row.decided_at for row in mine if row.decided_at), item_id, mine)
        key = mine[0].item.text_hash
        if key in vectors and (key not in by_text or said[:2] > by_text[key][:2]):
            by_text[key] = said
    n_labels = len(place)
    newest = sorted(by_text.items(), key=lambda text: text[1][:2])[-(MOST_SCORES // max(1, n_labels)) :]
    targets_of = ((key, _target(mine, place, found), at) for key, (at, _, mine) in newest)
    kept = [(key, target, at) for key, target, at in targets_of if target is not None]
    if not kept:
        none = np.zeros((0, found.start.weights.shape[1]), dtype=np.float32)
        no_targets = np.zeros((0, n_labels), dtype=np.float32)
        return Lesson(none, none, no_targets, np.zeros(0, np.int64), np.zeros(0, np.bool_), (), no_targets)
    keys = [key for key, _, _ in kept]
    stacked = np.stack([vectors[key] for key in keys])
    targets = np.stack([target for _, target, _ in kept])
    truth = np.where(targets.max(axis=1) > 0.999, targets.argmax(axis=1), -1).astype(np.int64)
    told = ItemLabel.objects.model_opinions(taxonomy.pk, keys)
    model = np.zeros((len(keys), n_labels), dtype=np.float32)
    if found.labels.is_single:
        for row_place, key in enumerate(keys):
            answer = {place[int(pk)]: share for pk, share in told.get(key, ()) if int(pk) in place}
            if answer:
                model[row_place, list(answer)] = opinions.log_ratio(list(answer.values()))
    return Lesson(
        vectors=stacked,
        smoothed=neighbours.smoothed(keys, stacked) if found.labels.is_single else stacked,
        targets=targets,
        truth=truth,
        drawn=np.array([is_drawn(key) for key in keys]),
        decided_at=tuple(at for _, _, at in kept),
        model=model,
    )


def _target(rows: Sequence[ItemLabel], place: dict[int, int], found: Classifier) -> NDArray[np.float32] | None:
    """What these decisions about one item say, or None where their labels are gone."""
    yes = {place[pk] for row in rows if row.is_assigned and (pk := row.final_label_id or row.label_id) in place}
    no = {
        place[row.label_id] for row in rows if row.label_id in place and row.decision != ItemLabel.Decision.ACCEPTED
    } - yes
    if not yes and not no:
        return None
    if not found.labels.is_single:
        target = np.full(len(place), np.nan, dtype=np.float32)
        target[list(yes)], target[list(no)] = 1.0, 0.0
        return target
    target = np.zeros(len(place), dtype=np.float32)
    if yes:
        target[next(iter(yes))] = 1.0
        return target
    # Only what is wrong is known: the rest is as likely as chance.
    target[:] = 1.0
    target[list(no)] = 0.0
    return target / target.sum() if target.any() else None
