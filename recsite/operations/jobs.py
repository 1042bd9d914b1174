"""Jobs: start one, report its progress, let staff cancel or retry it, and bury those whose worker is gone.

A worker runs a job inside `running(job_id)`:

    with jobs.running(job_id) as job:
        if job is not None:                     # None: finished, cancelled or being run elsewhere
            for chunk in chunks:
                job.advance(len(chunk), message="Importing items")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from celery import current_app
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext
from kombu.exceptions import OperationalError

from recsite.operations.errors import ConflictError, RecsiteError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

# The task that runs a kind of job, by name: this app knows no other. A kind not named here is run by a command.
TASKS = {
    "accept_labels": "catalog.tasks.accept_labels",
    "build_interest_map": "recommender.tasks.build_interest_map",
    "check_golden_users": "recommender.tasks.check_golden_users_job",
    "count_figures": "recommender.tasks.count_figures",
    "describe_labels": "catalog.tasks.describe_labels",
    "evaluate": "recommender.tasks.evaluate",
    "export_slates": "recommender.tasks.export_slates",
    "fit_ranker": "recommender.tasks.fit_ranker",
    "import_taxonomy": "catalog.tasks.import_taxonomy",
    "learn_labels": "catalog.tasks.learn_labels",
    "load_demo": "recommender.tasks.load_demo",
    "measure_experiment": "recommender.tasks.measure_experiment",
    "rebuild_interests": "recommender.tasks.rebuild_all_interests",
    "rebuild_statistics": "recommender.tasks.rebuild_statistics_job",
    "train_interests": "recommender.tasks.train_interests",
    "relabel_items": "catalog.tasks.relabel_items",
    "summarise_preferences": "recommender.tasks.summarise_preferences_job",
    "undo_decisions": "catalog.tasks.undo_decisions",
}
# What a process has used of the language model so far, by name; apps add theirs. What a job used is the difference over
# its run: a worker of the models queue runs one task at a time.
METERS: list[Callable[[], Mapping[str, float]]] = []
USED = "language_model"  # where a job's details keep it
HEARTBEAT_S = 1.0
SILENT_S = 120


class JobCancelled(Exception):  # noqa: N818  (control flow, not an error)
    """Staff asked for the job to stop, or it was given to another worker; raised at the next report of progress."""


class JobPaused(Exception):  # noqa: N818  (control flow, not an error)
    """Raised by the block where it wants other tasks to have their turn: the job is queued again as far as it is."""


class Progress:
    """Writes a job's progress at most once a second, and notices a cancel request at each write."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._written_at = 0.0

    def start(self, total: int, *, message: str = "") -> None:
        self.job.total, self.job.done = total, 0
        self._write(message, force=True)

    def advance(self, steps: int = 1, *, message: str = "", rejected: int = 0) -> None:
        self.job.done += steps
        self.job.rejected += rejected
        self._write(message, force=False)

    def report(self, done: int, total: int, message: str = "") -> None:
        """For services that count for themselves: so much of so much is done."""
        self.job.done, self.job.total = done, total
        self._write(message, force=False)

    def describe(self, **details: Any) -> None:
        """Merge counts or examples into the job's details."""
        self.job.details = {**self.job.details, **details}
        self._write("", force=True)

    def _write(self, message: str, *, force: bool) -> None:
        if message:
            self.job.message = message[:300]
        now = time.monotonic()
        if not force and now - self._written_at < HEARTBEAT_S:
            return
        self._written_at = now
        job = self.job
        is_ours = _this_run(job).update(
            total=job.total,
            done=job.done,
            rejected=job.rejected,
            message=job.message,
            details=job.details,
            heartbeat_at=timezone.now(),
        )
        if not is_ours or Job.objects.filter(pk=job.pk, cancel_requested=True).exists():
            raise JobCancelled


def create(kind: str, title: str, *, parameters: dict[str, Any] | None = None, started_by: User | None = None) -> Job:
    """A queued job. The caller rings the bell: `task.delay(job.pk)` on commit."""
    return Job.objects.create(kind=kind, title=title, parameters=parameters or {}, started_by=started_by)


@contextmanager
def running(job_id: int) -> Iterator[Progress | None]:
    """Claim the job, run the block, record how it ended. Yields None where there is nothing to run."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id, status=Job.Status.QUEUED).first()
        if job is not None:
            now = timezone.now()
            job.status = Job.Status.RUNNING
            job.started_at = now - _worked_before(job)
            job.heartbeat_at, job.finished_at = now, None
            job.attempts += 1
            job.error = ""
            job.save()
    if job is None:
        yield None
        return
    progress = Progress(job)
    before = _meters()
    log.info("job_started", job=job.pk, kind=job.kind)
    try:
        try:
            with translation.override("en"):  # what a job says is stored, and shown in the language of whoever reads it
                yield progress
        finally:
            _note_use(job, before)
    except JobCancelled:
        _finish(job, Job.Status.CANCELLED)
    except JobPaused:
        _pause(job)
    except RecsiteError as error:
        _finish(job, Job.Status.FAILED, error=error.message)
        log.warning("job_failed", job=job.pk, kind=job.kind, code=error.code)
    except Exception as error:
        _finish(job, Job.Status.FAILED, error=f"{type(error).__name__}: {error}"[:2000])
        log.error("job_failed", job=job.pk, kind=job.kind, exc_info=True)
        raise
    else:
        _finish(job, Job.Status.SUCCEEDED)
        log.info("job_succeeded", job=job.pk, kind=job.kind)


def _meters() -> dict[str, float]:
    return {name: amount for meter in METERS for name, amount in meter().items()}


def _note_use(job: Job, before: Mapping[str, float]) -> None:
    """Added to what earlier runs of the job used."""
    used = {name: amount - before.get(name, 0) for name, amount in _meters().items()}
    if not any(used.values()):
        return
    earlier = job.details.get(USED, {})
    total = {name: round(earlier.get(name, 0) + amount, 6) for name, amount in used.items() if amount}
    job.details = {**job.details, USED: {**earlier, **total}}


def _this_run(job: Job) -> QuerySet[Job]:
    """The job while it is in the hands of the worker that started it then. One that was silent for too long has lost
    it: another worker may be running it now, whose progress and outcome count."""
    return Job.objects.filter(pk=job.pk, status=Job.Status.RUNNING, started_at=job.started_at)


def _worked_before(job: Job) -> timedelta:
    """How long a paused job was worked on already, so that its pace and its time are those of the work."""
    if job.finished_at is None or job.started_at is None:
        return timedelta(0)
    return job.finished_at - job.started_at


def _pause(job: Job) -> None:
    """Back into the queue, behind what waits there. A stop after so much work is a first attempt again."""
    now = timezone.now()
    is_ours = _this_run(job).update(
        status=Job.Status.QUEUED,
        attempts=0,
        total=job.total,
        done=job.done,
        rejected=job.rejected,
        message=job.message,
        details=job.details,
        finished_at=now,
        heartbeat_at=now,
    )
    if is_ours:
        ring(job)


def _finish(job: Job, status: Job.Status, *, error: str = "") -> None:
    now = timezone.now()
    _this_run(job).update(
        status=status,
        error=error,
        total=job.total,
        done=job.done,
        rejected=job.rejected,
        message=job.message,
        details=job.details,
        finished_at=now,
        heartbeat_at=now,
    )


def cancel(job: Job) -> None:
    """Stop a queued job at once and a running one at its next report. Raises ConflictError where it already ended."""
    queued = Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED).update(
        status=Job.Status.CANCELLED, finished_at=timezone.now()
    )
    if queued:
        return
    if not Job.objects.filter(pk=job.pk, status=Job.Status.RUNNING).update(cancel_requested=True):
        raise ConflictError(gettext("Job %(job)s has already ended; there is nothing to cancel.") % {"job": job.pk})


def retry(job: Job) -> None:
    """Queue an ended job again. Raises ConflictError where it is still queued, running or succeeded."""
    again = Job.objects.filter(pk=job.pk, status__in=[Job.Status.FAILED, Job.Status.CANCELLED]).update(
        status=Job.Status.QUEUED,
        error="",
        cancel_requested=False,
        attempts=0,
        done=0,
        rejected=0,
        finished_at=None,
        message="",
    )
    if not again:
        raise ConflictError(
            gettext("Job %(job)s has not failed; only failed or cancelled jobs can be retried.") % {"job": job.pk}
        )


def run_again(job: Job) -> None:
    """Queue an ended job again and ring for it. Raises ConflictError where it can not be, before anything changed."""
    if job.kind not in TASKS:
        raise ConflictError(
            gettext("Job %(job)s was run by a command (%(kind)s); run that command again.")
            % {"job": job.pk, "kind": job.kind}
        )
    retry(job)
    transaction.on_commit(lambda: ring(job), robust=True)


def ring(job: Job) -> None:
    """Tell a worker that the job waits. Where the broker is away, the job stays queued and the sweep rings again."""
    try:
        current_app.send_task(TASKS[job.kind], args=[job.pk])
    except OperationalError as error:
        log.warning("bell_not_rung", task=TASKS[job.kind], job=job.pk, reason=str(error))


def workers_are_gone() -> int:
    """Make every running job count as silent now: for a start that knows no worker has survived. Returns how many."""
    long_ago = timezone.now() - timedelta(seconds=SILENT_S + 1)
    return Job.objects.filter(status=Job.Status.RUNNING).update(heartbeat_at=long_ago)


def requeue_silent() -> list[int]:
    """Queue running jobs again whose worker died, twice at most, then fail them. One that staff had cancelled ends
    here. Returns the ids queued again."""
    now = timezone.now()
    Job.objects.silent_for(SILENT_S).filter(cancel_requested=True).update(status=Job.Status.CANCELLED, finished_at=now)
    Job.objects.silent_for(SILENT_S).filter(attempts__gte=3).update(
        status=Job.Status.FAILED,
        error="Its worker stopped three times without a word; see the worker's log, then retry.",
        finished_at=now,
    )
    with transaction.atomic():
        # Locked, so that one which ends at this very moment is not run again.
        silent = list(Job.objects.silent_for(SILENT_S).select_for_update().order_by("pk").values_list("pk", flat=True))
        Job.objects.filter(pk__in=silent).update(status=Job.Status.QUEUED, done=0, rejected=0)
    return silent
