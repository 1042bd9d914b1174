"""An item label = a suggestion (a model's) + a decision (a person's). A suggestion is never overwritten."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy

from catalog.models.item import Item
from catalog.models.taxonomy import Label, Taxonomy

# A suggestion for a taxonomy of several choices counts where it is likelier than not.
ASSIGN_FROM_CONFIDENCE = 0.5


class ItemLabelQuerySet(models.QuerySet["ItemLabel"]):
    def of_items(self, item_ids: Iterable[int]) -> ItemLabelQuerySet:
        return self.filter(item_id__in=list(item_ids))

    def locked(self) -> ItemLabelQuerySet:
        """Locked until the transaction ends, always in the same order, with what a decision looks at."""
        return self.select_for_update(of=("self",)).select_related("taxonomy", "reviewer").order_by("pk")

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

    def naming(self, label_ids: Iterable[int]) -> ItemLabelQuerySet:
        """Current ones that suggest one of these labels, or were decided to be one, whether the item has it or not."""
        wanted = list(label_ids)
        return self.current().filter(Q(label_id__in=wanted) | Q(final_label_id__in=wanted))

    def decided(self) -> ItemLabelQuerySet:
        return self.exclude(decision="")

    def settling(self) -> ItemLabelQuerySet:
        """Current decisions that say which label an item has; after one, a taxonomy of one choice asks no more."""
        return self.current().filter(decision__in=[ItemLabel.Decision.ACCEPTED, ItemLabel.Decision.CORRECTED])

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

    def answers_by_text(self, text_hashes: Iterable[str], *, model: str, prompt_version: str) -> ItemLabelQuerySet:
        """What this model already said, with this prompt, about these texts, whichever item has them; newest first.

        Not of items that wait to be labelled anew: their labels, or what is asked, may have changed since.
        """
        done = LabelRequest.objects.filter(
            item=OuterRef("item"), taxonomy=OuterRef("taxonomy"), status=LabelRequest.Status.DONE
        )
        return self.filter(
            Exists(done),
            item__text_hash__in=list(text_hashes),
            text_hash=F("item__text_hash"),
            source=ItemLabel.Source.LANGUAGE_MODEL,
            model=model,
            prompt_version=prompt_version,
            label__is_deprecated=False,
        ).order_by("-suggested_at", "-pk")

    def changed_since(self, moment: datetime) -> ItemLabelQuerySet:
        """Suggested or decided after that moment."""
        return self.filter(Q(suggested_at__gt=moment) | Q(decided_at__gt=moment))

    def awaiting_review(self) -> ItemLabelQuerySet:
        """Suggestions that somebody should look at: those the item counts as having, and those too unsure for that."""
        return self.current().filter(Q(is_assigned=True) | Q(is_abstained=True), decision="")

    def with_names(self) -> ItemLabelQuerySet:
        """For display: taxonomy by taxonomy, surest first, with every name that a chip shows."""
        return (
            self.select_related("label", "final_label", "taxonomy", "reviewer")
            .prefetch_related("label__names", "final_label__names")
            .order_by("taxonomy__position", "taxonomy_id", "rank", "id")
        )

    def count_by_label(self) -> dict[int, int]:
        """How many items carry each label, after corrections."""
        carried = self.current().filter(is_assigned=True).order_by()
        by_label = carried.values_list(Coalesce("final_label_id", "label_id"))
        return dict(by_label.annotate(items=Count("item_id", distinct=True)))


class ItemLabel(models.Model):
    class Source(models.TextChoices):
        EMBEDDING = "embedding", gettext_lazy("Embedding")
        LANGUAGE_MODEL = "language_model", gettext_lazy("Language model")
        PERSON = "person", gettext_lazy("Person")
        IMPORT = "import", gettext_lazy("Import")

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", gettext_lazy("Accepted")
        REJECTED = "rejected", gettext_lazy("Rejected")
        CORRECTED = "corrected", gettext_lazy("Corrected")

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
    opinions = models.JSONField(
        default=dict,
        blank=True,
        help_text="Who thought what: opinion -> [[label id, share 0..1], ...], best first, as it was when suggested.",
    )
    gain = models.FloatField(default=0.0, help_text="What a decision is expected to bring; the review queue's order.")
    is_assigned = models.BooleanField(
        default=False, help_text="Whether the item counts as having this label; a rejection takes it away."
    )

    is_abstained = models.BooleanField(
        default=False, help_text="The first choice, but too unsure to be given to the item before somebody decides."
    )

    # The decision.
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default="")
    final_label = models.ForeignKey(Label, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    decided_at = models.DateTimeField(null=True, blank=True)
    is_automatic = models.BooleanField(
        default=False, help_text="Accepted for being surer than the taxonomy's threshold."
    )
    is_audit = models.BooleanField(default=False, help_text="Drawn at random to tell how often such labels are right.")

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
                fields=["taxonomy", "-gain"],
                condition=Q(superseded_at__isnull=True, decision=""),
                name="item_label_gain",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label.name} for {self.item.title}"

    @property
    def shown_label(self) -> Label:
        """The label a page names: the reviewer's where they corrected it, else the suggested one."""
        return self.final_label or self.label

    @property
    def was_suggested(self) -> bool:
        """Whether the model meant the item to have this label, or named it as an alternative only."""
        if self.taxonomy.choice == Taxonomy.Choice.SINGLE:
            return self.rank == 1
        return self.confidence >= ASSIGN_FROM_CONFIDENCE


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

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["item_label", "-at"], name="decision_record_label"),
            models.Index(fields=["reviewer", "-at"], name="decision_record_reviewer"),
            models.Index(fields=["batch"], condition=Q(batch__isnull=False), name="decision_record_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.act} of item label {self.item_label_id}"


class LabelRequestQuerySet(models.QuerySet["LabelRequest"]):
    def waiting(self) -> LabelRequestQuerySet:
        """Work not done: nobody labelled yet, or the language model was away and embeddings stood in."""
        return self.filter(status__in=[LabelRequest.Status.PENDING, LabelRequest.Status.PROVISIONAL])

    def count_by_status(self) -> dict[str, int]:
        return dict(self.order_by().values_list("status").annotate(rows=Count("pk")))

    def unclaimed(self) -> LabelRequestQuerySet:
        """Not in the hands of a worker, or of one that has been silent for longer than its claim."""
        return self.filter(Q(claimed_until__isnull=True) | Q(claimed_until__lte=timezone.now()))

    def claim(self, limit: int, *, seconds: float) -> list[LabelRequest]:
        """Up to `limit` of these, newest first, that no other worker gets for so long; comes with item and taxonomy."""
        with transaction.atomic():
            ids = list(
                self.unclaimed()
                .select_for_update(of=("self",), skip_locked=True)
                .order_by("-pk")
                .values_list("pk", flat=True)[:limit]
            )
            LabelRequest.objects.filter(pk__in=ids).update(claimed_until=timezone.now() + timedelta(seconds=seconds))
        return list(LabelRequest.objects.filter(pk__in=ids).select_related("item", "taxonomy").order_by("-pk"))

    def locked(self) -> LabelRequestQuerySet:
        """Locked until the transaction ends, always in the same order."""
        return self.select_for_update(of=("self",)).order_by("pk")

    def numbered(self, ids: Iterable[int]) -> LabelRequestQuerySet:
        """Those with these ids, however many: they travel as one array."""
        return self.filter(pk__in=RawSQL("SELECT unnest(%s::bigint[])", [list(ids)]))


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
    claimed_until = models.DateTimeField(
        null=True, blank=True, help_text="A worker has it until then; a dead worker's claim runs out."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = LabelRequestQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "taxonomy"], name="label_request_unique")]
        indexes = [
            models.Index(fields=["status", "id"], name="label_request_status"),
            models.Index(
                fields=["claimed_until"], condition=Q(claimed_until__isnull=False), name="label_request_claimed"
            ),
        ]

    def __str__(self) -> str:
        return f"label item {self.item_id} against {self.taxonomy_id}: {self.status}"
