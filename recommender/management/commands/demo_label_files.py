"""`manage.py demo_label_files DIRECTORY`: the demo's items and the source's own categories, as `benchmark_labels` reads
them. Reads the demo's package and no row of the site."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from recommender.demo import loading
from recommender.demo.groceries import DemoItem

LABELS = 60
# Titles of these had to be made of the category itself, so a labeller would read the answer.
NAMED_BY_CATEGORY = "category"


class Command(BaseCommand):
    help = "Write items.csv, taxonomy.csv and truth.csv of the demo for benchmark_labels."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("--labels", type=int, default=LABELS, help=f"How many commonest ones (default {LABELS}).")

    def handle(self, *args: Any, **options: Any) -> None:
        directory: Path = options["directory"]
        directory.mkdir(parents=True, exist_ok=True)
        items = [item for item in loading.read_demo().items if item.named_by != NAMED_BY_CATEGORY]
        labels = commonest(items, options["labels"])
        kept = [item for item in items if item.product_category in labels]
        _write(directory / "items.csv", ["id", "title", "brand"], ((i.external_id, i.title, i.brand) for i in kept))
        _write(directory / "taxonomy.csv", ["label"], ((label,) for label in labels))
        _write(directory / "truth.csv", ["id", "label"], ((item.external_id, item.product_category) for item in kept))
        self.stdout.write(f"{len(kept):,} items and {len(labels)} labels are in {directory}.")


def commonest(items: Iterable[DemoItem], n: int) -> list[str]:
    """The n categories that most items have, spelled as the source spells them; ties by name."""
    counted = Counter(item.product_category for item in items if item.product_category)
    return [name for name, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:n]]


def _write(path: Path, head: list[str], rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
