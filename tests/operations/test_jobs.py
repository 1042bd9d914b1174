"""Jobs: progress, cancel, retry, and workers that die."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.models import Job
from tests.conftest import wait_until
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


def test_a_job_reports_its_progress_and_ends_succeeded() -> None:
    job = jobs.create("import_items", "Import items", parameters={"path": "items.csv"})
    with jobs.running(job.pk) as progress:
        assert progress is not None
        progress.start(4, message="Reading")
        progress.advance(3, rejected=1)
        progress.describe(created=2)
        midway = Job.objects.get(pk=job.pk)
        assert (midway.status, midway.done, midway.total, midway.rejected) == (Job.Status.RUNNING, 3, 4, 1)
        assert (midway.share_done, midway.message, midway.details) == (0.75, "Reading", {"created": 2})
        progress.advance()
    job.refresh_from_db()
    assert (job.status, job.done, job.attempts, job.error) == (Job.Status.SUCCEEDED, 4, 1, "")
    assert job.finished_at is not None


def test_a_job_is_run_by_one_worker_only() -> None:
    job = jobs.create("import_items", "Import items")
    with jobs.running(job.pk) as first, jobs.running(job.pk) as second:
        assert first is not None
        assert second is None
    with jobs.running(job.pk) as again:
        assert again is None
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Job.Status.SUCCEEDED, 1)


def test_a_domain_error_fails_the_job_with_its_words_and_goes_no_further() -> None:
    job = jobs.create("import_items", "Import items")
    with jobs.running(job.pk):
        raise InvalidInputError("items.csv is empty.")
    job.refresh_from_db()
    assert (job.status, job.error) == (Job.Status.FAILED, "items.csv is empty.")


def test_any_other_error_fails_the_job_and_reaches_the_worker() -> None:
    job = jobs.create("import_items", "Import items")
    with pytest.raises(ZeroDivisionError), jobs.running(job.pk):
        _ = 1 / 0
    job.refresh_from_db()
    assert (job.status, job.error) == (Job.Status.FAILED, "ZeroDivisionError: division by zero")


def test_a_queued_job_is_cancelled_at_once_and_never_runs() -> None:
    job = jobs.create("import_items", "Import items")
    jobs.cancel(job)
    with jobs.running(job.pk) as progress:
        assert progress is None
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Job.Status.CANCELLED, 0)


def test_a_running_job_is_cancelled_at_its_next_report() -> None:
    job = jobs.create("import_items", "Import items")
    reached: list[str] = []
    with jobs.running(job.pk) as progress:
        assert progress is not None
        jobs.cancel(job)
        progress.start(10)
        reached.append("after the report")
    job.refresh_from_db()
    assert (job.status, reached) == (Job.Status.CANCELLED, [])


def test_an_ended_job_cannot_be_cancelled() -> None:
    job = jobs.create("import_items", "Import items")
    with jobs.running(job.pk):
        pass
    with pytest.raises(ConflictError, match="has already ended"):
        jobs.cancel(job)
    job.refresh_from_db()
    assert (job.status, job.cancel_requested) == (Job.Status.SUCCEEDED, False)


def test_a_failed_job_can_be_retried_from_the_start_and_a_succeeded_one_cannot() -> None:
    job = jobs.create("import_items", "Import items")
    with jobs.running(job.pk) as progress:
        assert progress is not None
        progress.start(2)
        progress.advance()
        raise InvalidInputError("Row 2 is not an object.")
    jobs.retry(job)
    job.refresh_from_db()
    assert (job.status, job.done, job.error, job.finished_at) == (Job.Status.QUEUED, 0, "", None)
    with jobs.running(job.pk) as progress:
        assert progress is not None
    with pytest.raises(ConflictError, match="has not failed"):
        jobs.retry(job)
    job.refresh_from_db()
    # The three attempts are counted anew: a retry whose worker dies is queued again.
    assert (job.status, job.attempts) == (Job.Status.SUCCEEDED, 1)


def test_a_silent_job_is_queued_again_and_after_three_attempts_fails() -> None:
    silent_since = timezone.now() - timedelta(seconds=jobs.SILENT_S + 1)
    running = {"kind": "import_items", "title": "Import items", "status": Job.Status.RUNNING}
    lost = Job.objects.create(**running, heartbeat_at=silent_since, attempts=1, done=5)
    hopeless = Job.objects.create(**running, heartbeat_at=silent_since, attempts=3)
    alive = Job.objects.create(**running, heartbeat_at=timezone.now(), attempts=1, done=5)
    assert jobs.requeue_silent() == [lost.pk]
    for job in (lost, hopeless, alive):
        job.refresh_from_db()
    assert (lost.status, lost.done) == (Job.Status.QUEUED, 0)
    assert hopeless.status == Job.Status.FAILED
    assert "three times" in hopeless.error
    assert (alive.status, alive.done) == (Job.Status.RUNNING, 5)


def fall_silent(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=jobs.SILENT_S + 1))


def test_a_worker_that_was_silent_for_too_long_has_lost_its_job_to_the_next() -> None:
    job = jobs.create("import_items", "Import items")
    with jobs.running(job.pk) as slow:
        assert slow is not None
        fall_silent(job)
        assert jobs.requeue_silent() == [job.pk]
        with jobs.running(job.pk) as next_one:
            assert next_one is not None
            next_one.start(10)
            reached: list[str] = []
            with pytest.raises(jobs.JobCancelled):
                slow.describe(created=7)
                reached.append("after the report")
            next_one.advance(4)
    job.refresh_from_db()
    assert (job.status, job.done, job.total, job.attempts, job.details, reached) == (
        Job.Status.SUCCEEDED,
        4,
        10,
        2,
        {},
        [],
    )


def test_the_end_of_a_lost_run_does_not_end_the_job() -> None:
    job = jobs.create("import_items", "Import items")
    with pytest.raises(ZeroDivisionError), jobs.running(job.pk):
        fall_silent(job)
        jobs.requeue_silent()
        _ = 1 / 0
    job.refresh_from_db()
    assert (job.status, job.error, job.finished_at) == (Job.Status.QUEUED, "", None)


def test_a_cancelled_job_whose_worker_died_is_not_run_again() -> None:
    job = jobs.create("import_items", "Import items")
    Job.objects.filter(pk=job.pk).update(status=Job.Status.RUNNING, attempts=1, cancel_requested=True)
    fall_silent(job)
    assert jobs.requeue_silent() == []
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert job.finished_at is not None


def test_after_a_restart_every_running_job_counts_as_silent() -> None:
    job = jobs.create("import_items", "Import items")
    Job.objects.filter(pk=job.pk).update(status=Job.Status.RUNNING, heartbeat_at=timezone.now(), attempts=1)
    assert jobs.requeue_silent() == []
    assert jobs.workers_are_gone() == 1
    assert jobs.requeue_silent() == [job.pk]


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_runs_a_job_to_its_end(celery_worker_process: object) -> None:
    job = jobs.create("count", "Count to three")
    current_app.send_task("tests.count_to_three", [job.pk])
    wait_until(lambda: Job.objects.filter(pk=job.pk, status=Job.Status.SUCCEEDED).exists(), what="the job")
    job.refresh_from_db()
    assert (job.done, job.total, job.attempts, job.message) == (3, 3, 1, "Counting")


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_stops_a_cancelled_job(celery_worker_process: object) -> None:
    job = jobs.create("count", "Count for ever")
    current_app.send_task("tests.count_for_ever", [job.pk])
    wait_until(lambda: Job.objects.filter(pk=job.pk, status=Job.Status.RUNNING).exists(), what="the start")
    jobs.cancel(job)
    wait_until(lambda: Job.objects.filter(pk=job.pk, status=Job.Status.CANCELLED).exists(), what="the cancelling")


def test_a_paused_job_is_queued_as_far_as_it_is_and_its_time_is_that_of_its_work(monkeypatch):
    rung = []
    monkeypatch.setattr(jobs, "ring", lambda job: rung.append(job.pk))
    job = JobFactory()
    with jobs.running(job.pk) as progress:
        progress.report(3, 10, "Counting")
        Job.objects.filter(pk=job.pk).update(started_at=(began := progress.job.started_at - timedelta(seconds=30)))
        progress.job.started_at = began
        raise jobs.JobPaused
    job.refresh_from_db()
    assert (job.status, job.done, job.total, job.message, job.attempts) == ("queued", 3, 10, "Counting", 0)
    assert rung == [job.pk]
    time_off = timedelta(hours=5)
    Job.objects.filter(pk=job.pk).update(started_at=job.started_at - time_off, finished_at=job.finished_at - time_off)
    with jobs.running(job.pk) as progress:
        assert 30 <= (timezone.now() - progress.job.started_at).total_seconds() < 60
        assert progress.job.seconds_left == pytest.approx(30 / 3 * 7, rel=0.5)
        progress.report(10, 10)
    job.refresh_from_db()
    assert (job.status, job.done) == ("succeeded", 10)
    assert 30 <= job.took.total_seconds() < 60


def test_a_job_that_was_taken_away_is_not_queued_by_pausing(monkeypatch):
    monkeypatch.setattr(jobs, "ring", lambda job: pytest.fail("it is somebody else's"))
    job = JobFactory()
    with jobs.running(job.pk):
        Job.objects.filter(pk=job.pk).update(status="succeeded")
        raise jobs.JobPaused
    job.refresh_from_db()
    assert job.status == "succeeded"


# ---------------------------------------------------------------- what a job used of the language model


def test_a_job_keeps_what_it_used_of_the_language_model_and_adds_what_a_second_run_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meter = {"calls": 5.0, "prompt_tokens": 100.0}
    monkeypatch.setattr(jobs, "METERS", [lambda: dict(meter)])
    job = jobs.create("evaluate", "Evaluate")
    for _ in range(2):
        with jobs.running(job.pk):
            meter["calls"] += 2
            meter["prompt_tokens"] += 30
        Job.objects.filter(pk=job.pk).update(status=Job.Status.QUEUED)
        job.refresh_from_db()
    assert job.details[jobs.USED] == {"calls": 4, "prompt_tokens": 60}


def test_a_job_that_asked_no_model_says_nothing_of_it() -> None:
    job = jobs.create("evaluate", "Evaluate")
    with jobs.running(job.pk):
        pass
    job.refresh_from_db()
    assert jobs.USED not in job.details
