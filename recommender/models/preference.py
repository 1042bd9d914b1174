"""What the language model says of users and lists: their preferences in words, and its choices, kept to be reused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import models
from django.utils import timezone

from catalog.models import Item
from recommender.models.user import EndUser


class PreferenceSummary(models.Model):
    """What a user prefers, in the language model's words, and the items that show it best."""

    user = models.OneToOneField(EndUser, on_delete=models.CASCADE, primary_key=True, related_name="preference")
    text = models.TextField()
    items = models.ManyToManyField(Item, related_name="+", help_text="The most representative ones.")
    model = models.CharField(max_length=200)
    last_event_id = models.BigIntegerField(null=True, blank=True, help_text="The newest event it knows.")
    created_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"preferences of user {self.user_id}"

    def name_items(self, item_ids: Sequence[int]) -> None:
        """The representative items instead of those before, the most telling first. Call inside a transaction; items
        deleted meanwhile are left out."""
        still_there = set(
            Item.objects.filter(pk__in=item_ids)
            .order_by("pk")
            .select_for_update(no_key=True)
            .values_list("pk", flat=True)
        )
        through = PreferenceSummary.items.through
        through.objects.filter(preferencesummary_id=self.pk).delete()
        # Their own ids keep the order.
        for item_id in dict.fromkeys(item_ids):
            if item_id in still_there:
                through.objects.create(preferencesummary_id=self.pk, item_id=item_id)

    def named_items(self) -> list[Item]:
        """The representative items, the most telling first."""
        rows = PreferenceSummary.items.through.objects.filter(preferencesummary_id=self.pk)
        return [row.item for row in rows.select_related("item").order_by("pk")]


class RankedByModelQuerySet(models.QuerySet["RankedByModel"]):
    def shares_of(self, question_hash: str) -> tuple[float, ...] | None:
        shares = self.filter(pk=question_hash).values_list("shares", flat=True).first()
        return tuple(map(float, shares)) if shares is not None else None

    def keep(self, question_hash: str, shares: Sequence[float]) -> None:
        RankedByModel.objects.bulk_create(
            [RankedByModel(question_hash=question_hash, shares=list(shares), created_at=timezone.now())],
            update_conflicts=True,
            unique_fields=["question_hash"],
            update_fields=["shares", "created_at"],
        )

    def delete_before(self, moment: datetime, *, limit: int) -> int:
        old = self.filter(created_at__lt=moment).order_by("created_at", "pk").values_list("pk", flat=True)[:limit]
        return self.filter(pk__in=list(old)).delete()[0]


class RankedByModel(models.Model):
    """The language model's shares of one set of candidates for one history; the same question is not asked twice."""

    question_hash = models.CharField(max_length=64, primary_key=True, help_text="Of model, prompts and rounds.")
    shares = models.JSONField(help_text="One share a candidate, in the order of the question; they sum to 1.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RankedByModelQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="ranked_by_model_time")]

    def __str__(self) -> str:
        return self.question_hash[:12]
