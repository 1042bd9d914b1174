"""manage.py describe_labels: have the language model describe labels, here and now, with progress."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from catalog import label_descriptions
from catalog.models import Label, Taxonomy
from catalog.providers import get_chat_model


class Command(BaseCommand):
    help = (
        "Have the language model describe the labels that nobody described. What a person or a file wrote is never "
        "replaced. Safe to run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--taxonomy", metavar="SLUG", help="This taxonomy only, active or not.")
        parser.add_argument("--again", action="store_true", help="Replace what the model wrote before, too.")

    def handle(self, *args: Any, **options: Any) -> None:
        taxonomies = Taxonomy.objects.filter(is_active=True)
        if slug := options["taxonomy"]:
            taxonomies = Taxonomy.objects.filter(slug=slug)
            if not taxonomies.exists():
                known = ", ".join(Taxonomy.objects.values_list("slug", flat=True)) or "there are none yet"
                raise CommandError(f"There is no taxonomy {slug!r}; known: {known}.")
        model = get_chat_model()
        if model is None:
            raise CommandError("There is no language model (RECSITE_LLM=off, or no LLM_BASE_URL); start or set one.")
        if (status := model.status()).state != "ready":
            raise CommandError(f"The language model is {status.state}. {status.detail}")
        labels = Label.objects.filter(taxonomy__in=taxonomies)
        wanted = labels.undescribed() | labels.described_by_model() if options["again"] else labels.undescribed()
        ids = list(wanted.order_by("taxonomy_id", "position", "pk").values_list("pk", flat=True))
        with tqdm(total=len(ids), unit="label", disable=None) as bar:
            report = label_descriptions.describe(ids, chat_model=model, on_progress=bar.update)
        self.stdout.write(
            f"Described {report.described} labels; {report.unusable} answers were unusable, {report.left} are left."
        )
        if report.is_away:
            raise CommandError("The language model went away; run the command again when it is back.")
