"""What focus mode shows about one suggestion, and which one comes next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import OuterRef, Subquery, prefetch_related_objects
from django.utils.translation import gettext, gettext_lazy

from catalog import review_progress
from catalog.models import Item, ItemLabel, Label, Taxonomy
from catalog.models.item_label import ItemLabelQuerySet
from catalog.review_progress import Precision, Standing

OPINIONS = {
    "embedding": gettext_lazy("Embeddings"),
    "head": gettext_lazy("Label head"),
    "language_model": gettext_lazy("Language model"),
}
ALTERNATIVES = 9
NEIGHBOURS = 5
NEIGHBOURS_AMONG = 60
DESCRIPTION_SHOWN = 600


@dataclass(frozen=True)
class Passage:
    """A text and the part of it that speaks for the label; nothing is marked where that does not occur."""

    before: str
    marked: str = ""
    after: str = ""


@dataclass(frozen=True)
class Opinion:
    key: str
    who: str
    label: Label
    share: float
    agrees: bool  # with the label that is suggested


@dataclass(frozen=True)
class Alternative:
    number: int
    label: Label
    share: float  # the largest that anybody gave it
    said_by: str  # who named it first, in words; empty where nobody did


@dataclass(frozen=True)
class DecidedNeighbour:
    item: Item
    label: Label | None  # None: the suggested label was rejected
    is_same: bool
    likeness: float


@dataclass(frozen=True)
class Focus:
    row: ItemLabel
    is_single: bool
    siblings: tuple[ItemLabel, ...]
    title: Passage
    description: Passage
    opinions: tuple[Opinion, ...]
    opinion_words: str
    alternatives: tuple[Alternative, ...]
    neighbours: tuple[DecidedNeighbour, ...]
    precision: Precision
    standing: Standing


def next_row(
    rows: ItemLabelQuerySet,
    *,
    passed: Collection[int] = (),
    beside: ItemLabel | None = None,
    is_whole_queue: bool = False,
) -> int | None:
    """The id of the first of the queue that was not passed over; None at its end.

    beside: what was just decided. Where an item may have several labels, its others come before another item's.
    is_whole_queue: nothing narrows the rows, so the index knows the first of each taxonomy without sorting them all.
    """
    waiting = rows.exclude(pk__in=passed) if passed else rows
    if beside is not None and beside.taxonomy.choice == Taxonomy.Choice.MULTIPLE:
        same = waiting.filter(item=beside.item_id, taxonomy=beside.taxonomy_id).exclude(pk=beside.pk)
        if (sibling := same.order_by("rank", "id").values_list("pk", flat=True).first()) is not None:
            return sibling
    if is_whole_queue:
        first = waiting.filter(taxonomy=OuterRef("pk")).in_queue_order().values("pk")[:1]
        waiting = ItemLabel.objects.filter(pk__in=Taxonomy.objects.annotate(first=Subquery(first)).values("first"))
    return waiting.in_queue_order().values_list("pk", flat=True).first()


def focus_on(item_label_id: int, reviewer: User) -> Focus | None:
    """Everything about it; None where it is gone or was replaced by a newer suggestion."""
    mine = ItemLabel.objects.filter(pk=item_label_id)
    siblings = tuple(
        ItemLabel.objects.current()
        .filter(item=Subquery(mine.values("item")), taxonomy=Subquery(mine.values("taxonomy")))
        .select_related("item", "label", "final_label", "taxonomy", "reviewer")
        .defer("item__search_vector")
        .order_by("rank", "id")
    )
    row = next((sibling for sibling in siblings if sibling.pk == item_label_id), None)
    if row is None:
        return None
    is_single = row.taxonomy.choice == Taxonomy.Choice.SINGLE
    labels = _labels(row, siblings)
    neighbours = _decided_neighbours(row)
    shown = [
        *labels.values(),
        *(each.label for each in (row, *siblings)),
        *(each.final_label for each in (row, *siblings)),
    ]
    shown += [neighbour.label for neighbour in neighbours]
    prefetch_related_objects([label for label in shown if label], "names")
    opinions = _opinions(row, labels)
    return Focus(
        row=row,
        is_single=is_single,
        siblings=siblings,
        title=_passage(row.item.title, row.evidence),
        description=_passage(_shortened(row.item.description), row.evidence),
        opinions=opinions,
        opinion_words=_words_of(opinions),
        alternatives=_alternatives(row, siblings, labels, opinions) if is_single else (),
        neighbours=neighbours,
        precision=review_progress.precision_of(row.label_id),
        standing=review_progress.standing_of(row.taxonomy_id, reviewer),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= DESCRIPTION_SHOWN else text[:DESCRIPTION_SHOWN].rstrip() + "…"


def _passage(text: str, evidence: str) -> Passage:
    words = evidence.strip()
    start = text.lower().find(words.lower()) if words else -1
    end = start + len(words)
    # Lower-casing can change a text's length (ẞ, İ); then the place found is not the place meant.
    if start < 0 or text[start:end].lower() != words.lower():
        return Passage(text)
    return Passage(text[:start], text[start:end], text[end:])


def _named(row: ItemLabel) -> dict[str, list[tuple[int, float]]]:
    """opinion -> (label id, share), best first, of what is stored in that shape."""
    found: dict[str, list[tuple[int, float]]] = {}
    for key in OPINIONS:
        pairs = row.opinions.get(key) if isinstance(row.opinions, dict) else None
        named = [(int(pair[0]), float(pair[1])) for pair in pairs or [] if len(pair) == 2]
        if named:
            found[key] = named
    return found


def _labels(row: ItemLabel, siblings: Sequence[ItemLabel]) -> dict[int, Label]:
    known = {sibling.label_id: sibling.label for sibling in siblings}
    named = {label_id for pairs in _named(row).values() for label_id, _ in pairs[:ALTERNATIVES]}
    if missing := named - known.keys():
        known |= {label.pk: label for label in Label.objects.filter(pk__in=missing, taxonomy=row.taxonomy_id)}
    return known


def _opinions(row: ItemLabel, labels: dict[int, Label]) -> tuple[Opinion, ...]:
    firsts = [(key, *pairs[0]) for key, pairs in _named(row).items()]
    return tuple(
        Opinion(key, str(OPINIONS[key]), labels[label_id], share, label_id == row.label_id)
        for key, label_id, share in firsts
        if label_id in labels
    )


def _words_of(opinions: Sequence[Opinion]) -> str:
    """Who agrees with whom, in one sentence; empty where fewer than two were asked."""
    if len(opinions) < 2:
        return ""
    by_label: dict[str, list[str]] = {}
    for opinion in opinions:
        by_label.setdefault(opinion.label.shown_name(), []).append(opinion.who)
    if len(by_label) == 1:
        return gettext("They agree.")
    return gettext("; ").join(
        gettext("%(who)s: %(label)s") % {"who": gettext(" and ").join(who), "label": label}
        for label, who in by_label.items()
    )


def _alternatives(
    row: ItemLabel, siblings: Sequence[ItemLabel], labels: dict[int, Label], opinions: Sequence[Opinion]
) -> tuple[Alternative, ...]:
    """Other labels on offer: the model's next choices and what the opinions named, most likely first."""
    refused = {sibling.label_id for sibling in siblings if sibling.decision == ItemLabel.Decision.REJECTED}
    shares: dict[int, float] = {}
    for pairs in _named(row).values():
        for label_id, share in pairs:
            shares[label_id] = max(share, shares.get(label_id, 0.0))
    for sibling in siblings:
        shares[sibling.label_id] = max(sibling.confidence, shares.get(sibling.label_id, 0.0))
    said_by: dict[int, list[str]] = {}
    for opinion in opinions:
        said_by.setdefault(opinion.label.pk, []).append(opinion.who)
    usable = [
        label_id
        for label_id in shares
        if label_id != row.label_id
        and label_id not in refused
        and label_id in labels
        and not labels[label_id].is_deprecated
    ]
    usable.sort(key=lambda label_id: (-shares[label_id], label_id))
    return tuple(
        Alternative(number, labels[label_id], shares[label_id], ", ".join(said_by.get(label_id, [])))
        for number, label_id in enumerate(usable[:ALTERNATIVES], start=1)
    )


def _decided_neighbours(row: ItemLabel) -> tuple[DecidedNeighbour, ...]:
    """The nearest items whose label of this taxonomy a person decided, among the nearest of all."""
    near = {item.pk: item for item in Item.objects.only("title", "external_id").beside(row.item, NEIGHBOURS_AMONG)}
    decided = (
        ItemLabel.objects.decided_by_people()
        .filter(item__in=near, taxonomy=row.taxonomy_id)
        .select_related("label", "final_label")
        .order_by("-is_assigned", "rank", "id")
    )
    by_item: dict[int, ItemLabel] = {}
    for other in decided:
        if row.taxonomy.choice == Taxonomy.Choice.SINGLE or other.shown_label.pk == row.label_id:
            by_item.setdefault(other.item_id, other)
    found = [(item, by_item[pk]) for pk, item in near.items() if pk in by_item]
    return tuple(
        DecidedNeighbour(
            item=item,
            label=other.shown_label if other.is_assigned else None,
            is_same=other.is_assigned and other.shown_label.pk == row.label_id,
            likeness=1.0 - item.distance,  # type: ignore[attr-defined]
        )
        for item, other in found[:NEIGHBOURS]
    )
