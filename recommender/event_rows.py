"""One event as a client sends it: read it strictly, or say which field is wrong and what would be right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from catalog.item_rows import UnreadableRow
from recommender.models import Event

FIELDS = ("event_id", "user", "item", "type", "occurred_at", "value", "price", "basket")
TYPES = tuple(Event.Type.values)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)
MAX_VALUE = 1_000_000
MAX_PRICE = Decimal("9999999999.99")
LIKELY_MEANT = {
    "user_id": "user",
    "userid": "user",
    "item_id": "item",
    "itemid": "item",
    "product_id": "item",
    "event_type": "type",
    "event": "type",
    "timestamp": "occurred_at",
    "time": "occurred_at",
    "occured_at": "occurred_at",
    "quantity": "value",
    "rating": "value",
    "id": "event_id",
    "order_id": "basket",
    "session_id": "basket",
}


@dataclass(frozen=True)
class Rejection:
    """A row that was not taken. `row` counts from 0 in a call, from 1 (the first row of data) in a file."""

    row: int
    external_id: str
    field: str
    message: str


@dataclass(frozen=True)
class EventRow:
    """A payload that is right by itself; whether its item exists is checked where it is recorded."""

    row: int
    event_id: str | None
    user: str
    item: str
    type: str
    occurred_at: datetime
    value: float
    price: Decimal | None
    basket: str


class _FieldError(ValueError):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def parse_event(payload: object, row: int, *, now: datetime, needs_time: bool = False) -> EventRow | Rejection:
    if isinstance(payload, UnreadableRow):
        return Rejection(row, "", "", payload.message)
    if not isinstance(payload, Mapping):
        return Rejection(row, "", "", f"An event is an object with the fields {', '.join(FIELDS)}.")
    shown_id = str(payload.get("event_id") or "")[:200]
    try:
        _refuse_unknown_fields(payload)
        event_type = _type(payload.get("type"))
        return EventRow(
            row=row,
            event_id=_text(payload, "event_id", max_length=200) or None,
            user=_required(payload, "user"),
            item=_required(payload, "item"),
            type=event_type,
            occurred_at=_occurred_at(payload.get("occurred_at"), now=now, needed=needs_time),
            value=_value(payload.get("value"), event_type),
            price=_price(payload.get("price")),
            basket=_text(payload, "basket", max_length=100),
        )
    except _FieldError as wrong:
        return Rejection(row, shown_id, wrong.field, wrong.message)


def _refuse_unknown_fields(payload: Mapping[str, object]) -> None:
    for name in payload:
        if name not in FIELDS:
            meant = LIKELY_MEANT.get(str(name).lower())
            advice = f"did you mean {meant}?" if meant else f"an event has {', '.join(FIELDS)}."
            raise _FieldError(str(name)[:100], f"There is no field {str(name)[:100]!r}; {advice}")


def _required(payload: Mapping[str, object], field: str) -> str:
    if not (text := _text(payload, field, max_length=200)):
        raise _FieldError(field, f"{field} is missing; send the id your shop uses for it.")
    return text


def _text(payload: Mapping[str, object], field: str, *, max_length: int) -> str:
    value = payload.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _FieldError(field, f"{field} must be text, not {type(value).__name__}.")
    text = str(value).strip()
    if len(text) > max_length:
        raise _FieldError(field, f"{field} has {len(text):,} characters; at most {max_length} are kept.")
    if "\x00" in text:
        raise _FieldError(field, f"{field} contains a NUL character; take it out.")
    return text


def _type(value: object) -> str:
    if value is None or value == "":
        raise _FieldError("type", f"type is missing; it is one of {', '.join(TYPES)}.")
    if not isinstance(value, str) or value not in TYPES:
        raise _FieldError("type", f"There is no event type {str(value)[:60]!r}; it is one of {', '.join(TYPES)}.")
    return value


def _occurred_at(value: object, *, now: datetime, needed: bool) -> datetime:
    if value is None or value == "":
        if needed:
            raise _FieldError("occurred_at", "occurred_at is missing; an event of a file needs the time it happened.")
        return now
    moment = _moment(value)
    if moment < EARLIEST:
        raise _FieldError("occurred_at", f"{moment:%Y-%m-%d} is before 2000; check the unit and the year.")
    if moment > now + LATEST_AHEAD:
        raise _FieldError(
            "occurred_at", f"{moment:%Y-%m-%d} is more than a day ahead of now ({now:%Y-%m-%d}); check the year."
        )
    return moment


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        moment = value
    elif (seconds := _seconds(value)) is not None:
        return _from_epoch(seconds)
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            raise _FieldError(
                "occurred_at", f"{value[:60]!r} is no time; send ISO 8601 like 2026-03-01T09:30:00Z, or epoch seconds."
            ) from None
    else:
        raise _FieldError("occurred_at", "occurred_at must be ISO 8601 like 2026-03-01T09:30:00Z, or epoch seconds.")
    if moment.tzinfo is None:
        raise _FieldError(
            "occurred_at", f"{str(value)[:60]!r} has no time zone; add Z for UTC or an offset like +08:00."
        )
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise _FieldError("occurred_at", f"{str(value)[:60]!r} is out of range.") from None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e300 else math.inf
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in {"nan", "inf", "-inf", "infinity", "-infinity"}:
            return math.nan
        # Eight digits could be a day written 20260301; no one means a second of 1970 by it.
        if text.lstrip("-").replace(".", "", 1).isdecimal() and len(text) != 8:
            return float(text)
    return None


def _from_epoch(seconds: float) -> datetime:
    if not math.isfinite(seconds):
        raise _FieldError("occurred_at", "occurred_at is not a finite number; send epoch seconds or ISO 8601.")
    if abs(seconds) >= 1e11:
        raise _FieldError("occurred_at", f"{seconds:.0f} looks like milliseconds; send epoch seconds.")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _value(value: object, event_type: str) -> float:
    if value is None or value == "":
        if event_type == Event.Type.RATE:
            raise _FieldError("value", "A rate event needs its rating, 1 to 5, as value.")
        return 1.0
    number = _number(value, "value")
    if event_type == Event.Type.RATE:
        if not 1 <= number <= 5:
            raise _FieldError("value", f"A rating is 1 to 5, not {number:g}; scale yours first.")
    elif not 0 < number <= MAX_VALUE:
        raise _FieldError("value", f"value must be above 0 and at most {MAX_VALUE:,}, not {number:g}.")
    return number


def _price(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    _number(value, "price")
    try:
        price = Decimal(str(value).strip()).quantize(Decimal("0.01"))
    except InvalidOperation:
        price = Decimal(-1)
    if not 0 <= price <= MAX_PRICE:
        raise _FieldError("price", f"price must be 0 to {MAX_PRICE}, like 12.99; it is what was paid for one piece.")
    return price


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise _FieldError(field, f"{field} must be a number, not {type(value).__name__}.")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _FieldError(field, f"{field} must be a number, not {str(value)[:60]!r}.") from None
    if not math.isfinite(number):
        raise _FieldError(field, f"{field} must be a finite number, not {number}.")
    return number
