"""PURE: one row of a feed or a call -> the values of an item, or what is wrong with it and what to do."""

from __future__ import annotations

import html
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.dateparse import parse_datetime

LIMITS = {"title": 500, "description": 20_000, "brand": 200, "product_type": 500, "link": 2000, "image_url": 2000}
FLAGS = ("is_in_stock", "is_hidden")
FIELDS = (*LIMITS, "price", "currency", *FLAGS, "attributes", "published_at", "stock_quantity")
# An empty cell of these decides nothing: not that what staff hid is shown again, nor how many pieces are left.
KEPT_WHERE_EMPTY = (*FLAGS, "stock_quantity")
# What the API answers beside the fields: ignored when sent back, so that a GET can be edited and PUT.
READ_ONLY = frozenset({"id", "labels", "embedding", "is_recommendable", "created_at", "updated_at", "text_hash"})
ATTRIBUTES_LIMIT = 50_000
MOST_PIECES = 2**31 - 1
HIGHEST_PRICE = Decimal("9999999999.99")
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

TRUE_WORDS = frozenset(
    {"true", "t", "yes", "y", "1", "on", "in stock", "instock", "available", "preorder", "backorder"}
)
FALSE_WORDS = frozenset(
    {"false", "f", "no", "n", "0", "off", "out of stock", "outofstock", "sold out", "unavailable", "discontinued"}
)
SYMBOLS = {"€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW", "$": "", "¥": "", "￥": ""}
MONEY = re.compile(
    r"^(?P<before>[A-Za-z]{3}|[€£₹₩$¥￥])?\s*(?P<number>[-+]?[\d.,' ]*\d)\s*(?P<after>[A-Za-z]{3}|[€£₹₩$¥￥])?$"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
_is_url = URLValidator(schemes=["http", "https"])


@dataclass(frozen=True)
class Rejection:
    """Why a row was left out. `row` counts from 1; `field` is '' where the whole row is at fault."""

    row: int
    external_id: str
    field: str
    message: str


@dataclass(frozen=True)
class UnreadableRow:
    """A row that a feed could not make sense of; it is rejected with `message` and the rows around it are kept."""

    message: str


@dataclass(frozen=True)
class ItemRow:
    """A valid row. `values` holds the fields it names; `unknown` the columns that went into the attributes."""

    row: int
    external_id: str
    values: dict[str, Any]
    unknown: tuple[str, ...]


class _Wrong(Exception):  # noqa: N818  (never leaves this module)
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def parse_row(row: Mapping[str, object] | UnreadableRow, number: int, *, now: datetime) -> ItemRow | Rejection:
    """`number` counts from 1. A field that the row does not name is absent from the values."""
    if isinstance(row, UnreadableRow):
        return Rejection(number, "", "", row.message)
    if not isinstance(row, Mapping):
        return Rejection(number, "", "", f"Row {number} is {_kind(row)}; send an object with the fields of an item.")
    external_id = ""
    try:
        external_id = _external_id(row.get("external_id"))
        values: dict[str, Any] = {}
        unknown: dict[str, Any] = {}
        for name, value in row.items():
            if name in KEPT_WHERE_EMPTY and isinstance(value, str) and not value.strip():
                continue
            if name in FLAGS and value is None:
                continue
            if name in PARSERS:
                values[name] = PARSERS[name](name, value)
            elif name in LIMITS:
                values[name] = _text(name, value)
            elif name == "published_at":
                values[name] = parse_time(name, value, now=now)
            elif name != "external_id" and name not in READ_ONLY:
                unknown[_text("attributes", name)[:200]] = value
        if unknown:
            values["attributes"] = {**_attributes("attributes", unknown), **values.get("attributes", {})}
        if "title" in values and not values["title"]:
            raise _Wrong("title", "title is empty; every item needs one.")
        _settle_currency(values)
    except _Wrong as wrong:
        return Rejection(number, external_id, wrong.field, wrong.message)
    return ItemRow(number, external_id, values, tuple(unknown))


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _external_id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        raise _Wrong("external_id", "external_id is missing; send the id that the shop's events use.")
    if not isinstance(value, str):
        raise _Wrong("external_id", f"external_id is {_kind(value)}; send text.")
    text = value.strip()
    if len(text) > 200:
        raise _Wrong("external_id", f"external_id has {len(text):,} characters; at most 200 fit.")
    if not text or CONTROL.search(text) or "\n" in text or "\t" in text or not text.isprintable():
        raise _Wrong("external_id", "external_id is blank or holds control characters; remove them.")
    return text


def clean_text(value: str) -> str:
    """NFC, without control characters, NUL, byte order marks and lone surrogates; line breaks stay."""
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-8", "replace").decode() if any("\ud800" <= c <= "\udfff" for c in text) else text
    return unicodedata.normalize("NFC", CONTROL.sub("", text)).strip()


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _Wrong(name, f"{name} is {_kind(value)}; send text.")
    limit = LIMITS.get(name, 1000)
    if len(value) > 4 * limit + 1000:  # not worth cleaning: even with every entity decoded it would not fit
        raise _Wrong(name, f"{name} has {len(value):,} characters; at most {limit:,} fit. Shorten it.")
    text = clean_text(value)
    if name not in {"description", "link", "image_url"}:
        text = " ".join(clean_text(html.unescape(text)).split())
    if len(text) > limit:
        raise _Wrong(name, f"{name} has {len(text):,} characters; at most {limit:,} fit. Shorten it.")
    return text


def _url(name: str, value: object) -> str:
    text = _text(name, value)
    if text:
        try:
            _is_url(text)
        except ValidationError:
            raise _Wrong(name, f"{name} {_shown(text)} is not a web address; send one like https://…") from None
    return text


def parse_money(name: str, value: object) -> tuple[Decimal | None, str]:
    """The amount, rounded to cents, and the currency that stood beside it ('' where none did)."""
    if value is None or value == "":
        return None, ""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise _Wrong(name, f"{name} is {_kind(value)}; send a number like 12.99.")
    currency = ""
    if isinstance(value, str):
        match = MONEY.match(value.strip()[:60])
        if match is None:
            raise _Wrong(name, f"{name} {_shown(value)} is not a price; send one like 12.99 or '12.99 USD'.")
        beside = match["before"] or match["after"] or ""
        currency = SYMBOLS.get(beside, beside.upper())
        value = _plain_number(match["number"])
    elif isinstance(value, float) and not math.isfinite(value):
        raise _Wrong(name, f"{name} is {value}; send a finite number, or null where there is no price.")
    try:
        amount = Decimal(str(value))
        if not amount.is_finite():
            raise _Wrong(name, f"{name} is {value}; send a finite number, or null where there is no price.")
        if amount > HIGHEST_PRICE:
            raise _Wrong(name, f"{name} is above {HIGHEST_PRICE:,}; check the amount.")
        amount = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    except InvalidOperation:
        raise _Wrong(name, f"{name} {_shown(value)} is not a price; send one like 12.99 or '12.99 USD'.") from None
    if amount < 0:
        raise _Wrong(name, f"{name} is {amount}; it cannot be negative.")
    return abs(amount), currency


def _plain_number(text: str) -> str:
    """'1,299.50', '1.299,50', "1'299.5" and '12,99' all as Python writes them; '1,299' counts as thousands."""
    text = text.replace(" ", "").replace("'", "")
    comma, point = text.rfind(","), text.rfind(".")
    if comma > point and (point >= 0 or len(text) - comma - 1 != 3):
        return text.replace(".", "").replace(",", ".") if text.count(",") == 1 else text.replace(",", "")
    return text.replace(",", "")


def _currency(name: str, value: object) -> str:
    text = _text(name, value).upper()
    if text and not re.fullmatch(r"[A-Z]{3}", text):
        raise _Wrong(name, f"currency {_shown(value)} is not an ISO 4217 code; send three letters like USD.")
    return text


def _settle_currency(values: dict[str, Any]) -> None:
    """Take apart the price that came as (amount, currency beside it)."""
    if "price" not in values:
        return
    values["price"], beside = values["price"]
    if not beside:
        return
    if values.get("currency") not in (None, "", beside):
        raise _Wrong("currency", f"price says {beside} and currency says {values['currency']}; send one of them.")
    values["currency"] = beside


def parse_truth(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = " ".join(value.replace("_", " ").replace("-", " ").lower().split())
        if word in TRUE_WORDS or word in FALSE_WORDS:
            return word in TRUE_WORDS
    raise _Wrong(name, f"{name} is {_shown(value)}; send true or false, or 'in stock' or 'out of stock'.")


def parse_count(name: str, value: object) -> int | None:
    """A whole number from 0 on, also as text or 12.0; None where nobody knows."""
    if value is None:
        return None
    wrong = _Wrong(name, f"{name} is {_shown(value)}; send a whole number from 0 on, or null where nobody counts.")
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise wrong
    try:
        number = Decimal(_plain_number(value) if isinstance(value, str) else str(value))
    except InvalidOperation:
        raise wrong from None
    if not number.is_finite() or number != number.to_integral_value() or number < 0:
        raise wrong
    if number > MOST_PIECES:
        raise _Wrong(name, f"{name} is above {MOST_PIECES:,}; check the number.")
    return int(number)


def parse_time(name: str, value: object, *, now: datetime) -> datetime | None:
    """A datetime, a date, ISO 8601 or seconds (also milliseconds) since 1970; without a zone it counts as UTC."""
    if value is None or value == "":
        return None
    moment: datetime | None = None
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{9,13}(\.\d+)?", value.strip()):
            value = float(value)
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, date):
            moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, tz=UTC)
        elif isinstance(value, str):
            text = value.strip()
            moment = parse_datetime(text) or datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        raise _Wrong(name, f"{name} {_shown(value)} is not a time; send ISO 8601 like 2025-03-01T09:30:00Z.")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not EARLIEST <= moment <= now + timedelta(days=3660):
        raise _Wrong(name, f"{name} is in {moment.year}; send a time from 1990 up to ten years ahead, or null.")
    return moment


def _attributes(name: str, value: object) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise _Wrong(name, 'attributes is not valid JSON; send an object like {"colour": "red"}.') from None
    if not isinstance(value, dict):
        raise _Wrong(name, f'attributes is {_kind(value)}; send an object like {{"colour": "red"}}.')
    cleaned: dict[str, Any] = _plain_json(value, depth=0)
    size = len(json.dumps(cleaned))
    if size > ATTRIBUTES_LIMIT:
        raise _Wrong(name, f"attributes take {size:,} characters as JSON; at most {ATTRIBUTES_LIMIT:,} fit.")
    return cleaned


def _plain_json(value: object, *, depth: int) -> Any:
    """What PostgreSQL's jsonb takes: no NaN, no NUL, text for what JSON has no word for."""
    if depth > 20:
        raise _Wrong("attributes", "attributes are nested more than 20 deep; flatten them.")
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _plain_json(inner, depth=depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_json(inner, depth=depth + 1) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise _Wrong("attributes", f"attributes hold {value}, which JSON has no word for; send a number or null.")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return clean_text(str(value))


PARSERS: dict[str, Callable[[str, object], Any]] = {
    "link": _url,
    "image_url": _url,
    "price": parse_money,
    "currency": _currency,
    "is_in_stock": parse_truth,
    "is_hidden": parse_truth,
    "stock_quantity": parse_count,
    "attributes": _attributes,
}
