"""An item label = a suggestion (a model's) + a decision (a person's). A suggestion is never overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone
from django.utils.translation import gettext_lazy

from catalog.models import claim
from catalog.models.item import Item
from catalog.models.lease import Lease
from catalog.models.taxonomy import Label, Taxonomy

# A suggestion for a taxonomy of several choices counts where it is likelier than not.
ASSIGN_FROM_CONFIDENCE = 0.5
GAINS_AT_ONCE = 500


class ItemLabelQuerySet(models.QuerySet["ItemLabel"]):
    def of_items(self, item_ids: Iterable[int]) -> ItemLabelQuerySet:
        return self.filter(item_id__in=list(item_ids))

    def numbered(self, ids: Iterable[int]) -> ItemLabelQuerySet:
        """Those with these ids, however many: they travel as one array."""
        return self.filter(pk__in=RawSQL("SELECT unnest(%s::bigint[])", [list(ids)]))

    def locked(self) -> ItemLabelQuerySet:
        """Locked until the transaction ends, always in the same order, with what a decision looks at.

        Without the reviewer: where another transaction just set one, PostgreSQL reads the row anew but not its joins.
        """
        return self.select_for_update(of=("self",)).select_related("taxonomy").order_by("pk")

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

    def counted_as(self, label_ids: Iterable[int]) -> ItemLabelQuerySet:
        """Of `effective` ones those that are one of these labels."""
        return self.filter(Q(final_label_id__in=list(label_ids)) | Q(final_label_id=None, label_id__in=list(label_ids)))

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
            opinions__has_key="language_model",
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

    def decided_by_people(self) -> ItemLabelQuerySet:
        return self.current().exclude(decision="").filter(is_automatic=False)

    def for_training(self) -> ItemLabelQuerySet:
        return self.select_related("item").defer("item__search_vector").order_by("decided_at", "pk")

    def for_ranking(self) -> ItemLabelQuerySet:
        """Adds `popularity_share`, None where nobody counted."""
        rows = self.annotate(popularity_share=F("item__popularity__share")).order_by("pk")
        return rows.only("pk", "item_id", "confidence", "text_hash", "gain", "is_audit")

    def second_choices(self, taxonomy_id: int) -> dict[int, float]:
        """Item -> how sure its second suggestion is, where nobody decided about that."""
        rows = self.current().filter(taxonomy_id=taxonomy_id, rank=2, decision="")
        return dict(rows.order_by("pk").values_list("item_id", "confidence"))

    def write_gains(self, gains: Mapping[int, float]) -> None:
        """Row id -> gain. A part at a time, locked as decisions lock, so that no reviewer waits for all of it."""
        ids = sorted(gains)
        for begin in range(0, len(ids), GAINS_AT_ONCE):
            part = ids[begin : begin + GAINS_AT_ONCE]
            with transaction.atomic():
                rows = list(ItemLabel.objects.filter(pk__in=part).only("pk").select_for_update().order_by("pk"))
                for row in rows:
                    row.gain = gains[row.pk]
                ItemLabel.objects.bulk_update(rows, ["gain"])

    def text_hashes(self) -> list[str]:
        return list(self.order_by("item__text_hash").values_list("item__text_hash", flat=True).distinct())

    def count_texts(self) -> int:
        return self.order_by().values("item__text_hash").distinct().count()

    def model_opinions(self, taxonomy_id: int, text_hashes: Iterable[str]) -> dict[str, list[list[float]]]:
        """Text hash -> what the language model said of it last: [[label id, share or log odds], ...]."""
        rows = self.filter(
            taxonomy_id=taxonomy_id, text_hash__in=list(text_hashes), opinions__has_key="language_model"
        ).order_by("pk")
        return {key: told["language_model"] for key, told in rows.values_list("text_hash", "opinions")}

    def in_queue_order(self) -> ItemLabelQuerySet:
        """What a decision is expected to bring most comes first; of equals the least sure."""
        return self.order_by("-gain", "confidence", "id")

    def where_opinions_differ(self) -> ItemLabelQuerySet:
        """Any two of embeddings, label head and language model named another label first."""
        firsts = {
            f"first_{opinion}": KeyTextTransform(0, KeyTransform(0, KeyTransform(opinion, "opinions")))
            for opinion in ("embedding", "head", "language_model")
        }
        differs = Q()
        for one, other in combinations(firsts, 2):
            differs |= Q(**{f"{one}__lt": F(other)}) | Q(**{f"{one}__gt": F(other)})
        return self.alias(**firsts).filter(differs)

    def about(self, labels: models.QuerySet[Label]) -> ItemLabelQuerySet:
        """Those that suggest one of `labels`, or were corrected to one."""
        chosen = labels.values("pk")
        return self.filter(Q(label__in=chosen) | Q(final_label__in=chosen))

    def in_every_language(self) -> ItemLabelQuerySet:
        """With the names of labels in other languages, for `Label.shown_name`."""
        return self.prefetch_related("label__names", "final_label__names")

    def with_names(self) -> ItemLabelQuerySet:
        """For display: taxonomy by taxonomy, surest first, with every name that a chip shows."""
        return (
            self.select_related("label", "final_label", "taxonomy", "reviewer")
            .in_every_language()
            .order_by("taxonomy__position", "taxonomy_id", "rank", "id")
        )

    def items_by_day_and_model(self, since: date) -> dict[tuple[date, str], int]:
        """How many items a language model labelled, by day (UTC) and model, replaced suggestions included."""
        first = datetime.combine(since, time.min, tzinfo=UTC)
        said = self.filter(source=ItemLabel.Source.LANGUAGE_MODEL, rank=1, suggested_at__gte=first).order_by()
        by_day = said.values_list(TruncDate("suggested_at", tzinfo=UTC), "model").annotate(
            n=Count("item", distinct=True)
        )
        return {(day, model): n for day, model, n in by_day}

    def count_by_label(self) -> dict[int, int]:
        """How many items carry each label, after corrections."""
        carried = self.current().filter(is_assigned=True).order_by()
        by_label = carried.values_list(Coalesce("final_label_id", "label_id"))
        return dict(by_label.annotate(items=Count("item_id", distinct=True)))


class ItemLabel(models.Model):
    class Source(models.TextChoices):
        EMBEDDING = "embedding", gettext_lazy("Embedding")
        HEAD = "head", gettext_lazy("Label head")
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
            models.Index(
                fields=["taxonomy", "item"],
                condition=Q(superseded_at__isnull=True, is_automatic=False) & ~Q(decision=""),
                name="item_label_by_people",
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

    @property
    def was_abstained(self) -> bool:
        """Whether the first choice was too unsure to be given to the item."""
        is_first = self.taxonomy.choice == Taxonomy.Choice.SINGLE and self.rank == 1
        return is_first and self.confidence < self.taxonomy.abstain_below


class LabelRequestQuerySet(models.QuerySet["LabelRequest"]):
    def waiting(self) -> LabelRequestQuerySet:
        """Work not done: nobody labelled yet, or the language model was away and embeddings stood in."""
        return self.filter(status__in=[LabelRequest.Status.PENDING, LabelRequest.Status.PROVISIONAL])

    def answered(self) -> LabelRequestQuerySet:
        """Labelled, by whatever was there."""
        return self.filter(status__in=[LabelRequest.Status.DONE, LabelRequest.Status.PROVISIONAL])

    def count_by_status(self) -> dict[str, int]:
        return dict(self.order_by().values_list("status").annotate(rows=Count("pk")))

    def unclaimed(self) -> LabelRequestQuerySet:
        """Not in the hands of a worker, or of one that has been silent for longer than its claim."""
        return self.filter(Q(claimed_until__isnull=True) | Q(claimed_until__lte=timezone.now()))

    def claim(self, limit: int, *, seconds: float) -> list[LabelRequest]:
        """Up to `limit` of these, newest first, that no other worker gets for so long; comes with item and taxonomy."""
        until = timezone.now() + timedelta(seconds=seconds)
        with transaction.atomic():
            ids = list(
                self.unclaimed()
                .select_for_update(of=("self",), skip_locked=True)
                .order_by("-pk")
                .values_list("pk", flat=True)[:limit]
            )
            LabelRequest.objects.filter(pk__in=ids).update(claimed_until=until)
            claim.note(ids, until)
        return list(LabelRequest.objects.filter(pk__in=ids).select_related("item", "taxonomy").order_by("-pk"))

    def renew(self, name: str, ids: Iterable[int], until: datetime, *, seconds: float) -> datetime:
        """Prolong the claim that runs out at `until`, and what `name` says of it to survivors. Returns when it runs
        out now. What was given back, or claimed by another worker meanwhile, is left alone."""
        later = timezone.now() + timedelta(seconds=seconds)
        with transaction.atomic():
            kept = list(
                LabelRequest.objects.filter(pk__in=list(ids), claimed_until=until)
                .waiting()
                .locked()
                .values_list("pk", flat=True)
            )
            LabelRequest.objects.filter(pk__in=kept).update(claimed_until=later)
            Lease.objects.filter(name=name).update(holder=later.isoformat(), expires_at=later)
        return later

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
