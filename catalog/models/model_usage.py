"""What the language model cost: one row a day, model and purpose."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.db import connection, models
from django.utils.translation import gettext_lazy

COUNTS = ("calls", "failures", "prompt_tokens", "completion_tokens", "seconds")


class ModelUsageQuerySet(models.QuerySet["ModelUsage"]):
    def add(self, rows: Iterable[tuple[date, str, str, int, int, int, int, float]]) -> None:
        """Add (day, model, purpose, and COUNTS) to what is counted already, by one statement, in a steady order, so
        that workers who do so at once wait for each other instead of locking each other out."""
        ordered = sorted(rows)
        if not ordered:
            return
        table = connection.ops.quote_name(self.model._meta.db_table)
        places = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * len(ordered))
        added = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in COUNTS)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (day, model, purpose, {', '.join(COUNTS)}) VALUES {places} "  # noqa: S608
                f"ON CONFLICT (day, model, purpose) DO UPDATE SET {added}",
                [value for row in ordered for value in row],
            )

    def since(self, day: date) -> ModelUsageQuerySet:
        return self.filter(day__gte=day).order_by("-day", "model", "purpose")


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

    objects = ModelUsageQuerySet.as_manager()

    class Meta:
        ordering = ["-day", "model", "purpose"]
        constraints = [models.UniqueConstraint(fields=["day", "model", "purpose"], name="model_usage_unique")]

    def __str__(self) -> str:
        return f"{self.model} on {self.day}: {self.calls} calls"
