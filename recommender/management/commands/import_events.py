"""`manage.py import_events FILE`: a file of events into the store."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recommender.algorithms.cleaning.report import ROWS_SHOWN
from recommender.event_feeds import FEEDS, FeedError, open_feed
from recommender.event_import import ImportOptions, ImportReport, import_events, request_rebuild
from recommender.event_rows import TYPES


class Command(BaseCommand):
    help = (
        "Import events from a file: " + ", ".join(sorted(FEEDS)) + ". Valid rows are kept, the first rejected ones are "
        "listed. Ends with 1 where the file cannot be read or no row is valid, with 0 otherwise."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", default="", help="Instead of the one the file looks like.")
        parser.add_argument("--default-type", default="view", choices=TYPES, help="For rows that name no type.")
        parser.add_argument(
            "--map-type", action="append", default=[], metavar="THEIRS=OURS", help="A type of the file; repeatable."
        )
        parser.add_argument("--time-zone", default="", help="Of times without one, like Europe/Paris.")
        parser.add_argument(
            "--match-ids",
            action="store_true",
            help="Take an unknown item for the one whose id differs by case or spaces.",
        )
        parser.add_argument("--create-items", action="store_true", help="Create items that the catalog does not know.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        chosen = ImportOptions(
            default_type=options["default_type"],
            type_names=_type_names(options["map_type"]),
            time_zone=_zone(options["time_zone"]),
            create_items=options["create_items"],
            match_ids=options["match_ids"],
        )
        try:
            # Read once to the end first: a file that breaks off in the middle then leaves nothing half-written.
            feed, rows = open_feed(path, name=options["format"])
            total = sum(1 for _ in rows)
            if not total:
                raise FeedError(f"{path.name} holds no events; export them again.")
            self.stdout.write(f"{path.name}: {total:,} rows, {feed.TITLE}")
            with tqdm(total=total, unit=" rows", desc="Importing", disable=None) as bar:
                report = import_events(
                    open_feed(path, name=feed.NAME)[1], chosen, source=path.name, on_progress=bar.update
                )
        except FeedError as error:
            raise CommandError(error.message) from None
        self._print(report)
        if report.accepted:
            job = request_rebuild()
            self.stdout.write(f"Job {job.pk} rebuilds the statistics; interests follow within minutes.")
        elif not report.duplicates:
            raise CommandError(f"No row of {path.name} is valid; nothing was imported.")

    def _print(self, report: ImportReport) -> None:
        self.stdout.write(
            f"{report.accepted:,} accepted, {report.duplicates:,} stored before, {report.rejected:,} rejected"
        )
        if report.created_items:
            self.stdout.write(
                f"{report.created_items:,} items created with their id as title; import the catalog next."
            )
        for rejection in report.first_rejected:
            self.stdout.write(f"  row {rejection.row:,}: {rejection.message}")
        if report.rejected > len(report.first_rejected):
            self.stdout.write(f"  … and {report.rejected - len(report.first_rejected):,} more")
        for step in report.steps:
            n = step.changed or len(step.rows)
            if step.step not in ("rejected", "duplicates") and n:
                more = "" if step.changed or n < ROWS_SHOWN else " or more"
                self.stdout.write(f"{n:,}{more}: {step.words} Row {step.rows[0].row:,}: {step.rows[0].reason}.")
        if report.unknown_item_ids:
            most = ", ".join(f"{item} ({rows:,} rows)" for item, rows in report.unknown_items)
            self.stdout.write(f"{report.unknown_item_ids:,} unknown items: {most}")


def _type_names(pairs: list[str]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        theirs, _, ours = pair.partition("=")
        if not theirs or ours not in TYPES:
            raise CommandError(f"--map-type {pair!r} is not THEIRS=OURS; OURS is one of {', '.join(TYPES)}.")
        names[theirs] = ours
    return names


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise CommandError(f"There is no time zone {name!r}; use a name like Europe/Paris or UTC.") from None
