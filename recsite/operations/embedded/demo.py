"""The demo shop's job: made once, rung by the task's name, and followed on the terminal."""

from __future__ import annotations

import time

from django.db import DatabaseError, connection

from recsite.operations import jobs
from recsite.operations.embedded.terminal import Bar, say
from recsite.operations.models import Job

KIND = "load_demo"
POLL_S = 1.0


def ensure_demo(demo: str) -> int | None:
    """The id of the job that loads the demo, queued and rung; None where it is loaded, cancelled or not wanted."""
    if demo == "none":
        return None
    job = Job.objects.filter(kind=KIND).order_by("-id").first()
    if job is None:
        job = jobs.create(KIND, "Load the demo shop", parameters={"demo": demo})
    elif job.status in {Job.Status.SUCCEEDED, Job.Status.CANCELLED}:
        return None
    elif job.status == Job.Status.FAILED:
        jobs.retry(job)
    elif job.status == Job.Status.RUNNING:
        # With the embedded database the start has just declared every worker gone: nobody runs it.
        jobs.requeue_silent()
        job.refresh_from_db()
        if job.status == Job.Status.FAILED:
            jobs.retry(job)
    jobs.ring(job)
    return job.pk


class Follow:
    """Shows a job's progress; `step` returns True when there is nothing more to show."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.bar = Bar("Demo shop", unit=" rows", scale=True)
        self._looked_at = 0.0

    def step(self) -> bool:
        if time.monotonic() - self._looked_at < POLL_S:
            return False
        self._looked_at = time.monotonic()
        try:
            job = Job.objects.filter(pk=self.job_id).first()
        except DatabaseError:
            # The server is being started again; the next look gets a new connection.
            connection.close()
            return False
        if job is not None and job.status in {Job.Status.QUEUED, Job.Status.RUNNING}:
            self.bar.update(job.done, job.total, job.message)
            return False
        self.bar.close()
        if job is None or job.status == Job.Status.CANCELLED:
            say("Demo shop: cancelled.")
        elif job.status == Job.Status.FAILED:
            say(f"Demo shop: failed, {job.error} See Operations, Jobs.")
        else:
            say("Demo shop: loaded. Labelling goes on in the background; its progress is on the home page.")
        return True
