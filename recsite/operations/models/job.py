"""A job: any work longer than a request, with progress that pages show."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.fields.json import KT
from django.utils import timezone
from django.utils.translation import gettext_lazy


class JobQuerySet(models.QuerySet["Job"]):
    def active(self) -> JobQuerySet:
        return self.filter(status__in=Job.ACTIVE)

    def failed(self) -> JobQuerySet:
        return self.filter(status=Job.Status.FAILED)

    def silent_for(self, seconds: int) -> JobQuerySet:
        """Running jobs whose worker has not reported for so long that it must be gone."""
        return self.filter(status=Job.Status.RUNNING, heartbeat_at__lt=timezone.now() - timedelta(seconds=seconds))

    def matching(self, *, status: str = "", kind: str = "", who: str = "", q: str = "") -> JobQuerySet:
        """who: the name of a member of staff, or "system" for jobs that nobody started; '' narrows nothing."""
        found = self
        if status in Job.Status.values:
            found = found.filter(status=status)
        if kind:
            found = found.filter(kind=kind)
        if who == "system":
            found = found.filter(started_by=None)
        elif who:
            found = found.filter(started_by__username=who)
        return found.filter(title__icontains=q) if q else found

    def with_model_use(self) -> JobQuerySet:
        """Adds `model_use`: what it used of the language model, where that is known."""
        return self.annotate(model_use=KT("details__language_model"))

    def newest_first(self) -> JobQuerySet:
        return self.order_by("-created_at", "-id")


class Job(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued", gettext_lazy("Queued")
        RUNNING = "running", gettext_lazy("Running")
        SUCCEEDED = "succeeded", gettext_lazy("Succeeded")
        FAILED = "failed", gettext_lazy("Failed")
        CANCELLED = "cancelled", gettext_lazy("Cancelled")

    ACTIVE = (Status.QUEUED, Status.RUNNING)

    kind = models.CharField(max_length=60, help_text="What is done: import_items, load_demo, build_neighbours, …")
    title = models.CharField(max_length=200)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    parameters = models.JSONField(default=dict, blank=True)
    message = models.CharField(max_length=300, blank=True, help_text="The step it is at, in words.")
    total = models.PositiveIntegerField(default=0, help_text="Steps in all; 0 while unknown.")
    done = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0, help_text="Rows or items left out, each with a reason.")
    details = models.JSONField(default=dict, blank=True, help_text="Counts and the first rejected rows.")
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["status", "-created_at"], name="job_status_created")]

    def __str__(self) -> str:
        return f"{self.title} ({self.get_status_display()})"

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def took(self) -> timedelta | None:
        """From its start to its end, or until now; None where it has not started."""
        return (self.finished_at or timezone.now()) - self.started_at if self.started_at else None

    @property
    def share_done(self) -> float | None:
        """0..1, or None while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far; None before there is one."""
        if self.status != self.Status.RUNNING or not (self.started_at and self.done and self.total):
            return None
        elapsed = (timezone.now() - self.started_at).total_seconds()
        return elapsed / self.done * max(0, self.total - self.done)
