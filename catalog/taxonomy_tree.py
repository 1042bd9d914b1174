"""The tree as a page shows it: a level at a time, so that thousands of labels cost no more than what is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import get_language_info

from catalog.models import ItemLabel, Label, LabelRequest, Taxonomy
from recsite.operations.models import Job

AT_ONCE = 200
RESULTS = 12


@dataclass(frozen=True)
class Node:
    """A label of the tree; `below` is empty where it is closed."""

    label: Label
    level: int
    items: int
    has_children: bool
    is_open: bool = False
    is_chosen: bool = False
    below: Branch | None = None


@dataclass(frozen=True)
class Branch:
    """The labels below one label, or the roots. next_offset: where the rest begins, None where this is all."""

    parent_id: int | None
    level: int
    nodes: tuple[Node, ...] = ()
    next_offset: int | None = None
    left: int = 0


@dataclass(frozen=True)
class Panel:
    """One label with what an editor wants to know before changing it."""

    label: Label
    above: tuple[Label, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    """What its language is called -> its name there."""
    items: int = 0
    own_items: int = 0
    decisions: int = 0
    waiting: int = 0
    children: int = 0


def branch(
    taxonomy: Taxonomy,
    parent: Label | None = None,
    *,
    offset: int = 0,
    open_ids: Sequence[int] = (),
    chosen_id: int | None = None,
) -> Branch:
    """A level of the tree, and below those of `open_ids` the next. The open ones are shown wherever they stand."""
    level = 1 if parent is None else parent.path.count(" > ") + 2
    labels = Label.objects.filter(taxonomy=taxonomy, parent=parent).for_tree()
    shown = list(labels[offset : offset + AT_ONCE])
    total = labels.count()
    if offset == 0:
        wanted = [pk for pk in open_ids if pk not in {label.pk for label in shown}]
        shown += labels.filter(pk__in=wanted)
    items = Label.objects.all().count_items_within([label.pk for label in shown])
    nodes = tuple(
        Node(
            label=label,
            level=level,
            items=items.get(label.pk, 0),
            has_children=bool(_children_of(label)),
            is_open=label.pk in open_ids and label.pk != chosen_id,
            is_chosen=label.pk == chosen_id,
            below=branch(taxonomy, label, open_ids=open_ids, chosen_id=chosen_id)
            if label.pk in open_ids and label.pk != chosen_id
            else None,
        )
        for label in shown
    )
    end = offset + AT_ONCE
    left = max(0, total - end)
    return Branch(parent.pk if parent else None, level, nodes, end if left else None, left)


def _children_of(label: Any) -> int:
    return int(label.children_count)


def ancestors(label: Label) -> tuple[Label, ...]:
    """From the root down, the label itself left out."""
    found: list[Label] = []
    place = label.parent
    while place is not None:
        found.append(place)
        place = place.parent
    return tuple(reversed(found))


def panel(label: Label) -> Panel:
    names = {
        str(_language(name.language)): name.name for name in sorted(label.names.all(), key=lambda name: name.language)
    }
    within = Label.objects.filter(taxonomy_id=label.taxonomy_id).below(label.path)
    return Panel(
        label=label,
        above=ancestors(label),
        names=names,
        items=Label.objects.all().count_items_within([label.pk]).get(label.pk, 0),
        own_items=ItemLabel.objects.all().carrying(Label.objects.filter(pk=label.pk)).count(),
        decisions=ItemLabel.objects.all().decided().naming(list(within.values_list("pk", flat=True))).count(),
        waiting=ItemLabel.objects.awaiting_review().filter(label__in=within).count(),
        children=label.children.count(),
    )


def _language(code: str) -> str:
    try:
        return str(get_language_info(code)["name_local"])
    except KeyError:
        return code


def search(taxonomy: Taxonomy, text: str, *, only_assignable: bool = False, limit: int = RESULTS) -> list[Label]:
    labels = Label.objects.with_every_name()
    return labels.in_order(labels.found(text, taxonomy_id=taxonomy.pk, only_assignable=only_assignable, limit=limit))


def jobs_of(taxonomy: Taxonomy) -> list[Job]:
    """What is running for it: imports and labels anew, newest first."""
    kinds = ["relabel_items", "import_taxonomy"]
    mine = Job.objects.active().filter(kind__in=kinds, parameters__taxonomy=taxonomy.slug)
    return list(mine.newest_first().defer("parameters")[:3])


def waiting_for_labels(taxonomy: Taxonomy) -> int:
    return LabelRequest.objects.filter(taxonomy=taxonomy, status=LabelRequest.Status.PENDING).count()
