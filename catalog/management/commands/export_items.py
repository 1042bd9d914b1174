"""`manage.py export_items FILE`: the catalog as a feed."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.feeds import FEEDS, FeedError, feed_named
from catalog.models import Item

BY_SUFFIX = {"jsonl": "jsonl", "csv": "csv", "parquet": "parquet", "item": "recbole", "tsv": "google_merchant"}


class Command(BaseCommand):
    help = "Export all items, hidden ones too, to a feed: " + ", ".join(sorted(FEEDS)) + "."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", default="", help="Instead of the one that the file's ending says.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        draft = path.with_name(f".{path.name}.part")
        name = options["format"] or BY_SUFFIX.get(path.suffix.lower().lstrip("."), "")
        try:
            if not name:
                raise FeedError(
                    f"The ending of {path.name} names no format; add --format ({', '.join(sorted(FEEDS))})."
                )
            feed = feed_named(name)
            items = Item.objects.order_by("id")
            with (
                draft.open("wb") as file,
                tqdm(total=items.count(), unit=" items", desc="Exporting", disable=None) as bar,
            ):
                written = feed.write(_counted(items.iterator(chunk_size=2000), bar), file)
            draft.replace(path)
        except FeedError as error:
            raise CommandError(error.message) from None
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from None
        finally:
            draft.unlink(missing_ok=True)
        self.stdout.write(f"{written:,} items written to {path} as {feed.TITLE}")


def _counted(items: Any, bar: Any) -> Any:
    for item in items:
        yield item
        bar.update()
