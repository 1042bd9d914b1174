"""Record events: what is right is durable before the call returns, what is wrong is said field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from catalog.item_rows import UnreadableRow
from catalog.models import Item
from recommender import tasks
from recommender.event_rows import EventRow, Rejection, parse_event
from recommender.models import EndUser, Event, NewEvent, StoredEvent

__all__ = ["MAX_EVENTS", "RecordReport", "Rejection", "record_events"]

log = structlog.get_logger(__name__)

MAX_EVENTS = 1000  # in one API call


@dataclass(frozen=True)
class RecordReport:
    """accepted + duplicates + rejected = events sent. `duplicates` holds the event ids that were stored already."""

    accepted: int
    duplicates: tuple[str, ...]
    rejected: tuple[Rejection, ...]


def record_events(
    payloads: Sequence[Mapping[str, object] | UnreadableRow],
    *,
    first_row: int = 0,
    needs_time: bool = False,
    ring: bool = True,
) -> RecordReport:
    """Store the valid events in one transaction; then, on commit, ask for each user's interests to be rebuilt.

    Users nobody knows are created on the fly, items are not. For imports: rows are counted from `first_row`,
    needs_time refuses events without a time instead of taking now, and ring=False leaves the rebuild to the caller.
    """
    now = timezone.now()
    parsed = [
        parse_event(payload, row, now=now, needs_time=needs_time) for row, payload in enumerate(payloads, first_row)
    ]
    rejected = [row for row in parsed if isinstance(row, Rejection)]
    rows = [row for row in parsed if isinstance(row, EventRow)]
    with transaction.atomic():
        item_ids = _item_ids(rows)
        rejected += [_without_item(row) for row in rows if row.item not in item_ids]
        rows, duplicates = _first_of_each_id([row for row in rows if row.item in item_ids])
        written, late_duplicates = _write(rows, item_ids)
        user_ids = sorted({event.user_id for event in written})
        if ring and user_ids:
            transaction.on_commit(lambda: _ring(user_ids), robust=True)
    report = RecordReport(
        accepted=len(written),
        duplicates=(*duplicates, *late_duplicates),
        rejected=tuple(sorted(rejected, key=lambda rejection: rejection.row)),
    )
    log.info(
        "events_recorded",
        accepted=report.accepted,
        duplicates=len(report.duplicates),
        rejected=len(report.rejected),
        users=len(user_ids),
    )
    return report


def _item_ids(rows: Sequence[EventRow]) -> dict[str, int]:
    known = Item.objects.filter(external_id__in={row.item for row in rows})
    return dict(known.values_list("external_id", "pk"))


def _without_item(row: EventRow) -> Rejection:
    message = f"There is no item {row.item!r}; send it to /api/v1/items/ first, then this event again."
    return Rejection(row.row, row.event_id or "", "item", message)


def _first_of_each_id(rows: Sequence[EventRow]) -> tuple[list[EventRow], list[str]]:
    """Rows with no id or a new one; and the ids that are stored, or came earlier in the same call."""
    sent = {row.event_id for row in rows if row.event_id}
    seen = set(Event.objects.filter(external_id__in=sent).values_list("external_id", flat=True))
    kept: list[EventRow] = []
    duplicates: list[str] = []
    for row in rows:
        if row.event_id and row.event_id in seen:
            duplicates.append(row.event_id)
            continue
        seen.add(row.event_id)
        kept.append(row)
    return kept, duplicates


def _write(rows: Sequence[EventRow], item_ids: Mapping[str, int]) -> tuple[list[StoredEvent], list[str]]:
    """What was written, and the ids that another call stored in the meantime."""
    if not rows:
        return [], []
    user_ids = EndUser.objects.locked_or_created(row.user for row in rows)
    written = Event.objects.insert_new(
        [
            NewEvent(
                external_id=row.event_id,
                user_id=user_ids[row.user],
                item_id=item_ids[row.item],
                type=row.type,
                value=row.value,
                price=row.price,
                basket=row.basket,
                occurred_at=row.occurred_at,
            )
            for row in rows
        ]
    )
    EndUser.objects.note_events([(event.user_id, event.id, event.occurred_at) for event in written])
    written_ids = {event.external_id for event in written}
    return written, [row.event_id for row in rows if row.event_id and row.event_id not in written_ids]


def _ring(user_ids: Sequence[int]) -> None:
    for position, user_id in enumerate(user_ids):
        try:
            tasks.rebuild_user_interests.delay(user_id)
        except OperationalError as error:
            # The events are durable and the sweep rings again for users left behind; the caller's work is done.
            log.warning(
                "bell_not_rung", task="rebuild_user_interests", users=len(user_ids) - position, reason=str(error)
            )
            return
