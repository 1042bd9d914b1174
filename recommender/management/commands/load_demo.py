"""`manage.py load_demo`: load the demo shop here and now, with a progress bar."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recommender.demo import loading
from recsite.operations import jobs
from recsite.operations.models import Job


class BarProgress(jobs.Progress):
    """Writes to the job like its parent, and draws a bar for each step."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._bar: tqdm | None = None

    def start(self, total: int, *, message: str = "") -> None:
        self.close()
        self._bar = tqdm(total=total or None, desc=message, unit="", disable=None)
        super().start(total, message=message)

    def advance(self, steps: int = 1, *, message: str = "", rejected: int = 0) -> None:
        if self._bar is not None:
            self._bar.update(steps)
        super().advance(steps, message=message, rejected=rejected)

    def report(self, done: int, total: int, message: str = "") -> None:
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
        super().report(done, total, message)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class Command(BaseCommand):
    help = "Load the demo shop (2,748 grocery items, a year of purchases of 2,469 households) in the foreground."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--leave-embedding-to-worker",
            action="store_true",
            help="Wait for a Celery worker to embed the items instead of doing it here.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if loading.is_loaded():
            self.stdout.write("The demo shop is loaded already; there is nothing to do.")
            return
        # A job whose worker was killed is ours to go on with.
        silent = Job.objects.silent_for(jobs.SILENT_S).filter(kind=loading.KIND)
        silent.update(status=Job.Status.QUEUED, done=0, rejected=0)
        under_way = Job.objects.active().filter(kind=loading.KIND, status=Job.Status.RUNNING).first()
        if under_way is not None:
            raise CommandError(
                f"Job {under_way.pk} is loading the demo shop already; watch it under Operations, Jobs, "
                f"or cancel it there. If its worker was killed, start again after {jobs.SILENT_S} seconds."
            )
        queued = Job.objects.filter(kind=loading.KIND, status=Job.Status.QUEUED).first()
        job = queued or jobs.create(loading.KIND, loading.TITLE)
        with jobs.running(job.pk) as progress:
            if progress is None:
                raise CommandError(f"Job {job.pk} was taken by a worker in this moment; watch it under Operations.")
            bar = BarProgress(progress.job)
            try:
                loading.load(bar, embed_here=not options["leave_embedding_to_worker"])
            finally:
                bar.close()
        job.refresh_from_db()
        if job.status != Job.Status.SUCCEEDED:
            raise CommandError(
                job.error or f"The load was {job.get_status_display().lower()}; start it again to go on."
            )
        self._print(job)

    def _print(self, job: Job) -> None:
        details = job.details
        self.stdout.write(
            f"{details['items']:,} items, {details['users']:,} users, {details['events']:,} events "
            f"in {details['seconds']['in all']:.0f} s. {details['note']}"
        )
        for entry in details["left_out"]:
            self.stdout.write(
                f"left out: {entry['rows']:>9,} rows, {entry['products']:>6,} products: {entry['reason']}"
            )
