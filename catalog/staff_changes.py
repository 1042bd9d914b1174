"""What people change of items and taxonomies: where it is shown, and how a change is taken back by the services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from catalog import items, label_returns, taxonomy_edits, taxonomy_merges, taxonomy_settings
from catalog.models import AutoAccept, Item, Label, Taxonomy
from recsite.operations import tracked
from recsite.operations.changes import restore_fields
from recsite.operations.errors import ConflictError
from recsite.operations.models import Change
from recsite.operations.stored_words import shown

LABEL_COLUMNS = frozenset({"name", "path", "parent_id", "description", "description_source", "icon", "is_deprecated"})
SETTINGS = frozenset({"name", "description", "question", "choice", "is_active", "abstain_below"})


def restore_item(item: Item, change: Change, values: Mapping[str, Any], staff: User) -> None:
    """As a partial row of a feed, so that its vector and its labels follow."""
    wanted = {name: value for name, value in values.items() if name in items.FIELDS}
    if isinstance(attributes := wanted.get("attributes"), dict):
        wanted["attributes"] = {**dict.fromkeys(item.attributes), **attributes}  # null takes one away
    if wanted:
        report = items.upsert_items([{"external_id": item.external_id, **wanted}], partial=True)
        if report.rejected:
            raise ConflictError(shown(report.rejected[0].message))
    others = {name: value for name, value in values.items() if name not in wanted}
    if others:
        restore_fields(item, change, others, staff)


def restore_taxonomy(taxonomy: Taxonomy, change: Change, values: Mapping[str, Any], staff: User) -> None:
    """As its settings dialog does: items are asked anew where what is asked of them changes."""
    asked = {name: value for name, value in values.items() if name in SETTINGS}
    if asked:
        now = taxonomy_settings.settings_of(taxonomy)
        taxonomy_settings.change_taxonomy(taxonomy.pk, replace(now, **asked), expected=now, staff=staff)
    others = {name: value for name, value in values.items() if name not in asked}
    if others:
        restore_fields(taxonomy, change, others, staff)


def restore_label(label: Label, change: Change, values: Mapping[str, Any], staff: User) -> None:
    """As its edits do: what lies below follows, and items concerned are labelled anew."""
    if set(values) == {"path"}:
        raise ConflictError(
            gettext("The path of “%(label)s” follows from the labels above it; revert the change of those.")
            % {"label": label.path}
        )
    comes_back = "is_deprecated" in values and not values["is_deprecated"]
    unknown = set(values) - LABEL_COLUMNS - ({"merged_into_id"} if comes_back else set())
    if unknown:
        raise ConflictError(gettext("This act is taken back on the label's own page."))
    if "is_deprecated" in values:
        act = taxonomy_merges.restore_label if comes_back else taxonomy_edits.deprecate_label
        act(label.pk, expected_path=label.path, staff=staff)
    if "parent_id" in values:
        taxonomy_edits.move_label(label.pk, values["parent_id"], expected_path=label.path, staff=staff)
        label.refresh_from_db()
    if "name" in values:
        taxonomy_edits.rename_label(label.pk, values["name"], expected_path=label.path, staff=staff)
        label.refresh_from_db()
    if "description" in values or "icon" in values:
        taxonomy_edits.describe_label(
            label.pk,
            values.get("description", label.description),
            expected_path=label.path,
            expected_description=label.description,
            staff=staff,
            icon=values.get("icon", label.icon),
        )


def why_label_stays(change: Change, label: Label | None) -> tracked.Words:
    if change.act == Change.Act.DELETED and change.before.get("parent_id") is None:
        return gettext_lazy("It comes back with its taxonomy, if that was deleted with it; else add it there again.")
    return ""


def remove_label(label: Label, change: Change, values: Mapping[str, Any], staff: User) -> None:
    label_returns.remove_label(label, staff=staff)


def recreate_label(gone: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    label_returns.put_back_label(change, staff=staff)


def remove_label_name(gone: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    label_returns.take_name_away(int(change.object_id), change.after, staff=staff)


def recreate_label_name(gone: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    label_returns.put_back_name(int(change.object_id), change.before, staff=staff)


def remove_taxonomy(taxonomy: Taxonomy, change: Change, values: Mapping[str, Any], staff: User) -> None:
    label_returns.remove_taxonomy(taxonomy, staff=staff)


def recreate_taxonomy(gone: None, change: Change, values: Mapping[str, Any], staff: User) -> None:
    label_returns.put_back_taxonomy(change, staff=staff)


def _label_address(label: Label) -> str:
    return f"{reverse('taxonomy', args=[label.taxonomy.slug])}?label={label.pk}"


def register() -> None:
    on_its_page = gettext_lazy("This is taken back on the page of the taxonomy.")
    tracked.register(
        tracked.Kind(
            name="item",
            words=gettext_lazy("Item"),
            model=Item,
            permission="catalog.change_item",
            address=lambda item: reverse("item", args=[item.external_id]),
            restore=restore_item,
            instead=gettext_lazy("An item is not deleted, as events and lists may refer to it: hide it on its page."),
        ),
        tracked.Kind(
            name="taxonomy",
            words=gettext_lazy("Taxonomy"),
            model=Taxonomy,
            permission="catalog.change_taxonomy",
            address=lambda taxonomy: reverse("taxonomy", args=[taxonomy.slug]),
            restore=restore_taxonomy,
            remove=remove_taxonomy,
            recreate=recreate_taxonomy,
        ),
        tracked.Kind(
            name="auto_accept",
            words=gettext_lazy("Auto-accept"),
            model=AutoAccept,
            permission="catalog.change_taxonomy",
            rows=lambda: AutoAccept.objects.select_related("taxonomy"),
            address=lambda setting: reverse("taxonomy-confidence", args=[setting.taxonomy.slug]),
            instead=on_its_page,
            part_of="taxonomy",
        ),
        tracked.Kind(
            name="label",
            words=gettext_lazy("Label"),
            model=Label,
            permission="catalog.change_label",
            rows=lambda: Label.objects.select_related("taxonomy"),
            address=_label_address,
            restore=restore_label,
            remove=remove_label,
            recreate=recreate_label,
            stays=why_label_stays,
        ),
        tracked.Kind(
            name="label_name",
            words=gettext_lazy("Label's name in another language"),
            model=Label,
            permission="catalog.change_label",
            rows=lambda: Label.objects.select_related("taxonomy"),
            address=_label_address,
            remove=remove_label_name,
            recreate=recreate_label_name,
            judges_itself=True,
            instead=on_its_page,
            part_of="label",
        ),
    )
