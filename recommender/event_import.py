"""Import many events from a file: in chunks, valid rows kept, safe to run twice on the same file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import structlog
from kombu.exceptions import OperationalError

from catalog.item_rows import UnreadableRow
from catalog.items import upsert_items
from catalog.models import Item
from recommender import tasks
from recommender.algorithms.cleaning.report import Step
from recommender.event_cleaning import EventCleaning, Payload
from recommender.event_feeds import Row
from recommender.event_feeds.fields import TYPE_NAMES
from recommender.events import Rejection, record_events
from recommender.preparation_reports import keep_report
from recsite.operations import jobs
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

CHUNK = 1000
SHOWN = 20


@dataclass(frozen=True)
class ImportOptions:
    """How a file's rows become events.

    default_type: for rows that name none. type_names: the file's types -> ours, before the names we know.
    time_zone: of times without one; without it such rows are rejected. create_items: an item for each unknown id.
    match_ids: an unknown id that the catalog has in another case, or with other spaces, is taken for that item.
    """

    default_type: str = "view"
    type_names: Mapping[str, str] = field(default_factory=dict)
    time_zone: ZoneInfo | None = None
    create_items: bool = False
    match_ids: bool = False


@dataclass(frozen=True)
class ImportReport:
    """accepted + duplicates + rejected = rows. Lists hold the first SHOWN; `unknown_items`: id -> rows, most first."""

    rows: int
    accepted: int
    duplicates: int
    rejected: int
    first_rejected: tuple[Rejection, ...]
    unknown_items: tuple[tuple[str, int], ...]
    unknown_item_ids: int
    created_items: int
    steps: tuple[Step, ...]


def import_events(
    rows: Iterable[Row],
    options: ImportOptions,
    *,
    source: str = "events",
    on_progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Each chunk of 1000 rows is durable before the next is read; on_progress gets the rows done after each.

    Keeps a report for the data-quality page under the name `source`.
    """
    counts: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    first_rejected: list[Rejection] = []
    cleaning = EventCleaning(match_ids=options.match_ids)
    for chunk in _chunks(rows):
        first_row = counts["rows"] + 1
        payloads: list[Payload] = [row if isinstance(row, UnreadableRow) else _payload(row, options) for row in chunk]
        payloads = cleaning.clean(payloads, first_row=first_row)
        if options.create_items:
            counts["created_items"] += _create_items(payloads)
        report = record_events(payloads, first_row=first_row, needs_time=True, ring=False)
        cleaning.note(payloads, report, first_row=first_row)
        counts["rows"] += len(chunk)
        counts["accepted"] += report.accepted
        counts["duplicates"] += len(report.duplicates)
        counts["rejected"] += len(report.rejected)
        unknown.update(
            item
            for rejection in report.rejected
            if rejection.field == "item" and (item := _item_of(payloads[rejection.row - first_row]))
        )
        first_rejected += report.rejected[: SHOWN - len(first_rejected)]
        if on_progress is not None:
            on_progress(len(chunk))
    steps = cleaning.steps()
    keep_report(source, rows_in=counts["rows"], rows_out=counts["accepted"], steps=steps)
    log.info("events_imported", **counts)
    return ImportReport(
        rows=counts["rows"],
        accepted=counts["accepted"],
        duplicates=counts["duplicates"],
        rejected=counts["rejected"],
        first_rejected=tuple(first_rejected),
        unknown_items=tuple(unknown.most_common(SHOWN)),
        unknown_item_ids=len(unknown),
        created_items=counts["created_items"],
        steps=steps,
    )


def request_rebuild() -> Job:
    """Queue the statistics anew. Interests follow by the sweep: the imported events have left their users stale."""
    job = jobs.create("rebuild_statistics", "Rebuild statistics after an import of events")
    try:
        tasks.rebuild_statistics_job.delay(job.pk)
    except OperationalError as error:
        log.warning("bell_not_rung", task="rebuild_statistics_job", job=job.pk, reason=str(error))
    return job


def _payload(row: Mapping[str, object], options: ImportOptions) -> dict[str, object]:
    payload = {name: value for name, value in row.items() if value not in (None, "")}
    named = str(payload.get("type") or options.default_type)
    payload["type"] = options.type_names.get(named) or TYPE_NAMES.get(named.lower(), named)
    if "occurred_at" in payload:
        if options.time_zone is not None:
            payload["occurred_at"] = _in_zone(payload["occurred_at"], options.time_zone)
        payload.setdefault("event_id", _derived_id(payload))
    return payload


def _item_of(payload: Mapping[str, object] | UnreadableRow) -> str:
    return "" if isinstance(payload, UnreadableRow) else str(payload.get("item", "")).strip()


def _in_zone(value: object, zone: ZoneInfo) -> object:
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
    if isinstance(moment, datetime) and moment.tzinfo is None and not str(value).strip().isdecimal():
        return moment.replace(tzinfo=zone)
    return value


def _derived_id(payload: Mapping[str, object]) -> str:
    """The same row gets the same id, so that importing a file twice stores each event once."""
    parts = (str(payload.get(name, "")) for name in ("user", "item", "type", "occurred_at", "value", "basket"))
    return "file-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _create_items(payloads: Iterable[Mapping[str, object] | UnreadableRow]) -> int:
    wanted = {item for payload in payloads if (item := _item_of(payload))}
    known = set(Item.objects.filter(external_id__in=wanted).values_list("external_id", flat=True))
    rows = [{"external_id": external_id, "title": external_id} for external_id in sorted(wanted - known)]
    return upsert_items(rows).created if rows else 0


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
