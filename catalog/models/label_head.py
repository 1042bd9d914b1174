"""What is learned for one taxonomy: versions of its label head, how much each opinion weighs, and what is accepted
without being looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Exists, F, Func, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy
from numpy.typing import NDArray
from pgvector.django import HalfVectorField

from catalog.models.item import Item
from catalog.models.taxonomy import Taxonomy


class LabelHeadQuerySet(models.QuerySet["LabelHead"]):
    def live(self, taxonomy_id: int) -> LabelHead | None:
        return self.filter(taxonomy_id=taxonomy_id, status=LabelHead.Status.LIVE).first()

    def live_version(self, taxonomy_id: int) -> tuple[int, int, str] | None:
        """(id, version, model) of the live one, without its weights."""
        live = self.filter(taxonomy_id=taxonomy_id, status=LabelHead.Status.LIVE)
        return live.values_list("pk", "version", "model").first()


class LabelHead(models.Model):
    """A version of Y = softmax(W2 x + b2). Versions are kept; at most one of a taxonomy is live."""

    class Status(models.TextChoices):
        LIVE = "live", gettext_lazy("Live")
        RETIRED = "retired", gettext_lazy("Retired")
        REFUSED = "refused", gettext_lazy("Not better, never live")

    taxonomy = models.ForeignKey(Taxonomy, on_delete=models.CASCADE, related_name="heads")
    version = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status.choices)
    weights = models.BinaryField(help_text="A numpy .npz: W2 (labels, dim), b2 (labels,), label_ids (labels,).")
    model = models.CharField(max_length=200, help_text="The embedding models whose vectors it reads.")
    decisions = models.PositiveIntegerField(help_text="How many decisions it was trained on.")
    report = models.JSONField(
        default=dict, help_text="On held-out decisions: n, accuracy of the live one and of this one, their difference."
    )
    reason = models.CharField(max_length=300, blank=True, help_text="Why it went live or did not, in words.")
    created_at = models.DateTimeField(auto_now_add=True)
    went_live_at = models.DateTimeField(null=True, blank=True)

    objects = LabelHeadQuerySet.as_manager()

    class Meta:
        ordering = ["taxonomy_id", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["taxonomy", "version"], name="label_head_version_unique"),
            models.UniqueConstraint(fields=["taxonomy"], condition=Q(status="live"), name="label_head_one_live"),
        ]

    def __str__(self) -> str:
        return f"label head {self.version} of {self.taxonomy_id}"


class OpinionFitQuerySet(models.QuerySet["OpinionFit"]):
    def parameters_of(self, taxonomy_id: int) -> dict[str, Any]:
        return self.filter(taxonomy_id=taxonomy_id).values_list("parameters", flat=True).first() or {}

    @transaction.atomic
    def remember(self, taxonomy_id: int, **parameters: object) -> OpinionFit:
        """Change these of its parameters, whoever changes others meanwhile; None takes one away."""
        OpinionFit.objects.bulk_create([OpinionFit(taxonomy_id=taxonomy_id)], ignore_conflicts=True)
        fit = OpinionFit.objects.select_for_update().get(taxonomy_id=taxonomy_id)
        fit.parameters = {key: value for key, value in {**fit.parameters, **parameters}.items() if value is not None}
        fit.save(update_fields=["parameters", "fitted_at"])
        return fit


class OpinionFit(models.Model):
    """How the opinions about a taxonomy's items are weighed and turned into an honest confidence."""

    taxonomy = models.OneToOneField(Taxonomy, on_delete=models.CASCADE, primary_key=True, related_name="fit")
    parameters = models.JSONField(default=dict, help_text="Weights of the opinions and the calibration's numbers.")
    decisions = models.PositiveIntegerField(default=0, help_text="How many decisions they were fitted on.")
    report = models.JSONField(default=dict, help_text="What the fit changed on held-out decisions.")
    fitted_at = models.DateTimeField(auto_now=True)

    objects = OpinionFitQuerySet.as_manager()

    def __str__(self) -> str:
        return f"opinion weights of {self.taxonomy_id}"


class AutoAccept(models.Model):
    """Labels surer than a threshold are accepted by themselves, as long as random audits find enough of them right."""

    class State(models.TextChoices):
        OFF = "off", gettext_lazy("Off")
        GATHERING = "gathering", gettext_lazy("Waiting for audits")
        RUNNING = "running", gettext_lazy("Running")
        STOPPED = "stopped", gettext_lazy("Stopped itself")

    taxonomy = models.OneToOneField(Taxonomy, on_delete=models.CASCADE, primary_key=True, related_name="auto_accept")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OFF)
    wanted_precision = models.FloatField(default=0.95, validators=[MinValueValidator(0.5), MaxValueValidator(0.999)])
    threshold = models.FloatField(default=0.9, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    audit_share = models.FloatField(
        default=0.05,
        validators=[MinValueValidator(0.01), MaxValueValidator(1.0)],
        help_text="Share of the labels above the threshold that is put before a person instead.",
    )
    reason = models.CharField(max_length=300, blank=True, help_text="Why it is in this state, in words.")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"auto-accept of {self.taxonomy_id}: {self.state}"


class LabellingVectorQuerySet(models.QuerySet["LabellingVector"]):
    def by_text(self, text_hashes: Sequence[str], *, model: str) -> dict[str, NDArray[np.float32]]:
        return dict(self.filter(text_hash__in=text_hashes, model=model)._unpacked())

    def keep(self, text_hashes: Sequence[str], vectors: NDArray[np.float32], *, model: str) -> None:
        """Store each; what another worker stored meanwhile stays."""
        rows = [
            LabellingVector(text_hash=text_hash, model=model, vector=vector)
            for text_hash, vector in sorted(zip(text_hashes, vectors, strict=True), key=lambda pair: pair[0])
        ]
        LabellingVector.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)

    def of_items(self, *, model: str) -> LabellingVectorQuerySet:
        """Of texts that some item has now."""
        return self.filter(Exists(Item.objects.filter(text_hash=OuterRef("text_hash"))), model=model)

    def newest(self, n: int) -> list[tuple[str, NDArray[np.float32]]]:
        return self.order_by("-pk")._unpacked(n)

    def abandoned(self, kept: Sequence[str], *, before: datetime) -> LabellingVectorQuerySet:
        """Made before then, of texts that no item has now and that are not `kept`."""
        is_kept = RawSQL("text_hash = ANY(%s)", [list(kept)], output_field=models.BooleanField())
        has_item = Exists(Item.objects.filter(text_hash=OuterRef("text_hash")))
        return self.filter(~has_item, created_at__lt=before).exclude(is_kept)

    def forget(self, n: int) -> int:
        """Delete up to n of these, oldest first. Returns how many."""
        ids = list(self.order_by("pk").values_list("pk", flat=True)[:n])
        return LabellingVector.objects.filter(pk__in=ids).delete()[0]

    def _unpacked(self, n: int | None = None) -> list[tuple[str, NDArray[np.float32]]]:
        """Text hashes and vectors, read in pgvector's binary form: many times faster than its text."""
        packed = Func(F("vector"), function="halfvec_send", output_field=models.BinaryField())
        # Two bytes of dimension and two unused come before the components, big-endian halves.
        return [
            (text_hash, np.frombuffer(bytes(vector), dtype=">f2", offset=4).astype(np.float32))
            for text_hash, vector in self.annotate(packed=packed).values_list("text_hash", "packed")[:n]
        ]


class LabellingVector(models.Model):
    """A text as labelling reads it, by one or two embedding models; kept by text, not by item."""

    text_hash = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    vector = HalfVectorField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LabellingVectorQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["text_hash", "model"], name="labelling_vector_unique")]

    def __str__(self) -> str:
        return f"{self.model} of {self.text_hash[:8]}"
