"""What the language model says of users and lists: their preferences in words, and its choices, kept to be reused."""

from __future__ import annotations

from django.db import models

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


class RankedByModel(models.Model):
    """The language model's shares of one set of candidates for one history; the same question is not asked twice."""

    question_hash = models.CharField(max_length=64, primary_key=True, help_text="Of model, prompts and rounds.")
    shares = models.JSONField(help_text="One share a candidate, in the order of the question; they sum to 1.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="ranked_by_model_time")]

    def __str__(self) -> str:
        return self.question_hash[:12]
