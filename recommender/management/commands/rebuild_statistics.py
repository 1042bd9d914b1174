"""`manage.py rebuild_statistics`: popularity and neighbours of every item, from all events."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from recommender import neighbours


class Command(BaseCommand):
    help = "Rebuild popularity and neighbours from all events. The old ones serve until the new ones are complete."

    def handle(self, *args: Any, **options: Any) -> None:
        def report(done: int, total: int, message: str) -> None:
            self.stdout.write(f"[{done}/{total}] {message}")

        written = neighbours.rebuild_statistics(on_progress=report)
        self.stdout.write(f"Wrote {written:,} neighbours.")
