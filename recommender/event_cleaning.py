"""What an import of events mends and what it finds odd, by the rules of preparation; nothing valid is lost by it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar, cast

import numpy as np
import pandas as pd
from django.db.models.functions import Upper

from catalog.item_rows import UnreadableRow
from catalog.models import Item
from recommender.algorithms.cleaning import cancellations
from recommender.algorithms.cleaning.identifiers import tidy_id
from recommender.algorithms.cleaning.report import ROWS_SHOWN, OffendingRow, Step
from recommender.algorithms.cleaning.service_words import CERTAIN
from recommender.events import RecordReport
from recommender.models import Event

Payload = Mapping[str, object] | UnreadableRow
BATCH = 1000
MOST_REFUNDS = 100_000
Key = TypeVar("Key")
WORDS = {
    "rejected": "Rows that are no event: what is missing or cannot be right is said with each.",
    "duplicates": "Rows that were stored before, or stand twice in the file: stored once.",
    "ids": "Unknown ids of items that the catalog has in another case or with other spaces.",
    "cancellations": "Quantities below zero: a refund of that quantity.",
    "unmatched": "Refunds without an earlier purchase, or of more than was bought; stored nevertheless.",
    "non_items": "Items whose names look like postage, vouchers or fees; stored, hide them if nobody should see them.",
}


class EventCleaning:
    """One import: `clean` each chunk before it is recorded, `note` what came of it, then `steps`."""

    def __init__(self, *, match_ids: bool) -> None:
        self._match_ids = match_ids
        self._dropped: Counter[str] = Counter()
        self._changed: Counter[str] = Counter()
        self._rows: dict[str, list[OffendingRow]] = {step: [] for step in WORDS}
        self._refunds: dict[tuple[str, str], list[int]] = {}
        self._n_refunds = 0
        self._items: dict[str, tuple[int, int]] = {}

    def clean(self, payloads: Sequence[Payload], *, first_row: int) -> list[Payload]:
        """The payloads with quantities below zero as refunds and, if asked for, ids as the catalog has them."""
        meant = _meant_ids(payloads)
        return [self._cleaned(payload, row, meant) for row, payload in enumerate(payloads, first_row)]

    def note(self, payloads: Sequence[Payload], report: RecordReport, *, first_row: int) -> None:
        for rejection in report.rejected:
            self._note("rejected", rejection.row, payloads[rejection.row - first_row], rejection.message, dropped=True)
        rejected = {rejection.row for rejection in report.rejected}
        repeats = Counter(report.duplicates)
        # From the end: of rows with one id the first was stored, unless it had been before.
        for row, payload in reversed(list(enumerate(payloads, first_row))):
            if isinstance(payload, UnreadableRow) or row in rejected:
                continue
            event_id = str(payload.get("event_id", "")).strip()
            if repeats[event_id]:
                repeats[event_id] -= 1
                self._note("duplicates", row, payload, "stored already", dropped=True)
                continue
            item = str(payload["item"]).strip()
            first, n = self._items.get(item, (row, 0))
            self._items[item] = (min(first, row), n + 1)
            if payload.get("type") == Event.Type.REFUND and self._n_refunds < MOST_REFUNDS:
                self._n_refunds += 1
                self._refunds.setdefault((str(payload["user"]).strip(), item), []).append(row)

    def steps(self) -> tuple[Step, ...]:
        """In the order of WORDS. Reads the stored purchases of what was refunded, and the names of the items."""
        self._note_unmatched()
        self._note_non_items()
        return tuple(
            Step(
                step,
                words,
                self._dropped[step],
                self._changed[step],
                tuple(sorted(self._rows[step], key=lambda row: row.row)[:ROWS_SHOWN]),
            )
            for step, words in WORDS.items()
        )

    def _cleaned(self, payload: Payload, row: int, meant: Mapping[str, str]) -> Payload:
        if isinstance(payload, UnreadableRow):
            return payload
        cleaned = dict(payload)
        value = _number(payload.get("value"))
        if value is not None and value < 0 and payload.get("type") in (Event.Type.PURCHASE, Event.Type.REFUND):
            cleaned |= {"type": Event.Type.REFUND.value, "value": -value}
            self._note("cancellations", row, payload, f"a refund of {-value:g}")
        item = str(payload.get("item", ""))
        if known := meant.get(item.strip()):
            if self._match_ids:
                cleaned["item"] = known
                self._note("ids", row, payload, f"taken for {known}")
            else:
                self._note(
                    "ids", row, payload, f"the catalog has {known}; --match-ids takes it for that", changed=False
                )
        return cleaned

    def _note(
        self, step: str, row: int, payload: Payload, reason: str, *, dropped: bool = False, changed: bool = True
    ) -> None:
        if dropped:
            self._dropped[step] += 1
        elif changed:
            self._changed[step] += 1
        kept = self._rows[step]
        kept.append(OffendingRow(row, _values(payload), reason))
        if len(kept) > 2 * BATCH:
            self._rows[step] = sorted(kept, key=lambda one: one.row)[:ROWS_SHOWN]

    def _note_unmatched(self) -> None:
        for pairs in _batches(self._refunds):
            for user, item, quantity in _unmatched(pairs):
                row = self._refunds[user, item][-1]
                reason = f"{quantity:g} more given back than was bought before"
                self._note("unmatched", row, {"user": user, "item": item}, reason, changed=False)

    def _note_non_items(self) -> None:
        for ids in _batches(self._items):
            named = Item.objects.filter(external_id__in=ids, title__iregex=rf"^({CERTAIN})\W*$").order_by("external_id")
            for external_id, title in named.values_list("external_id", "title"):
                row, n = self._items[external_id]
                values = {"item": external_id, "title": title}
                self._note("non_items", row, values, f"{n:,} rows of an item with this name", changed=False)


def _batches(keys: Iterable[Key]) -> Iterator[list[Key]]:
    iterator = iter(keys)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _meant_ids(payloads: Sequence[Payload]) -> dict[str, str]:
    """An unknown id -> the only item of the catalog whose id differs from it by case and spaces alone."""
    sent = {str(payload.get("item", "")).strip() for payload in payloads if not isinstance(payload, UnreadableRow)}
    unknown = sent - set(Item.objects.filter(external_id__in=sent).values_list("external_id", flat=True)) - {""}
    folded = {item: tidy_id(item).upper() for item in unknown}
    found = Item.objects.annotate(folded=Upper("external_id")).filter(folded__in=set(folded.values()))
    known: dict[str, list[str]] = {}
    for external_id, key in found.values_list("external_id", "folded"):
        known.setdefault(key, []).append(external_id)
    return {item: known[key][0] for item, key in folded.items() if len(known.get(key, ())) == 1}


def _unmatched(pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, float]]:
    """(user, item, quantity) of those pairs that gave back more than they had bought before."""
    wanted = set(pairs)
    stored = Event.objects.filter(
        user__external_id__in={user for user, _ in pairs},
        item__external_id__in={item for _, item in pairs},
        type__in=(Event.Type.PURCHASE, Event.Type.REFUND),
    ).order_by("pk")
    columns = ("pk", "user__external_id", "item__external_id", "type", "value", "occurred_at")
    events = [event for event in stored.values_list(*columns) if (event[1], event[2]) in wanted]
    rows = pd.DataFrame(
        {
            "row": [event[0] for event in events],
            "user": [event[1] for event in events],
            "item": [event[2] for event in events],
            "quantity": [event[4] for event in events],
            "time": [event[5].timestamp() for event in events],
        }
    )
    is_refund = np.array([event[3] == Event.Type.REFUND for event in events], dtype=bool)
    rows["unmatched"] = cancellations.match(rows, is_refund).unmatched
    left = rows[rows["unmatched"] > 0].groupby(["user", "item"])["unmatched"].sum()
    for (user, item), quantity in left.items():
        yield str(user), str(item), float(cast(float, quantity))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _values(payload: Payload) -> dict[str, str | float | None]:
    if isinstance(payload, UnreadableRow):
        return {}
    names = {"value": "quantity", "occurred_at": "time"}
    return {names.get(name, name): str(value)[:200] for name, value in payload.items() if name != "event_id"}
