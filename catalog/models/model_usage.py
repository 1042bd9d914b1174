"""What the language model cost: one row a day, model and purpose."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy


class ModelUsage(models.Model):
    class Purpose(models.TextChoices):
        LABEL = "label", gettext_lazy("Labelling items")
        DESCRIBE = "describe", gettext_lazy("Describing labels")

    day = models.DateField()
    model = models.CharField(max_length=200)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    calls = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0.0, help_text="Waited for answers, added up over parallel calls.")

    class Meta:
        ordering = ["-day", "model", "purpose"]
        constraints = [models.UniqueConstraint(fields=["day", "model", "purpose"], name="model_usage_unique")]

    def __str__(self) -> str:
        return f"{self.model} on {self.day}: {self.calls} calls"
