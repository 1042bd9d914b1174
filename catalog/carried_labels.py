"""What items have, carried from merged labels to the one they became, and given back.

A suggestion is superseded by one that names the target. A decision stays on its row with who made it and when; only
`final_label`, what the item has by it, names the target. Nothing is deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from catalog.models import DecisionRecord, ItemLabel, Label, Taxonomy

BATCH = 1000
Decision = ItemLabel.Decision
SETTLED = (Decision.ACCEPTED, Decision.CORRECTED)


@dataclass(frozen=True)
class Carried:
    suggestions: int
    decisions: int


@dataclass(frozen=True)
class Carriage:
    """A merge thought through: rows of items (not saved) that name the target instead, ids of rows that count no more,
    and suggestions that take their place."""

    moved: tuple[ItemLabel, ...]
    superseded: frozenset[int]
    created: tuple[ItemLabel, ...]


def carry_over(label_ids: Sequence[int], target: Label) -> Carried:
    """Inside the merge's transaction."""
    carriage = carriage_of(label_ids, target, is_locked=True)
    ItemLabel.objects.bulk_update(carriage.moved, ["final_label"], batch_size=BATCH)
    ItemLabel.objects.filter(pk__in=carriage.superseded).update(superseded_at=timezone.now())
    ItemLabel.objects.bulk_create(carriage.created, batch_size=BATCH)
    return Carried(len(carriage.created), len(carriage.moved))


def carriage_of(label_ids: Sequence[int], target: Label, *, is_locked: bool = False) -> Carriage:
    """Of two decisions that now give an item the same label, the one that a person made, then the earlier, counts on;
    the other is kept as superseded, with who made it. Writes nothing."""
    merged = set(label_ids)
    item_ids = set(ItemLabel.objects.all().naming(merged).values_list("item_id", flat=True))
    rows_of = ItemLabel.objects.filter(item_id__in=item_ids, taxonomy_id=target.taxonomy_id).current()
    by_item: dict[int, list[ItemLabel]] = defaultdict(list)
    for row in rows_of.locked() if is_locked else rows_of.select_related("taxonomy").order_by("pk"):
        by_item[row.item_id].append(row)
    moved: list[ItemLabel] = []
    superseded: list[int] = []
    created: list[ItemLabel] = []
    for rows in by_item.values():
        decided = [row for row in rows if row.decision in SETTLED]
        for row in decided:
            if row.final_label_id in merged or (row.final_label_id is None and row.label_id in merged):
                row.final_label_id = target.pk
                moved.append(row)
        doubled = sorted((row for row in decided if row.final_label_id == target.pk), key=_precedence)[1:]
        superseded += [row.pk for row in doubled]
        old, new = _suggestions(rows, merged, target)
        superseded += [row.pk for row in old]
        created += [new] if new else []
    return Carriage(tuple(moved), frozenset(superseded), tuple(created))


def _precedence(row: ItemLabel) -> tuple[bool, float, int]:
    return row.is_automatic, row.decided_at.timestamp() if row.decided_at else 0.0, row.pk


def _suggestions(
    rows: Sequence[ItemLabel], merged: set[int], target: Label
) -> tuple[list[ItemLabel], ItemLabel | None]:
    """Of one item: the undecided rows to supersede, and the one that takes their place. None where somebody decided
    about the target already: it is neither suggested beside that decision nor against it."""
    old = [row for row in rows if not row.decision and row.label_id in merged]
    if not old:
        return [], None
    if any(row.decision and target.pk in (row.label_id, row.final_label_id) for row in rows):
        return old, None
    old += [row for row in rows if not row.decision and row.label_id == target.pk]
    surest = max(old, key=lambda row: (row.confidence, -row.rank, -row.pk))
    is_single = target.taxonomy.choice == Taxonomy.Choice.SINGLE
    is_assigned = any(row.is_assigned for row in old)
    is_abstained = not is_assigned and any(row.is_abstained for row in old)
    if is_abstained and is_single and surest.confidence >= target.taxonomy.abstain_below:
        is_assigned, is_abstained = True, False
    return old, ItemLabel(
        item_id=surest.item_id,
        taxonomy_id=surest.taxonomy_id,
        label=target,
        rank=min(row.rank for row in old),
        confidence=surest.confidence,
        source=surest.source,
        model=surest.model,
        prompt_version=surest.prompt_version,
        evidence=surest.evidence,
        text_hash=surest.text_hash,
        opinions={name: _added_up(shares, merged, target.pk) for name, shares in surest.opinions.items()},
        is_assigned=is_assigned,
        is_abstained=is_abstained,
        is_audit=any(row.is_audit for row in old),
    )


def _added_up(shares: Iterable[Sequence[float]], merged: set[int], target_id: int) -> list[list[float]]:
    """Shares of labels, those of merged ones added to the target's; best first."""
    total: dict[int, float] = defaultdict(float)
    for label_id, share in shares:
        total[target_id if label_id in merged else int(label_id)] += share
    return [[label_id, min(1.0, share)] for label_id, share in sorted(total.items(), key=lambda pair: -pair[1])]


def give_back(label: Label, target: Label) -> int:
    """Decisions that were made about `label` before it became `target` name it again. Returns how many.

    Those are: acceptances of it, and corrections to it as the record of decisions knows them.
    """
    newest = DecisionRecord.objects.filter(item_label=OuterRef("pk")).order_by("-at", "-pk")
    rows = (
        ItemLabel.objects.filter(taxonomy_id=label.taxonomy_id, final_label=target, decision__in=SETTLED)
        .annotate(decided_label=Subquery(newest.values("label_id")[:1]))
        .filter(Q(label=label, decision=Decision.ACCEPTED) | Q(decided_label=label.pk))
    )
    ids = list(rows.values_list("pk", flat=True))
    given = list(ItemLabel.objects.filter(pk__in=ids).locked())
    # A row set aside for naming what another decision named counts again, unless a current one suggests the same.
    current = set(
        ItemLabel.objects.filter(item_id__in=[row.item_id for row in given], label__in={row.label_id for row in given})
        .current()
        .values_list("item_id", "label_id")
    )
    for row in given:
        row.final_label_id = label.pk
        if row.superseded_at is not None and (row.item_id, row.label_id) not in current:
            row.superseded_at = None
            current.add((row.item_id, row.label_id))
    ItemLabel.objects.bulk_update(given, ["final_label", "superseded_at"], batch_size=BATCH)
    return len(given)
