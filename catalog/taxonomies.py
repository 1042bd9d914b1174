"""Taxonomies in: a table of label paths becomes taxonomies and their labels, and items wait to be labelled anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.db import transaction
from django.db.models import Max, Value
from django.db.models.functions import Concat, Substr
from django.utils.text import slugify
from kombu.exceptions import OperationalError

from catalog import labelling, tasks
from catalog.feeds.tables import read_table
from catalog.feeds.text import FeedError, read_head
from catalog.item_rows import Rejection, UnreadableRow, clean_text
from catalog.models import Item, Label, LabelRequest, Taxonomy
from recsite.operations.errors import InvalidInputError

log = structlog.get_logger(__name__)

SEPARATOR = " > "
REQUEST_CHUNK = 2000
QUESTION_LIMIT = 200
DESCRIPTION_LIMIT = 2000


@dataclass(frozen=True)
class TaxonomyReport:
    """Labels by what became of them; parents that only a path names count as created too."""

    taxonomies: tuple[str, ...]
    created: int
    updated: int
    unchanged: int
    rejected: tuple[Rejection, ...]


@dataclass(frozen=True)
class _LabelRow:
    slug: str
    name: str
    path: tuple[str, ...]
    description: str
    icon: str


def read_taxonomy(path: Path) -> list[Mapping[str, str] | UnreadableRow]:
    """Rows of a CSV with the columns taxonomy, label (a path joined by " > "), description and icon."""
    head = read_head(path)
    if head.is_empty:
        raise FeedError(f"{path.name} is empty; give it the columns taxonomy, label, description, icon.")
    with path.open("rb") as file:
        rows: list[Mapping[str, str] | UnreadableRow] = list(
            read_table(file, header=lambda name: {"path": "label"}.get(name.strip().lower(), name.strip().lower()))
        )
    first = next((row for row in rows if not isinstance(row, UnreadableRow)), None)
    if first is None or not {"taxonomy", "label"} <= set(first):
        raise FeedError(f"{path.name} lacks the columns taxonomy and label; its header is the first line.")
    return rows


def import_taxonomy(
    rows: Iterable[Mapping[str, str] | UnreadableRow], *, choice: str = "", question: str = "", description: str = ""
) -> TaxonomyReport:
    """Create and describe labels; none is ever removed. choice, question and description apply to all taxonomies named.

    A taxonomy is named by its slug or its name. Where labels are new or described anew, every item waits to be
    labelled against their taxonomy.
    """
    if len(question) > QUESTION_LIMIT:
        raise InvalidInputError(f"The question has {len(question):,} characters; at most {QUESTION_LIMIT} fit.")
    valid: dict[tuple[str, tuple[str, ...]], _LabelRow] = {}
    rejected: list[Rejection] = []
    for number, row in enumerate(rows, 1):
        parsed = _parsed(row, number)
        if isinstance(parsed, Rejection):
            rejected.append(parsed)
        else:
            valid[parsed.slug, parsed.path] = parsed
    created = updated = unchanged = 0
    touched: list[int] = []
    slugs = list(dict.fromkeys(slug for slug, _ in valid))
    with transaction.atomic():
        for slug in slugs:
            labels = [row for row in valid.values() if row.slug == slug]
            taxonomy = _taxonomy(slug, labels[0].name, choice=choice, question=question, description=description)
            new, changed, same = _write_labels(taxonomy, labels)
            created, updated, unchanged = created + new, updated + changed, unchanged + same
            if new or changed:
                touched.append(taxonomy.pk)
        if touched:
            ask_for_labels(touched)
    log.info("taxonomies_imported", created=created, updated=updated, unchanged=unchanged, rejected=len(rejected))
    return TaxonomyReport(tuple(slugs), created, updated, unchanged, tuple(rejected))


def _parsed(row: Mapping[str, str] | UnreadableRow, number: int) -> _LabelRow | Rejection:
    if isinstance(row, UnreadableRow):
        return Rejection(number, "", "", row.message)
    name = clean_text(row.get("taxonomy") or "")
    slug = slugify(name)[:50]
    if not slug:
        return Rejection(number, "", "taxonomy", "taxonomy is missing; name the one that the label belongs to.")
    written = clean_text(row.get("label") or row.get("path") or "")
    path = tuple(" ".join(part.split()) for part in written.split(">"))
    if not all(path):
        message = 'label is missing or has an empty part; write names from the root joined by " > ".'
        return Rejection(number, written[:200], "label", message)
    if any(len(part) > 200 for part in path) or len(SEPARATOR.join(path)) > 1000:
        return Rejection(number, written[:200], "label", "label is too long: 200 characters a name, 1,000 a path.")
    icon = clean_text(row.get("icon") or "").removeprefix("ti-")
    if len(icon) > 40:
        return Rejection(number, written[:200], "icon", "icon is longer than 40 characters; use a Tabler icon's name.")
    about = clean_text(row.get("description") or "")
    if len(about) > DESCRIPTION_LIMIT:
        message = f"description has {len(about):,} characters; at most {DESCRIPTION_LIMIT:,} fit. Shorten it."
        return Rejection(number, written[:200], "description", message)
    return _LabelRow(slug, name[:100], path, about, icon)


def _taxonomy(slug: str, name: str, *, choice: str, question: str, description: str) -> Taxonomy:
    shown = name if name != slug else slug.replace("-", " ").capitalize()
    last = Taxonomy.objects.aggregate(last=Max("position"))["last"]
    taxonomy, _ = Taxonomy.objects.get_or_create(
        slug=slug, defaults={"name": shown, "position": 0 if last is None else last + 1}
    )
    wanted = {"choice": choice, "question": question, "description": description}
    changes = {field: value for field, value in wanted.items() if value and getattr(taxonomy, field) != value}
    if changes:
        for field, value in changes.items():
            setattr(taxonomy, field, value)
        taxonomy.save(update_fields=list(changes))
    return taxonomy


def _write_labels(taxonomy: Taxonomy, rows: list[_LabelRow]) -> tuple[int, int, int]:
    """(created, updated, unchanged)"""
    stored = {label.path: label for label in taxonomy.labels.all()}
    position = max((label.position for label in stored.values()), default=-1) + 1
    created = updated = unchanged = 0
    for row in rows:
        parent: Label | None = None
        for depth in range(1, len(row.path) + 1):
            path = SEPARATOR.join(row.path[:depth])
            label = stored.get(path)
            if label is None:
                label = Label(taxonomy=taxonomy, parent=parent, name=row.path[depth - 1], path=path, position=position)
                if depth == len(row.path):
                    label.description, label.icon = row.description, row.icon
                label.save()
                stored[path] = label
                position, created = position + 1, created + 1
            elif depth == len(row.path):
                if _describe(label, row):
                    updated += 1
                else:
                    unchanged += 1
            parent = label
    return created, updated, unchanged


def _describe(label: Label, row: _LabelRow) -> bool:
    """Whether anything changed. An empty cell keeps what is there."""
    changes = {
        field: value
        for field, value in (("description", row.description), ("icon", row.icon))
        if value and getattr(label, field) != value
    }
    if label.is_deprecated:
        changes["is_deprecated"] = False  # type: ignore[assignment]
    for field, value in changes.items():
        setattr(label, field, value)
    if changes:
        label.save(update_fields=list(changes))
    return bool(changes)


def check_label(label: Label, *, taxonomy: Taxonomy, parent: Label | None, name: str) -> None:
    """Raises InvalidInputError where the label cannot stand below `parent` under this name."""
    if parent is not None and parent.taxonomy_id != taxonomy.pk:
        raise InvalidInputError(f"{parent.path} is in another taxonomy; choose a parent in {taxonomy.name}.")
    if ">" in name:
        raise InvalidInputError('A name cannot hold ">", which separates the names of a path.')
    if parent is not None and label.pk and f"{parent.path}{SEPARATOR}".startswith(f"{label.path}{SEPARATOR}"):
        raise InvalidInputError(f"{parent.path} is the label itself or below it; choose another parent.")
    path = _path(parent, name)
    if len(path) > 1000:
        raise InvalidInputError("The path would be longer than 1,000 characters; shorten a name.")
    if Label.objects.filter(taxonomy=taxonomy, path=path).exclude(pk=label.pk).exists():
        raise InvalidInputError(f"{taxonomy.name} has a label {path} already; choose another name.")


@transaction.atomic
def save_label(label: Label) -> None:
    """Save a checked label with its path, and the paths of all that lie below it."""
    before = Label.objects.filter(pk=label.pk).values_list("path", flat=True).first()
    label.name = " ".join(clean_text(label.name).split())
    label.path = _path(label.parent, label.name)
    label.save()
    if before and before != label.path:
        below = Label.objects.filter(taxonomy_id=label.taxonomy_id, path__startswith=f"{before}{SEPARATOR}")
        below.update(path=Concat(Value(label.path), Substr("path", len(before) + 1)))
    log.info("label_saved", label=label.pk, taxonomy=label.taxonomy_id, moved=bool(before and before != label.path))


def _path(parent: Label | None, name: str) -> str:
    cleaned = " ".join(clean_text(name).split())
    return f"{parent.path}{SEPARATOR}{cleaned}" if parent else cleaned


def ask_for_labels(taxonomy_ids: list[int]) -> int:
    """Every item waits to be labelled anew against these taxonomies. Returns how many items there are."""
    labelling.request_again(LabelRequest.objects.filter(taxonomy_id__in=taxonomy_ids))
    ids = list(Item.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), REQUEST_CHUNK):
        labelling.request_labels(ids[start : start + REQUEST_CHUNK], taxonomy_ids=taxonomy_ids)

    def ring() -> None:
        try:
            tasks.label_waiting_items.delay()
        except OperationalError as error:
            log.warning("bell_not_rung", task="label_waiting_items", reason=str(error))

    if ids:
        transaction.on_commit(ring, robust=True)
    return len(ids)
