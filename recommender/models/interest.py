"""What a user is interested in: several vectors in the items' space, and the labels they amount to."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from pgvector.django import HalfVectorField

from catalog.models import Item, Label
from recommender.models.user import EndUser


class InterestVector(models.Model):
    user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="interest_vectors")
    position = models.PositiveSmallIntegerField(help_text="0 is the strongest interest.")
    vector = HalfVectorField(dimensions=settings.EMBEDDING_DIM)
    weight = models.FloatField(help_text="Share of the user's attention, 0..1; a user's weights sum to 1.")
    medoid = models.ForeignKey(
        Item, on_delete=models.CASCADE, related_name="+", help_text="The item that stands for it."
    )
    events = models.JSONField(
        default=list, help_text="The events behind it, strongest first: [{event, item, weight}], at most 20."
    )
    built_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["user_id", "position"]
        constraints = [models.UniqueConstraint(fields=["user", "position"], name="interest_vector_position_unique")]

    def __str__(self) -> str:
        return f"interest {self.position} of user {self.user_id}"


class InterestLabel(models.Model):
    user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="interest_labels")
    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="+")
    weight = models.FloatField(help_text="0..1; the weights of a user within a taxonomy sum to 1.")
    items = models.JSONField(default=list, help_text="Ids of the items behind it, strongest first, at most 10.")
    built_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["user_id", "-weight", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "label"], name="interest_label_unique")]

    def __str__(self) -> str:
        return f"{self.label_id} of user {self.user_id}: {self.weight:.2f}"
