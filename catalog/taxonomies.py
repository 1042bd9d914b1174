"""The tree of a taxonomy: where a label may stand, its path and those below it, and items that wait to be labelled."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Concat, Substr
from django.utils.translation import gettext, ngettext
from kombu.exceptions import OperationalError

from catalog import labelling, tasks
from catalog.models import Item, ItemLabel, Label, LabelRequest, Taxonomy
from catalog.taxonomy_rows import NAME_LIMIT, PATH_LIMIT, SEPARATOR, clean_name
from recsite.operations.errors import ConflictError, InvalidInputError

log = structlog.get_logger(__name__)

__all__ = [
    "SEPARATOR",
    "ask_for_labels",
    "check_label",
    "labels_named",
    "refuse_deletion",
    "ring_for_labels",
    "save_label",
]

REQUEST_CHUNK = 2000


def check_label(label: Label, *, taxonomy: Taxonomy, parent: Label | None, name: str) -> None:
    """Raises InvalidInputError where the label cannot stand below `parent` under this name."""
    cleaned = clean_name(name)
    if not cleaned:
        raise InvalidInputError(gettext("A label needs a name; write one."))
    if len(cleaned) > NAME_LIMIT:
        raise InvalidInputError(
            gettext("The name has %(n)s characters; at most %(most)s fit. Shorten it.")
            % {"n": f"{len(cleaned):,}", "most": NAME_LIMIT}
        )
    if parent is not None and parent.taxonomy_id != taxonomy.pk:
        raise InvalidInputError(
            gettext("%(parent)s is in another taxonomy; choose a parent in %(taxonomy)s.")
            % {"parent": parent.path, "taxonomy": taxonomy.name}
        )
    if ">" in cleaned:
        raise InvalidInputError(gettext('A name cannot hold ">", which separates the names of a path.'))
    if parent is not None and label.pk and f"{parent.path}{SEPARATOR}".startswith(f"{label.path}{SEPARATOR}"):
        raise InvalidInputError(
            gettext("%(parent)s is the label itself or below it; choose another parent.") % {"parent": parent.path}
        )
    path = path_below(parent, cleaned)
    longest = _longest_below(label) - len(label.path) + len(path) if label.pk else len(path)
    if longest > PATH_LIMIT:
        raise InvalidInputError(gettext("The path would be longer than 1,000 characters; shorten a name."))
    if Label.objects.filter(taxonomy=taxonomy, path=path).exclude(pk=label.pk).exists():
        raise InvalidInputError(
            gettext("%(taxonomy)s has a label %(path)s already; choose another name.")
            % {"taxonomy": taxonomy.name, "path": path}
        )


def _longest_below(label: Label) -> int:
    """The length of the longest path of the label and what lies below it."""
    below = Label.objects.filter(taxonomy_id=label.taxonomy_id, path__startswith=f"{label.path}{SEPARATOR}")
    return max([len(label.path), *(len(path) for path in below.values_list("path", flat=True))])


@transaction.atomic
def save_label(label: Label) -> None:
    """Save a checked label with its path, and the paths of all that lie below it."""
    before = Label.objects.filter(pk=label.pk).values_list("path", flat=True).first()
    label.name = clean_name(label.name)
    label.path = path_below(label.parent, label.name)
    label.save()
    if before and before != label.path:
        below = Label.objects.filter(taxonomy_id=label.taxonomy_id, path__startswith=f"{before}{SEPARATOR}")
        below.update(path=Concat(Value(label.path), Substr("path", len(before) + 1)))
    log.info("label_saved", label=label.pk, taxonomy=label.taxonomy_id, moved=bool(before and before != label.path))


def path_below(parent: Label | None, name: str) -> str:
    return f"{parent.path}{SEPARATOR}{clean_name(name)}" if parent else clean_name(name)


def labels_named(names: Sequence[str]) -> tuple[int, ...]:
    """Ids of labels that are named by an id or by `taxonomy:path`; of a merged one what it became. Two queries at most.

    Raises InvalidInputError that names the first which is unknown.
    """
    ids = {int(name) for name in names if _is_id(name)}
    pairs = {tuple(part.strip() for part in name.split(":", 1)) for name in names if not _is_id(name) and ":" in name}
    wanted = Q(pk__in=ids)
    for slug, path in pairs:
        wanted |= Q(taxonomy__slug=slug, path=_spaced(path))
    rows = Label.objects.filter(wanted).values_list("pk", "taxonomy__slug", "path", "merged_into_id") if names else ()
    by_name: dict[object, int] = {}
    for pk, slug, path, merged_into in rows:
        by_name[pk] = by_name[slug, path] = merged_into or pk
    found: list[int] = []
    for name in names:
        slug, _, path = (part.strip() for part in name.partition(":"))
        key: object = int(name) if _is_id(name) else (slug, _spaced(path))
        if key not in by_name:
            raise InvalidInputError(
                gettext(
                    "There is no label %(name)r; name it by its id, or as taxonomy:path like groceries:Food > Bread."
                )
                % {"name": name}
            )
        found.append(by_name[key])
    return tuple(dict.fromkeys(found))


def _is_id(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 19 and int(name) < 2**63


def _spaced(path: str) -> str:
    return SEPARATOR.join(clean_name(name) for name in path.split(SEPARATOR.strip()))


def refuse_deletion(labels: list[int]) -> None:
    """Raises ConflictError where people decided about one of these labels: their decisions would go with it."""
    decided = ItemLabel.objects.filter(pk__in=_deciding(labels)).count()
    if decided:
        said = ngettext(
            "%(n)s decision of staff would go with it; deprecate the label or merge it instead.",
            "%(n)s decisions of staff would go with it; deprecate the label or merge it instead.",
            decided,
        )
        raise ConflictError(said % {"n": f"{decided:,}"})


def _deciding(labels: list[int]) -> set[int]:
    """Item labels, superseded ones too, that carry a decision about one of these labels."""
    decided = ItemLabel.objects.decided()
    suggested = decided.filter(label_id__in=labels).values_list("pk", flat=True)
    return {*suggested, *decided.filter(final_label_id__in=labels).values_list("pk", flat=True)}


def ask_for_labels(taxonomy_ids: list[int]) -> int:
    """Every item waits to be labelled anew against these taxonomies. Returns how many items there are."""
    labelling.request_again(LabelRequest.objects.filter(taxonomy_id__in=taxonomy_ids))
    ids = list(Item.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), REQUEST_CHUNK):
        labelling.request_labels(ids[start : start + REQUEST_CHUNK], taxonomy_ids=taxonomy_ids)
    if ids:
        ring_for_labels()
    return len(ids)


def ring_for_labels() -> None:
    """Once this is committed, tell the models worker that items wait; where the broker is away the sweep does."""

    def ring() -> None:
        try:
            tasks.label_waiting_items.delay()
        except OperationalError as error:
            log.warning("bell_not_rung", task="label_waiting_items", reason=str(error))

    transaction.on_commit(ring, robust=True)
