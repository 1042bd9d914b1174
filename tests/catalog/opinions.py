"""Suggestions and decisions for the tests of confidence and auto-accept."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from catalog import auto_accept, label_metrics
from catalog.models import AutoAccept, ItemLabel, Label
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


def switch_on(taxonomy, staff, *, wanted=0.8, threshold=0.9, audit_share=0.01):
    return auto_accept.switch_on(
        taxonomy.pk, wanted_precision=wanted, threshold=threshold, audit_share=audit_share, staff=staff
    )


def running(taxonomy, staff, label, **settings):
    """Switched on and proven by just as many right audits as it takes."""
    setting = switch_on(taxonomy, staff, **settings)
    for _ in range(label_metrics.fewest_audits(setting.wanted_precision)):
        decided(label, right=True, confidence=0.95, is_audit=True, reviewer=staff)
    assert auto_accept.reconsider(taxonomy.pk) == AutoAccept.State.RUNNING
    return setting


def rows(*pks):
    return list(
        ItemLabel.objects.filter(pk__in=pks)
        .order_by("pk")
        .values_list("decision", "is_automatic", "is_assigned", "reviewer_id", "final_label_id")
    )


def setting_of(taxonomy):
    return AutoAccept.objects.get(pk=taxonomy.pk)
