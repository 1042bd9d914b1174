"""Which labels items would have after an edit or a review, told before it is saved. Reads only; writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models.functions import Coalesce

from catalog.carried_labels import carriage_of
from catalog.models import ItemLabel, Label, Taxonomy
from catalog.models.item_label import ItemLabelQuerySet
from catalog.taxonomies import check_label
from catalog.taxonomy_edits import label_of
from catalog.taxonomy_merges import checked_merge

MOST_ROWS = 20_000


@dataclass(frozen=True)
class GivenLabel:
    """What an item would count as having; of a person's decision the confidence is 1."""

    item_id: int
    taxonomy_id: int
    label_id: int
    confidence: float


@dataclass(frozen=True)
class LabelChanges:
    """gone: (item, label) that the item would no longer have, or have with another confidence: then it is `given` too.

    label_ids: every label that gains or loses items. moved: label -> the parent it would have. merged: label -> the one
    it becomes, which who names it is then about.
    unanswered: items that the models label anew, of which only the loss is known. is_too_much: more than MOST_ROWS
    item labels change; they are not listed.
    """

    gone: frozenset[tuple[int, int]] = frozenset()
    given: tuple[GivenLabel, ...] = ()
    label_ids: tuple[int, ...] = ()
    moved: Mapping[int, int | None] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)
    unanswered: int = 0
    is_too_much: bool = False

    @property
    def is_nothing(self) -> bool:
        return not (self.gone or self.given or self.moved or self.merged or self.is_too_much)

    @property
    def is_only_branches(self) -> bool:
        """No item's label changes; only what a label stands for, to those that name it."""
        return bool(self.moved or self.merged) and not (self.gone or self.given)

    @property
    def item_ids(self) -> tuple[int, ...]:
        return tuple(sorted({item for item, _ in self.gone} | {each.item_id for each in self.given}))


def of_merging(label_ids: Sequence[int], target_id: int) -> LabelChanges:
    """As the merge itself carries them over. Undecided items are then labelled anew, mostly as the target again."""
    merged, target = checked_merge(label_ids, target_id)
    sources = [source.pk for source in merged]
    concerned = (*sources, target.pk)
    children = Label.objects.filter(parent__in=sources).exclude(pk__in=concerned).values_list("pk", flat=True)
    moved, becoming = dict.fromkeys(children, target.pk), dict.fromkeys(sources, target.pk)
    if _is_too_much(ItemLabel.objects.all().naming(sources)):
        return LabelChanges(label_ids=concerned, moved=moved, merged=becoming, is_too_much=True)
    # Before the carriage, which sets rows' labels: what they say now.
    before = ItemLabel.objects.all().carrying(Label.objects.filter(pk__in=concerned)).order_by()
    rows = before.values_list("pk", "item_id", Coalesce("final_label_id", "label_id"))
    had = {pk: (item, label) for pk, item, label in rows}
    carriage = carriage_of(sources, target)
    touched = {row.pk for row in carriage.moved} | carriage.superseded
    kept = [row for row in carriage.moved if row.pk not in carriage.superseded]
    given = [_given(row, target.pk) for row in (*kept, *carriage.created) if row.is_assigned]
    gone = frozenset(had[pk] for pk in touched if pk in had)
    return LabelChanges(gone, tuple(given), concerned, moved, becoming)


def of_deprecating(label_id: int) -> LabelChanges:
    """Decisions stay. Undecided items get their next best suggestion, where there is one that is sure enough."""
    label = label_of(label_id)
    branch = Label.objects.all().ids_within([label.pk])
    lost = _undecided(branch)
    if _is_too_much(lost):
        return LabelChanges(label_ids=tuple(branch), is_too_much=True)
    gone = frozenset(lost.values_list("item_id", "label_id"))
    if label.taxonomy.choice == Taxonomy.Choice.MULTIPLE:
        return LabelChanges(gone, (), tuple(branch))
    others = (
        ItemLabel.objects.current()
        .filter(item_id__in=[item for item, _ in gone], taxonomy_id=label.taxonomy_id, decision="")
        .filter(label__is_deprecated=False, confidence__gte=label.taxonomy.abstain_below)
        .exclude(label__in=branch)
        .order_by("item_id", "-confidence", "pk")
        .distinct("item_id")
    )
    given = tuple(_given(row, row.label_id) for row in others)
    labels = (*branch, *sorted({each.label_id for each in given}))
    return LabelChanges(gone, given, labels, unanswered=len({item for item, _ in gone}) - len(given))


def of_splitting(label_id: int) -> LabelChanges:
    """Undecided items lose the label; which of the new ones they get, only the models will say."""
    label = label_of(label_id)
    lost = _undecided([label.pk])
    if _is_too_much(lost):
        return LabelChanges(label_ids=(label.pk,), is_too_much=True)
    gone = frozenset(lost.values_list("item_id", "label_id"))
    return LabelChanges(gone, (), (label.pk,), unanswered=len(gone))


def of_moving(label_id: int, parent_id: int | None) -> LabelChanges:
    """No item's label changes; what a rule or a filter says of a branch may."""
    label = label_of(label_id)
    parent = label_of(parent_id) if parent_id else None
    check_label(label, taxonomy=label.taxonomy, parent=parent, name=label.name)
    if label.parent_id == (parent.pk if parent else None):
        return LabelChanges(label_ids=(label.pk,))
    return LabelChanges(label_ids=(label.pk,), moved={label.pk: parent.pk if parent else None})


def of_accepting(rows: ItemLabelQuerySet) -> LabelChanges:
    """Of these suggestions: a label that somebody accepted is sure, and in a taxonomy of one choice the only one."""
    chosen = list(rows.order_by().values_list("pk", "item_id", "taxonomy_id", "label_id")[: MOST_ROWS + 1])
    labels = tuple(sorted({label for _, _, _, label in chosen}))
    if len(chosen) > MOST_ROWS:
        return LabelChanges(label_ids=labels, is_too_much=True)
    items = sorted({item for _, item, _, _ in chosen})
    single = {(item, taxonomy): label for _, item, taxonomy, label in chosen}
    counted = ItemLabel.objects.effective().filter(item_id__in=items).select_related("taxonomy").order_by("pk")
    mine = {(item, label) for _, item, _, label in chosen}
    gone: set[tuple[int, int]] = set()
    for row in counted:
        label, is_single = row.final_label_id or row.label_id, row.taxonomy.choice == Taxonomy.Choice.SINGLE
        is_beaten = is_single and not row.decision and (row.item_id, row.taxonomy_id) in single
        if (row.item_id, label) in mine or is_beaten:
            gone.add((row.item_id, label))
    given = tuple(GivenLabel(item, taxonomy, label, 1.0) for _, item, taxonomy, label in sorted(chosen))
    return LabelChanges(frozenset(gone), given, tuple(sorted({*labels, *(label for _, label in gone)})))


def of_rejecting(rows: ItemLabelQuerySet) -> LabelChanges:
    """Of these suggestions: an item that counted as having the label has it no longer, and nothing instead."""
    had = rows.effective().order_by().values_list("item_id", Coalesce("final_label_id", "label_id"))[: MOST_ROWS + 1]
    gone = frozenset(had)
    labels = tuple(sorted({label for _, label in gone}))
    if len(gone) > MOST_ROWS:
        return LabelChanges(label_ids=labels, is_too_much=True)
    return LabelChanges(gone, (), labels)


def _undecided(label_ids: Iterable[int]) -> ItemLabelQuerySet:
    return ItemLabel.objects.effective().filter(decision="", label_id__in=list(label_ids))


def _is_too_much(rows: ItemLabelQuerySet) -> bool:
    return rows.order_by()[: MOST_ROWS + 1].count() > MOST_ROWS


def _given(row: ItemLabel, label_id: int) -> GivenLabel:
    return GivenLabel(row.item_id, row.taxonomy_id, label_id, 1.0 if row.decision else row.confidence)
