"""What a model suggests for an item, and how it is stored: added beside what is there, never over a decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from catalog.models import ItemLabel, Label, LabelRequest
from catalog.models.item_label import ASSIGN_FROM_CONFIDENCE
from catalog.prompts import PROMPT_VERSION

Key = tuple[str, int]  # (text hash, taxonomy id): what one answer is about


@dataclass(frozen=True)
class Suggestion:
    label_id: int
    confidence: float
    source: str
    model: str
    prompt_version: str
    evidence: str
    opinions: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)


def store(
    requests: Sequence[LabelRequest],
    answers: Mapping[Key, Sequence[Suggestion]],
    *,
    status: LabelRequest.Status | None,
) -> int:
    """Store each answer for every request about that text, and set those requests' status. Returns how many.

    Without a `status` requests keep theirs: what was learned since is said anew about items that were labelled.
    A request that was finished, asked for anew, or whose item got another text meanwhile is left alone, so storing
    twice is harmless. Labels that are no more are left out.
    Labels that a person decided about are neither superseded nor suggested again; what was accepted automatically
    stays as long as the item's text does.
    """
    read = {request.pk: request for request in requests if (request.text_hash, request.taxonomy_id) in answers}
    with transaction.atomic():
        due = LabelRequest.objects.filter(pk__in=read)
        due = due.waiting().exclude(status=status) if status else due.answered()
        locked = [
            request
            for request in due.select_related("taxonomy").locked()
            if (request.text_hash, request.taxonomy_id) in answers and _is_as_read(request, read[request.pk], status)
        ]
        current: dict[tuple[int, int], list[ItemLabel]] = defaultdict(list)
        for row in ItemLabel.objects.of_items({request.item_id for request in locked}).current().locked():
            current[(row.item_id, row.taxonomy_id)].append(row)
        usable = _usable(suggestion for answer in answers.values() for suggestion in answer)
        superseded: list[int] = []
        created: list[ItemLabel] = []
        for request in locked:
            rows = current[(request.item_id, request.taxonomy_id)]
            answer = [each for each in answers[(request.text_hash, request.taxonomy_id)] if each.label_id in usable]
            old, new = _changes(request, rows, answer)
            superseded += old
            created += new
            if status:
                request.status, request.error, request.claimed_until = status, "", None
        now = timezone.now()
        ItemLabel.objects.filter(pk__in=superseded).update(superseded_at=now)
        ItemLabel.objects.bulk_create(created, batch_size=1000)
        for request in locked:
            request.updated_at = now
        LabelRequest.objects.bulk_update(locked, ["status", "error", "claimed_until", "updated_at"], batch_size=500)
    return len(locked)


def _is_as_read(now: LabelRequest, read: LabelRequest, status: LabelRequest.Status | None) -> bool:
    """Whether nothing happened since it was read that this answer would overwrite."""
    if status is None:
        return now.updated_at == read.updated_at
    # Who asks for it anew takes the claim away: the answer may be about labels that are no longer those.
    return now.claimed_until is not None or read.claimed_until is None


def _usable(suggested: Iterable[Suggestion]) -> set[int]:
    """The ids of these labels that still are in use."""
    wanted = {suggestion.label_id for suggestion in suggested}
    return set(Label.objects.filter(pk__in=wanted, is_deprecated=False).values_list("pk", flat=True))


def open_to(request: LabelRequest, rows: Iterable[ItemLabel]) -> tuple[bool, set[int]]:
    """Whether another label may be suggested for the item beside its current rows, and the labels that may not."""
    decided = [row for row in rows if _stands(row, request)]
    is_single = request.taxonomy.choice == request.taxonomy.Choice.SINGLE
    settled = is_single and any(row.decision != ItemLabel.Decision.REJECTED for row in decided)
    labels = {row.label_id for row in decided} | {row.final_label_id for row in decided if row.final_label_id}
    return not settled, labels


def _stands(row: ItemLabel, request: LabelRequest) -> bool:
    """Whether it was decided: by a person for good, automatically as long as the text is the same."""
    return bool(row.decision) and not (row.is_automatic and row.text_hash != request.text_hash)


def _changes(
    request: LabelRequest, rows: Sequence[ItemLabel], answer: Sequence[Suggestion]
) -> tuple[list[int], list[ItemLabel]]:
    """The ids to supersede and the rows to add."""
    is_open, known = open_to(request, rows)
    fresh = [suggestion for suggestion in answer if suggestion.label_id not in known] if is_open else []
    is_single = request.taxonomy.choice == request.taxonomy.Choice.SINGLE
    abstain_below = request.taxonomy.abstain_below
    new = [
        ItemLabel(
            item_id=request.item_id,
            taxonomy_id=request.taxonomy_id,
            label_id=suggestion.label_id,
            rank=rank,
            confidence=suggestion.confidence,
            source=suggestion.source,
            model=suggestion.model,
            prompt_version=suggestion.prompt_version,
            evidence=suggestion.evidence,
            text_hash=request.text_hash,
            # Who thought what is told beside the first that is left, whichever was first in the answer.
            opinions={name: [list(pair) for pair in told] for name, told in answer[0].opinions.items()}
            if rank == 1
            else {},
            gain=1.0 - suggestion.confidence if rank == 1 else 0.0,
            is_assigned=(
                rank == 1 and suggestion.confidence >= abstain_below
                if is_single
                else suggestion.confidence >= ASSIGN_FROM_CONFIDENCE
            ),
            is_abstained=is_single and rank == 1 and suggestion.confidence < abstain_below,
        )
        for rank, suggestion in enumerate(fresh, start=1)
    ]
    return [row.pk for row in rows if is_open and not _stands(row, request)], new


def earlier_opinions(keys: Iterable[Key], *, model: str) -> dict[Key, list[list[float]]]:
    """What the language model said of these texts before, for those it was asked about with the present prompt:
    [[label id, share or log odds], …]."""
    wanted = set(keys)
    rows = (
        ItemLabel.objects.answers_by_text(
            {text_hash for text_hash, _ in wanted}, model=model, prompt_version=PROMPT_VERSION
        )
        .filter(taxonomy_id__in={taxonomy_id for _, taxonomy_id in wanted})
        .current()
    )
    found: dict[Key, list[list[float]]] = {}
    for text_hash, taxonomy_id, told in rows.values_list("text_hash", "taxonomy_id", "opinions"):
        if (text_hash, taxonomy_id) in wanted:
            found.setdefault((text_hash, taxonomy_id), told["language_model"])
    return found


def release(request_ids: Iterable[int]) -> None:
    """Give claimed requests back untouched."""
    LabelRequest.objects.filter(pk__in=list(request_ids)).update(claimed_until=None)


def fail(errors: Mapping[int, str], *, max_attempts: int) -> int:
    """Count an attempt for each of these and keep its error; at `max_attempts` it is FAILED. Returns how many are."""
    with transaction.atomic():
        rows = list(LabelRequest.objects.filter(pk__in=list(errors)).waiting().locked())
        for row in rows:
            row.attempts += 1
            row.error = errors[row.pk][:300]
            if row.attempts >= max_attempts:
                row.status, row.claimed_until = LabelRequest.Status.FAILED, None
        LabelRequest.objects.bulk_update(rows, ["attempts", "error", "status", "claimed_until"], batch_size=500)
    return sum(row.status == LabelRequest.Status.FAILED for row in rows)
