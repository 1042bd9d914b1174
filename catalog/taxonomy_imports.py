"""Taxonomies in: rows of a file become taxonomies and labels, written in bulk, and items wait to be labelled anew."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from django.db import transaction
from django.db.models import Max
from django.utils.text import slugify
from django.utils.translation import gettext

from catalog.item_rows import Rejection
from catalog.models import Label, LabelName, Taxonomy
from catalog.taxonomies import ask_for_labels
from catalog.taxonomy_files import Row
from catalog.taxonomy_rows import NAME_LIMIT, SEPARATOR, LabelRow, language_code, parse_label
from recsite.operations.errors import InvalidInputError

log = structlog.get_logger(__name__)

CHUNK = 2000
QUESTION_LIMIT = 200
READ_BY_MODELS = frozenset({"description", "is_deprecated"})  # a change of these has items labelled anew
T = TypeVar("T")
Progress = Callable[[int, int, str], None]  # done, of how many, what


@dataclass(frozen=True)
class TaxonomyReport:
    """Labels by what became of them; parents that only a path names are created too. names: in other languages."""

    taxonomies: tuple[str, ...]
    created: int
    updated: int
    unchanged: int
    rejected: tuple[Rejection, ...]
    names: int = 0
    items_waiting: int = 0


def import_taxonomy(
    rows: Iterable[Row],
    *,
    taxonomy: str = "",
    name: str = "",
    language: str = "",
    choice: str = "",
    question: str = "",
    description: str = "",
    on_progress: Progress | None = None,
) -> TaxonomyReport:
    """Create and describe labels; none is ever removed, and what a file does not say stays as it is.

    taxonomy: the slug of the one that all rows belong to, for files that do not say so; name: what it is called.
    language: the labels' names are in that language, and are kept beside the labels that have the same external_id.
    choice, question and description apply to all taxonomies named. A label is known by its external_id, then by its
    path, so one that was renamed or moved here is not created anew.
    """
    if len(question) > QUESTION_LIMIT:
        raise InvalidInputError(
            gettext("The question has %(n)s characters; at most %(most)s fit.")
            % {"n": f"{len(question):,}", "most": QUESTION_LIMIT}
        )
    code = language_code(language)
    if language and not code:
        raise InvalidInputError(
            gettext("%(language)r is no language code; write one such as zh-hans or fr.") % {"language": language}
        )
    if taxonomy and taxonomy != slugify(taxonomy)[:50]:
        raise InvalidInputError(
            gettext("%(taxonomy)r is no slug; write small Latin letters, digits and hyphens, at most 50.")
            % {"taxonomy": taxonomy}
        )
    valid, rejected = _parsed(rows, taxonomy=taxonomy)
    if taxonomy and len(given := {row.taxonomy_name for row in valid} - {taxonomy}) > 1:
        raise InvalidInputError(
            gettext("The file names %(n)s taxonomies; import it without naming one.") % {"n": len(given)}
        )
    counts: Counter[str] = Counter()
    touched: list[int] = []
    slugs = list(dict.fromkeys(row.taxonomy for row in valid))
    with transaction.atomic():
        for slug in slugs:
            own = [row for row in valid if row.taxonomy == slug]
            if code:
                counts += _import_names(_known(slug), own, code, rejected)
                continue
            into = _taxonomy(slug, name or own[0].taxonomy_name, choice, question, description)
            writer = _Labels(into, on_progress)
            writer.take(own)
            counts += writer.counts
            if writer.is_read_anew:
                touched.append(into.pk)
        waiting = ask_for_labels(touched) if touched else 0
    log.info("taxonomies_imported", **counts, rejected=len(rejected))
    return TaxonomyReport(
        taxonomies=tuple(slugs),
        created=counts["created"],
        updated=counts["updated"],
        unchanged=counts["unchanged"],
        rejected=tuple(sorted(rejected, key=lambda rejection: rejection.row)),
        names=counts["names"],
        items_waiting=waiting,
    )


def _parsed(rows: Iterable[Row], *, taxonomy: str) -> tuple[list[LabelRow], list[Rejection]]:
    """Of rows about the same label the last one wins, in the place of the first."""
    valid: dict[tuple[str, tuple[str, ...]], LabelRow] = {}
    rejected: list[Rejection] = []
    for number, row in enumerate(rows, 1):
        parsed = parse_label(row, number, taxonomy=taxonomy)
        if isinstance(parsed, Rejection):
            rejected.append(parsed)
        else:
            valid[parsed.taxonomy, parsed.path] = parsed
    return list(valid.values()), rejected


def _known(slug: str) -> Taxonomy:
    found = Taxonomy.objects.filter(slug=slug).first()
    if found is None:
        raise InvalidInputError(
            gettext("There is no taxonomy %(slug)r to give names to; import its file in your own language first.")
            % {"slug": slug}
        )
    return found


def _taxonomy(slug: str, name: str, choice: str, question: str, description: str) -> Taxonomy:
    shown = name if name != slug else slug.replace("-", " ").capitalize()
    last = Taxonomy.objects.aggregate(last=Max("position"))["last"]
    taxonomy, _ = Taxonomy.objects.get_or_create(
        slug=slug, defaults={"name": shown[:100], "position": 0 if last is None else last + 1}
    )
    wanted = {"choice": choice, "question": question, "description": description}
    changes = {field: value for field, value in wanted.items() if value and getattr(taxonomy, field) != value}
    if changes:
        for field, value in changes.items():
            setattr(taxonomy, field, value)
        taxonomy.save(update_fields=list(changes))
    return taxonomy


class _Labels:
    """The labels of one taxonomy while rows are laid over them; written at the end, one statement a chunk."""

    def __init__(self, taxonomy: Taxonomy, on_progress: Progress | None) -> None:
        self.taxonomy = taxonomy
        self.counts: Counter[str] = Counter()
        self.is_read_anew = False
        self._on_progress = on_progress
        stored = list(taxonomy.labels.all())
        self._by_path = {label.path: label for label in stored}
        self._by_external_id = {label.external_id: label for label in stored if label.external_id}
        self._position = max((label.position for label in stored), default=-1) + 1
        self._new: dict[int, list[Label]] = defaultdict(list)  # by depth: parents are written first
        self._changed: dict[int, tuple[Label, set[str]]] = {}
        self._names: list[tuple[Label, str, str]] = []
        self._merged: list[tuple[Label, str]] = []
        # How the file spells a path -> the label, which may have been renamed or moved here since.
        self._resolved: dict[str, Label] = {}

    def take(self, rows: Sequence[LabelRow]) -> None:
        for row in rows:
            self._lay(row)
        self._write()

    def _lay(self, row: LabelRow) -> None:
        parent: Label | None = None
        for depth in range(1, len(row.path)):
            parent = self._find_or_plan(row.path[:depth], parent)
        written = SEPARATOR.join(row.path)
        label = self._by_external_id.get(row.external_id) if row.external_id else None
        if label is None:
            label = self._find_or_plan(row.path, parent)
        self._resolved[written] = label
        self._describe(label, row)
        self._names += [(label, code, name) for code, name in row.names.items()]
        if row.merged_into:
            self._merged.append((label, row.merged_into))

    def _find_or_plan(self, path: tuple[str, ...], parent: Label | None) -> Label:
        written = SEPARATOR.join(path)
        known = self._resolved.get(written)
        if known is None:
            here = f"{parent.path}{SEPARATOR}{path[-1]}" if parent else path[-1]
            known = self._by_path.get(here)
            if known is None:
                known = Label(taxonomy=self.taxonomy, parent=parent, name=path[-1], path=here, position=self._position)
                self._new[len(path)].append(known)
                self._by_path[here] = known
                self._position += 1
                self.counts["created"] += 1
            self._resolved[written] = known
        return known

    def _describe(self, label: Label, row: LabelRow) -> None:
        """Lay what the row says over the label; an empty cell keeps what is there."""
        wanted: dict[str, object] = {"icon": row.icon, "external_id": row.external_id, "description": row.description}
        changes = {name: value for name, value in wanted.items() if value and getattr(label, name) != value}
        if "description" in changes:
            changes["description_source"] = row.description_source or Label.DescriptionSource.PERSON
        # A label that was merged away stays so: what the file knows by its name is another label here.
        if label.is_deprecated != row.is_deprecated and label.merged_into_id is None:
            changes["is_deprecated"] = row.is_deprecated
        for name, value in changes.items():
            setattr(label, name, value)
        if label.external_id:
            self._by_external_id.setdefault(label.external_id, label)
        if label.pk is None:
            return
        if changes:
            self.counts["updated"] += label.pk not in self._changed
            self._changed.setdefault(label.pk, (label, set()))[1].update(changes)
        else:
            self.counts["unchanged"] += 1

    def _write(self) -> None:
        total = sum(map(len, self._new.values())) + len(self._changed) + len(self._names)
        done = 0
        for depth in sorted(self._new):
            for chunk in _chunks(self._new[depth]):
                Label.objects.bulk_create(chunk)
                done += len(chunk)
                self._report(done, total)
        fields = sorted(set().union(*(names for _, names in self._changed.values()))) if self._changed else []
        for changed in _chunks([label for label, _ in self._changed.values()]):
            Label.objects.bulk_update(changed, fields)
            done += len(changed)
            self._report(done, total)
        self.counts["names"] += _write_names(self.taxonomy, self._names)
        self._note_merged()
        self._report(total, total)
        self.is_read_anew = bool(self.counts["created"] or READ_BY_MODELS.intersection(fields))

    def _note_merged(self) -> None:
        """merged_into of labels that the file brought along; one that was merged here keeps its own."""
        merged = []
        for label, path in self._merged:
            target = self._by_path.get(path)
            if target is not None and target is not label and label.merged_into_id is None:
                label.merged_into = target
                merged.append(label)
        for chunk in _chunks(merged):
            Label.objects.bulk_update(chunk, ["merged_into"])

    def _report(self, done: int, total: int) -> None:
        if self._on_progress is not None:
            self._on_progress(done, total, f"Writing {self.taxonomy.name}")


def _import_names(taxonomy: Taxonomy, rows: Sequence[LabelRow], code: str, rejected: list[Rejection]) -> Counter[str]:
    """The last name of each path is what the label with the same external_id is called in that language."""
    labels = {label.external_id: label for label in taxonomy.labels.exclude(external_id="")}
    named: list[tuple[Label, str, str]] = []
    for row in rows:
        label = labels.get(row.external_id)
        if label is not None:
            named.append((label, code, row.path[-1]))
            continue
        shown = SEPARATOR.join(row.path)[:NAME_LIMIT]
        message = f"No label of {taxonomy.name} has the id {row.external_id!r}; import the file it came from first."
        if not row.external_id:
            message = "It has no id to be matched by; import the variant of the file that has ids."
        rejected.append(Rejection(row.number, shown, "external_id", message))
    written = _write_names(taxonomy, named)
    return Counter(names=written, unchanged=len(named) - written)


def _write_names(taxonomy: Taxonomy, named: Sequence[tuple[Label, str, str]]) -> int:
    """Returns how many were new or changed."""
    if not named:
        return 0
    stored = {
        (label_id, code): name
        for label_id, code, name in LabelName.objects.filter(label__taxonomy=taxonomy).values_list(
            "label_id", "language", "name"
        )
    }
    wanted = {(label.pk, code): name for label, code, name in named}
    changed = [
        LabelName(label_id=label_id, language=code, name=name)
        for (label_id, code), name in wanted.items()
        if stored.get((label_id, code)) != name
    ]
    for chunk in _chunks(changed):
        LabelName.objects.bulk_create(
            chunk, update_conflicts=True, unique_fields=["label", "language"], update_fields=["name"]
        )
    return len(changed)


def _chunks(rows: Sequence[T]) -> Iterable[Sequence[T]]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
