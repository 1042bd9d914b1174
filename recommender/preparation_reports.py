"""Reports of preparation, kept for the data-quality page."""

from __future__ import annotations

from dataclasses import asdict

from recommender.algorithms.cleaning.report import Step
from recommender.models import PreparationReport
from recsite.operations.models import Job


def keep_report(
    source: str, *, rows_in: int, rows_out: int, steps: tuple[Step, ...], job: Job | None = None
) -> PreparationReport:
    return PreparationReport.objects.create(
        source=source[:200], rows_in=rows_in, rows_out=rows_out, steps=[asdict(step) for step in steps], job=job
    )
