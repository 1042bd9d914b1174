"""Finding items in the catalog: what an address asks for, the items that answer it, and the facets beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload
from urllib.parse import urlencode

from django.db.models import F, Max, OuterRef, QuerySet, Subquery
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from catalog.models import Item, ItemLabel, Label, Taxonomy
from catalog.models.item import ItemQuerySet

BRANDS_SHOWN = 12
LABELS_SHOWN = 60
# Up to so many matches are looked up once, and page, counts and facets are read from their ids.
MATCHES_READ = 100_000
SORTS: Mapping[str, object] = {
    "title": gettext_lazy("Title, A to Z"),
    "price": gettext_lazy("Price, low to high"),
    "-price": gettext_lazy("Price, high to low"),
    "unsure": gettext_lazy("Least certain labels first"),
}
STOCK: Mapping[str, object] = {"in_stock": gettext_lazy("In stock"), "sold_out": gettext_lazy("Out of stock")}
VISIBILITY: Mapping[str, object] = {"shown": gettext_lazy("Shown"), "hidden": gettext_lazy("Hidden")}
REVIEW: Mapping[str, object] = {
    "waiting": gettext_lazy("Waiting for review"),
    "reviewed": gettext_lazy("Reviewed"),
    "unlabelled": gettext_lazy("Without a label"),
}


@dataclass(frozen=True)
class Browse:
    """What is asked for; every field has its place in the address, so a view can be shared."""

    q: str = ""
    labels: tuple[int, ...] = ()
    brands: tuple[str, ...] = ()
    stock: str = ""
    visibility: str = ""
    review: str = ""
    sort: str = ""
    is_loose: bool = False
    """Nothing matches `q` as it is written, so titles that somewhat resemble it are shown."""

    @property
    def is_narrowed(self) -> bool:
        return self != Browse(sort=self.sort, is_loose=self.is_loose)

    def address(self) -> str:
        """The query string that asks for the same."""
        pairs: list[tuple[str, str]] = [("q", self.q)] if self.q else []
        pairs += [("label", str(label)) for label in self.labels] + [("brand", brand) for brand in self.brands]
        for name in ("stock", "visibility", "review", "sort"):
            if value := getattr(self, name):
                pairs.append((name, value))
        return urlencode(pairs)


@dataclass(frozen=True)
class Option:
    value: str
    name: str
    count: int | None
    is_chosen: bool
    icon: str = ""


@dataclass(frozen=True)
class Facet:
    title: str
    parameter: str
    is_single: bool
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Chip:
    """A filter in force, and the address of the same view without it."""

    name: str
    address_without: str


def parse(values: QueryDict) -> Browse:
    """Read an address; what makes no sense is left out instead of failing."""

    def one_of(name: str, allowed: Mapping[str, object]) -> str:
        return value if (value := values.get(name, "")) in allowed else ""

    return Browse(
        q=values.get("q", "").replace("\x00", "").strip()[:200],
        labels=tuple(int(value) for value in values.getlist("label") if value.isdecimal() and len(value) < 18),
        brands=tuple(value.replace("\x00", "") for value in values.getlist("brand") if value)[:20],
        stock=one_of("stock", STOCK),
        visibility=one_of("visibility", VISIBILITY),
        review=one_of("review", REVIEW),
        sort=one_of("sort", SORTS),
    )


def loosened(browse: Browse) -> Browse:
    """The same, searched loosely where the words as they are written match no item at all."""
    if not browse.q or Item.objects.search(browse.q).exists():
        return browse
    return replace(browse, is_loose=Item.objects.search_loosely(browse.q).exists())


class ItemsInOrder(Sequence[Item]):
    """Items by their ids, read when a part is asked for, with what their tiles show."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...

    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        if isinstance(place, int):
            return self[place : place + 1][0]
        wanted = self.ids[place]
        found = {item.pk: item for item in Item.objects.filter(pk__in=wanted).for_tiles()}
        return [found[pk] for pk in wanted if pk in found]


def matches(browse: Browse) -> ItemsInOrder | None:
    """The items asked for, looked up once; None where they are all, or more than MATCHES_READ."""
    if not browse.is_narrowed:
        return ItemsInOrder(_unsure_first()) if browse.sort == "unsure" else None
    ids = list(items_for(browse).values_list("pk", flat=True)[: MATCHES_READ + 1])
    return ItemsInOrder(ids) if len(ids) <= MATCHES_READ else None


def _unsure_first() -> list[int]:
    """Every item's id: first those with a label that waits, the least sure first; then the rest."""
    waiting = ItemLabel.objects.awaiting_review().order_by().values_list("item_id")
    surest = dict(waiting.annotate(surest=Max("confidence")).values_list("item_id", "surest"))
    rest = Item.objects.order_by("pk").values_list("pk", flat=True)
    return [*sorted(surest, key=lambda pk: (surest[pk], pk)), *(pk for pk in rest if pk not in surest)]


def items_for(browse: Browse, chosen: Mapping[int, list[int]] | None = None) -> ItemQuerySet:
    """The items asked for, in order, ties by id. `chosen`: label ids by taxonomy, where already looked up."""
    items = Item.objects.newest_first()
    if browse.q:
        items = Item.objects.search_loosely(browse.q) if browse.is_loose else Item.objects.search(browse.q)
    for labels in (chosen if chosen is not None else _by_taxonomy(browse.labels)).values():
        below = Label.objects.filter(pk__in=Label.objects.all().ids_within(labels))
        items = items.filter(pk__in=ItemLabel.objects.all().carrying(below).values("item_id"))
    if browse.brands:
        items = items.filter(brand__in=browse.brands)
    if browse.stock:
        items = items.filter(is_in_stock=browse.stock == "in_stock")
    if browse.visibility:
        items = items.filter(is_hidden=browse.visibility == "hidden")
    if browse.review == "waiting":
        items = items.filter(pk__in=ItemLabel.objects.awaiting_review().values("item_id"))
    elif browse.review == "reviewed":
        items = items.filter(pk__in=ItemLabel.objects.current().exclude(decision="").values("item_id"))
    elif browse.review == "unlabelled":
        items = items.exclude(pk__in=ItemLabel.objects.effective().values("item_id"))
    return _sorted(items, browse.sort)


def _sorted(items: ItemQuerySet, sort: str) -> ItemQuerySet:
    if sort == "title":
        return items.order_by("title", "id")
    if sort == "price":
        return items.order_by(F("price").asc(nulls_last=True), "id")
    if sort == "-price":
        return items.order_by(F("price").desc(nulls_last=True), "id")
    if sort == "unsure":
        mine = ItemLabel.objects.awaiting_review().filter(item=OuterRef("pk")).order_by().values("item")
        surest = Subquery(mine.annotate(surest=Max("confidence")).values("surest"))
        return items.annotate(surest=surest).order_by(F("surest").asc(nulls_last=True), "id")
    return items


def _by_taxonomy(label_ids: tuple[int, ...]) -> dict[int, list[int]]:
    """Labels of one taxonomy are alternatives; those of two must both hold."""
    chosen: dict[int, list[int]] = defaultdict(list)
    for label, taxonomy in Label.objects.filter(pk__in=label_ids).order_by("pk").values_list("pk", "taxonomy_id"):
        chosen[taxonomy].append(label)
    return dict(chosen)


def facets_for(browse: Browse, found: ItemsInOrder | None = None) -> tuple[Facet, ...]:
    """What the view can be narrowed by. Counts say what choosing an option would give, its own facet set aside.

    found: the items of this view, where they were looked up already.
    """
    chosen = _by_taxonomy(browse.labels)
    is_known = found is not None and browse.is_narrowed
    matching = Item.objects.numbered(found.ids) if is_known and found is not None else items_for(browse, chosen)
    shared = _count_by_label(matching if browse.is_narrowed else None)
    counts: dict[int, Mapping[int, int]] = {}
    for taxonomy in chosen:
        others = {other: own for other, own in chosen.items() if other != taxonomy}
        without = replace(browse, labels=tuple(label for own in others.values() for label in own))
        counts[taxonomy] = _count_by_label(items_for(without, others) if without.is_narrowed else None)
    labels = (
        Label.objects.filter(pk__in=_most_counted(shared, counts, browse.labels))
        .select_related("taxonomy")
        .with_every_name()
        .order_by("taxonomy__position", "taxonomy_id", "position", "id")
    )
    by_taxonomy: dict[Taxonomy, list[Label]] = defaultdict(list)
    for label in labels:
        by_taxonomy[label.taxonomy].append(label)
    facets: list[Facet] = []
    for taxonomy_of, own_labels in by_taxonomy.items():
        of_taxonomy = counts.get(taxonomy_of.pk, shared)
        options = [
            Option(
                str(label.pk), label.shown_name(), of_taxonomy.get(label.pk, 0), label.pk in browse.labels, label.icon
            )
            for label in own_labels
            if of_taxonomy.get(label.pk) or label.pk in browse.labels
        ]
        # Of thousands of labels those with most items; the others are found through the taxonomy's page.
        options.sort(key=lambda option: (not option.is_chosen, -(option.count or 0), option.name))
        options = options[: max(LABELS_SHOWN, sum(option.is_chosen for option in options))]
        options.sort(key=lambda option: (-(option.count or 0), option.name))
        if options:
            facets.append(Facet(taxonomy_of.name, "label", False, tuple(options)))
    facets.append(_brand_facet(browse, chosen, matching))
    facets += _state_facets(browse, matching)
    return tuple(facet for facet in facets if facet.options)


def _most_counted(
    shared: Mapping[int, int], counts: Mapping[int, Mapping[int, int]], chosen: tuple[int, ...]
) -> set[int]:
    """Ids of the labels that a facet can show: of each active taxonomy those with most items, so that of thousands only
    some are read with their names; and the chosen ones."""
    named = {*shared, *(label for of_taxonomy in counts.values() for label in of_taxonomy)}
    by_taxonomy: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
    rows = Label.objects.filter(taxonomy__is_active=True).values_list("pk", "taxonomy_id", "name")
    for label, taxonomy, name in rows if len(named) > LABELS_SHOWN else rows.filter(pk__in=named):
        if count := counts.get(taxonomy, shared).get(label):
            by_taxonomy[taxonomy].append((-count, name, label))
    most = {label for own in by_taxonomy.values() for _, _, label in sorted(own)[:LABELS_SHOWN]}
    return most | set(rows.filter(pk__in=chosen).values_list("pk", flat=True))


def _count_by_label(items: ItemQuerySet | None) -> dict[int, int]:
    """None: of all items."""
    rows = ItemLabel.objects.all()
    return (rows if items is None else rows.filter(item__in=items.order_by().values("pk"))).count_by_label()


def _brand_facet(browse: Browse, chosen: Mapping[int, list[int]], matching: ItemQuerySet) -> Facet:
    items = items_for(replace(browse, brands=()), chosen) if browse.brands else matching
    counted = dict(items.top_brands(BRANDS_SHOWN))
    for brand in browse.brands:
        counted.setdefault(brand, 0)
    options = tuple(Option(brand, brand, count, brand in browse.brands) for brand, count in counted.items())
    return Facet(gettext("Brand"), "brand", False, options)


def _state_facets(browse: Browse, matching: QuerySet[Item]) -> list[Facet]:
    counts = ItemQuerySet.count_by_state(matching)  # type: ignore[arg-type]
    facets = []
    for title, parameter, options in (
        (gettext("Review"), "review", REVIEW),
        (gettext("Stock"), "stock", STOCK),
        (gettext("Visibility"), "visibility", VISIBILITY),
    ):
        asked = getattr(browse, parameter)
        found = tuple(Option(value, str(name), counts.get(value), value == asked) for value, name in options.items())
        facets.append(Facet(title, parameter, True, found))
    return facets


def chips_for(browse: Browse, facets: tuple[Facet, ...]) -> tuple[Chip, ...]:
    chips: list[Chip] = []
    if browse.q:
        chips.append(Chip(f"“{browse.q}”", replace(browse, q="").address()))
    for facet in facets:
        for option in facet.options:
            if not option.is_chosen:
                continue
            if facet.parameter == "label":
                rest = replace(browse, labels=tuple(pk for pk in browse.labels if str(pk) != option.value))
            elif facet.parameter == "brand":
                rest = replace(browse, brands=tuple(brand for brand in browse.brands if brand != option.value))
            else:
                rest = _without_state(browse, facet.parameter)
            chips.append(Chip(option.name, rest.address()))
    return tuple(chips)


def _without_state(browse: Browse, parameter: str) -> Browse:
    return replace(
        browse,
        stock="" if parameter == "stock" else browse.stock,
        visibility="" if parameter == "visibility" else browse.visibility,
        review="" if parameter == "review" else browse.review,
    )
