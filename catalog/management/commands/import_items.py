"""`manage.py import_items FILE`: a feed into the catalog."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.feeds import FEEDS, FeedError, open_feed
from catalog.items import Rejection, UpsertReport, upsert_items

SHOWN = 10


class Command(BaseCommand):
    help = (
        "Import items from a feed: " + ", ".join(sorted(FEEDS)) + ". Valid rows are kept, the others are listed. "
        "Ends with 1 where the file cannot be read or no row is valid, with 0 otherwise."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", default="", help="Instead of the one the file looks like.")
        parser.add_argument("--partial", action="store_true", help="Keep the fields that a row does not name.")
        parser.add_argument("--dry-run", action="store_true", help="Validate and count; write nothing.")
        parser.add_argument("--report", type=Path, help="Write every rejected row to this CSV.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if options["report"]:
            write_rejections((), options["report"])  # before anything is imported: it may not be writable
        try:
            # Read once to the end first: a feed that breaks off in the middle then leaves nothing half-written.
            feed, rows = open_feed(path, name=options["format"])
            total = sum(1 for _ in rows)
            if not total:
                raise FeedError(f"{path.name} holds no items; export the feed again.")
            self.stdout.write(f"{path.name}: {total:,} rows, {feed.TITLE}")
            with tqdm(total=total, unit=" rows", desc="Importing", disable=None) as bar:
                report = upsert_items(
                    open_feed(path, name=feed.NAME)[1],
                    partial=options["partial"],
                    dry_run=options["dry_run"],
                    on_progress=bar.update,
                )
        except FeedError as error:
            raise CommandError(error.message) from None
        self._print(report, dry_run=options["dry_run"])
        if options["report"]:
            write_rejections(report.rejected, options["report"])
            self.stdout.write(f"All {len(report.rejected):,} rejected rows: {options['report']}")
        if not report.accepted:
            raise CommandError(f"No row of {path.name} is valid; nothing was imported.")

    def _print(self, report: UpsertReport, *, dry_run: bool) -> None:
        would = "would be " if dry_run else ""
        self.stdout.write(
            f"{report.created:,} {would}created, {report.updated:,} {would}updated, {report.unchanged:,} unchanged, "
            f"{len(report.rejected):,} rejected"
        )
        if report.repeated:
            ids = ", ".join(report.repeated_ids[:5]) + (", …" if len(report.repeated_ids) > 5 else "")
            self.stdout.write(f"{report.repeated:,} rows repeat an external_id; the last one won: {ids}")
        if report.into_attributes:
            names = ", ".join(f"{name} ({rows:,})" for name, rows in list(report.into_attributes.items())[:SHOWN])
            self.stdout.write(f"Columns that are no field of an item, kept as attributes: {names}")
        for rejection in report.rejected[:SHOWN]:
            named = f" ({rejection.external_id})" if rejection.external_id else ""
            self.stdout.write(self.style.WARNING(f"  row {rejection.row}{named}: {rejection.message}"))
        if len(report.rejected) > SHOWN:
            self.stdout.write(f"  … and {len(report.rejected) - SHOWN:,} more; --report FILE lists all.")


def write_rejections(rejected: tuple[Rejection, ...], path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "external_id", "field", "message"])
            writer.writerows([item.row, _as_text(item.external_id), item.field, item.message] for item in rejected)
    except OSError as error:
        raise CommandError(f"The report {path} cannot be written: {error.strerror or error}.") from None


def _as_text(cell: str) -> str:
    """A feed is not ours: what a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
