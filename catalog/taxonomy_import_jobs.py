"""A taxonomy's file given to the console: read at once, so that a wrong one is refused, and imported by a job.

The rows travel in the job's parameters: web and worker need not share a disk, and the job can be run again.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext

from catalog.item_rows import UnreadableRow
from catalog.taxonomy_files import Row, read_taxonomy
from catalog.taxonomy_imports import import_taxonomy
from recsite.operations import jobs
from recsite.operations.errors import InvalidInputError
from recsite.operations.models import Job

KIND = "import_taxonomy"
ROWS = "_rows"
REJECTED_KEPT = 200


@dataclass(frozen=True)
class ImportWanted:
    """What the form says beside the file; empty text leaves it to the file."""

    taxonomy: str = ""
    name: str = ""
    language: str = ""
    choice: str = ""
    format: str = ""


@transaction.atomic
def request_import(path: Path, *, shown_name: str, wanted: ImportWanted, staff: User) -> Job:
    """Raises InvalidInputError where the file cannot be read or does not say which taxonomy it is."""
    rows = read_taxonomy(path, name=wanted.format, shown_name=shown_name)
    says_which = any("taxonomy" in row for row in rows if not isinstance(row, UnreadableRow))
    slug = wanted.taxonomy or slugify(wanted.name)[:50]
    if not says_which and not slug:
        raise InvalidInputError(
            gettext("%(file)s does not say which taxonomy it is; choose one, or name a new one.") % {"file": shown_name}
        )
    options = {**asdict(wanted), "taxonomy": slug}
    options.pop("format")
    job = jobs.create(
        KIND,
        f"Import {shown_name}"[:200],
        parameters={**{name: value for name, value in options.items() if value}, ROWS: _packed(rows)},
        started_by=staff,
    )
    transaction.on_commit(lambda: jobs.ring(job), robust=True)
    return job


def run(progress: jobs.Progress) -> None:
    """The rows leave the job once they are imported."""
    options = {name: value for name, value in progress.job.parameters.items() if name != ROWS}
    rows = _unpacked(progress.job.parameters.get(ROWS, ""))
    progress.start(len(rows), message="Reading rows")
    report = import_taxonomy(rows, **options, on_progress=progress.report)
    progress.report(len(rows), len(rows), "Imported")
    progress.job.rejected = len(report.rejected)
    progress.describe(
        taxonomies=list(report.taxonomies),
        address=reverse("taxonomy", args=[report.taxonomies[0]]) if report.taxonomies else "",
        labels_created=report.created,
        labels_updated=report.updated,
        labels_unchanged=report.unchanged,
        names_in_other_languages=report.names,
        items_waiting_for_labels=report.items_waiting,
        rejected_rows=[asdict(rejection) for rejection in report.rejected[:REJECTED_KEPT]],
    )
    Job.objects.filter(pk=progress.job.pk).update(parameters=options)
    if not report.taxonomies:
        raise InvalidInputError(
            gettext("No row is valid; nothing was imported. The rows are listed below with what is wrong.")
        )


def _packed(rows: Sequence[Row]) -> str:
    plain = [row.message if isinstance(row, UnreadableRow) else dict(row) for row in rows]
    return base64.b64encode(zlib.compress(json.dumps(plain, ensure_ascii=False).encode())).decode()


def _unpacked(packed: str) -> list[Row]:
    if not packed:
        raise InvalidInputError(gettext("The rows of this import are no longer kept; upload the file again."))
    plain = json.loads(zlib.decompress(base64.b64decode(packed)))
    return [UnreadableRow(row) if isinstance(row, str) else row for row in plain]
