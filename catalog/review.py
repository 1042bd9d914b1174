"""Decisions of staff about suggested labels: accept, reject, correct, undo, restore. The suggestion never changes.

Each function says which decision it expects to find (none, unless told). Where somebody else decided in between it
raises ConflictError and writes nothing, not even the rows that were free. What was accepted automatically is nobody's
decision: people overrule it like a suggestion. Every act leaves a DecisionRecord in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext

from catalog import auto_accept_bell
from catalog.models import DecisionRecord, ItemLabel, Label, Taxonomy
from catalog.models.decision_record import standing
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError

log = structlog.get_logger(__name__)

Act = DecisionRecord.Act
Decision = ItemLabel.Decision
DECISION_FIELDS = (
    "decision",
    "final_label_id",
    "reviewer_id",
    "decided_at",
    "is_assigned",
    "is_abstained",
    "is_automatic",
)
OWN = -1
SETTLED = (Decision.ACCEPTED, Decision.CORRECTED)
ACT_OF = {Decision.ACCEPTED: Act.ACCEPT, Decision.REJECTED: Act.REJECT, Decision.CORRECTED: Act.CORRECT}


@transaction.atomic
def accept(
    item_label_ids: Sequence[int], *, reviewer: User, expected_decision: str = "", batch: UUID | None = None
) -> int:
    """The items have these labels. Returns how many suggestions changed; those already accepted are left alone."""
    rows, others = _locked(item_label_ids)
    changed = _undecided(rows, Decision.ACCEPTED, expected_decision, reviewer)
    acts = _Acts(reviewer, batch, others)
    acts.remember(others)
    for row in changed:
        _make_only_choice(row, others, row.label_id, acts)
        acts.decide(row, Decision.ACCEPTED, final_label_id=row.label_id)
    acts.save()
    log.info("labels_accepted", reviewer=reviewer.pk, count=len(changed))
    return len(changed)


@transaction.atomic
def reject(
    item_label_ids: Sequence[int], *, reviewer: User, expected_decision: str = "", batch: UUID | None = None
) -> int:
    """The items do not have these labels, and the model will not suggest them again for the items' present text."""
    rows, _ = _locked(item_label_ids)
    changed = _undecided(rows, Decision.REJECTED, expected_decision, reviewer)
    acts = _Acts(reviewer, batch, changed)
    acts.remember(changed)
    for row in changed:
        acts.decide(row, Decision.REJECTED, final_label_id=None)
    acts.save()
    log.info("labels_rejected", reviewer=reviewer.pk, count=len(changed))
    return len(changed)


@transaction.atomic
def correct(
    item_label_id: int, label_id: int, *, reviewer: User, expected_decision: str = "", batch: UUID | None = None
) -> None:
    """The item has `label_id` instead of the suggested label. Correcting to the suggested label accepts it."""
    rows, others = _locked([item_label_id])
    row = rows[0]
    label = Label.objects.filter(pk=label_id, taxonomy_id=row.taxonomy_id, is_deprecated=False).first()
    if label is None:
        raise InvalidInputError(
            gettext("Label %(key)s is not a usable label of taxonomy %(taxonomy)r; choose one from its list.")
            % {"key": label_id, "taxonomy": row.taxonomy.name}
        )
    decision = Decision.ACCEPTED if label_id == row.label_id else Decision.CORRECTED
    if row.decision == decision and row.final_label_id == label_id and row.reviewer_id == reviewer.pk:
        return
    if row.decision != expected_decision and not row.is_automatic:
        raise ConflictError(_who_decided(row))
    acts = _Acts(reviewer, batch, others)
    acts.remember(others)
    _make_only_choice(row, others, label_id, acts)
    acts.decide(row, decision, final_label_id=label_id)
    acts.save()
    log.info("label_corrected", reviewer=reviewer.pk, item_label=row.pk, label=label_id)


@transaction.atomic
def undo(item_label_id: int, *, reviewer: User, batch: UUID | None = None) -> None:
    """Take the decision back, whatever was before it: the suggestion waits for review again."""
    rows, others = _locked([item_label_id])
    row = rows[0]
    if not row.decision:
        raise ConflictError(
            gettext("Item label %(key)s has no decision to undo; reload the page to see its present state.")
            % {"key": row.pk}
        )
    acts = _Acts(reviewer, batch, others)
    acts.remember([row])
    acts.take_back(row)
    _settle_choice(row, others)
    acts.save()
    log.info("label_decision_undone", reviewer=reviewer.pk, item_label=row.pk)


@transaction.atomic
def undo_batch(batch: UUID, *, reviewer: User, only: Sequence[int] | None = None) -> int:
    """Restore what was before the acts that share `batch` (of `only` these item labels); returns of how many.

    Rows that were decided again since then stay as they are. Raises ConflictError where none is left to take back.
    """
    mine = DecisionRecord.objects.filter(batch=batch).exclude(act=Act.UNDO)
    if only is not None:
        mine = mine.filter(item_label__in=only)
    alive = mine.filter(item_label__superseded_at__isnull=True).order_by("item_label_id")
    ids = list(alive.values_list("item_label_id", flat=True).distinct())
    others = _locked(ids)[1] if ids else []
    history = {pk: standing(records) for pk, records in DecisionRecord.objects.by_item_label(ids).items()}
    by_id = {row.pk: row for row in others}
    acts = _Acts(reviewer, batch, others)
    undone = [by_id[pk] for pk in ids if history[pk] and history[pk][-1].batch == batch]
    if not undone and only is None:
        raise ConflictError(gettext("Nothing of that is left to take back; it was undone or decided again since then."))
    for row in undone:
        before = [record for record in history[row.pk] if record.batch != batch]
        acts.take_back(row)
        if before:
            _recall(row, before[-1])
    for row in undone:
        _settle_choice(row, others)
    acts.save()
    log.info("label_batch_undone", reviewer=reviewer.pk, batch=str(batch), count=len(undone))
    return len(undone)


def restore(record_id: int, *, reviewer: User, expected_decision: str | None = None) -> None:
    """Decide again what this record of the history says, as an act of `reviewer`, over whatever is there now.

    expected_decision: what the page showed as present; another one in between is a conflict.
    """
    with transaction.atomic():
        record = DecisionRecord.objects.select_related("item_label").filter(pk=record_id).first()
        if record is None:
            raise NotFoundError(gettext("Decision %(key)s does not exist; reload the page.") % {"key": record_id})
        row = ItemLabel.objects.select_for_update().get(pk=record.item_label_id)
        if expected_decision is not None and row.decision != expected_decision:
            raise ConflictError(_who_decided(row))
        expected = row.decision
        if record.act == Act.ACCEPT:
            accept([row.pk], reviewer=reviewer, expected_decision=expected)
        elif record.act == Act.REJECT:
            reject([row.pk], reviewer=reviewer, expected_decision=expected)
        elif record.act == Act.UNDO:
            undo(row.pk, reviewer=reviewer)
        elif record.label_id is None:
            raise ConflictError(
                gettext("Decision %(key)s chose a label that no longer exists; choose another.") % {"key": record.pk}
            )
        else:
            correct(row.pk, record.label_id, reviewer=reviewer, expected_decision=expected)


class _Acts:
    """The acts of one click: what they change on the rows, and the records they leave."""

    def __init__(self, reviewer: User, batch: UUID | None, rows: Sequence[ItemLabel]) -> None:
        """rows: those that may change, locked, as they are now."""
        self.reviewer, self.batch, self.now = reviewer, batch or uuid4(), timezone.now()
        self.rows, self.before = rows, {row.pk: _state_of(row) for row in rows}
        self.records: list[DecisionRecord] = []

    def remember(self, rows: Sequence[ItemLabel]) -> None:
        """A decision from before there were records gets its own first, so that nothing is lost from the history."""
        decided = [row for row in rows if row.decision]
        if decided:
            known = set(DecisionRecord.objects.by_item_label([row.pk for row in decided]))
            DecisionRecord.objects.keep_earlier([row for row in decided if row.pk not in known])

    def decide(self, row: ItemLabel, decision: ItemLabel.Decision, *, final_label_id: int | None) -> None:
        row.decision, row.final_label_id, row.is_assigned = decision, final_label_id, decision != Decision.REJECTED
        row.reviewer, row.decided_at = self.reviewer, self.now
        row.is_automatic = row.is_abstained = False
        self._record(row, ACT_OF[decision], final_label_id)

    def take_back(self, row: ItemLabel) -> None:
        row.decision, row.final_label_id, row.reviewer, row.decided_at = "", None, None, None
        row.is_automatic = False
        row.is_abstained = row.was_abstained
        row.is_assigned = row.was_suggested and not row.is_abstained
        self._record(row, Act.UNDO, None)

    def _record(self, row: ItemLabel, act: DecisionRecord.Act, label_id: int | None) -> None:
        self.records.append(
            DecisionRecord(item_label=row, act=act, label_id=label_id, reviewer=self.reviewer, batch=self.batch)
        )

    def save(self) -> None:
        """Rows that changed alike are written by one statement, however many they are."""
        alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for row in self.rows:
            state = _state_of(row)
            if state != self.before[row.pk]:
                alike[state].append(row.pk)
        for state, ids in alike.items():
            values = dict(zip(DECISION_FIELDS, state, strict=True))
            if values["final_label_id"] == OWN:
                values["final_label_id"] = F("label_id")
            ItemLabel.objects.filter(pk__in=ids).update(**values)
        DecisionRecord.objects.bulk_create(self.records, batch_size=1_000)
        auto_accept_bell.ring(row.taxonomy_id for row in self.rows)


def _state_of(row: ItemLabel) -> tuple[Any, ...]:
    """What a decision writes; the suggested label as OWN, so that rows accepted together are alike."""
    final = OWN if row.final_label_id == row.label_id else row.final_label_id
    return tuple(final if name == "final_label_id" else getattr(row, name) for name in DECISION_FIELDS)


def _locked(item_label_ids: Iterable[int]) -> tuple[list[ItemLabel], list[ItemLabel]]:
    """The rows asked for, and every current row of the same items and taxonomies (those included), locked."""
    wanted = list(dict.fromkeys(item_label_ids))
    found = ItemLabel.objects.filter(pk__in=wanted).values_list("pk", "item_id", "taxonomy_id")
    keys = {pk: (item_id, taxonomy_id) for pk, item_id, taxonomy_id in found}
    if missing := [pk for pk in wanted if pk not in keys]:
        raise NotFoundError(gettext("Item label %(key)s does not exist; reload the page.") % {"key": missing[0]})
    locked = ItemLabel.objects.of_items({item_id for item_id, _ in keys.values()}).current().locked()
    places = set(keys.values())
    others = [row for row in locked if (row.item_id, row.taxonomy_id) in places]
    by_id = {row.pk: row for row in others}
    if gone := [pk for pk in wanted if pk not in by_id]:
        raise ConflictError(
            gettext("Item label %(key)s was replaced by a newer suggestion; reload the page and decide again.")
            % {"key": gone[0]}
        )
    return [by_id[pk] for pk in wanted], others


def _undecided(rows: list[ItemLabel], decision: str, expected: str, reviewer: User) -> list[ItemLabel]:
    """The rows still to decide. A second click by the same person is no conflict."""
    free = [row for row in rows if not (row.decision == decision and row.reviewer_id == reviewer.pk)]
    for row in free:
        if row.decision != expected and not row.is_automatic:
            raise ConflictError(_who_decided(row))
    return free


def _who_decided(row: ItemLabel) -> str:
    if not row.decision:
        said = gettext("The decision on item label %(key)s was undone in between; reload the page and decide again.")
        return said % {"key": row.pk}
    said = gettext("Item label %(key)s was already %(decision)s by %(who)s (%(when)s); undo that decision first.")
    return said % {
        "key": row.pk,
        "decision": str(row.get_decision_display()).lower(),
        "who": row.reviewer.get_username() if row.reviewer else gettext("somebody"),
        "when": f"{row.decided_at:%Y-%m-%d %H:%M} UTC" if row.decided_at else gettext("before"),
    }


def _same_choice(other: ItemLabel, row: ItemLabel) -> bool:
    return other.item_id == row.item_id and other.taxonomy_id == row.taxonomy_id


def _make_only_choice(row: ItemLabel, others: list[ItemLabel], label_id: int, acts: _Acts) -> None:
    """No item ends up with one label twice, nor with two labels of a single-choice taxonomy."""
    is_single = row.taxonomy.choice == Taxonomy.Choice.SINGLE
    for other in others:
        if other is row or not _same_choice(other, row):
            continue
        settled = other.decision in SETTLED
        has_it = other.is_assigned and (other.final_label_id or other.label_id) == label_id
        if settled and other.is_automatic and (is_single or has_it):
            acts.decide(other, Decision.REJECTED, final_label_id=None)  # a person says another one is right
        elif settled and (is_single or has_it):
            raise ConflictError(
                gettext("%(who)s This item has that choice settled by it.") % {"who": _who_decided(other)}
            )
        elif not other.decision and (is_single or has_it):
            other.is_assigned = other.is_abstained = False


def _settle_choice(row: ItemLabel, others: list[ItemLabel]) -> None:
    """After `row` was taken back: what its undecided siblings were meant to be, beside what is decided still."""
    same_choice = [other for other in others if _same_choice(other, row)]
    settled = [other for other in same_choice if other.decision in SETTLED]
    is_single = row.taxonomy.choice == Taxonomy.Choice.SINGLE
    taken = {other.final_label_id or other.label_id for other in settled}
    for other in same_choice:
        if other.decision or not (is_single or other is row):
            continue
        is_free = not settled if is_single else other.label_id not in taken
        other.is_abstained = other.was_abstained and is_free
        other.is_assigned = other.was_suggested and not other.was_abstained and is_free


def _recall(row: ItemLabel, record: DecisionRecord) -> None:
    """The state that this record left behind."""
    row.decision = {act: decision for decision, act in ACT_OF.items()}[Act(record.act)]
    row.final_label_id = row.label_id if record.act == Act.ACCEPT else record.label_id
    row.is_assigned, row.is_abstained = row.decision != Decision.REJECTED, False
    row.reviewer, row.decided_at, row.is_automatic = record.reviewer, record.at, record.is_automatic
