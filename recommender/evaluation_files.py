"""RecBole's atomic files as a dataset to evaluate on: .item, .inter with one event a row, .inter with histories."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.embedding import item_text
from recommender.algorithms.histories import Interactions, history, interactions
from recommender.evaluation_rows import Case, Dataset, Fold, earlier_moments, enough_of, held_out_steps, merged
from recsite.operations.errors import InvalidInputError

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Files:
    items: Path
    test: Path
    train: Path | None = None
    validation: Path | None = None
    train_for_validation: Path | None = None
    candidates: Path | None = None


@dataclass(frozen=True)
class _Row:
    user: str
    items: tuple[int, ...]
    times_s: tuple[float, ...]
    target: int
    as_of_s: float


def read(files: Files, *, embed: Embed) -> Dataset:
    """Raises InvalidInputError that names the file and what it lacks. Without `train`, what is learned is learned from
    the histories of the test file; without `validation`, the last step of each history is kept apart to tune on."""
    item_rows = _table(files.items, needed=("item_id",))
    title_column = next((name for name in ("title", "name", "item_name") if name in item_rows[0]), "item_id")
    ids = tuple(row["item_id"] for row in item_rows)
    number = {item_id: place for place, item_id in enumerate(ids)}
    if len(number) < len(ids):
        raise InvalidInputError(f"{files.items.name} names an item twice; leave one row each.")
    texts = tuple(item_text(row[title_column], row.get("brand", ""), row.get("description", "")) for row in item_rows)
    titles = tuple(item_text(row[title_column], row.get("brand", ""), "") for row in item_rows)
    chosen = _candidates(files.candidates, number) if files.candidates else {}
    rows = _histories(files.test, number)
    if chosen and not any(row.user in chosen for row in rows):
        raise InvalidInputError(f"{files.test.name} has no user that {files.candidates} has candidates for.")
    test_cases = merged([_case(row, chosen.get(row.user)) for row in rows if not chosen or row.user in chosen])
    learned_from = _events(files.train, number) if files.train else _of_histories(rows, len(ids))
    validation = _validation(files, number, rows, learned_from, chosen)
    return Dataset(
        titles=titles,
        vectors=embed(texts).astype(np.float16).astype(np.float32),
        newest_first=_newest_first(item_rows),
        validation=validation,
        test=Fold(learned_from, test_cases),
        item_ids=ids,
        texts=texts,
        earlier=() if chosen else enough_of(earlier_moments(validation), validation),
    )


def _validation(
    files: Files,
    number: dict[str, int],
    rows: Sequence[_Row],
    learned_from: Interactions,
    chosen: dict[str, tuple[int, ...]],
) -> Fold:
    if files.validation:
        train = _events(files.train_for_validation, number) if files.train_for_validation else learned_from
        return Fold(train, merged([_case(row, None) for row in _histories(files.validation, number)]))
    if not files.train:
        shorter = [row for row in rows if len(row.items) > 1]
        wanted = [row for row in shorter if not chosen or row.user in chosen]
        others = list(chosen.values())
        cases = []
        for place, row in enumerate(wanted):
            held_out = row.items[-1]
            # Somebody else's candidates, so that they are as hard as the test's and give nothing of it away.
            pool = (*others[(place + 1) % len(others)], held_out) if others else None
            cases.append(_case(_Row(row.user, row.items[:-1], row.times_s[:-1], held_out, row.times_s[-1]), pool))
        earlier = [
            _Row(row.user, row.items[:-1], row.times_s[:-1], row.items[-1], row.times_s[-1])
            for row in rows
            if row.items
        ]
        return Fold(_of_histories(earlier, len(number)), merged(cases))
    return held_out_steps(learned_from)


def _case(row: _Row, candidates: tuple[int, ...] | None) -> Case:
    past = history(np.array(row.items, dtype=np.int64), np.array(row.times_s), as_of_s=row.as_of_s)
    return Case(row.user, past, row.as_of_s, (row.target,), candidates)


def _table(path: Path, *, needed: Sequence[str]) -> list[dict[str, str]]:
    """Rows by column name, the types of the header left off."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            names = [name.split(":")[0] for name in next(rows, [])]
            table = [dict(zip(names, row, strict=False)) for row in rows if row]
    except OSError as error:
        raise InvalidInputError(f"{path} can not be read: {error.strerror}.") from error
    if missing := [name for name in needed if name not in names]:
        raise InvalidInputError(f"{path.name} has no column {missing[0]!r}; it has {', '.join(names) or 'none'}.")
    if not table:
        raise InvalidInputError(f"{path.name} has no rows.")
    return table


def _number(item_id: str, number: dict[str, int], path: Path) -> int:
    if item_id not in number:
        raise InvalidInputError(f"{path.name} names the item {item_id!r}, which the .item file does not have.")
    return number[item_id]


def _float(text: str, column: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidInputError(f"{path.name} has {text[:40]!r} in the column {column!r}; write seconds, like 1.7e9.")
    return value


def _histories(path: Path, number: dict[str, int]) -> list[_Row]:
    rows = []
    for row in _table(path, needed=("user_id", "item_id_list", "item_id")):
        items = tuple(_number(item_id, number, path) for item_id in row["item_id_list"].split())
        times_s = tuple(
            _float(time_s, "timestamp_list", path) for time_s in row.get("timestamp_list", "").split()
        ) or tuple(float(place) for place in range(len(items)))
        if len(times_s) != len(items):
            raise InvalidInputError(
                f"{path.name}: user {row['user_id']!r} has {len(items)} items and {len(times_s)} times; one each."
            )
        as_of_s = _float(row["timestamp"], "timestamp", path) if row.get("timestamp") else max(times_s, default=0.0)
        rows.append(_Row(row["user_id"], items, times_s, _number(row["item_id"], number, path), as_of_s))
    return rows


def _events(path: Path, number: dict[str, int]) -> Interactions:
    table = _table(path, needed=("user_id", "item_id"))
    users = {user: place for place, user in enumerate(dict.fromkeys(row["user_id"] for row in table))}
    return interactions(
        np.array([users[row["user_id"]] for row in table], dtype=np.int64),
        np.array([_number(row["item_id"], number, path) for row in table], dtype=np.int64),
        np.array([_float(row.get("timestamp") or str(place), "timestamp", path) for place, row in enumerate(table)]),
        n_users=len(users),
        n_items=len(number),
    )


def _of_histories(rows: Sequence[_Row], n_items: int) -> Interactions:
    """The longest history of each user."""
    longest: dict[str, _Row] = {}
    for row in rows:
        if row.user not in longest or len(row.items) > len(longest[row.user].items):
            longest[row.user] = row
    own = list(longest.values())
    return interactions(
        np.repeat(np.arange(len(own)), [len(row.items) for row in own]),
        np.array([item for row in own for item in row.items], dtype=np.int64),
        np.array([time_s for row in own for time_s in row.times_s], dtype=np.float64),
        n_users=len(own),
        n_items=n_items,
    )


def _candidates(path: Path, number: dict[str, int]) -> dict[str, tuple[int, ...]]:
    return {
        row["user_id"]: tuple(_number(item_id, number, path) for item_id in row["item_id_list"].split())
        for row in _table(path, needed=("user_id", "item_id_list"))
    }


def _newest_first(item_rows: Sequence[dict[str, str]]) -> NDArray[np.int64]:
    """By `first_seen` where the file has it, else the last rows count as the newest."""
    seen = np.array([float(row.get("first_seen") or 0.0) for row in item_rows])
    return np.lexsort((-np.arange(len(item_rows)), -seen))
