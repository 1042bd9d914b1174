"""`manage.py rebuild_interests [USER …]`: interest vectors and labels, of some users or of all."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recommender import interests
from recommender.models import EndUser


class Command(BaseCommand):
    help = "Rebuild interest vectors and labels from events. Safe to run twice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("users", nargs="*", help="The shop's own ids; everybody where none is given.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["users"]:
            self.stdout.write(f"Rebuilt the interests of {interests.rebuild_many(self._ids(options['users']))} users.")
            return
        with tqdm(desc="Building interests", unit=" users", disable=None) as bar:

            def report(done: int, total: int, message: str) -> None:
                bar.total = total
                bar.update(done - bar.n)

            built = interests.rebuild_all(on_progress=report)
        self.stdout.write(f"Rebuilt the interests of {built} users.")

    def _ids(self, external_ids: list[str]) -> list[int]:
        known = dict(EndUser.objects.filter(external_id__in=external_ids).values_list("external_id", "pk"))
        if missing := [external_id for external_id in external_ids if external_id not in known]:
            raise CommandError(f"There is no user {missing[0]!r}; nothing was rebuilt.")
        return list(known.values())
