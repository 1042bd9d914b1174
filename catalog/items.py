"""Items in: validate each row, write in bulk, and ring for embedding and labelling. The one way items change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext
from kombu.exceptions import OperationalError

from catalog import labelling, tasks
from catalog.embedding import item_text, text_hash
from catalog.item_rows import FIELDS, ItemRow, Rejection, UnreadableRow, parse_row
from catalog.models import Item
from recsite.operations.errors import NotFoundError

__all__ = ["FIELDS", "Rejection", "UnreadableRow", "UpsertReport", "hide", "set_hidden", "upsert_items"]

log = structlog.get_logger(__name__)

CHUNK = 1000
BELL_IDS = 500
# What a full row sets where it does not name a field. `is_hidden`, `is_in_stock` and `stock_quantity` are not here: a
# nightly feed must not undo what staff or the stock system said.
DEFAULTS: dict[str, Any] = {
    "description": "",
    "brand": "",
    "product_type": "",
    "link": "",
    "image_url": "",
    "price": None,
    "currency": "",
    "attributes": {},
    "published_at": None,
}

T = TypeVar("T")


@dataclass(frozen=True)
class UpsertReport:
    """created + updated + unchanged + repeated + rejected = rows read.

    repeated: rows whose external_id came again later in the same call; the last one won.
    into_attributes: column -> rows; columns that are no field of an item and were kept as attributes.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: tuple[Rejection, ...] = ()
    repeated: int = 0
    repeated_ids: tuple[str, ...] = ()
    into_attributes: Mapping[str, int] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        return self.created + self.updated + self.unchanged + self.repeated

    @property
    def rows(self) -> int:
        return self.accepted + len(self.rejected)


def upsert_items(
    rows: Iterable[Mapping[str, object] | UnreadableRow],
    *,
    partial: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> UpsertReport:
    """Create or change items; each chunk of 1000 rows is durable before the next is read.

    A row is the whole item: fields it does not name become empty, but `is_hidden`, `is_in_stock` and
    `stock_quantity` keep their value.
    partial: fields it does not name keep their value, and attributes are merged (null takes one away).
    dry_run: validate and count, write nothing. on_progress: called with the number of rows done after each chunk.
    """
    counts: Counter[str] = Counter()
    rejected: list[Rejection] = []
    repeated_ids: list[str] = []
    unknown: Counter[str] = Counter()
    seen: set[str] = set()
    now = timezone.now()
    number = 0
    for chunk in _chunks(rows, CHUNK):
        latest: dict[str, ItemRow] = {}
        for row in chunk:
            number += 1
            parsed = parse_row(row, number, now=now)
            if isinstance(parsed, Rejection):
                rejected.append(parsed)
                continue
            unknown.update(parsed.unknown)
            if earlier := latest.get(parsed.external_id):
                counts["repeated"] += 1
                repeated_ids.append(parsed.external_id)
                if partial:
                    parsed = ItemRow(number, parsed.external_id, _merged(earlier.values, parsed.values), ())
            latest[parsed.external_id] = parsed
        outcomes = _write(latest, partial=partial, dry_run=dry_run, rejected=rejected)
        for external_id, outcome in outcomes.items():
            if external_id in seen:
                repeated_ids.append(external_id)
                outcome = "repeated"
            counts[outcome] += 1
        seen.update(outcomes)
        if on_progress is not None:
            on_progress(len(chunk))
    report = UpsertReport(
        created=counts["created"],
        updated=counts["updated"],
        unchanged=counts["unchanged"],
        rejected=tuple(sorted(rejected, key=lambda rejection: rejection.row)),
        repeated=counts["repeated"],
        repeated_ids=tuple(dict.fromkeys(repeated_ids)),
        into_attributes=dict(unknown),
    )
    log.info(
        "items_upserted",
        created=report.created,
        updated=report.updated,
        unchanged=report.unchanged,
        rejected=len(report.rejected),
        repeated=report.repeated,
        dry_run=dry_run,
    )
    return report


def hide(external_id: str) -> None:
    """Take an item out of every list; its events and labels stay. Raises NotFoundError."""
    pk = Item.objects.filter(external_id=external_id).values_list("pk", flat=True).first()
    if pk is None:
        raise NotFoundError(
            gettext("There is no item %(external_id)r; check the id under Catalog.") % {"external_id": external_id}
        )
    set_hidden([pk], hidden=True)


def set_hidden(item_ids: Sequence[int], *, hidden: bool) -> int:
    """How many items changed."""
    changed = (
        Item.objects.filter(pk__in=item_ids)
        .exclude(is_hidden=hidden)
        .update(is_hidden=hidden, updated_at=timezone.now())
    )
    log.info("items_hidden" if hidden else "items_shown", changed=changed)
    return changed


def _write(latest: Mapping[str, ItemRow], *, partial: bool, dry_run: bool, rejected: list[Rejection]) -> dict[str, str]:
    """Write one chunk; external_id -> created, updated or unchanged. Rows without what they need are rejected."""
    outcomes: dict[str, str] = {}
    with transaction.atomic():
        # Locked in one order everywhere, so that two imports of the same items wait instead of deadlocking.
        stored = {
            item.external_id: item
            for item in Item.objects.filter(external_id__in=latest).select_for_update().order_by("external_id")
        }
        changed: list[Item] = []
        new_text: list[str] = []
        for external_id in sorted(latest):
            row = latest[external_id]
            item = stored.get(external_id)
            if "title" not in row.values and not (partial and item is not None):
                rejected.append(_without_title(row, partial=partial))
                continue
            outcome, text_changed = _apply(row, item or Item(external_id=external_id), partial=partial, changed=changed)
            outcomes[external_id] = "created" if item is None else outcome
            if text_changed:
                new_text.append(external_id)
        if changed and not dry_run:
            Item.objects.bulk_create(
                changed,
                update_conflicts=True,
                unique_fields=["external_id"],
                update_fields=[*FIELDS, "text_hash", "updated_at"],
            )
            _ask_for_embedding_and_labels(new_text)
    return outcomes


def _without_title(row: ItemRow, *, partial: bool) -> Rejection:
    message = (
        f"There is no item {row.external_id!r} to change; send its title to create it."
        if partial
        else "title is missing; every item needs one."
    )
    return Rejection(row.row, row.external_id, "title", message)


def _apply(row: ItemRow, item: Item, *, partial: bool, changed: list[Item]) -> tuple[str, bool]:
    """Put the row's values on the item, and the item on `changed` where any differs."""
    values = row.values
    if partial:
        if "attributes" in values:
            values = _merged({"attributes": item.attributes}, values)
    else:
        values = {**DEFAULTS, **values}
    differs = item.pk is None
    for name, value in values.items():
        if getattr(item, name) != value:
            setattr(item, name, value)
            differs = True
    new_hash = text_hash(item_text(item.title, item.brand, item.description))
    text_changed = item.text_hash != new_hash
    item.text_hash = new_hash
    if differs or text_changed:
        changed.append(item)
    return ("updated" if differs or text_changed else "unchanged"), text_changed


def _merged(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**earlier, **later}
    if "attributes" in earlier and "attributes" in later:
        both = {**earlier["attributes"], **later["attributes"]}
        merged["attributes"] = {key: value for key, value in both.items() if value is not None}
    return merged


def _ask_for_embedding_and_labels(external_ids: Sequence[str]) -> None:
    ids = list(Item.objects.filter(external_id__in=external_ids).order_by("pk").values_list("pk", flat=True))
    if not ids:
        return
    labelling.request_labels(ids)
    for start in range(0, len(ids), BELL_IDS):
        _ring_on_commit(ids[start : start + BELL_IDS])


def _ring_on_commit(item_ids: list[int]) -> None:
    def ring() -> None:
        try:
            tasks.embed_items.delay(item_ids)
        except OperationalError as error:
            # The rows are durable and the sweep rings again for them; the caller's work is done.
            log.warning("bell_not_rung", task="embed_items", items=len(item_ids), reason=str(error))

    transaction.on_commit(ring, robust=True)


def _chunks(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
