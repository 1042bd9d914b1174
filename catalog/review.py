"""Decisions of staff about suggested labels: accept, reject, correct, undo. The suggestion itself never changes.

Each function says which decision it expects to find (none, unless told). Where somebody else decided in between it
raises ConflictError and writes nothing, not even the rows that were free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from catalog import auto_accept_bell
from catalog.models import ItemLabel, Label, Taxonomy
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError

log = structlog.get_logger(__name__)

Decision = ItemLabel.Decision
DECISION_FIELDS = ["decision", "final_label", "reviewer", "decided_at", "is_assigned"]


@transaction.atomic
def accept(item_label_ids: Sequence[int], *, reviewer: User, expected_decision: str = "") -> int:
    """The items have these labels. Returns how many suggestions changed; those already accepted are left alone."""
    rows, others = _locked(item_label_ids)
    changed = _undecided(rows, Decision.ACCEPTED, expected_decision, reviewer)
    for row in changed:
        _make_only_choice(row, others, row.label_id)
        _decide(row, Decision.ACCEPTED, reviewer, final_label_id=row.label_id, is_assigned=True)
    _save(others)
    log.info("labels_accepted", reviewer=reviewer.pk, count=len(changed))
    return len(changed)


@transaction.atomic
def reject(item_label_ids: Sequence[int], *, reviewer: User, expected_decision: str = "") -> int:
    """The items do not have these labels, and the model will not suggest them again for the items' present text."""
    rows, others = _locked(item_label_ids)
    changed = _undecided(rows, Decision.REJECTED, expected_decision, reviewer)
    for row in changed:
        _decide(row, Decision.REJECTED, reviewer, final_label_id=None, is_assigned=False)
    _save(others)
    log.info("labels_rejected", reviewer=reviewer.pk, count=len(changed))
    return len(changed)


@transaction.atomic
def correct(item_label_id: int, label_id: int, *, reviewer: User, expected_decision: str = "") -> None:
    """The item has `label_id` instead of the suggested label. Correcting to the suggested label accepts it."""
    rows, others = _locked([item_label_id])
    row = rows[0]
    label = Label.objects.filter(pk=label_id, taxonomy_id=row.taxonomy_id, is_deprecated=False).first()
    if label is None:
        raise InvalidInputError(
            f"Label {label_id} is not a usable label of taxonomy {row.taxonomy.name!r}; choose one from its list."
        )
    if row.decision == Decision.CORRECTED and row.final_label_id == label_id and row.reviewer_id == reviewer.pk:
        return
    if row.decision != expected_decision:
        raise ConflictError(_who_decided(row))
    _make_only_choice(row, others, label_id)
    decision = Decision.ACCEPTED if label_id == row.label_id else Decision.CORRECTED
    _decide(row, decision, reviewer, final_label_id=label_id, is_assigned=True)
    _save(others)
    log.info("label_corrected", reviewer=reviewer.pk, item_label=row.pk, label=label_id)


@transaction.atomic
def undo(item_label_id: int, *, reviewer: User) -> None:
    """Take the decision back: the suggestion waits for review again, as it did before."""
    rows, others = _locked([item_label_id])
    row = rows[0]
    if not row.decision:
        raise ConflictError(f"Item label {row.pk} has no decision to undo; reload the page to see its present state.")
    row.decision, row.final_label_id, row.reviewer, row.decided_at = "", None, None, None
    same_choice = [other for other in others if _same_choice(other, row)]
    if row.taxonomy.choice == Taxonomy.Choice.SINGLE:
        settled = any(other.decision in (Decision.ACCEPTED, Decision.CORRECTED) for other in same_choice)
        for other in same_choice:
            if not other.decision:
                other.is_assigned = other.was_suggested and not settled
    else:
        row.is_assigned = row.was_suggested
    _save(others)
    log.info("label_decision_undone", reviewer=reviewer.pk, item_label=row.pk)


def _locked(item_label_ids: Iterable[int]) -> tuple[list[ItemLabel], list[ItemLabel]]:
    """The rows asked for, and every current row of the same items and taxonomies (those included), locked."""
    wanted = list(dict.fromkeys(item_label_ids))
    found = ItemLabel.objects.filter(pk__in=wanted).values_list("pk", "item_id", "taxonomy_id")
    keys = {pk: (item_id, taxonomy_id) for pk, item_id, taxonomy_id in found}
    if missing := [pk for pk in wanted if pk not in keys]:
        raise NotFoundError(f"Item label {missing[0]} does not exist; reload the page.")
    locked = ItemLabel.objects.of_items({item_id for item_id, _ in keys.values()}).current().locked()
    others = [row for row in locked if (row.item_id, row.taxonomy_id) in set(keys.values())]
    by_id = {row.pk: row for row in others}
    if gone := [pk for pk in wanted if pk not in by_id]:
        raise ConflictError(
            f"Item label {gone[0]} was replaced by a newer suggestion; reload the page and decide again."
        )
    return [by_id[pk] for pk in wanted], others


def _undecided(rows: list[ItemLabel], decision: str, expected: str, reviewer: User) -> list[ItemLabel]:
    """The rows still to decide. A second click by the same person is no conflict."""
    free = [row for row in rows if not (row.decision == decision and row.reviewer_id == reviewer.pk)]
    for row in free:
        if row.decision != expected:
            raise ConflictError(_who_decided(row))
    return free


def _who_decided(row: ItemLabel) -> str:
    if not row.decision:
        return f"The decision on item label {row.pk} was undone in between; reload the page and decide again."
    who = row.reviewer.get_username() if row.reviewer else "somebody"
    when = f"{row.decided_at:%Y-%m-%d %H:%M} UTC" if row.decided_at else "before"
    return f"Item label {row.pk} was already {row.decision} by {who} ({when}); undo that decision first."


def _same_choice(other: ItemLabel, row: ItemLabel) -> bool:
    return other.item_id == row.item_id and other.taxonomy_id == row.taxonomy_id


def _make_only_choice(row: ItemLabel, others: list[ItemLabel], label_id: int) -> None:
    """No item ends up with one label twice, nor with two labels of a single-choice taxonomy."""
    is_single = row.taxonomy.choice == Taxonomy.Choice.SINGLE
    for other in others:
        if other is row or not _same_choice(other, row):
            continue
        settled = other.decision in (Decision.ACCEPTED, Decision.CORRECTED)
        has_it = other.is_assigned and (other.final_label_id or other.label_id) == label_id
        if settled and (is_single or has_it):
            raise ConflictError(f"{_who_decided(other)} This item has that choice settled by it.")
        if not other.decision and (is_single or has_it):
            other.is_assigned = False


def _decide(
    row: ItemLabel, decision: ItemLabel.Decision, reviewer: User, *, final_label_id: int | None, is_assigned: bool
) -> None:
    row.decision, row.final_label_id, row.is_assigned = decision, final_label_id, is_assigned
    row.reviewer, row.decided_at = reviewer, timezone.now()


def _save(rows: list[ItemLabel]) -> None:
    ItemLabel.objects.bulk_update(rows, DECISION_FIELDS, batch_size=500)
    auto_accept_bell.ring(row.taxonomy_id for row in rows)
