"""An item label = a suggestion (a model's) + a decision (a person's). A suggestion is never overwritten."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from catalog.models.item import Item
from catalog.models.taxonomy import Label, Taxonomy


class ItemLabelQuerySet(models.QuerySet["ItemLabel"]):
    def current(self) -> ItemLabelQuerySet:
        """Not superseded by a newer suggestion for the same item and taxonomy."""
        return self.filter(superseded_at__isnull=True)

    def effective(self) -> ItemLabelQuerySet:
        """The labels an item counts as having (adds `effective_label_id`): assigned suggestions and decisions."""
        return (
            self.current()
            .filter(is_assigned=True)
            .annotate(effective_label_id=Coalesce(F("final_label_id"), F("label_id")))
        )

    def carrying(self, labels: models.QuerySet[Label]) -> ItemLabelQuerySet:
        """Those that give their item one of `labels`."""
        chosen = labels.values("pk")
        return (
            self.current()
            .filter(is_assigned=True)
            .filter(Q(final_label__in=chosen) | Q(final_label__isnull=True, label__in=chosen))
        )

    def told(self) -> ItemLabelQuerySet:
        """What an item's reader is told, one query for all: assigned or decided, best first."""
        return (
            self.current()
            .filter(Q(is_assigned=True) | ~Q(decision=""))
            .select_related("label", "final_label", "taxonomy")
            .order_by("taxonomy__position", "taxonomy_id", "rank", "id")
        )

    def changed_since(self, moment: datetime) -> ItemLabelQuerySet:
        """Suggested or decided after that moment."""
        return self.filter(Q(suggested_at__gt=moment) | Q(decided_at__gt=moment))

    def awaiting_review(self) -> ItemLabelQuerySet:
        return self.current().filter(is_assigned=True, decision="")


class ItemLabel(models.Model):
    class Source(models.TextChoices):
        EMBEDDING = "embedding", "Embedding"
        LANGUAGE_MODEL = "language_model", "Language model"
        PERSON = "person", "Person"
        IMPORT = "import", "Import"

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"
        CORRECTED = "corrected", "Corrected"

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="labels")
    taxonomy = models.ForeignKey(Taxonomy, on_delete=models.CASCADE, related_name="item_labels")

    # The suggestion.
    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="item_labels")
    rank = models.PositiveSmallIntegerField(default=1, help_text="1 is the model's first choice.")
    confidence = models.FloatField(validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    source = models.CharField(max_length=20, choices=Source.choices)
    model = models.CharField(max_length=200, help_text="Which model said so.")
    prompt_version = models.CharField(max_length=40, blank=True)
    evidence = models.CharField(max_length=300, blank=True, help_text="Words of the item's own text that speak for it.")
    text_hash = models.CharField(max_length=64, help_text="The item text it was made from.")
    suggested_at = models.DateTimeField(auto_now_add=True)
    superseded_at = models.DateTimeField(null=True, blank=True)
    is_assigned = models.BooleanField(
        default=False, help_text="Whether the item counts as having this label; a rejection takes it away."
    )

    # The decision.
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default="")
    final_label = models.ForeignKey(Label, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = ItemLabelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "label"], condition=Q(superseded_at__isnull=True), name="item_label_current_unique"
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=0.0) & Q(confidence__lte=1.0), name="item_label_confidence_0_1"
            ),
        ]
        indexes = [
            models.Index(fields=["item", "taxonomy", "rank"], name="item_label_item"),
            models.Index(
                fields=["label", "is_assigned"], condition=Q(superseded_at__isnull=True), name="item_label_assigned"
            ),
            models.Index(
                fields=["taxonomy", "confidence"],
                condition=Q(superseded_at__isnull=True, is_assigned=True, decision=""),
                name="item_label_queue",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label.name} for {self.item.title}"


class LabelRequestQuerySet(models.QuerySet["LabelRequest"]):
    def waiting(self) -> LabelRequestQuerySet:
        """Work not done: nobody labelled yet, or the language model was away and embeddings stood in."""
        return self.filter(status__in=[LabelRequest.Status.PENDING, LabelRequest.Status.PROVISIONAL])


class LabelRequest(models.Model):
    """The row that says an item's text must be labelled against a taxonomy. The queue's message is only its bell."""

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting"
        PROVISIONAL = "provisional", "Labelled by embeddings, waiting for the language model"
        DONE = "done", "Labelled"
        FAILED = "failed", "Failed"

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="label_requests")
    taxonomy = models.ForeignKey(Taxonomy, on_delete=models.CASCADE, related_name="+")
    text_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = LabelRequestQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "taxonomy"], name="label_request_unique")]
        indexes = [models.Index(fields=["status", "id"], name="label_request_status")]

    def __str__(self) -> str:
        return f"label item {self.item_id} against {self.taxonomy_id}: {self.status}"
