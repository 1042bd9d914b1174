"""Accept, reject, correct."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.utils import timezone

from catalog.models import ItemLabel
from recsite.operations.errors import InvalidInputError


def accept(item_label_ids: Sequence[int], *, reviewer: User) -> int:
    return ItemLabel.objects.filter(pk__in=item_label_ids).update(
        decision="accepted", reviewer=reviewer, decided_at=timezone.now(), is_assigned=True
    )


def reject(item_label_ids: Sequence[int], *, reviewer: User) -> int:
    return ItemLabel.objects.filter(pk__in=item_label_ids).update(
        decision="rejected", reviewer=reviewer, decided_at=timezone.now(), is_assigned=False
    )


def correct(item_label_id: int, label_id: int, *, reviewer: User) -> ItemLabel:
    row = ItemLabel.objects.select_related("taxonomy").get(pk=item_label_id)
    if not row.taxonomy.labels.filter(pk=label_id).exists():
        raise InvalidInputError(f"Label {label_id} is not in taxonomy {row.taxonomy.slug}; choose one of its labels.")
    row.final_label_id, row.decision, row.reviewer = label_id, "corrected", reviewer
    row.decided_at, row.is_assigned = timezone.now(), True
    row.save()
    return row


def undo(item_label_id: int, *, reviewer: User) -> None:
    ItemLabel.objects.filter(pk=item_label_id).update(
        decision="", final_label=None, reviewer=None, decided_at=None, is_assigned=True
    )
