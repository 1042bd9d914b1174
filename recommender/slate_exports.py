"""Served slates as CSV or JSON Lines: streamed, or written by a job into a file that is kept for a week."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext

from recommender.audit import parts_of, rules_of
from recommender.explanations import pinned_by, sentences
from recommender.models import Slate, SlateItem
from recommender.slate_filters import SlateFilters, filters_from, matching
from recsite.operations import jobs
from recsite.operations.errors import InvalidInputError, NotFoundError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

KIND = "export_slates"
FORMATS = ("csv", "jsonl")
CHUNK = 200
KEPT_S = 7 * 86_400
HEAD = (
    *("slate", "served_at", "user", "is_known_user", "strategy", "placement", "experiment", "arm", "n", "took_ms"),
    *("position", "item", "title", "score", "propensity", "rules", "why"),
)


def every_slate(filters: SlateFilters) -> Iterator[Slate]:
    """All that match, newest first, with their items; read a few hundred at a time, so memory does not grow.

    Raises InvalidInputError where none can match.
    """
    found = matching(filters)
    if isinstance(found, str):
        raise InvalidInputError(found)
    rows = found.slates.newest_first().select_related("strategy", "experiment").with_items()
    chunk = list(rows[:CHUNK])
    while chunk:
        yield from chunk
        last = chunk[-1]
        chunk = list(rows.after_in_order(last.served_at, last.pk)[:CHUNK]) if len(chunk) == CHUNK else []


def lines(slates: Iterable[Slate], format_: str) -> Iterator[str]:
    """The file, a piece at a time: CSV has a row for each item, JSON Lines an object for each slate."""
    if format_ == "jsonl":
        for slate in slates:
            yield json.dumps(as_json(slate), ensure_ascii=False) + "\n"
        return
    yield _csv([HEAD])
    for slate in slates:
        yield _csv(_rows(slate))


def as_json(slate: Slate) -> dict[str, object]:
    return {
        "slate": str(slate.public_id),
        "served_at": slate.served_at.isoformat(),
        "user": slate.user_external_id,
        "is_known_user": slate.is_known_user,
        "strategy": str(slate.strategy),
        "placement": slate.placement,
        "experiment": slate.experiment.name if slate.experiment else None,
        "arm": slate.arm or None,
        "n": slate.n,
        "request": slate.request,
        "versions": slate.versions,
        "rules": rules_of(slate),
        "took_ms": slate.took_ms,
        "items": [
            {
                "position": row.position,
                "item": row.item.external_id,
                "score": row.score,
                "propensity": row.propensity,
                "rules": row.rules,
                "parts": row.parts,
                "why": _why(row),
            }
            for row in slate.items.all()
        ],
    }


def request_export(filters: SlateFilters, format_: str, *, staff: User) -> Job:
    """A job for more than can be sent at once. Raises InvalidInputError for a format there is not."""
    if format_ not in FORMATS:
        raise InvalidInputError(
            gettext("There is no export as %(name)r; use %(known)s.") % {"name": format_, "known": " or ".join(FORMATS)}
        )
    with transaction.atomic():
        title = f"Export served lists as {format_.upper()}"
        parameters = {"format": format_, "filters": filters.as_query()}
        job = jobs.create(KIND, title, parameters=parameters, started_by=staff)
        transaction.on_commit(lambda: jobs.ring(job), robust=True)
    return job


def run(progress: jobs.Progress) -> None:
    """Writes beside the file and renames it, so that a half-written one is never found."""
    job = progress.job
    filters, format_ = filters_from(job.parameters["filters"]), job.parameters["format"]
    found = matching(filters)
    progress.start(0 if isinstance(found, str) else found.slates.count(), message="Writing the file")
    path = _path(job)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            for piece in lines(_counted(every_slate(filters), progress), format_):
                file.write(piece)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    address = reverse("audit-export-file", args=[job.pk])
    try:
        progress.describe(address=address, slates=progress.job.done, bytes=path.stat().st_size)
    except jobs.JobCancelled:  # somebody on it may have been erased while it was written
        path.unlink(missing_ok=True)
        job.details.pop("address", None)
        raise


def file_of(job_id: int) -> Path:
    """Raises NotFoundError that says why there is none."""
    job = Job.objects.filter(pk=job_id, kind=KIND).first()
    if job is None:
        raise NotFoundError(gettext("Job %(job)s is no export of slates.") % {"job": job_id})
    if job.status != Job.Status.SUCCEEDED:
        raise NotFoundError(gettext("The export has not finished; see job %(job)s.") % {"job": job_id})
    if job.details.get("_deleted"):
        raise NotFoundError(gettext(job.message))
    path = _path(job)
    if not path.is_file():
        raise NotFoundError(
            gettext("The file is past the week for which it is kept, or on another machine; export again.")
        )
    return path


def delete_old_files() -> int:
    """Exports hold what users did, so they are kept for a week only. Returns how many were deleted."""
    before, deleted = time.time() - KEPT_S, 0
    for path in files():
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            deleted += 1
    if deleted:
        log.info("exports_deleted", files=deleted)
    return deleted


def files() -> list[Path]:
    """Also those that are being written."""
    return sorted(_folder().glob("slates-*"))


def job_id_of(path: Path) -> int:
    """0 for a file that no job wrote."""
    number = path.name.removeprefix("slates-").partition(".")[0]
    return int(number) if number.isdecimal() else 0


def file_name(format_: str, moment: datetime) -> str:
    return f"slates-{moment:%Y-%m-%d}.{format_}"


def _folder() -> Path:
    return Path(settings.RECSITE_HOME) / "exports"


def _path(job: Job) -> Path:
    return _folder() / f"slates-{job.pk}.{job.parameters['format']}"


def _counted(slates: Iterable[Slate], progress: jobs.Progress) -> Iterator[Slate]:
    for slate in slates:
        yield slate
        progress.advance()


def _rows(slate: Slate) -> Iterator[tuple[object, ...]]:
    """One row for each item; a slate without any has one row, too."""
    own = (
        slate.public_id,
        slate.served_at.isoformat(),
        cell(slate.user_external_id),
        slate.is_known_user,
        cell(str(slate.strategy)),
        cell(slate.placement),
        cell(slate.experiment.name) if slate.experiment else "",
        cell(slate.arm),
        slate.n,
        round(slate.took_ms, 1),
    )
    rows = list(slate.items.all())
    for row in rows:
        propensity = "" if row.propensity is None else row.propensity
        rules = cell("; ".join(str(rule.get("name", "")) for rule in row.rules))
        item = (cell(row.item.external_id), cell(row.item.title))
        yield (*own, row.position, *item, row.score, propensity, rules, cell(" ".join(_why(row))))
    if not rows:
        yield (*own, *[""] * (len(HEAD) - len(own)))


def _why(row: SlateItem) -> list[str]:
    return [*pinned_by(row.rules), *sentences(parts_of(row.parts))]


def cell(text: str) -> str:
    """A spreadsheet takes a text that begins like a formula for one."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _csv(rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
