"""Several labels into one, one into several, and the way back: what items have and who decided it is carried along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext

from catalog import carried_labels
from catalog.models import Label
from catalog.taxonomies import SEPARATOR, check_label, save_label
from catalog.taxonomy_edits import Edited, check_icon, done, label_of, locked_label, set_description
from catalog.taxonomy_previews import EditPreview, Plan, is_leaf
from catalog.taxonomy_rows import clean_name
from recsite.operations.errors import ConflictError, InvalidInputError

log = structlog.get_logger(__name__)

MOST_PARTS = 20

# ---------------------------------------------------------------- merge


def preview_merge_labels(label_ids: Sequence[int], target_id: int) -> EditPreview:
    sources, target = checked_merge(label_ids, target_id)
    return _plan_merge(sources, target).preview()


def checked_merge(label_ids: Sequence[int], target_id: int) -> tuple[list[Label], Label]:
    """The labels that would go and the one that stays. Raises where they cannot be merged."""
    target = label_of(target_id)
    sources = _sources(label_ids, target)
    _check_merge(sources, target)
    return sources, target


@transaction.atomic
def merge_labels(label_ids: Sequence[int], target_id: int, *, expected_paths: Mapping[int, str], staff: User) -> Edited:
    """The labels become `target`: their items, decisions and labels below go there, and they are deprecated.

    expected_paths: label id -> the path that the editor saw, for the target too.
    """
    target = locked_label(target_id, expected_path=expected_paths.get(target_id, ""))
    sources = _sources(label_ids, target)
    for source in sources:
        if source.path != expected_paths.get(source.pk, source.path):
            raise ConflictError(
                gettext("%(seen)s is %(label)s by now. Reload the page.")
                % {"seen": expected_paths[source.pk], "label": source.path}
            )
    _check_merge(sources, target)
    plan = _plan_merge(sources, target)
    items = plan.item_ids()
    ids = [source.pk for source in sources]
    # Before what items have is carried over, so that no answer about the old labels is stored after it.
    edited = done(plan, target, staff=staff, title=f"Label anew: merged into {target.path}", items=items)
    for child in Label.objects.filter(parent__in=ids).exclude(pk__in=[*ids, target.pk]).order_by("position", "pk"):
        child.parent = target
        save_label(child)
    # Labels merged earlier follow, so that each leads to its target in one step.
    Label.objects.filter(merged_into__in=ids).update(merged_into=target)
    Label.objects.filter(pk__in=ids).update(is_deprecated=True, merged_into=target)
    carried = carried_labels.carry_over(ids, target)
    log.info("labels_merged", sources=ids, target=target.pk, staff=staff.pk, decisions=carried.decisions)
    return edited


def _sources(label_ids: Sequence[int], target: Label) -> list[Label]:
    wanted = [pk for pk in dict.fromkeys(label_ids) if pk != target.pk]
    found = list(Label.objects.select_related("taxonomy", "parent").filter(pk__in=wanted).order_by("position", "pk"))
    if not found or len(found) != len(wanted):
        raise InvalidInputError(
            gettext("Choose the labels that become %(target)s; one of them is missing.") % {"target": target.path}
        )
    return found


def _check_merge(sources: Sequence[Label], target: Label) -> None:
    ids = [source.pk for source in sources]
    if target.is_deprecated:
        raise InvalidInputError(
            gettext("%(target)s is deprecated; restore it, or merge into another label.") % {"target": target.path}
        )
    for source in sources:
        if source.taxonomy_id != target.taxonomy_id:
            raise InvalidInputError(
                gettext("%(label)s is in another taxonomy than %(target)s; merge within one.")
                % {"label": source.path, "target": target.path}
            )
        if source.merged_into_id:
            raise InvalidInputError(gettext("%(label)s is merged already; restore it first.") % {"label": source.path})
        if target.path.startswith(f"{source.path}{SEPARATOR}"):
            raise InvalidInputError(
                gettext("%(target)s lies below %(label)s; merge the other way round.")
                % {"target": target.path, "label": source.path}
            )
    moved = Label.objects.filter(parent__in=ids).exclude(pk__in=[*ids, target.pk])
    names = [*target.children.exclude(pk__in=ids).values_list("name", flat=True), *moved.values_list("name", flat=True)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInputError(
            gettext("There would be two labels %(twice)s below %(target)s; merge or rename those first.")
            % {"twice": twice, "target": target.path}
        )
    if any(is_leaf(source) for source in sources) and (
        not is_leaf(target, without=ids) or moved.filter(is_deprecated=False).exists()
    ):
        raise InvalidInputError(
            gettext("%(target)s has labels below it, which items get instead of it; merge into one of those.")
            % {"target": target.path}
        )


def _plan_merge(sources: Sequence[Label], target: Label) -> Plan:
    ids = tuple(source.pk for source in sources)
    below = Label.objects.all().ids_within(ids)
    moved = [pk for pk in below if pk not in ids and pk != target.pk]
    return Plan(target.taxonomy, len(ids) + len(moved), ids, asks=ids, label_ids=(*ids, target.pk), moved=ids)


# ---------------------------------------------------------------- split


def preview_split_label(label_id: int, names: Sequence[str], *, is_beside: bool = False) -> EditPreview:
    label = label_of(label_id)
    _checked_parts(label, names, is_beside=is_beside)
    return _plan_split(label, len(names)).preview()


@transaction.atomic
def split_label(
    label_id: int,
    parts: Mapping[str, str],
    *,
    expected_path: str,
    staff: User,
    is_beside: bool = False,
) -> Edited:
    """New labels below this one, or beside it, and its undecided items are labelled anew among them.

    parts: name -> description. Items that people decided about keep the label until somebody corrects them.
    """
    label = locked_label(label_id, expected_path=expected_path)
    if label.is_deprecated:
        raise InvalidInputError(
            gettext("%(label)s is deprecated; restore it before splitting it.") % {"label": label.path}
        )
    made = _checked_parts(label, list(parts), is_beside=is_beside)
    plan = _plan_split(label, len(made))
    last = label.taxonomy.labels.aggregate(last=Max("position"))["last"] or 0
    for place, (part, description) in enumerate(zip(made, parts.values(), strict=True), last + 1):
        part.position, part.icon = place, check_icon(label.icon)
        set_description(part, description)
        save_label(part)
    return done(plan, label, staff=staff, title=f"Label anew: {label.path} was split")


def _checked_parts(label: Label, names: Sequence[str], *, is_beside: bool) -> list[Label]:
    parent = label.parent if is_beside else label
    cleaned = [clean_name(name) for name in names]
    if not cleaned:
        raise InvalidInputError(
            gettext("Name the labels that %(label)s is split into, one a line.") % {"label": label.path}
        )
    if len(cleaned) > MOST_PARTS:
        raise InvalidInputError(
            gettext("%(n)s new labels are too many at once; at most %(most)s.")
            % {"n": len(cleaned), "most": MOST_PARTS}
        )
    if len(set(cleaned)) < len(cleaned):
        raise InvalidInputError(gettext("Two of the new labels have the same name; name each once."))
    parts = [Label(taxonomy=label.taxonomy, parent=parent, name=name) for name in cleaned]
    for part in parts:
        check_label(part, taxonomy=label.taxonomy, parent=parent, name=part.name)
    return parts


def _plan_split(label: Label, parts: int) -> Plan:
    return Plan(label.taxonomy, parts, (label.pk,), asks=(label.pk,), label_ids=(label.pk,))


# ---------------------------------------------------------------- restore


def preview_restore_label(label_id: int) -> EditPreview:
    return _plan_restore(label_of(label_id)).preview()


@transaction.atomic
def restore_label(label_id: int, *, expected_path: str, staff: User) -> Edited:
    """In use again, with what lies above it and what lies below it, labels merged elsewhere apart.

    Where it was merged, decisions that were made about it name it again.
    """
    label = locked_label(label_id, expected_path=expected_path)
    if not label.is_deprecated:
        raise ConflictError(gettext("%(label)s is in use already; reload the page.") % {"label": label.path})
    plan, target = _plan_restore(label), label.merged_into
    items = plan.item_ids()
    edited = done(plan, label, staff=staff, title=f"Label anew: {label.path} is back", items=items)
    Label.objects.filter(pk__in=_coming_back(label)).update(is_deprecated=False)
    if target is not None:
        Label.objects.filter(pk=label.pk).update(merged_into=None)
        carried_labels.give_back(label, target)
    return edited


def _coming_back(label: Label) -> list[int]:
    """The label, what lies above it, and what lies below it without labels that were merged away."""
    above: list[int] = []
    place = label.parent
    while place is not None:
        above.append(place.pk)
        place = place.parent
    merged = set(
        Label.objects.filter(taxonomy_id=label.taxonomy_id, merged_into__isnull=False).values_list("pk", flat=True)
    )
    below = [pk for pk in Label.objects.all().ids_within([label.pk]) if pk == label.pk or pk not in merged]
    return list(Label.objects.filter(pk__in=[*above, *below], is_deprecated=True).values_list("pk", flat=True))


def _plan_restore(label: Label) -> Plan:
    """It competes again with its neighbours, or with what it was merged into; at the root, with everything."""
    if label.merged_into_id:
        asks: tuple[int, ...] = (label.merged_into_id,)
    elif label.parent_id:
        asks = tuple(Label.objects.all().ids_within([label.parent_id]))
    else:
        asks = ()
    concerned = (label.merged_into_id,) if label.merged_into_id else tuple(Label.objects.all().ids_within([label.pk]))
    return Plan(
        label.taxonomy,
        len(_coming_back(label)),
        concerned,
        asks=asks,
        asks_everything=not asks,
        label_ids=(label.pk,),
    )
