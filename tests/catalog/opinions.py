"""Suggestions and decisions for the tests of confidence and auto-accept."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from catalog.models import ItemLabel, Label
from tests.factories import ItemLabelFactory


def suggested(label: Label, **fields: Any) -> ItemLabel:
    """A first choice for an item of its own."""
    row: ItemLabel = ItemLabelFactory(label=label, **fields)
    return row


def decided(label: Label, *, right: bool, **fields: Any) -> ItemLabel:
    """A first choice that a person accepted, or corrected where `final_label` says to what, or rejected."""
    final = fields.pop("final_label", None)
    decision = ItemLabel.Decision.CORRECTED if final else ItemLabel.Decision.REJECTED
    fields.setdefault("decided_at", timezone.now())
    if "reviewer" not in fields:
        fields["reviewer"] = User.objects.get_or_create(username="ann", is_staff=True)[0]
    return suggested(
        label,
        decision=ItemLabel.Decision.ACCEPTED if right else decision,
        final_label=label if right else final,
        is_assigned=right or final is not None,
        **fields,
    )
