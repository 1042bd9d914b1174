"""Tasks for tests of the worker itself."""

from __future__ import annotations

from celery import shared_task

from recsite.operations import jobs


@shared_task(name="tests.count_to_three")
def count_to_three(job_id: int) -> None:
    with jobs.running(job_id) as job:
        if job is not None:
            job.start(3, message="Counting")
            for _ in range(3):
                job.advance()


@shared_task(name="tests.count_for_ever")
def count_for_ever(job_id: int) -> None:
    with jobs.running(job_id) as job:
        if job is not None:
            job.start(0, message="Counting")
            while True:
                job.advance()
