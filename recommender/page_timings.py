"""How long each page of the console takes on the data that is here, beside what the database needs at the least."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog.models import Item
from recommender import slates
from recommender.models import EndUser, Event
from recommender.page_examples import Page, pages

RUNS = 5
LISTS = 60
STAFF = "bench-pages"


@dataclass(frozen=True)
class Timing:
    name: str
    address: str
    status: int
    median_ms: float
    p95_ms: float
    cpu_ms: float | None
    queries: int
    kilobytes: float


def time_pages(*, runs: int = RUNS, only: str = "", say: Callable[[Timing], None] = lambda _: None) -> list[Timing]:
    """Each page once to warm it, then so often. Signs in as a member of staff who is deleted again."""
    staff = User.objects.create_superuser(f"{STAFF}-{time.time_ns()}")
    try:
        client = Client(raise_request_exception=False)
        client.force_login(staff)
        found = []
        for page in pages():
            if only in page.name:
                found.append(_timed(client, page, runs))
                say(found[-1])
        return found
    finally:
        staff.delete()


class CpuClock:
    """CPU time of this process and of its database session, so that what else runs on the machine does not count.

    Only where PostgreSQL runs on this machine; without parallel workers, which are therefore switched off.
    """

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET max_parallel_workers_per_gather = 0")
            cursor.execute("SELECT pg_backend_pid(), inet_server_addr() IS NULL OR inet_server_addr() = '127.0.0.1'")
            pid, is_here = cursor.fetchone()
        self.stat = Path(f"/proc/{pid}/stat") if is_here else None

    def read_s(self) -> float | None:
        if self.stat is None or not self.stat.exists():
            return None
        fields = self.stat.read_text().rpartition(")")[2].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _timed(client: Client, page: Page, runs: int) -> Timing:
    with CaptureQueriesContext(connection):
        client.get(page.address)
        queries = len(connection.queries_log)  # the next request clears the log
    clock = CpuClock()
    seconds, size, status, begun_s = [], 0, 0, clock.read_s()
    for _ in range(runs):
        started = time.perf_counter()
        response = client.get(page.address)
        body = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
        seconds.append(time.perf_counter() - started)
        size, status = len(body), response.status_code
    ended_s = clock.read_s()
    cpu_ms = None if begun_s is None or ended_s is None else round((ended_s - begun_s) * 1000 / runs, 1)
    return Timing(page.name, page.address, status, *_milliseconds(seconds), cpu_ms, queries, round(size / 1024, 1))


def time_lists(n: int = LISTS) -> dict[str, object]:
    """recommend() of 12 items, not recorded, for users spread over all that have interests."""
    known = list(
        EndUser.objects.filter(interest_vectors__position=0).order_by("pk").values_list("external_id", flat=True)
    )
    some = [known[place * len(known) // n] for place in range(n)] if known else []
    for user in some[:2]:
        slates.recommend(user, record=False)
    clock, seconds = CpuClock(), []
    begun_s = clock.read_s()
    for user in some:
        started = time.perf_counter()
        slates.recommend(user, record=False)
        seconds.append(time.perf_counter() - started)
    median, p95 = _milliseconds(seconds) if seconds else (0.0, 0.0)
    ended_s = clock.read_s()
    is_known = begun_s is not None and ended_s is not None and some
    cpu_ms = round((ended_s - begun_s) * 1000 / len(some), 1) if is_known else None  # type: ignore[operator]
    return {"lists": len(some), "median_ms": median, "p95_ms": p95, "mean_cpu_ms": cpu_ms}


def time_database(runs: int = 200) -> dict[str, float]:
    """What nothing can be faster than: one round trip, and one row read through an index."""
    item_id = Item.objects.order_by("pk").values_list("pk", flat=True).first() or 0
    statements = {
        "round_trip_ms": ("SELECT 1", []),
        "indexed_read_ms": ("SELECT title FROM catalog_item WHERE id = %s", [item_id]),
    }
    found = {}
    with connection.cursor() as cursor:
        for name, (statement, parameters) in statements.items():
            seconds = []
            for _ in range(runs):
                started = time.perf_counter()
                cursor.execute(statement, parameters)
                cursor.fetchone()
                seconds.append(time.perf_counter() - started)
            found[name] = round(float(np.median(seconds)) * 1000, 3)
    return found


def sizes() -> dict[str, int]:
    return {"items": Item.objects.count(), "events": Event.objects.count(), "users": EndUser.objects.count()}


def _milliseconds(seconds: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return (round(float(np.median(seconds)) * 1000, 1), round(float(np.percentile(seconds, 95)) * 1000, 1))
