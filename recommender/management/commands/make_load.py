"""`manage.py make_load`: a generated shop of any size, to measure this installation on."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommender.made_load import Size, make
from recsite.operations.errors import RecsiteError


class Command(BaseCommand):
    help = "Fill an EMPTY database with a generated shop, to measure pages (bench_pages) and lists at that size."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--items", type=int, default=Size.items)
        parser.add_argument("--events", type=int, default=Size.events)
        parser.add_argument("--users", type=int, default=Size.users)
        parser.add_argument("--slates", type=int, default=Size.slates, help="Lists served in the last four weeks.")
        parser.add_argument("--neighbours", type=int, default=Size.neighbours, help="Neighbours an item has of a kind.")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--yes-i-mean-it", action="store_true", help="Also where the database is not empty.")

    def handle(self, *args: Any, **options: Any) -> None:
        size = Size(**{name: options[name] for name in ("items", "events", "users", "slates", "neighbours")})
        started = time.perf_counter()

        def say(what: str) -> None:
            self.stdout.write(f"[{time.perf_counter() - started:6.0f} s] {what}")

        try:
            make(size, seed=options["seed"], into_filled=options["yes_i_mean_it"], say=say)
        except RecsiteError as error:
            raise CommandError(error.message) from error
        say("Done.")
