"""Prepare a shop's file for an evaluation: clean, split by time, write; and keep the report of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import structlog

from recommender.algorithms.cleaning.steps import moment
from recommender.algorithms.preparation import Choices, Prepared, prepare
from recommender.algorithms.splitting import DAY, Split, split
from recommender.raw_sales import NOTHING_MAPPED, Mapped, read_sales, seconds_of
from recommender.recbole_files import write_events, write_items, write_questions
from recsite.operations.errors import InvalidInputError

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Written:
    report: dict[str, object]
    prepared: Prepared
    files: tuple[Path, ...]


def prepare_file(
    path: Path,
    out: Path,
    *,
    split_at: str,
    valid_days: float | None = None,
    name: str = "",
    mapped: Mapped = NOTHING_MAPPED,
    on_step: Callable[[str], None] = lambda words: None,
) -> Written:
    """Writes NAME.item, the .inter files and report.json into `out`. InvalidInputError comes before any writing."""
    split_s = seconds_of(split_at, mapped.time_zone)
    if valid_days is not None and valid_days <= 0:
        raise InvalidInputError(f"--valid-days must be above 0, not {valid_days:g}.")
    on_step(f"reading {path.name}")
    raw = read_sales(path, mapped)
    on_step(f"cleaning {len(raw):,} rows")
    prepared = prepare(raw, Choices(ignore_case=mapped.ignore_case, patterns=mapped.patterns))
    if prepared.rows.empty or not (prepared.rows["time"] < split_s).any():
        raise InvalidInputError(
            f"No purchase of a known customer lies before {split_at}; {path.name} has {len(prepared.rows):,} at all. "
            "Choose another --split-at."
        )
    halves = split(prepared.rows, split_at=split_s, valid_at=None if valid_days is None else split_s - valid_days * DAY)
    if halves.train.empty:
        raise InvalidInputError(
            f"Nothing lies before the validation, which begins {moment(halves.valid_at)}; choose fewer --valid-days."
        )
    report = _report(path.name, prepared, halves)
    on_step("writing")
    files = _write(out, name or path.stem, prepared, halves)
    target = out / "report.json"
    target.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    log.info("file_prepared", rows_in=prepared.rows_in, rows_out=len(prepared.kept), test=len(halves.test))
    return Written(report=report, prepared=prepared, files=(*files, target))


def _write(out: Path, name: str, prepared: Prepared, halves: Split) -> tuple[Path, ...]:
    def place(ending: str) -> Path:
        return out / f"{name}.{ending}"

    out.mkdir(parents=True, exist_ok=True)
    every = [rows for rows in (prepared.rows, prepared.anonymous) if len(rows)]
    write_items(place("item"), pd.concat(every), prepared.titles, split_at=halves.split_at)
    write_events(place("train.inter"), halves.train)
    write_events(place("train_for_test.inter"), halves.train_for_test)
    write_questions(place("valid.inter"), halves.valid)
    write_questions(place("test.inter"), halves.test)
    nobody = prepared.anonymous
    nobody = nobody[nobody["cancelled_at"].isna()]
    write_events(place("anonymous.inter"), nobody.assign(user="basket-" + nobody["basket"]))
    endings = ("item", "train.inter", "train_for_test.inter", "valid.inter", "test.inter", "anonymous.inter")
    return tuple(place(ending) for ending in endings)


def _report(source: str, prepared: Prepared, halves: Split) -> dict[str, object]:
    kept = prepared.kept
    sold = set(prepared.rows["item"]) | set(prepared.anonymous["item"])
    before = halves.train_for_test
    return {
        "source": source,
        "rows_in": prepared.rows_in,
        "rows_out": len(kept),
        "users": int(kept["user"].nunique()),
        "items": len(sold),
        "baskets": int(kept.groupby(["user", "basket"]).ngroups),
        "first": moment(float(kept["time"].min())),
        "last": moment(float(kept["time"].max())),
        "valid_at": moment(halves.valid_at),
        "split_at": moment(halves.split_at),
        "train": _counts(halves.train),
        "train_for_test": _counts(before),
        "valid": {"users": len(halves.valid), "rows": sum(len(asked.targets) for asked in halves.valid)},
        "test": {
            "users": len(halves.test),
            "rows": sum(len(asked.targets) for asked in halves.test),
            "rows_repeat": sum(item in set(asked.items) for asked in halves.test for item in asked.targets),
            "rows_cold": _cold(before, halves),
        },
        "steps": [asdict(step) for step in prepared.steps],
    }


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {"rows": len(rows), "users": int(rows["user"].nunique()), "items": int(rows["item"].nunique())}


def _cold(before: pd.DataFrame, halves: Split) -> int:
    known = set(before["item"])
    return sum(item not in known for asked in halves.test for item in asked.targets)
