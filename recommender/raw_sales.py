"""A shop's own file of sales, read as it is: columns found by their usual names, or by a mapping file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.algorithms.cleaning.non_items import Patterns
from recommender.algorithms.cleaning.steps import COLUMNS
from recsite.operations.errors import InvalidInputError

USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "user": (
        "user", "userid", "customerid", "customer", "customerno", "clientid", "householdid", "visitorid", "memberid",
    ),
    "item": (
        "item", "itemid", "stockcode", "sku", "productid", "product", "productcode", "itemcode", "articleid", "asin",
        "parentasin",
    ),
    "title": ("title", "description", "productname", "itemname", "name", "productdescription", "itemtitle"),
    "quantity": ("quantity", "qty", "pieces", "units", "value"),
    "price": ("price", "unitprice", "itemprice", "priceperunit"),
    "time": (
        "occurredat", "time", "timestamp", "invoicedate", "date", "datetime", "orderdate", "purchasedate", "createdat",
        "transactiontimestamp",
    ),
    "basket": (
        "basket", "basketid", "invoice", "invoiceno", "orderid", "order", "ordernumber", "transactionid",
        "sessionid",
    ),
    "type": ("type", "eventtype", "event"),
}  # fmt: skip
NEEDED = ("user", "item", "time")
COMES_BACK = frozenset({"refund", "return", "returned", "cancel", "cancelled", "canceled", "cancellation"})
KEYS = ("columns", "time_zone", "time_format", "ignore_case", "non_item_ids", "non_item_titles", "keep_ids")
UTC = ZoneInfo("UTC")
MOST_UNREADABLE = 0.5
DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class Mapped:
    """What a mapping file says; everything may be left out. `columns`: ours -> the file's."""

    columns: Mapping[str, str] = field(default_factory=dict)
    time_zone: ZoneInfo = UTC
    time_format: str = ""
    ignore_case: bool | None = None
    patterns: Patterns = field(default_factory=Patterns)


NOTHING_MAPPED = Mapped()


def read_mapping(path: Path) -> Mapped:
    try:
        text = path.read_text(encoding="utf-8")
        told = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read ({error.strerror}); check the name.") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path.name} is neither JSON nor, ending in .toml, TOML: {error}.") from None
    if not isinstance(told, dict):
        raise InvalidInputError(f"{path.name} must hold an object with some of {', '.join(KEYS)}.")
    if unknown := sorted(set(told) - set(KEYS)):
        raise InvalidInputError(f"{path.name} has {', '.join(unknown)}; a mapping knows {', '.join(KEYS)}.")
    columns = told.get("columns", {})
    if not isinstance(columns, dict) or not set(columns) <= set(USUAL_NAMES):
        raise InvalidInputError(f"columns in {path.name} maps some of {', '.join(USUAL_NAMES)} to the file's columns.")
    if not isinstance(told.get("ignore_case", None), bool | None):
        raise InvalidInputError(f"ignore_case in {path.name} is true or false.")
    return Mapped(
        columns={ours: str(theirs) for ours, theirs in columns.items()},
        time_zone=zone_named(str(told.get("time_zone", "UTC"))),
        time_format=str(told.get("time_format", "")),
        ignore_case=told.get("ignore_case"),
        patterns=Patterns(
            ids=_expressions(told, "non_item_ids"),
            titles=_expressions(told, "non_item_titles"),
            keep_ids=_texts(told, "keep_ids"),
        ),
    )


def zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidInputError(f"There is no time zone {name!r}; use a name like Europe/Paris or UTC.") from None


def read_sales(path: Path, mapped: Mapped = NOTHING_MAPPED) -> pd.DataFrame:
    """Rows with `cleaning.steps.COLUMNS`. Raises InvalidInputError where the file or a needed column is missing."""
    table = _table(path)
    columns = _columns(table, mapped.columns, path.name)
    n = len(table)
    rows = pd.DataFrame({"row": np.arange(1, n + 1, dtype=np.int64)})
    for name in ("user", "item", "title", "basket"):
        rows[name] = _texts_of(table[columns[name]]) if name in columns else pd.Series([""] * n, dtype="str")
    rows["quantity"] = _numbers(table[columns["quantity"]]) if "quantity" in columns else np.ones(n)
    rows["price"] = _numbers(table[columns["price"]]) if "price" in columns else np.full(n, np.nan)
    rows["time"] = _seconds(table[columns["time"]], mapped, path.name)
    if n and np.isnan(rows["time"]).mean() > MOST_UNREADABLE:
        raise InvalidInputError(
            f"Most times in the column {columns['time']!r} of {path.name} cannot be read, like "
            f"{str(table[columns['time']].iloc[0])[:40]!r}; name time_format, or another column, in a mapping file."
        )
    if "type" in columns:
        comes_back = _texts_of(table[columns["type"]]).str.lower().isin(COMES_BACK).to_numpy()
        rows["quantity"] = np.where(comes_back, -rows["quantity"].abs(), rows["quantity"])
    return rows.loc[:, list(COLUMNS)]


def seconds_of(text: str, zone: ZoneInfo) -> float:
    """A date or time as somebody types it, on the shop's clock, in seconds since 1970."""
    try:
        moment = pd.Timestamp(text)
    except ValueError:
        raise InvalidInputError(f"{text!r} is no date; write it like 2010-10-01.") from None
    if pd.isna(moment):
        raise InvalidInputError(f"{text!r} is no date; write it like 2010-10-01.")
    return float((moment if moment.tzinfo else moment.tz_localize(zone)).timestamp())


def _table(path: Path) -> pd.DataFrame:
    try:
        with path.open("rb") as file:
            head = file.read(65_536)
        if not head:
            raise InvalidInputError(f"{path.name} is empty; export the sales again.")
        if head.startswith(b"PAR1"):
            return pd.read_parquet(path)
        first = head.decode("utf-8-sig", "replace").splitlines()[0]
        delimiter = max(DELIMITERS, key=first.count)
        try:
            return _csv(path, delimiter, "utf-8-sig")
        except UnicodeDecodeError:
            return _csv(path, delimiter, "cp1252")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read ({error.strerror or 'not Parquet'}); check the file.") from None
    except (ValueError, ImportError) as error:
        raise InvalidInputError(f"{path.name} is neither Parquet nor a table with a header: {error}.") from None


def _csv(path: Path, delimiter: str, encoding: str) -> pd.DataFrame:
    return pd.read_csv(
        path,
        sep=delimiter,
        dtype="str",
        index_col=False,
        keep_default_na=False,
        encoding=encoding,
        encoding_errors="strict",
    )


def _plain(name: object) -> str:
    return re.sub(r"[^a-z]", "", str(name).partition(":")[0].lower())


def _columns(table: pd.DataFrame, chosen: Mapping[str, str], file: str) -> dict[str, str]:
    have = [str(column) for column in table.columns]
    found: dict[str, str] = {}
    for ours, names in USUAL_NAMES.items():
        if ours in chosen:
            if chosen[ours] not in have:
                raise InvalidInputError(f"{file} has no column {chosen[ours]!r}; it has {', '.join(have)}.")
            found[ours] = chosen[ours]
            continue
        by_name = {_plain(column): column for column in reversed(have)}
        if column := next((by_name[name] for name in names if name in by_name), ""):
            found[ours] = column
    if lacking := [ours for ours in NEEDED if ours not in found]:
        raise InvalidInputError(
            f"{file} has no column that looks like {', '.join(lacking)}; it has {', '.join(have)}. "
            "Name them in a mapping file (--mapping)."
        )
    return found


def _texts_of(column: pd.Series) -> pd.Series:
    """Text; "" where missing. Numbers that a table turned into 13085.0 are 13085 again."""
    if pd.api.types.is_float_dtype(column):
        values = column.to_numpy(np.float64)
        finite = values[np.isfinite(values)]
        if (finite == np.floor(finite)).all():
            return pd.Series(
                [f"{value:.0f}" if np.isfinite(value) else "" for value in values], index=column.index, dtype="str"
            )
    text = column.astype("str").fillna("").str.strip()
    text = text.mask(text.str.lower().isin(["nan", "none", "null", "<na>", "n/a"]), "")
    distinct = pd.Series(text.unique(), dtype="str")
    named = distinct[distinct != ""]
    if len(named) and named.str.fullmatch(r"\d+\.0").all():
        text = text.str.removesuffix(".0")
    return text


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    if not pd.api.types.is_numeric_dtype(column):
        text = column.astype("str").str.strip()
        # 1.234,50 and 3,5 are written so where no number has a point behind its last comma.
        if (
            text.str.contains(",").any()
            and not text.str.contains(r",.*\.").any()
            and not text.str.contains(r"^[^,]*\.\d+$").any()
        ):
            text = text.str.replace(".", "").str.replace(",", ".")
        else:
            text = text.str.replace(",", "")
        column = pd.to_numeric(text, errors="coerce")
    return np.asarray(column.to_numpy(np.float64, na_value=np.nan))


def _seconds(column: pd.Series, mapped: Mapped, file: str) -> NDArray[np.float64]:
    if not pd.api.types.is_datetime64_any_dtype(column):
        numbers = pd.to_numeric(column, errors="coerce")
        if pd.api.types.is_numeric_dtype(column) or (
            numbers.notna().sum() > 0.5 * max(1, (column.astype("str") != "").sum())
        ):
            seconds = numbers.to_numpy(np.float64, na_value=np.nan)
            usual = np.nanmedian(seconds) if np.isfinite(seconds).any() else 0.0
            return np.asarray(seconds / 1000 if usual > 1e11 else seconds)
        column = _moments(column.astype("str"), mapped.time_format, file)
    if getattr(column.dt, "tz", None) is None:
        # Twice on the shop's clock in autumn: the first; not on it in spring: an hour later.
        column = column.dt.tz_localize(
            mapped.time_zone, ambiguous=np.ones(len(column), dtype=bool), nonexistent="shift_forward"
        )
    since = (column.dt.tz_convert("UTC") - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return np.asarray(since.to_numpy(np.float64, na_value=np.nan))


def _moments(texts: pd.Series, time_format: str, file: str) -> pd.Series:
    distinct = pd.Series(texts.unique())
    if time_format:
        parsed = pd.to_datetime(distinct, format=time_format, errors="coerce")
    else:
        parsed = pd.to_datetime(distinct, format="ISO8601", errors="coerce", utc=_has_zone(distinct))
        if parsed.isna().sum() > 0.5 * len(distinct):
            day_first = pd.to_datetime(distinct, format="mixed", dayfirst=True, errors="coerce")
            month_first = pd.to_datetime(distinct, format="mixed", dayfirst=False, errors="coerce")
            parts = distinct.str.extract(r"^(\d{1,2})\D(\d{1,2})\D\d").astype("float64")
            is_day_first, is_month_first = bool((parts[0] > 12).any()), bool((parts[1] > 12).any())
            if parts[0].notna().any() and is_day_first == is_month_first:
                raise InvalidInputError(
                    f"Whether the day or the month comes first in {file} cannot be told; name the time_format in a "
                    "mapping file, like %d/%m/%Y %H:%M."
                )
            parsed = day_first if is_day_first else month_first
    return texts.map(dict(zip(distinct, parsed, strict=True)))


def _has_zone(texts: pd.Series) -> bool:
    return bool(texts.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").any())


def _texts(told: Mapping[str, object], key: str) -> tuple[str, ...]:
    values = told.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidInputError(f"{key} in a mapping is a list of texts.")
    return tuple(values)


def _expressions(told: Mapping[str, object], key: str) -> tuple[str, ...]:
    for text in (expressions := _texts(told, key)):
        try:
            re.compile(text)
        except re.error as error:
            raise InvalidInputError(f"{text!r} in {key} is no regular expression: {error}.") from None
    return expressions
