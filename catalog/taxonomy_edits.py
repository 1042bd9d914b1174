"""Edits of a taxonomy's labels: add, rename, move, describe, deprecate, restore. Merging and splitting lie beside it.

Each has a preview that changes nothing. Who edits says how the label looked to them (`expected_path`); where somebody
changed it in between they get a ConflictError and nothing is written. Items concerned are labelled anew by a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext

from catalog import relabelling
from catalog.item_rows import clean_text
from catalog.models import Label, LabelName, Taxonomy
from catalog.taxonomies import check_label, save_label
from catalog.taxonomy_previews import EditPreview, Plan, is_leaf
from catalog.taxonomy_rows import DESCRIPTION_LIMIT, ICON_LIMIT, NAME_LIMIT, clean_name, language_code
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Edited:
    """What was done: to which label, and the job that labels its items anew, None where there are none."""

    label_id: int
    job_id: int | None
    items: int


def locked_taxonomy(taxonomy_id: int) -> Taxonomy:
    """Locked until the transaction ends: edits of one taxonomy wait for each other. Raises NotFoundError."""
    taxonomy = Taxonomy.objects.filter(pk=taxonomy_id).locked().first()
    if taxonomy is None:
        raise NotFoundError(
            gettext("There is no taxonomy with the key %(key)s; reload the page.") % {"key": taxonomy_id}
        )
    return taxonomy


def label_of(label_id: int, *, expected_path: str | None = None) -> Label:
    """Raises NotFoundError, and ConflictError where it is not at the path that the editor saw."""
    label = Label.objects.select_related("taxonomy", "parent").filter(pk=label_id).first()
    if label is None:
        raise NotFoundError(
            gettext("There is no label with the key %(key)s; it was deleted. Reload the page.") % {"key": label_id}
        )
    if expected_path is not None and label.path != expected_path:
        raise ConflictError(
            gettext("“%(seen)s” is “%(label)s” by now: somebody changed it while you were looking. Reload the page.")
            % {"seen": expected_path, "label": label.path}
        )
    return label


def locked_label(label_id: int, *, expected_path: str) -> Label:
    """With its taxonomy locked, read after the lock was had."""
    locked_taxonomy(label_of(label_id).taxonomy_id)
    return label_of(label_id, expected_path=expected_path)


def done(plan: Plan, label: Label, *, staff: User, title: str, items: list[int] | None = None) -> Edited:
    """Have the items of the plan labelled anew. items: where the edit itself changed which those are."""
    ids = plan.item_ids() if items is None else items
    job = relabelling.relabel(plan.taxonomy, ids, title=title, staff=staff)
    log.info("taxonomy_edited", taxonomy=plan.taxonomy.pk, label=label.pk, staff=staff.pk, items=len(ids))
    return Edited(label.pk, job.pk if job else None, len(ids) if job else 0)


# ---------------------------------------------------------------- add


def preview_add_label(taxonomy_id: int, name: str, *, parent_id: int | None = None) -> EditPreview:
    taxonomy = Taxonomy.objects.filter(pk=taxonomy_id).first()
    if taxonomy is None:
        raise NotFoundError(
            gettext("There is no taxonomy with the key %(key)s; reload the page.") % {"key": taxonomy_id}
        )
    parent = label_of(parent_id) if parent_id else None
    check_label(Label(taxonomy=taxonomy), taxonomy=taxonomy, parent=parent, name=name)
    return plan_add(taxonomy, parent).preview()


@transaction.atomic
def add_label(
    taxonomy_id: int,
    name: str,
    *,
    staff: User,
    parent_id: int | None = None,
    description: str = "",
    icon: str = "",
    expected_path: str | None = None,
) -> Edited:
    """expected_path: of the parent, as the editor saw it."""
    taxonomy = locked_taxonomy(taxonomy_id)
    parent = label_of(parent_id, expected_path=expected_path) if parent_id else None
    if parent is not None and parent.is_deprecated:
        raise InvalidInputError(
            gettext("%(parent)s is deprecated; restore it before adding labels below it.") % {"parent": parent.path}
        )
    label = Label(taxonomy=taxonomy, parent=parent, name=name, icon=check_icon(icon))
    set_description(label, description)
    check_label(label, taxonomy=taxonomy, parent=parent, name=name)
    plan = plan_add(taxonomy, parent)
    items = plan.item_ids()
    last = taxonomy.labels.aggregate(last=Max("position"))["last"]
    label.position = 0 if last is None else last + 1
    save_label(label)
    return done(plan, label, staff=staff, title=f"Label anew: {label.path} was added", items=items)


def plan_add(taxonomy: Taxonomy, parent: Label | None) -> Plan:
    """A new label may fit what its neighbours hold; at the root, anything."""
    branch = tuple(Label.objects.all().ids_within([parent.pk])) if parent else ()
    return Plan(taxonomy, 1, branch, asks=branch, asks_everything=parent is None, label_ids=branch[:1])


# ---------------------------------------------------------------- rename


def preview_rename_label(label_id: int, name: str) -> EditPreview:
    label = label_of(label_id)
    check_label(label, taxonomy=label.taxonomy, parent=label.parent, name=name)
    return _plan_rename(label).preview()


@transaction.atomic
def rename_label(label_id: int, name: str, *, expected_path: str, staff: User) -> Edited:
    """Renaming to the name it has changes nothing."""
    label = locked_label(label_id, expected_path=expected_path)
    check_label(label, taxonomy=label.taxonomy, parent=label.parent, name=name)
    if clean_name(name) == label.name:
        return Edited(label.pk, None, 0)
    plan, before = _plan_rename(label), label.name
    label.name = name
    save_label(label)
    return done(plan, label, staff=staff, title=f"Label anew: {before} is now {label.name}")


def _plan_rename(label: Label) -> Plan:
    """Models read the names of labels that items may get; above those, a name is only part of a path."""
    branch = tuple(Label.objects.all().ids_within([label.pk]))
    return Plan(label.taxonomy, len(branch), branch, asks=(label.pk,) if is_leaf(label) else (), label_ids=(label.pk,))


# ---------------------------------------------------------------- move


def preview_move_label(label_id: int, parent_id: int | None) -> EditPreview:
    label = label_of(label_id)
    parent = label_of(parent_id) if parent_id else None
    check_label(label, taxonomy=label.taxonomy, parent=parent, name=label.name)
    return _plan_move(label, parent).preview()


@transaction.atomic
def move_label(label_id: int, parent_id: int | None, *, expected_path: str, staff: User) -> Edited:
    """With all that lies below it; None moves it to the root."""
    label = locked_label(label_id, expected_path=expected_path)
    parent = label_of(parent_id) if parent_id else None
    check_label(label, taxonomy=label.taxonomy, parent=parent, name=label.name)
    if parent is not None and parent.is_deprecated and not label.is_deprecated:
        raise InvalidInputError(
            gettext("%(parent)s is deprecated; restore it, or choose another place.") % {"parent": parent.path}
        )
    if label.parent_id == (parent.pk if parent else None):
        return Edited(label.pk, None, 0)
    plan, before = _plan_move(label, parent), label.path
    label.parent = parent
    save_label(label)
    return done(plan, label, staff=staff, title=f"Label anew: {before} was moved")


def _plan_move(label: Label, parent: Label | None) -> Plan:
    """A path is not read by models; items are asked about again where the move changes which labels there are to get:
    its new parent no longer is one, its old parent has become one."""
    branch = tuple(Label.objects.all().ids_within([label.pk]))
    asks: tuple[int, ...] = ()
    if parent is not None and is_leaf(parent, without=[label.pk]):
        asks += (parent.pk,)
    if label.parent is not None and label.parent != parent and is_leaf(label.parent, without=[label.pk]):
        asks += branch
    return Plan(label.taxonomy, len(branch), branch, asks=asks, label_ids=(label.pk,))


# ---------------------------------------------------------------- describe


def preview_describe_label(label_id: int) -> EditPreview:
    return _plan_describe(label_of(label_id)).preview()


@transaction.atomic
def describe_label(
    label_id: int, description: str, *, expected_path: str, expected_description: str, staff: User, icon: str = ""
) -> Edited:
    """What belongs to it, in a person's words from now on, and its icon."""
    label = locked_label(label_id, expected_path=expected_path)
    if label.description != clean_text(expected_description):
        raise ConflictError(
            gettext("The description of %(label)s was changed while you were writing. Reload the page.")
            % {"label": label.path}
        )
    before = label.description
    set_description(label, description)
    label.icon = check_icon(icon)
    label.save(update_fields=["description", "description_source", "icon"])
    if label.description == before:
        return Edited(label.pk, None, 0)
    return done(_plan_describe(label), label, staff=staff, title=f"Label anew: {label.path} is described anew")


def _plan_describe(label: Label) -> Plan:
    return Plan(label.taxonomy, 1, (label.pk,), asks=(label.pk,) if is_leaf(label) else (), label_ids=(label.pk,))


def set_description(label: Label, description: str) -> None:
    """Checked, and a person's own from then on, unless it is what stood there."""
    about = clean_text(description)
    if len(about) > DESCRIPTION_LIMIT:
        raise InvalidInputError(
            gettext("The description has %(n)s characters; at most %(most)s fit. Shorten it.")
            % {"n": f"{len(about):,}", "most": f"{DESCRIPTION_LIMIT:,}"}
        )
    if about != label.description:
        label.description = about
        label.description_source = Label.DescriptionSource.PERSON if about else ""


def check_icon(icon: str) -> str:
    name = clean_name(icon).removeprefix("ti-")
    if len(name) > ICON_LIMIT:
        raise InvalidInputError(
            gettext("The icon has %(n)s characters; write the name of a Tabler icon, such as bread.") % {"n": len(name)}
        )
    return name


# ---------------------------------------------------------------- deprecate


def preview_deprecate_label(label_id: int) -> EditPreview:
    return _plan_deprecate(label_of(label_id)).preview()


@transaction.atomic
def deprecate_label(label_id: int, *, expected_path: str, staff: User) -> Edited:
    """It and all below it are suggested no more. Decisions stay; undecided items are labelled anew without it."""
    label = locked_label(label_id, expected_path=expected_path)
    if label.is_deprecated:
        raise ConflictError(gettext("%(label)s is deprecated already; reload the page.") % {"label": label.path})
    plan = _plan_deprecate(label)
    Label.objects.filter(pk__in=plan.concerned).update(is_deprecated=True)
    return done(plan, label, staff=staff, title=f"Label anew: {label.path} is deprecated")


def _plan_deprecate(label: Label) -> Plan:
    branch = tuple(Label.objects.all().ids_within([label.pk]))
    in_use = Label.objects.filter(pk__in=branch, is_deprecated=False).count()
    return Plan(label.taxonomy, in_use, branch, asks=branch, label_ids=(label.pk,))


# ---------------------------------------------------------------- names in other languages


@transaction.atomic
def name_label(label_id: int, names: Mapping[str, str], *, expected_path: str, staff: User) -> Edited:
    """What it is called in these languages: code -> name, an empty one is taken away. Nothing is labelled anew, since
    models read the label's own name."""
    label = locked_label(label_id, expected_path=expected_path)
    wanted: dict[str, str] = {}
    for written, name in names.items():
        code, cleaned = language_code(written), clean_name(name)
        if not code:
            raise InvalidInputError(
                gettext("%(written)r is no language code; write one such as zh-hans or fr.") % {"written": written}
            )
        if len(cleaned) > NAME_LIMIT:
            raise InvalidInputError(
                gettext("The name in %(code)s has %(n)s characters; at most %(most)s fit.")
                % {"code": code, "n": f"{len(cleaned):,}", "most": NAME_LIMIT}
            )
        wanted[code] = cleaned
    LabelName.objects.filter(label=label, language__in=[code for code, name in wanted.items() if not name]).delete()
    LabelName.objects.bulk_create(
        [LabelName(label=label, language=code, name=name) for code, name in wanted.items() if name],
        update_conflicts=True,
        unique_fields=["label", "language"],
        update_fields=["name"],
    )
    log.info("label_named", label=label.pk, staff=staff.pk, languages=sorted(wanted))
    return Edited(label.pk, None, 0)
