"""What an edit of a taxonomy would change, told before it is done: labels, items, decisions, and what is asked anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef, QuerySet

from catalog.models import Item, ItemLabel, Label, Taxonomy

EXAMPLES = 4


@dataclass(frozen=True)
class ItemExample:
    external_id: str
    title: str


@dataclass(frozen=True)
class EditPreview:
    """labels: how many change, those below included; items: how many carry one of the labels concerned;
    decisions: of people about them, none of which is lost; asked_anew: items that will be labelled anew.

    label_ids: the labels at the top of what changes, for counting the users whose interests rest on them.
    moved_decisions: those that will name another label than they do now.
    """

    labels: int
    items: int
    examples: tuple[ItemExample, ...]
    decisions: int
    asked_anew: int
    label_ids: tuple[int, ...] = ()
    moved_decisions: int = 0


@dataclass(frozen=True)
class Plan:
    """An edit thought through: what its preview counts and what the edit itself then does."""

    taxonomy: Taxonomy
    labels: int
    concerned: tuple[int, ...]
    """Labels whose items, and decisions, are touched."""
    asks: tuple[int, ...] = ()
    """Labels whose undecided items are asked about again."""
    asks_everything: bool = False
    label_ids: tuple[int, ...] = ()
    moved: tuple[int, ...] = field(default=())
    """Labels whose decisions move to another label."""

    def asked_items(self) -> QuerySet[Item]:
        if self.asks_everything:
            return undecided_items(self.taxonomy)
        return items_naming(self.taxonomy, self.asks)

    def item_ids(self) -> list[int]:
        return list(self.asked_items().order_by("pk").values_list("pk", flat=True))

    def preview(self) -> EditPreview:
        carrying = ItemLabel.objects.all().carrying(Label.objects.filter(pk__in=self.concerned))
        items = Item.objects.filter(pk__in=carrying.values("item_id"))
        if self.asks_everything and not self.concerned:
            items = Item.objects.all()
        examples = items.order_by("-pk").values_list("external_id", "title")[:EXAMPLES]
        decided = ItemLabel.objects.all().decided()
        return EditPreview(
            labels=self.labels,
            items=items.count(),
            examples=tuple(ItemExample(external_id, title) for external_id, title in examples),
            decisions=decided.naming(self.concerned).count(),
            asked_anew=self.asked_items().count() if self.taxonomy.is_active else 0,
            label_ids=self.label_ids or self.concerned[:1],
            moved_decisions=decided.current().filter(final_label_id__in=self.moved).count(),
        )


def undecided_items(taxonomy: Taxonomy) -> QuerySet[Item]:
    """Items that nobody settled: in a taxonomy of one choice a decision is the end of asking, in others never."""
    if taxonomy.choice == Taxonomy.Choice.MULTIPLE:
        return Item.objects.all()
    settled = ItemLabel.objects.settling().filter(taxonomy=taxonomy, item=OuterRef("pk"))
    return Item.objects.filter(~Exists(settled))


def items_naming(taxonomy: Taxonomy, label_ids: Iterable[int]) -> QuerySet[Item]:
    """Of those, the ones for which one of these labels is suggested, be it as an alternative only."""
    suggested = ItemLabel.objects.current().filter(decision="", label_id__in=list(label_ids))
    return undecided_items(taxonomy).filter(pk__in=suggested.values("item_id"))


def is_leaf(label: Label, *, without: Sequence[int] = ()) -> bool:
    """Whether items may get it: nothing in use lies below it, `without` these."""
    return not label.children.filter(is_deprecated=False).exclude(pk__in=without).exists()
