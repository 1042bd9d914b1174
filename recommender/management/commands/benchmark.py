"""`manage.py benchmark`: how fast this installation is, as JSON; `make bench` runs it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.providers import get_embedder, get_plain_embedder
from recommender import benchmark
from recsite.operations.errors import RecsiteError


class Command(BaseCommand):
    help = "Measure lists, interests, events and embedding, each beside a peer measured in the same run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rounds", type=int, default=50, help="How often each is measured (default 50).")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["rounds"] <= 1000:
            raise CommandError(f"--rounds is {options['rounds']}; use 1 to 1000.")
        try:
            found = benchmark.measure(
                rounds=options["rounds"], embedder=get_embedder(), plain_embedder=get_plain_embedder()
            )
        except RecsiteError as error:
            raise CommandError(error.message) from error
        self.stdout.write(json.dumps(found, indent=2))
