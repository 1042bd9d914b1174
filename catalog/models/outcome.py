"""Queries about what became of suggestions: which of them people decided about, and which wait for auto-accept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.functions import Cast, Coalesce, Floor, TruncDate

from catalog.models.decision_record import DecisionRecord
from catalog.models.item_label import (
    ASSIGN_FROM_CONFIDENCE,
    ItemLabel,
    ItemLabelQuerySet,
    LabelRequest,
)
from catalog.models.taxonomy import Taxonomy

Decision = ItemLabel.Decision
SETTLED = (Decision.ACCEPTED, Decision.CORRECTED)
HISTOGRAM_BINS = 20

IS_SUGGESTED = Q(taxonomy__choice=Taxonomy.Choice.SINGLE, rank=1) | Q(
    taxonomy__choice=Taxonomy.Choice.MULTIPLE, confidence__gte=ASSIGN_FROM_CONFIDENCE
)


class OutcomeQuerySet(ItemLabelQuerySet):
    def of_taxonomies(self, taxonomy_ids: Iterable[int]) -> OutcomeQuerySet:
        return self.filter(taxonomy_id__in=list(taxonomy_ids))

    def current(self) -> OutcomeQuerySet:
        return self.filter(superseded_at__isnull=True)

    def by_models(self) -> OutcomeQuerySet:
        """What a model said, without what people or a shop's feed brought in."""
        return self.current().exclude(source__in=[ItemLabel.Source.PERSON, ItemLabel.Source.IMPORT])

    def first_suggestions(self) -> OutcomeQuerySet:
        """What a model meant the item to have: its first choice, or every likely label where several may be right."""
        return self.by_models().filter(IS_SUGGESTED)

    def decided_by_people(self) -> OutcomeQuerySet:
        return self.current().exclude(decision="").filter(is_automatic=False)

    def settled_by_people(self) -> OutcomeQuerySet:
        """Rows that say which label an item of a single-choice taxonomy has."""
        return self.decided_by_people().filter(taxonomy__choice=Taxonomy.Choice.SINGLE, decision__in=SETTLED)

    def settled_labels(self) -> list[tuple[int, int, int, int, datetime | None]]:
        """(item id, taxonomy id, the row's rank, id of the label that people gave the item, when)."""
        fields = ("item_id", "taxonomy_id", "rank", Coalesce("final_label_id", "label_id"), "decided_at")
        return list(self.settled_by_people().order_by("pk").values_list(*fields))

    def decided_first(self) -> OutcomeQuerySet:
        """First suggestions that people decided about themselves."""
        return self.first_suggestions().decided_by_people()

    def beside_a_decision(self, item_ids: Iterable[int]) -> OutcomeQuerySet:
        """First suggestions of these items that nobody decided about; another row of theirs was."""
        return self.first_suggestions().filter(Q(decision="") | Q(is_automatic=True), item_id__in=list(item_ids))

    def count_by_taxonomy(self) -> dict[int, int]:
        return dict(self.order_by().values_list("taxonomy_id").annotate(rows=Count("pk")))

    def histogram(self) -> list[tuple[int, int, int, int]]:
        """(bin of HISTOGRAM_BINS, suggestions, of them abstained, of them accepted automatically), ascending."""
        place = Cast(Floor(F("confidence") * HISTOGRAM_BINS), models.IntegerField())
        counted = (
            self.first_suggestions()
            .order_by()
            .annotate(place=place)
            .values_list("place")
            .annotate(
                rows=Count("pk"),
                abstained=Count("pk", filter=Q(is_abstained=True, decision="")),
                automatic=Count("pk", filter=Q(is_automatic=True)),
            )
        )
        return sorted(counted)

    def count_suggested_by_label(self) -> dict[int, int]:
        return dict(self.first_suggestions().order_by().values_list("label_id").annotate(rows=Count("pk")))

    # ---------------------------------------------------------------- abstaining

    def open_first_choices(self) -> OutcomeQuerySet:
        """Undecided first choices of single-choice taxonomies whose item nobody gave another label."""
        settled = ItemLabel.objects.current().filter(
            item=OuterRef("item"), taxonomy=OuterRef("taxonomy"), decision__in=SETTLED
        )
        is_single = Q(taxonomy__choice=Taxonomy.Choice.SINGLE, rank=1, decision="")
        return self.by_models().filter(is_single, ~Exists(settled))

    def count_given_from(self, *values: float) -> list[tuple[int, int]]:
        """(given, withheld) of these rows for each value that abstaining could be set to."""
        counts = {
            f"{side}_{place}": Count("pk", filter=Q(**{f"confidence__{side}": value}))
            for place, value in enumerate(values)
            for side in ("gte", "lt")
        }
        found = self.aggregate(**counts)
        return [(found[f"gte_{place}"], found[f"lt_{place}"]) for place in range(len(values))]

    # ---------------------------------------------------------------- auto-accept

    def acceptable_from(self, threshold: float) -> OutcomeQuerySet:
        """Suggestions that auto-accept may accept, or draw for an audit.

        Not what somebody took back, whose item's text has changed, or what is about to be suggested anew.
        """
        taken_back = DecisionRecord.objects.filter(item_label=OuterRef("pk"), act=DecisionRecord.Act.UNDO)
        anew = LabelRequest.objects.filter(
            item=OuterRef("item"), taxonomy=OuterRef("taxonomy"), status=LabelRequest.Status.PENDING
        )
        return self.first_suggestions().filter(
            ~Exists(taken_back),
            ~Exists(anew),
            decision="",
            is_assigned=True,
            is_audit=False,
            confidence__gte=threshold,
            text_hash=F("item__text_hash"),
            label__is_deprecated=False,
        )

    def waiting_audits(self) -> OutcomeQuerySet:
        """Audits that nobody decided about yet, be it by another row of the item."""
        return self.current().filter(is_audit=True, decision="", is_assigned=True)

    def automatic(self) -> OutcomeQuerySet:
        """Accepted by themselves, and not looked at by anybody since."""
        return self.current().filter(is_automatic=True, decision=Decision.ACCEPTED, reviewer__isnull=True)

    def automatic_days(self, n: int) -> list[tuple[date, int]]:
        """The newest n days (UTC) on which labels were accepted automatically, with how many still are."""
        by_day = self.automatic().order_by().annotate(day=TruncDate("decided_at")).values_list("day")
        return list(by_day.annotate(rows=Count("pk")).order_by("-day")[:n])

    def of_batch(self, batch: UUID) -> OutcomeQuerySet:
        return self.filter(records__batch=batch, records__act=DecisionRecord.Act.ACCEPT, records__is_automatic=True)


def outcomes(*taxonomy_ids: int) -> OutcomeQuerySet:
    """All item labels, or those of these taxonomies."""
    rows = OutcomeQuerySet(ItemLabel)
    return rows.of_taxonomies(taxonomy_ids) if taxonomy_ids else rows
