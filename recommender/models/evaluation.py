"""Evaluations: what a strategy would have recommended before a date, against what was taken after it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from recommender.models.strategy import Strategy
from recsite.operations.models import Job


class EvaluationQuerySet(models.QuerySet["Evaluation"]):
    def finished(self) -> EvaluationQuerySet:
        return self.exclude(report={})

    def newest_first(self) -> EvaluationQuerySet:
        return self.order_by("-created_at", "-id")


class Evaluation(models.Model):
    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="evaluations")
    split_at = models.DateTimeField(help_text="Lists are made from what was known before, judged by what came after.")
    parameters = models.JSONField(default=dict, help_text="As asked for: users, repeats, baselines.")
    report = models.JSONField(default=dict, help_text="What `manage.py evaluate` writes; empty until it is finished.")
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = EvaluationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["-created_at", "-id"], name="evaluation_newest")]

    def __str__(self) -> str:
        return f"evaluation {self.pk} of {self.strategy}"
