"""`manage.py export_taxonomy SLUG`: a taxonomy as the CSV that import_taxonomy reads."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.taxonomy_exports import export_taxonomy
from recsite.operations.errors import NotFoundError


class Command(BaseCommand):
    help = "Export a taxonomy with every label, deprecated ones too, to FILE or to the terminal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("taxonomy", metavar="SLUG")
        parser.add_argument("file", type=Path, nargs="?", help="Where to; the terminal where none is given.")
        parser.add_argument("--format", choices=["csv"], default="csv")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path | None = options["file"]
        try:
            lines = export_taxonomy(options["taxonomy"])
        except NotFoundError as error:
            raise CommandError(error.message) from None
        if path is None:
            for line in lines:
                self.stdout.write(line, ending="")
            return
        draft = path.with_name(f".{path.name}.part")
        written = 0
        try:
            with draft.open("w", encoding="utf-8", newline="") as file:
                for line in lines:
                    file.write(line)
                    written += 1
            draft.replace(path)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from None
        finally:
            draft.unlink(missing_ok=True)
        self.stdout.write(f"{written - 1:,} labels written to {path}")
