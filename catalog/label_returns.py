"""Taxonomies and labels that were just made go, ones that were deleted come back: as the log of changes asks for it.

A label goes only while nothing hangs on it; what models made of it comes back by labelling its items anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q
from django.utils.translation import gettext, ngettext

from catalog.models import DecisionRecord, ItemLabel, Label, LabelName, Taxonomy
from catalog.taxonomies import check_label, save_label
from catalog.taxonomy_edits import done, label_of, locked_label, locked_taxonomy, name_label, plan_add
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.models import Change
from recsite.operations.recreation import as_it_was, insert

log = structlog.get_logger(__name__)

# From a label's id to what names it, in words, '' for nothing: for apps that this one does not know.
_named_by: list[Callable[[int], str]] = []


def ask_before_removing(named_by: Callable[[int], str]) -> None:
    _named_by.append(named_by)


@transaction.atomic
def remove_label(label: Label, *, staff: User) -> None:
    """Raises ConflictError that says what hangs on it."""
    label = locked_label(label.pk, expected_path=label.path)
    if reason := _hanging_on(label):
        raise ConflictError(
            gettext("“%(label)s” stays: %(reason)s. Deprecate or merge it instead.")
            % {"label": label.path, "reason": reason}
        )
    pk = label.pk
    label.delete()
    log.info("label_removed", label=pk, taxonomy=label.taxonomy_id, staff=staff.pk)


def _hanging_on(label: Label) -> str:
    if below := label.children.count():
        return ngettext("%(n)s label lies below it", "%(n)s labels lie below it", below) % {"n": below}
    if merged := label.merged.count():
        return ngettext("%(n)s label was merged into it", "%(n)s labels were merged into it", merged) % {"n": merged}
    carried = ItemLabel.objects.filter(Q(label=label) | Q(final_label=label))
    if items := carried.order_by().values("item_id").distinct().count():
        return ngettext("%(n)s item has or had it", "%(n)s items have or had it", items) % {"n": items}
    if DecisionRecord.objects.filter(label=label).exists():
        return gettext("decisions of staff name it")
    return next((words for named_by in _named_by if (words := named_by(label.pk))), "")


@transaction.atomic
def put_back_label(change: Change, *, staff: User) -> Label:
    """Under its id and its names in all languages, the last of its taxonomy; items that it may fit are labelled anew.
    Raises ConflictError where the label above it is gone, InvalidInputError where its name is taken."""
    above = change.before.get("parent_id")
    parent = Label.objects.filter(pk=above).first() if above else None
    if parent is None:
        raise ConflictError(gettext("The label above it was deleted, too; bring that back first."))
    taxonomy = locked_taxonomy(parent.taxonomy_id)
    return _put_back(change, label_of(parent.pk), taxonomy, staff=staff)


def _put_back(change: Change, parent: Label | None, taxonomy: Taxonomy, *, staff: User) -> Label:
    label = as_it_was(Label, change)
    label.taxonomy, label.parent = taxonomy, parent
    check_label(Label(taxonomy=taxonomy), taxonomy=taxonomy, parent=parent, name=label.name)
    last = taxonomy.labels.aggregate(last=Max("position"))["last"]
    label.position = 0 if last is None else last + 1
    save_label(label)
    names = Change.objects.of_object("label_name", label.pk).filter(batch=change.batch, act=Change.Act.DELETED)
    LabelName.objects.bulk_create(
        [
            LabelName(label=label, language=kept["language"], name=kept["name"])
            for kept in names.order_by("pk").values_list("before", flat=True)
        ]
    )
    if not label.is_deprecated:
        plan = plan_add(taxonomy, parent)
        done(plan, label, staff=staff, title=f"Label anew: {label.path} came back")
    return label


@transaction.atomic
def remove_taxonomy(taxonomy: Taxonomy, *, staff: User) -> None:
    """Raises ConflictError where it has labels."""
    taxonomy = locked_taxonomy(taxonomy.pk)
    if labels := taxonomy.labels.count():
        raise ConflictError(
            ngettext(
                "“%(taxonomy)s” stays: it has %(n)s label. Switch it off in its settings, or delete it under "
                "Administration.",
                "“%(taxonomy)s” stays: it has %(n)s labels. Switch it off in its settings, or delete it under "
                "Administration.",
                labels,
            )
            % {"taxonomy": taxonomy.name, "n": labels}
        )
    pk = taxonomy.pk
    taxonomy.delete()
    log.info("taxonomy_removed", taxonomy=pk, staff=staff.pk)


@transaction.atomic
def put_back_taxonomy(change: Change, *, staff: User) -> Taxonomy:
    """Under its id, the last of all, with the labels that were deleted with it, and items labelled anew; sure labels
    are not accepted by themselves until that is switched on again. Raises ConflictError where its address is taken."""
    taxonomy = as_it_was(Taxonomy, change)
    if Taxonomy.objects.filter(slug=taxonomy.slug).exists():
        raise ConflictError(
            gettext("There is another taxonomy at the address “%(slug)s”; it cannot come back beside that.")
            % {"slug": taxonomy.slug}
        )
    of_batch = Change.objects.filter(batch=change.batch, act=Change.Act.DELETED)
    labels = list(of_batch.filter(kind="label").order_by("pk"))
    if labels and of_batch.filter(kind="taxonomy").count() > 1:
        raise ConflictError(
            gettext("Several taxonomies were deleted at once, and it is not known any more which label was whose.")
        )
    last = Taxonomy.objects.aggregate(last=Max("position"))["last"]
    taxonomy.position = 0 if last is None else last + 1
    insert(taxonomy)
    _put_back_tree(labels, taxonomy, staff=staff)
    log.info("taxonomy_put_back", taxonomy=taxonomy.pk, labels=len(labels), staff=staff.pk)
    return taxonomy


def _put_back_tree(changes: list[Change], taxonomy: Taxonomy, *, staff: User) -> None:
    """What lies above comes first."""
    made: dict[int, Label] = {}
    for position, change in enumerate(sorted(changes, key=lambda one: (one.before["path"].count(" > "), one.pk))):
        label = as_it_was(Label, change)
        label.taxonomy, label.parent, label.position = taxonomy, made.get(label.parent_id or 0), position
        save_label(label)
        made[label.pk] = label
    # The deletion itself set these to nothing before the rows went.
    undone = Change.objects.filter(batch=changes[0].batch, kind="label", act=Change.Act.CHANGED) if changes else ()
    for change in undone:
        if (target := change.before.get("merged_into_id")) in made and int(change.object_id) in made:
            Label.objects.filter(pk=change.object_id).update(merged_into=target)
    names = Change.objects.filter(batch=changes[0].batch, kind="label_name", act=Change.Act.DELETED) if changes else ()
    LabelName.objects.bulk_create(
        [
            LabelName(label_id=int(one.object_id), language=one.before["language"], name=one.before["name"])
            for one in names
        ]
    )
    if made:
        first = next(iter(made.values()))
        done(plan_add(taxonomy, None), first, staff=staff, title=f"Label anew: {taxonomy.name} came back")


def take_name_away(label_id: int, kept: dict[str, Any], *, staff: User) -> None:
    """What the label is called in one language, where it is still called so."""
    _require_name(label_id, kept["language"], kept["name"])
    name_label(label_id, {kept["language"]: ""}, expected_path=label_of(label_id).path, staff=staff)


def put_back_name(label_id: int, kept: dict[str, Any], *, staff: User) -> None:
    _require_name(label_id, kept["language"], "")
    name_label(label_id, {kept["language"]: kept["name"]}, expected_path=label_of(label_id).path, staff=staff)


def _require_name(label_id: int, language: str, name: str) -> None:
    locked_label(label_id, expected_path=label_of(label_id).path)
    named = LabelName.objects.filter(label_id=label_id, language=language).values_list("name", flat=True).first() or ""
    if named != name:
        raise InvalidInputError(
            gettext("It is called “%(name)s” in %(language)s by now; change it on the page of the taxonomy.")
            % {"name": named, "language": language}
            if named
            else gettext("It has no name in %(language)s any more.") % {"language": language}
        )
