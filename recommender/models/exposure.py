"""What users did after an experiment's lists, counted in the database: sums over users, a row an arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

COUNTED = ("impression", "click", "add_to_cart", "purchase")

# Every list of the experiment by its arm's own strategy: a request that named another one is none of its lists.
LISTED = """
CREATE TEMPORARY TABLE experiment_list ON COMMIT DROP AS
SELECT s.id, s.user_external_id, s.arm, s.served_at
FROM recommender_slate s
JOIN unnest(%(names)s::varchar[], %(strategies)s::bigint[]) arm (name, strategy) ON arm.name = s.arm
WHERE s.experiment_id = %(experiment)s AND s.served_at >= %(since)s AND s.served_at <= %(until)s
  AND (arm.strategy IS NULL OR arm.strategy = s.strategy_id)
"""
# user_id: null of those who are nobody yet; they can become known after their first lists.
EXPOSED = """
CREATE TEMPORARY TABLE experiment_user ON COMMIT DROP AS
SELECT seen.user_external_id, seen.arm, seen.lists, seen.first_at, u.id AS user_id
FROM (
    SELECT user_external_id, min(arm) AS arm, count(*) AS lists, min(served_at) AS first_at,
           min(arm) <> max(arm) AS in_two
    FROM experiment_list GROUP BY user_external_id
) seen
LEFT JOIN recommender_enduser u ON u.external_id = seen.user_external_id
WHERE seen.in_two = %(in_two)s
"""
# An event counts once, for the newest of the user's lists that held its item within the attribution time before it.
ATTRIBUTED = """
CREATE TEMPORARY TABLE experiment_event ON COMMIT DROP AS
SELECT DISTINCT ON (e.id) e.id, x.user_id, x.arm, e.type, e.value, e.price, l.served_at, p.currency
FROM experiment_user x
JOIN experiment_list l ON l.user_external_id = x.user_external_id
JOIN recommender_slateitem i ON i.slate_id = l.id
JOIN recommender_event e ON e.user_id = x.user_id AND e.item_id = i.item_id
    AND e.occurred_at >= l.served_at AND e.occurred_at <= l.served_at + %(attribution)s
JOIN catalog_item p ON p.id = e.item_id
WHERE e.type = ANY(%(counted)s) AND e.occurred_at >= %(since)s AND e.occurred_at <= %(events_until)s
ORDER BY e.id, l.served_at DESC, l.id DESC
"""
BY_ARM = "SELECT arm, count(*), sum(lists), sum(lists * lists) FROM experiment_user GROUP BY arm"
BY_TYPE = """
SELECT arm, type, count(*), sum(events), sum(events * events), sum(events * lists) FROM (
    SELECT e.arm, e.type, count(*) AS events, min(x.lists) AS lists
    FROM experiment_event e JOIN experiment_user x ON x.user_id = e.user_id GROUP BY e.arm, e.type, e.user_id
) by_user GROUP BY arm, type
"""
REVENUE = """
SELECT arm, sum(priced), sum(revenue), sum(revenue * revenue) FROM (
    SELECT arm, count(price) AS priced, coalesce(sum(value * price::float8), 0) AS revenue
    FROM experiment_event WHERE type = 'purchase' GROUP BY arm, user_id
) by_user GROUP BY arm
"""
CURRENCIES = "SELECT DISTINCT currency FROM experiment_event WHERE type = 'purchase' AND price IS NOT NULL LIMIT 2"
USERS_A_DAY = """
SELECT (l.served_at AT TIME ZONE 'UTC')::date, x.arm, count(DISTINCT l.user_external_id)
FROM experiment_list l JOIN experiment_user x USING (user_external_id) GROUP BY 1, 2
"""
NEW_A_DAY = "SELECT (first_at AT TIME ZONE 'UTC')::date, arm, count(*) FROM experiment_user GROUP BY 1, 2"
DID_A_DAY = """
SELECT (served_at AT TIME ZONE 'UTC')::date, arm, type, count(DISTINCT user_id) FROM experiment_event GROUP BY 1, 2, 3
"""
TABLES = ("experiment_list", "experiment_user", "experiment_event")


@dataclass(frozen=True)
class Window:
    """Lists from `since` to `until`; events until `events_until`, within `attribution` after their list."""

    since: datetime
    until: datetime
    events_until: datetime
    attribution: timedelta


@dataclass(frozen=True)
class TypeSums:
    """users: who did it at least once; squares: of the events of a user; with_lists: events times lists of a user."""

    users: int = 0
    events: int = 0
    squares: int = 0
    with_lists: int = 0


@dataclass(frozen=True)
class ArmSums:
    users: int
    lists: int
    lists_squares: int
    types: Mapping[str, TypeSums]
    priced: int
    revenue: float
    revenue_squares: float


@dataclass(frozen=True)
class DaySums:
    """users: with a list that day; new: with their first; did: by type, of these users who did it after such a list."""

    day: date
    arm: str
    users: int
    new: int
    did: Mapping[str, int]


@dataclass(frozen=True)
class Counted:
    """arms: by name, those without a list left out. in_two: users with lists of two arms, left out everywhere else."""

    arms: Mapping[str, ArmSums]
    days: tuple[DaySums, ...]
    in_two: int
    currencies: tuple[str, ...]


@transaction.atomic
def count(experiment_id: int, arms: Mapping[str, int | None], window: Window) -> Counted:
    """arms: name -> id of its strategy, None where any counts. One pass over the experiment's lists."""
    values: dict[str, Any] = {
        "experiment": experiment_id,
        "names": list(arms),
        "strategies": list(arms.values()),
        "since": window.since,
        "until": window.until,
        "events_until": window.events_until,
        "attribution": window.attribution,
        "counted": list(COUNTED),
        "in_two": False,
    }
    with connection.cursor() as cursor:
        for table, statement in zip(TABLES, (LISTED, EXPOSED, ATTRIBUTED), strict=True):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            cursor.execute(statement, values)
            cursor.execute(f"ANALYZE {table}")
        counted = Counted(
            arms=_arms(cursor),
            days=_days(cursor),
            in_two=_in_two(cursor),
            currencies=tuple(row[0] for row in _rows(cursor, CURRENCIES)),
        )
        for table in TABLES:
            cursor.execute(f"DROP TABLE {table}")
    return counted


def _rows(cursor: CursorWrapper, statement: str) -> list[tuple[Any, ...]]:
    cursor.execute(statement)
    return list(cursor.fetchall())


def _in_two(cursor: CursorWrapper) -> int:
    asked = "SELECT count(DISTINCT user_external_id) - (SELECT count(*) FROM experiment_user) FROM experiment_list"
    return int(_rows(cursor, asked)[0][0])


def _arms(cursor: CursorWrapper) -> dict[str, ArmSums]:
    types: dict[str, dict[str, TypeSums]] = {}
    for arm, kind, *sums in _rows(cursor, BY_TYPE):
        types.setdefault(arm, {})[kind] = TypeSums(*map(int, sums))
    revenue = {
        arm: (int(priced), float(total), float(squares)) for arm, priced, total, squares in _rows(cursor, REVENUE)
    }
    return {
        arm: ArmSums(int(users), int(lists), int(squares), types.get(arm, {}), *revenue.get(arm, (0, 0.0, 0.0)))
        for arm, users, lists, squares in _rows(cursor, BY_ARM)
    }


def _days(cursor: CursorWrapper) -> tuple[DaySums, ...]:
    new = {(day, arm): int(users) for day, arm, users in _rows(cursor, NEW_A_DAY)}
    did: dict[tuple[date, str], dict[str, int]] = {}
    for day, arm, kind, users in _rows(cursor, DID_A_DAY):
        did.setdefault((day, arm), {})[kind] = int(users)
    return tuple(
        DaySums(day, arm, int(users), new.get((day, arm), 0), did.get((day, arm), {}))
        for day, arm, users in sorted(_rows(cursor, USERS_A_DAY))
    )
