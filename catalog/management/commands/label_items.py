"""manage.py label_items: label what waits, here and now, with progress."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from catalog import model_usage
from catalog.labelling import AT_ONCE, LabellingReport, label_waiting, model_status, request_again, request_labels
from catalog.models import Item, LabelRequest, Taxonomy
from catalog.models.item_label import LabelRequestQuerySet
from recsite.operations.errors import RecsiteError


class Command(BaseCommand):
    help = (
        "Label items that wait for it: first by embeddings, then by the language model where it answers. "
        "A worker may do the same at the same time. Safe to run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--taxonomy", metavar="SLUG", help="This taxonomy only, active or not.")
        parser.add_argument("--limit", type=int, metavar="N", help="Stop after about N requests.")
        parser.add_argument("--again", action="store_true", help="Label finished and failed ones again, too.")

    def handle(self, *args: Any, **options: Any) -> None:
        limit: int | None = options["limit"]
        if limit is not None and limit < 1:
            raise CommandError(f"--limit is {limit}; give a number from 1.")
        taxonomies = Taxonomy.objects.filter(is_active=True)
        if slug := options["taxonomy"]:
            taxonomies = Taxonomy.objects.filter(slug=slug)
            if not taxonomies.exists():
                known = ", ".join(Taxonomy.objects.values_list("slug", flat=True)) or "there are none yet"
                raise CommandError(f"There is no taxonomy {slug!r}; known: {known}.")
        ids = list(taxonomies.values_list("pk", flat=True))
        request_labels(list(Item.objects.values_list("pk", flat=True)), taxonomy_ids=ids)
        requests = LabelRequest.objects.filter(taxonomy_id__in=ids)
        if options["again"]:
            request_again(requests)
        try:
            total = self._label(requests, limit)
        except RecsiteError as error:
            raise CommandError(error.message) from error
        status = model_status()
        self.stdout.write(
            f"Labelled {total['done']} by the language model or with certainty, copied {total['copied']} from equal "
            f"texts, {total['provisional']} by embeddings for now, {total['failed']} failed."
        )
        if status.state != "ready":
            self.stdout.write(f"The language model is {status.state}. {status.detail}")

    def _label(self, requests: LabelRequestQuerySet, limit: int | None) -> dict[str, int]:
        total = {"done": 0, "copied": 0, "provisional": 0, "failed": 0}
        waiting = requests.waiting().count()
        with tqdm(total=min(waiting, limit or waiting), unit="label", disable=None) as bar:
            while limit is None or sum(total.values()) < limit:
                left = AT_ONCE if limit is None else min(AT_ONCE, limit - sum(total.values()))
                try:
                    report: LabellingReport = label_waiting(left, requests=requests)
                finally:
                    model_usage.flush()
                for name in total:
                    total[name] += getattr(report, name)
                bar.update(report.worked - report.provisional)
                if not report.worked:
                    break
        return total
