"""`manage.py import_taxonomy FILE`: labels from a table, or from Google's or Shopify's product taxonomy."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.models import Taxonomy
from catalog.taxonomy_files import FORMATS, read_taxonomy
from catalog.taxonomy_imports import import_taxonomy
from recsite.operations.errors import InvalidInputError

SHOWN = 10


class Command(BaseCommand):
    help = (
        'Import labels from a CSV with the column label (a path joined by " > ") and, if any, taxonomy, description, '
        "icon, external_id and name:LANGUAGE; or from Google's or Shopify's product taxonomy. Nothing is removed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", choices=["auto", *sorted(FORMATS)], default="auto")
        parser.add_argument("--taxonomy", default="", metavar="SLUG", help="Where the file does not say which.")
        parser.add_argument("--name", default="", help="What that taxonomy is called, where it is new.")
        parser.add_argument("--language", default="", help="The names are in this language; labels are known by id.")
        parser.add_argument("--choice", choices=Taxonomy.Choice.values, default="", help="How many labels an item.")
        parser.add_argument("--question", default="", help="What the language model is asked about an item.")
        parser.add_argument("--description", default="", help="What these labels are for.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        chosen = "" if options["format"] == "auto" else options["format"]
        try:
            report = import_taxonomy(
                read_taxonomy(path, name=chosen),
                taxonomy=options["taxonomy"],
                name=options["name"],
                language=options["language"],
                choice=options["choice"],
                question=options["question"],
                description=options["description"],
            )
        except InvalidInputError as error:
            raise CommandError(error.message) from None
        named = f", {report.names:,} names in other languages" if report.names else ""
        self.stdout.write(
            f"{', '.join(report.taxonomies) or path.name}: {report.created:,} labels created, {report.updated:,} "
            f"updated, {report.unchanged:,} unchanged, {len(report.rejected):,} rows rejected{named}"
        )
        for rejection in report.rejected[:SHOWN]:
            self.stdout.write(self.style.WARNING(f"  row {rejection.row}: {rejection.message}"))
        if len(report.rejected) > SHOWN:
            self.stdout.write(f"  … and {len(report.rejected) - SHOWN:,} more")
        if not report.taxonomies:
            hint = " Name the taxonomy with --taxonomy SLUG." if not options["taxonomy"] else ""
            raise CommandError(f"No row of {path.name} is valid; nothing was imported.{hint}")
