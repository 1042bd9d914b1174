"""Labels said anew with what was learned since, and with what the language model said before; it is not asked again."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from django.db.models import Exists, OuterRef
from numpy.typing import NDArray

from catalog import labelling, readings, review_queue, shortlist, suggestions
from catalog.asking import KEPT, Work, suggest
from catalog.models import ItemLabel, Label, LabelHead, LabellingVector, LabelRequest, OpinionFit, Taxonomy
from catalog.readings import Reader
from catalog.suggestions import Key

log = structlog.get_logger(__name__)

RESCORED_AT_ONCE = 500
READ_AT_ONCE = 128
# A label that stays is said anew only where its confidence moved by more than this.
CONFIDENCE_STEP = 0.02

# Of a fit's parameters: what labels were last said with, and how far saying them anew has come.
SCORED, UNDER_WAY = "scored", "rescoring"

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Rescoring:
    """How many items' suggestions changed since it began, and how many items are left for another turn."""

    changed: int
    left: int


def nobody(done: int, total: int, message: str) -> None:
    """For whom progress is of no interest."""


def rescore(taxonomy_id: int, *, on_progress: OnProgress = nobody, seconds: float | None = None) -> Rescoring:
    """Say the labels of this taxonomy anew as things stand, with what the language model said before, and put the
    review queue in order. Decisions stay.

    Where time is up the next call goes on from there, or begins again where something was learned meanwhile.
    """
    until = None if seconds is None else time.monotonic() + seconds
    taxonomy = Taxonomy.objects.get(pk=taxonomy_id)
    reader = readings.present_reader()
    kept = OpinionFit.objects.parameters_of(taxonomy_id)
    by = {
        "reader": reader.name,
        "head": _live(taxonomy_id),
        "labels": labels_digest(taxonomy),
        "weights": kept.get("weights") or {},
    }
    begun = kept.get(UNDER_WAY) or {}
    after, changed = (begun["after"], begun["changed"]) if begun.get("by") == by else (0, 0)
    OpinionFit.objects.remember(taxonomy_id, **{UNDER_WAY: {"by": by, "after": after, "changed": changed}})
    if unread := _read(taxonomy, reader, until):
        return Rescoring(changed, unread)
    present = state(taxonomy, reader)
    requests = LabelRequest.objects.filter(taxonomy=taxonomy).answered()
    ids = list(requests.order_by("pk").values_list("pk", flat=True))
    todo = [pk for pk in ids if pk > after]
    for begin in range(0, len(todo), RESCORED_AT_ONCE):
        part = todo[begin : begin + RESCORED_AT_ONCE]
        batch = requests.filter(pk__in=part).select_related("item", "taxonomy").defer("item__search_vector")
        changed += _rescore([row for row in batch if row.text_hash == row.item.text_hash], taxonomy, reader)
        left = len(todo) - begin - len(part)
        OpinionFit.objects.remember(taxonomy_id, **{UNDER_WAY: {"by": by, "after": part[-1], "changed": changed}})
        on_progress(len(ids) - left, len(ids), f"{changed:,} changed")
        if left and _is_up(until):
            return Rescoring(changed, left)
    review_queue.rank(taxonomy, reader)
    OpinionFit.objects.remember(taxonomy_id, **{SCORED: present, UNDER_WAY: None})
    forgotten = readings.prune()
    log.info("labels_rescored", taxonomy=taxonomy.pk, items=len(ids), changed=changed, readings_forgotten=forgotten)
    return Rescoring(changed, 0)


def _is_up(until: float | None) -> bool:
    return until is not None and time.monotonic() > until


def _read(taxonomy: Taxonomy, reader: Reader, until: float | None) -> int:
    """What the present models have not read yet, before anything is compared with what is typical of the catalog.
    Returns how much of it is left."""
    if taxonomy.choice != Taxonomy.Choice.SINGLE:
        return 0
    was_read = LabellingVector.objects.filter(text_hash=OuterRef("item__text_hash"), model=reader.name)
    requests = LabelRequest.objects.filter(taxonomy=taxonomy).answered()
    ids = list(requests.filter(~Exists(was_read)).order_by("pk").values_list("pk", flat=True))
    for begin in range(0, len(ids), READ_AT_ONCE):
        if begin and _is_up(until):
            return len(ids) - begin
        part = ids[begin : begin + READ_AT_ONCE]
        batch = requests.filter(pk__in=part).select_related("item").defer("item__search_vector")
        readings.of_texts({row.item.text_hash: readings.read_text(row.item) for row in batch}, reader)
    return 0


def _rescore(batch: list[LabelRequest], taxonomy: Taxonomy, reader: Reader) -> int:
    works = {work.key: work for work in labelling.works_of(batch, reader)}
    rows: dict[int, list[ItemLabel]] = defaultdict(list)
    for row in ItemLabel.objects.current().filter(taxonomy=taxonomy).of_items([each.item_id for each in batch]):
        rows[row.item_id].append(row)
    # What is known of these texts, whichever item has them and whatever was decided about it.
    same_text = [row for request in batch for row in rows[request.item_id] if row.text_hash == request.text_hash]
    told = {(row.text_hash, taxonomy.pk): row for row in same_text if "language_model" in row.opinions}
    answers = labelling.answers_of(
        list(works.values()), {key: row.opinions["language_model"] for key, row in told.items()}
    )
    beliefs = {key: work.confidences(answers.get(key)) for key, work in works.items()}
    moved: list[LabelRequest] = []
    for request in batch:
        key = (request.text_hash, request.taxonomy_id)
        if key in works and _has_moved(request, rows[request.item_id], beliefs[key], works[key]):
            moved.append(request)
    again = {
        (request.text_hash, request.taxonomy_id): works[request.text_hash, request.taxonomy_id] for request in moved
    }
    evidence_for = _evidence(again, beliefs, same_text, reader)
    said = {
        key: suggest(
            work,
            answers.get(key),
            chat_model=told[key].model if key in answers else "",
            evidence_for=evidence_for,
        )
        for key, work in again.items()
    }
    return suggestions.store(moved, said, status=None)


def _evidence(
    works: Mapping[Key, Work], beliefs: Mapping[Key, NDArray[np.float32]], rows: Sequence[ItemLabel], reader: Reader
) -> Callable[[Work, int], str]:
    """As it was found before where it was: it depends on title and label alone, and finding it is costly."""
    known = {(row.text_hash, row.label_id): row.evidence for row in rows}

    def key_of(work: Work, place: int) -> tuple[str, int]:
        return work.key[0], work.classifier.labels.ids[place]

    new = [
        work
        for key, work in works.items()
        if any(key_of(work, place) not in known for place in shortlist.top(beliefs[key], KEPT).tolist())
    ]
    found = labelling.evidence(new, reader.small)

    def evidence_for(work: Work, place: int) -> str:
        earlier = known.get(key_of(work, place))
        return found(work, place) if earlier is None else earlier

    return evidence_for


def _has_moved(request: LabelRequest, rows: Sequence[ItemLabel], confidences: NDArray[np.float32], work: Work) -> bool:
    """Whether what would be suggested differs enough from what is."""
    is_open, known = suggestions.open_to(request, rows)
    ids = work.classifier.labels.ids
    wanted = [place for place in shortlist.top(confidences, KEPT).tolist() if ids[place] not in known]
    if not is_open or not wanted:
        return False
    now = {row.label_id: row for row in rows if not row.decision}
    if work.is_single:
        first = now.get(ids[wanted[0]])
        return first is None or first.rank != 1 or _differ(first.confidence, confidences[wanted[0]])
    anew = {pk: float(confidences[place]) for place, pk in enumerate(ids)}
    return any(pk not in anew or _differ(row.confidence, anew[pk]) for pk, row in now.items()) or any(
        _differ(0.0, confidences[place]) for place in wanted if ids[place] not in now
    )


def _differ(one: float, other: float) -> bool:
    return abs(one - float(other)) > CONFIDENCE_STEP


def scored(taxonomy_id: int) -> dict[str, Any]:
    """What labels were last said with; nothing where they never were said anew."""
    return OpinionFit.objects.parameters_of(taxonomy_id).get(SCORED) or {}


def is_under_way(taxonomy_id: int) -> bool:
    return bool(OpinionFit.objects.parameters_of(taxonomy_id).get(UNDER_WAY))


def state(taxonomy: Taxonomy, reader: Reader) -> dict[str, object]:
    """What labels depend on besides their items: where it changes they are said anew."""
    neighbours = readings.neighbourhood(reader)
    return {
        "reader": reader.name,
        "texts": len(neighbours.keys),
        "head": _live(taxonomy.pk),
        "labels": labels_digest(taxonomy),
    }


def labels_digest(taxonomy: Taxonomy) -> str:
    return Label.objects.filter(taxonomy=taxonomy).assignable().digest()


def _live(taxonomy_id: int) -> int:
    live = LabelHead.objects.live_version(taxonomy_id)
    return live[1] if live else 0
