"""`manage.py bench_pages`: how long each page takes on this database; see docs/scaling.md."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from recommender.page_timings import RUNS, Timing, sizes, time_database, time_lists, time_pages


class Command(BaseCommand):
    help = "Time every page of the console, and lists, beside a round trip to the database. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--runs", type=int, default=RUNS, help=f"How often each page is opened (default {RUNS}).")
        parser.add_argument("--only", default="", help="Only pages whose name contains this.")
        parser.add_argument("--json", type=Path, help="Also write everything to this file.")

    def handle(self, *args: Any, **options: Any) -> None:
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
        floor = time_database()
        self.stdout.write(", ".join(f"{name} {value}" for name, value in floor.items()))
        self.stdout.write(f"{'page':34} {'median ms':>10} {'p95 ms':>9} {'CPU ms':>9} {'queries':>8} {'KB':>8} status")
        timings = time_pages(runs=max(1, options["runs"]), only=options["only"], say=self._say)
        lists = time_lists()
        self.stdout.write("recommend(): " + ", ".join(f"{name} {value}" for name, value in lists.items()))
        if options["json"]:
            told = {"data": sizes(), "database": floor, "lists": lists, "pages": [asdict(one) for one in timings]}
            options["json"].write_text(json.dumps(told, indent=2) + "\n")

    def _say(self, one: Timing) -> None:
        slow = "  over 1 s" if one.p95_ms > 1000 else ""
        times = f"{one.median_ms:10.1f} {one.p95_ms:9.1f} {one.cpu_ms or 0:9.1f}"
        self.stdout.write(f"{one.name:34} {times} {one.queries:8} {one.kilobytes:8.1f} {one.status}{slow}")
        self.stdout.flush()
