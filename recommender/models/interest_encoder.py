"""Versions of U = f(W1 x + b1), which turns what a user took into what they take next. At most one is live."""

from __future__ import annotations

from django.db import connection, models
from django.db.models import Q
from django.utils.translation import gettext_lazy

ENCODERS_LOCK = 4_205


class InterestEncoderQuerySet(models.QuerySet["InterestEncoder"]):
    def live(self) -> InterestEncoder | None:
        return self.filter(status=InterestEncoder.Status.LIVE).first()

    def live_id(self, *, model: str) -> int | None:
        """The live one's key where it reads the vectors of this embedding model; without its weights."""
        return self.filter(status=InterestEncoder.Status.LIVE, model=model).values_list("pk", flat=True).first()

    def stored_weights(self, pk: int) -> bytes | None:
        weights = self.filter(pk=pk).values_list("weights", flat=True).first()
        return None if weights is None else bytes(weights)

    def lock_versions(self) -> None:
        """Until the transaction ends, nobody else adds a version or makes one live."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [ENCODERS_LOCK])


class InterestEncoder(models.Model):
    class Status(models.TextChoices):
        LIVE = "live", gettext_lazy("Live")
        RETIRED = "retired", gettext_lazy("Retired")
        REFUSED = "refused", gettext_lazy("Not better, never live")

    version = models.PositiveIntegerField(unique=True)
    status = models.CharField(max_length=10, choices=Status.choices)
    weights = models.BinaryField(help_text="A numpy .npz: W1 (dim, dim), b1 (dim,).")
    model = models.CharField(max_length=200, help_text="The embedding model whose vectors it reads.")
    histories = models.PositiveIntegerField(help_text="How many users it was trained on.")
    report = models.JSONField(
        default=dict, help_text="On validation: n, figures with and without it, their difference."
    )
    reason = models.CharField(max_length=300, blank=True, help_text="Why it went live or did not, in words.")
    created_at = models.DateTimeField(auto_now_add=True)
    went_live_at = models.DateTimeField(null=True, blank=True)

    objects = InterestEncoderQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["status"], condition=Q(status="live"), name="interest_encoder_one_live"),
        ]

    def __str__(self) -> str:
        return f"interest encoder {self.version}"
