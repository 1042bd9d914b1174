"""A taxonomy out: every label with all that the import reads, so that reading it back changes nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from catalog.models import Label, LabelName, Taxonomy
from catalog.taxonomy_rows import NAME_COLUMN
from recsite.operations.errors import NotFoundError

COLUMNS = (
    "taxonomy",
    "label",
    "description",
    "description_source",
    "icon",
    "external_id",
    "is_deprecated",
    "merged_into",
)


class _Echo:
    """What csv writes to: hands each line back."""

    def write(self, line: str) -> str:
        return line


def export_taxonomy(slug: str) -> Iterator[str]:
    """Lines of the CSV, its header first. Raises NotFoundError where there is no such taxonomy."""
    taxonomy = Taxonomy.objects.filter(slug=slug).first()
    if taxonomy is None:
        known = ", ".join(Taxonomy.objects.values_list("slug", flat=True)) or "there are none yet"
        raise NotFoundError(f"There is no taxonomy {slug!r}; known: {known}.")
    languages = list(
        LabelName.objects.filter(label__taxonomy=taxonomy)
        .order_by("language")
        .values_list("language", flat=True)
        .distinct()
    )
    return _lines(taxonomy, languages)


def _lines(taxonomy: Taxonomy, languages: list[str]) -> Iterator[str]:
    writer = csv.writer(_Echo(), lineterminator="\n")
    yield writer.writerow([*COLUMNS, *(f"{NAME_COLUMN}{language}" for language in languages)])
    labels = taxonomy.labels.select_related("merged_into").with_every_name().order_by("position", "id")
    for label in labels:
        spelled = {name.language: name.name for name in label.names.all()}
        yield writer.writerow([*_cells(taxonomy, label), *(spelled.get(language, "") for language in languages)])


def _cells(taxonomy: Taxonomy, label: Label) -> list[str]:
    return [
        taxonomy.slug,
        label.path,
        label.description,
        label.description_source,
        label.icon,
        label.external_id,
        "true" if label.is_deprecated else "",
        label.merged_into.path if label.merged_into else "",
    ]
