"""`manage.py import_taxonomy FILE`: labels from a CSV."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.models import Taxonomy
from catalog.taxonomies import import_taxonomy, read_taxonomy
from recsite.operations.errors import InvalidInputError


class Command(BaseCommand):
    help = 'Import labels from a CSV with the columns taxonomy, label (a path joined by " > "), description, icon.'

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--choice", choices=Taxonomy.Choice.values, default="", help="How many labels an item.")
        parser.add_argument("--question", default="", help="What the language model is asked about an item.")
        parser.add_argument("--description", default="", help="What these labels are for.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            report = import_taxonomy(
                read_taxonomy(path),
                choice=options["choice"],
                question=options["question"],
                description=options["description"],
            )
        except InvalidInputError as error:
            raise CommandError(error.message) from None
        self.stdout.write(
            f"{', '.join(report.taxonomies) or path.name}: {report.created:,} labels created, {report.updated:,} "
            f"updated, {report.unchanged:,} unchanged, {len(report.rejected):,} rows rejected"
        )
        for rejection in report.rejected[:10]:
            self.stdout.write(self.style.WARNING(f"  row {rejection.row}: {rejection.message}"))
        if not report.taxonomies:
            raise CommandError(f"No row of {path.name} is valid; nothing was imported.")
