"""What preparation of a file or an import left out or changed, step by step, with the rows themselves."""

from __future__ import annotations

from django.db import models

from recsite.operations.models import Job


class PreparationReportQuerySet(models.QuerySet["PreparationReport"]):
    def newest_first(self) -> PreparationReportQuerySet:
        return self.order_by("-created_at", "-id")


class PreparationReport(models.Model):
    source = models.CharField(max_length=200, help_text="The file, or the import, by name.")
    rows_in = models.PositiveIntegerField()
    rows_out = models.PositiveIntegerField()
    steps = models.JSONField(
        default=list,
        help_text="In order: [{step, words, dropped, changed, rows: [{row, values, reason}]}], a few rows a step.",
    )
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PreparationReportQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["-created_at", "-id"], name="preparation_report_newest")]

    def __str__(self) -> str:
        return f"preparation of {self.source}"
