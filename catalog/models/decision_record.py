"""The history of decisions: one row an act, and the figures that are read from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection, models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy

from catalog.models.item_label import ItemLabel
from catalog.models.taxonomy import Label


class DecisionRecordQuerySet(models.QuerySet["DecisionRecord"]):
    def by_item_label(self, item_label_ids: Iterable[int]) -> dict[int, list[DecisionRecord]]:
        """item label id -> its records, oldest first; none where it has none."""
        found: dict[int, list[DecisionRecord]] = defaultdict(list)
        for record in self.filter(item_label__in=list(item_label_ids)).select_related("reviewer").order_by("id"):
            found[record.item_label_id].append(record)
        return found

    def by_people(self) -> DecisionRecordQuerySet:
        """Decisions of staff: neither taken back nor automatic."""
        return self.filter(is_automatic=False, reviewer__isnull=False).exclude(act=DecisionRecord.Act.UNDO)

    def standing(self) -> DecisionRecordQuerySet:
        """Those the present state comes from: nothing followed for the same item label but what was taken back."""
        same = DecisionRecord.objects.filter(item_label=OuterRef("item_label"), batch=OuterRef("batch"))
        undo = DecisionRecord.Act.UNDO
        was_undone = Exists(same.filter(act=undo)) & Exists(same.exclude(act=undo))
        later = DecisionRecord.objects.filter(item_label=OuterRef("item_label"), pk__gt=OuterRef("pk"))
        return self.filter(~Exists(later.filter(Q(batch=OuterRef("batch")) | ~was_undone)))

    def last_act_of(self, reviewer_id: int) -> DecisionRecord | None:
        """What `reviewer` did last that still stands; None where there is nothing left to take back."""
        return self.by_people().filter(reviewer=reviewer_id).standing().order_by("-at", "-id").first()

    def clicks_of(self, reviewer_id: int, n: int) -> list[datetime]:
        """When `reviewer` clicked, newest first, among their newest n decisions; a batch is one click."""
        newest = self.by_people().filter(reviewer=reviewer_id).order_by("-at", "-id").values_list("batch", "at")[:n]
        clicks: dict[object, datetime] = {}
        for batch, at in newest:
            clicks.setdefault(batch or at, at)
        return list(clicks.values())

    def agreement(self) -> tuple[int, int]:
        """(same, n): of the item labels that two people or more decided about, how many got the same from all."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT count(*) FILTER (WHERE words = 1), count(*) FROM (
                    SELECT count(DISTINCT word) AS words FROM (
                        SELECT DISTINCT ON (r.item_label_id, r.reviewer_id) r.item_label_id,
                               CASE r.act WHEN 'undo' THEN NULL WHEN 'reject' THEN 0
                                          ELSE coalesce(r.label_id, l.label_id) END AS word
                        FROM catalog_decisionrecord r JOIN catalog_itemlabel l ON l.id = r.item_label_id
                        WHERE NOT r.is_automatic AND r.reviewer_id IS NOT NULL
                        ORDER BY r.item_label_id, r.reviewer_id, r.at DESC, r.id DESC
                    ) last_words
                    GROUP BY item_label_id HAVING count(word) > 1
                ) again
                """
            )
            same, n = cursor.fetchone()
        return same, n

    def keep_earlier(self, rows: Sequence[ItemLabel]) -> None:
        """Records of decisions that were made before there were records, dated as they were made."""
        acts = {"accepted": DecisionRecord.Act.ACCEPT, "rejected": DecisionRecord.Act.REJECT}
        kept = DecisionRecord.objects.bulk_create(
            DecisionRecord(
                item_label=row,
                act=acts.get(row.decision, DecisionRecord.Act.CORRECT),
                label_id=row.final_label_id,
                reviewer_id=row.reviewer_id,
                is_automatic=row.is_automatic,
            )
            for row in rows
        )
        for record, row in zip(kept, rows, strict=True):
            record.at = row.decided_at or record.at
        DecisionRecord.objects.bulk_update(kept, ["at"], batch_size=500)


def standing(records: Iterable[DecisionRecord]) -> list[DecisionRecord]:
    """Of one item label's records, oldest first, the decisions that still count, one over the other.

    An undo that shares its batch with a decision took back that one; any other took back all.
    """
    found: list[DecisionRecord] = []
    for record in records:
        if record.act != DecisionRecord.Act.UNDO:
            found.append(record)
        elif any(decision.batch == record.batch for decision in found):
            found = [decision for decision in found if decision.batch != record.batch]
        else:
            found = []
    return found


class DecisionRecord(models.Model):
    """One act of a reviewer, kept for ever: who decided what, when, and what it replaced."""

    class Act(models.TextChoices):
        ACCEPT = "accept", gettext_lazy("Accepted")
        REJECT = "reject", gettext_lazy("Rejected")
        CORRECT = "correct", gettext_lazy("Corrected")
        UNDO = "undo", gettext_lazy("Taken back")

    item_label = models.ForeignKey(ItemLabel, on_delete=models.CASCADE, related_name="records")
    act = models.CharField(max_length=10, choices=Act.choices)
    label = models.ForeignKey(Label, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    is_automatic = models.BooleanField(default=False)
    batch = models.UUIDField(null=True, blank=True, help_text="Acts of one click share it, so that one undo takes all.")
    at = models.DateTimeField(auto_now_add=True)

    objects = DecisionRecordQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["item_label", "-at"], name="decision_record_label"),
            models.Index(fields=["reviewer", "-at"], name="decision_record_reviewer"),
            models.Index(fields=["batch"], condition=Q(batch__isnull=False), name="decision_record_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.act} of item label {self.item_label_id}"
