"""Labels said anew with what was learned since, and with what the language model said before; it is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from catalog import labelling, readings, review_queue, suggestions
from catalog.asking import Work, suggest
from catalog.models import ItemLabel, LabelHead, LabelRequest, OpinionFit, Taxonomy
from catalog.models.item_label import LabelRequestQuerySet
from catalog.readings import Reader

log = structlog.get_logger(__name__)

RESCORED_AT_ONCE = 500
# A label that stays first is said anew only where its confidence moved by more than this.
CONFIDENCE_STEP = 0.02

OnProgress = Callable[[int, int, str], None]


def nobody(done: int, total: int, message: str) -> None:
    """For whom progress is of no interest."""


def rescore(taxonomy_id: int, *, on_progress: OnProgress = nobody) -> int:
    """Say the labels of this taxonomy anew as things stand, with what the language model said before, and put the
    review queue in order. Decisions stay. Returns how many items' suggestions changed."""
    taxonomy = Taxonomy.objects.get(pk=taxonomy_id)
    reader = readings.present_reader()
    requests = LabelRequest.objects.filter(taxonomy=taxonomy).answered().select_related("item", "taxonomy")
    ids = list(requests.order_by("pk").values_list("pk", flat=True))
    _read(requests, ids, taxonomy, reader)
    present = state(taxonomy, reader)
    changed = 0
    for begin in range(0, len(ids), RESCORED_AT_ONCE):
        batch = list(requests.filter(pk__in=ids[begin : begin + RESCORED_AT_ONCE]))
        changed += _rescore([row for row in batch if row.text_hash == row.item.text_hash], taxonomy, reader)
        on_progress(min(begin + RESCORED_AT_ONCE, len(ids)), len(ids), f"{changed:,} changed")
    review_queue.rank(taxonomy, reader)
    kept = OpinionFit.objects.filter(taxonomy=taxonomy).first()
    parameters = {**(kept.parameters if kept else {}), "scored": present}
    OpinionFit.objects.update_or_create(taxonomy=taxonomy, defaults={"parameters": parameters})
    log.info("labels_rescored", taxonomy=taxonomy.pk, items=len(ids), changed=changed)
    return changed


def _read(requests: LabelRequestQuerySet, ids: Sequence[int], taxonomy: Taxonomy, reader: Reader) -> None:
    """What the present models have not read yet, before anything is compared with what is typical of the catalog."""
    if taxonomy.choice != Taxonomy.Choice.SINGLE:
        return
    for begin in range(0, len(ids), RESCORED_AT_ONCE):
        batch = requests.filter(pk__in=ids[begin : begin + RESCORED_AT_ONCE])
        readings.of_texts({row.item.text_hash: readings.read_text(row.item) for row in batch}, reader)


def _rescore(batch: list[LabelRequest], taxonomy: Taxonomy, reader: Reader) -> int:
    works = labelling.works_of(batch, reader)
    firsts = {
        row.text_hash: row for row in ItemLabel.objects.firsts_of(taxonomy.pk, [request.item_id for request in batch])
    }
    told = {work.key: firsts[work.key[0]].opinions.get("language_model", []) for work in works if work.key[0] in firsts}
    answers = labelling.answers_of(works, told)
    moved = [
        work for work in works if _has_moved(firsts.get(work.key[0]), work.confidences(answers.get(work.key)), work)
    ]
    evidence_for = labelling.evidence(moved, reader.small)
    said = {}
    for work in moved:
        first = firsts.get(work.key[0])
        name = first.model if first and work.key in answers else ""
        said[work.key] = suggest(work, answers.get(work.key), chat_model=name, evidence_for=evidence_for)
    return suggestions.store(batch, said, status=None)


def _has_moved(first: ItemLabel | None, confidences: NDArray[np.float32], work: Work) -> bool:
    if first is None:
        return True
    best = int(confidences.argmax())
    return (
        first.label_id != work.classifier.labels.ids[best]
        or abs(first.confidence - float(confidences[best])) > CONFIDENCE_STEP
    )


def scored(taxonomy: Taxonomy) -> dict[str, Any]:
    fit = OpinionFit.objects.filter(taxonomy=taxonomy).first()
    return fit.parameters.get("scored") or {} if fit else {}


def state(taxonomy: Taxonomy, reader: Reader) -> dict[str, object]:
    """What labels depend on besides their items: where it changes they are said anew."""
    neighbours = readings.neighbourhood(reader)
    live = LabelHead.objects.live(taxonomy.pk)
    return {"reader": reader.name, "texts": len(neighbours.keys), "head": live.version if live else 0}
