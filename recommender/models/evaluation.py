"""Evaluations: what a strategy would have recommended before a date, against what was taken after it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.fields.json import KeyTransform

from recommender.models.strategy import Strategy
from recsite.operations.models import Job


class EvaluationQuerySet(models.QuerySet["Evaluation"]):
    def finished(self) -> EvaluationQuerySet:
        return self.filter(finished_at__isnull=False)

    def newest_first(self) -> EvaluationQuerySet:
        return self.order_by("-created_at", "-id")

    def for_lists(self) -> EvaluationQuerySet:
        """With strategy and job, without the bulk of either."""
        return self.select_related("strategy", "job", "started_by").defer("strategy__recipe", "job__details")

    def with_headline(self) -> EvaluationQuerySet:
        """Adds `ndcg`, `hit_rate` and `users` of the report, so that lists need not read it whole."""
        return self.annotate(
            ndcg=KeyTransform("ndcg@10", "report"),
            hit_rate=KeyTransform("hr@10", "report"),
            users=KeyTransform("users", "report"),
        )

    def newest_finished(self) -> Evaluation | None:
        return self.finished().for_lists().order_by("-finished_at", "-id").first()


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

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @property
    def is_kept(self) -> bool:
        return bool(self.parameters.get("is_kept"))

    @property
    def is_active(self) -> bool:
        return not self.is_finished and self.job is not None and self.job.is_active

    @property
    def status(self) -> str:
        """As its job's; an evaluation whose job is no longer kept has either succeeded or is lost."""
        if self.is_finished:
            return Job.Status.SUCCEEDED.value
        if self.job is None or self.job.status == Job.Status.SUCCEEDED:
            return Job.Status.FAILED.value
        return str(self.job.status)

    @property
    def error(self) -> str:
        return self.job.error if self.job is not None and not self.is_finished else ""
