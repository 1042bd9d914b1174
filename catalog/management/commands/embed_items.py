"""manage.py embed_items: a vector for every item whose text has none yet."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.embedding import embed_items, embed_labels
from catalog.models import Item, Taxonomy
from recsite.operations.errors import RecsiteError


class Command(BaseCommand):
    help = "Embed every item whose text has no vector yet, and the labels of active taxonomies. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        waiting = Item.objects.without_current_embedding().count()
        try:
            labels = sum(embed_labels(taxonomy.pk) for taxonomy in Taxonomy.objects.filter(is_active=True))
            with tqdm(total=waiting, unit="item", disable=None) as bar:
                stored = embed_items(on_progress=bar.update)
        except RecsiteError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Embedded {stored} items and {labels} labels.")
