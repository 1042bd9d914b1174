"""`manage.py prepare FILE --out DIR --split-at DATE`: a shop's raw file into clean files that `evaluate` reads."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from recommender.algorithms.cleaning.report import Step
from recommender.preparation_reports import keep_report
from recommender.preparations import prepare_file
from recommender.raw_sales import Mapped, read_mapping, zone_named
from recsite.operations.errors import RecsiteError


class Command(BaseCommand):
    help = (
        "Clean a raw file of sales (Parquet or CSV), split it by time, and write RecBole files and report.json. "
        "docs/preparation.md says what each step does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="Where the files are written.")
        parser.add_argument("--split-at", required=True, metavar="DATE", help="The test begins here, like 2010-10-01.")
        parser.add_argument("--valid-days", type=float, metavar="N", help="Validation begins N days before the split.")
        parser.add_argument("--mapping", type=Path, metavar="F", help="JSON or TOML: columns, time zone, patterns.")
        parser.add_argument("--time-zone", default="", help="Of times without one, like Europe/London; UTC by itself.")
        parser.add_argument("--name", default="", help="What the files are called; by itself as FILE.")
        parser.add_argument("--no-report", action="store_true", help="Keep no report for the data-quality page.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            mapped = read_mapping(options["mapping"]) if options["mapping"] else Mapped()
            if options["time_zone"]:
                mapped = replace(mapped, time_zone=zone_named(options["time_zone"]))
            written = prepare_file(
                options["file"],
                options["out"],
                split_at=options["split_at"],
                valid_days=options["valid_days"],
                name=options["name"],
                mapped=mapped,
                on_step=lambda words: self.stderr.write(f"{words} …"),
            )
        except RecsiteError as error:
            raise CommandError(error.message) from None
        prepared = written.prepared
        self._print(written.report, prepared.steps)
        for path in written.files:
            self.stdout.write(f"  {path}")
        if not options["no_report"]:
            try:
                keep_report(
                    options["file"].name, rows_in=prepared.rows_in, rows_out=len(prepared.kept), steps=prepared.steps
                )
            except DatabaseError:
                self.stderr.write("The database is away: the files are written, the data-quality page has no report.")

    def _print(self, report: dict[str, Any], steps: tuple[Step, ...]) -> None:
        self.stdout.write(f"{report['source']}: {report['rows_in']:,} rows, {report['rows_out']:,} kept")
        for step in steps:
            self.stdout.write(f"  {step.step:14} {step.dropped:>9,} dropped {step.changed:>9,} changed  {step.words}")
        self.stdout.write(
            f"{report['users']:,} users, {report['items']:,} items, {report['baskets']:,} baskets, "
            f"{report['first']} to {report['last']}"
        )
        for part in ("train", "train_for_test", "valid", "test"):
            self.stdout.write(f"  {part:14} " + ", ".join(f"{n:,} {what}" for what, n in report[part].items()))
        self.stdout.write(f"validation begins {report['valid_at']}, the test {report['split_at']}")
