"""What the interest map of one user shows: the catalog in the background, their items, and their interests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from catalog.models import Item, Label, Taxonomy
from recommender.algorithms.regions import GRID, CellCount, Region, region_at, regions_of
from recommender.interests import HISTORY_EVENTS
from recommender.models import EndUser, Event, InterestVector, ItemPlace

BACKGROUND = 2_000
BACKGROUND_GRID = 32
NAME_LENGTH = 80  # of an item in the background


@dataclass(frozen=True)
class MappedItem:
    item: Item
    x: float
    y: float


@dataclass(frozen=True)
class MappedInterest:
    """place: of the item that names it; None where that came after the map was built. near: the user's items in the
    same region."""

    interest: InterestVector
    label: Label | None
    place: tuple[float, float] | None
    region: Label | None
    near: int


@dataclass(frozen=True)
class MappedRegion:
    label: Label
    x: float
    y: float
    items: int
    own: int


@dataclass(frozen=True)
class UserMap:
    """built_at: None where there is no map yet. missing: items of theirs that are not on it yet."""

    built_at: datetime | None
    interests: tuple[MappedInterest, ...] = ()
    items: tuple[MappedItem, ...] = ()
    regions: tuple[MappedRegion, ...] = ()
    missing: int = 0

    @property
    def regions_visited(self) -> tuple[MappedRegion, ...]:
        """With items of theirs, most first."""
        return tuple(sorted((each for each in self.regions if each.own), key=lambda each: (-each.own, each.label.pk)))


def user_map(user: EndUser) -> UserMap:
    """A constant number of queries."""
    built_at = ItemPlace.objects.all().built_at()
    if built_at is None:
        return UserMap(None)
    vectors = list(user.interest_vectors.select_related("medoid").defer("vector").order_by("position", "id"))
    item_ids = list(dict.fromkeys(row[0] for row in Event.objects.all().newest_of(user.pk, HISTORY_EVENTS)))
    places = ItemPlace.objects.all().places_of([*item_ids, *(each.medoid_id for each in vectors)])
    items = Item.objects.in_bulk([item_id for item_id in item_ids if item_id in places])
    regions = regions_on(built_at)
    firsts = {each.pk: each.labels[0]["label"] for each in vectors if each.labels}
    wanted = {region.label_id for region in regions} | set(firsts.values())
    labels = Label.objects.filter(pk__in=wanted).with_every_name().in_bulk()
    own = [region_at(regions, *places[item_id]) for item_id in items]
    mapped = []
    for each in vectors:
        place = places.get(each.medoid_id)
        region = region_at(regions, *place) if place else None
        mapped.append(
            MappedInterest(
                interest=each,
                label=labels.get(firsts.get(each.pk, 0)),
                place=place,
                region=labels.get(region.label_id) if region else None,
                near=sum(other is region for other in own) if region else 0,
            )
        )
    return UserMap(
        built_at=built_at,
        interests=tuple(mapped),
        items=tuple(MappedItem(items[pk], *places[pk]) for pk in item_ids if pk in items),
        regions=tuple(
            MappedRegion(labels[each.label_id], each.x, each.y, each.items, sum(other is each for other in own))
            for each in regions
            if each.label_id in labels
        ),
        missing=len(item_ids) - len(items),
    )


@lru_cache(maxsize=2)
def background_of(built_at: datetime) -> tuple[tuple[float, float, str], ...]:
    """(x, y, title) of items spread over the map of this moment; read once a map."""
    found = ItemPlace.objects.all().spread(BACKGROUND, grid=BACKGROUND_GRID)
    return tuple((round(x, 4), round(y, 4), title[:NAME_LENGTH]) for _, x, y, title in found)


@lru_cache(maxsize=2)
def regions_on(built_at: datetime) -> tuple[Region, ...]:
    """Named by labels of the first taxonomy whose items stand on the map of this moment; read once a map."""
    for taxonomy in Taxonomy.objects.filter(is_active=True).order_by("position", "pk")[:5]:
        rows = ItemPlace.objects.all().count_labels_by_cell(taxonomy.pk, grid=GRID)
        if rows:
            return regions_of([CellCount((across, down), label, n, x, y) for across, down, label, n, x, y in rows])
    return ()
