"""One user's list by one strategy or by several side by side, ready to be shown. Nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone

from catalog.models import Item
from recommender.list_controls import ListControls
from recommender.models import EndUser, Event, Strategy
from recommender.remembering_shelf import RememberingShelf
from recommender.score_bars import Scale, Segment, scale_of, segments
from recommender.shelves import Shelf
from recommender.slates import RankedItem, RecommendedList, recommend
from recommender.strategy_preview import Place, compare
from recommender.templatetags.scores import SOURCES, source_name
from recsite.operations.errors import RecsiteError

STEP = timedelta(days=7)


@dataclass(frozen=True)
class Row:
    """place: where the item stood in the first column; None in the first column itself."""

    ranked: RankedItem
    item: Item
    segments: tuple[Segment, ...]
    event_json: str
    place: Place | None = None


@dataclass(frozen=True)
class Column:
    """strategy: None for what the site serves. lost: items of the first column that are not here. problem: why there is
    no list, in words."""

    strategy: Strategy | None
    made: RecommendedList | None
    rows: tuple[Row, ...] = ()
    lost: tuple[RankedItem, ...] = ()
    problem: str = ""

    @property
    def gained(self) -> int:
        return sum(row.place is not None and row.place.moved_by is None for row in self.rows)

    @property
    def moved(self) -> int:
        return sum(row.place is not None and bool(row.place.moved_by) for row in self.rows)

    @property
    def kept(self) -> int:
        return sum(row.place is not None and row.place.moved_by == 0 for row in self.rows)


@dataclass(frozen=True)
class ShownLists:
    """The first column is what the others are compared with; sources: name by source that moves a score of any."""

    columns: tuple[Column, ...]
    scale: Scale
    sources: dict[str, str]

    @property
    def first(self) -> Column:
        return self.columns[0]


def shown_lists(user_external_id: str, asked: ListControls) -> ShownLists:
    """As many queries a column as recommend() takes at most, and two for all of them."""
    shelf = RememberingShelf()
    made = [_made(user_external_id, asked, strategy, shelf) for strategy in (asked.strategy, *asked.beside)]
    lists = [column.made.items if column.made else () for column in made]
    scale = scale_of([ranked.parts for ranked in (each for items in lists for each in items)])
    wanted = {ranked.item.pk for items in lists for ranked in items}
    tiles = {item.pk: item for item in Item.objects.filter(pk__in=wanted).for_tiles()}
    columns = []
    for number, column in enumerate(made):
        compared = compare(user_external_id, lists[0], lists[number]) if number and column.made else None
        there = {ranked.item.pk for ranked in lists[number]}
        columns.append(
            replace(
                column,
                rows=_rows(column, tiles, scale, compared.after if compared else ()),
                lost=tuple(ranked for ranked in lists[0] if ranked.item.pk not in there) if compared else (),
            )
        )
    return ShownLists(tuple(columns), scale, _legend([ranked for items in lists for ranked in items]))


def _made(user_external_id: str, asked: ListControls, strategy: Strategy | None, shelf: Shelf) -> Column:
    """A strategy whose recipe cannot be used any more has a problem instead of a list."""
    try:
        made = recommend(
            user_external_id,
            n=asked.n,
            strategy=strategy,
            repeats=asked.repeats,
            placement=asked.placement,
            within=asked.within,
            at=asked.at,
            shelf=shelf,
            record=False,
        )
    except RecsiteError as error:
        return Column(strategy, None, problem=error.message)
    return Column(strategy, made)


def _rows(column: Column, tiles: dict[int, Item], scale: Scale, places: Sequence[Place]) -> tuple[Row, ...]:
    made = column.made
    if made is None:
        return ()
    place_of = {place.item.pk: place for place in places}
    return tuple(
        Row(
            ranked=ranked,
            item=tiles.get(ranked.item.pk, ranked.item),
            segments=segments(ranked.parts, scale),
            event_json=json.dumps(
                {
                    "user": made.user_external_id,
                    "item": ranked.item.external_id,
                    "type": "purchase",
                    "was_unknown": str(made.user is None).lower(),
                }
            ),
            place=place_of.get(ranked.item.pk),
        )
        for ranked in made.items
    )


def _legend(ranked: Sequence[RankedItem]) -> dict[str, str]:
    """The sources that move a score, always in the same order."""
    present = {part.source for each in ranked for part in each.parts if abs(part.contribution) >= 0.005}
    known = [source for source in SOURCES if source in present]
    return {source: source_name(source) for source in [*known, *sorted(present.difference(SOURCES))]}


@dataclass(frozen=True)
class Steps:
    """Moments to look at next; None where there is no such step. order: when the order before the moment shown was
    made, `before_order` a second before it."""

    earlier: datetime
    later: datetime | None
    order: datetime | None
    before_order: datetime | None


def steps_from(user: EndUser | None, at: datetime | None) -> Steps:
    """Steps back and forth from this moment, or from the user's newest event. Two queries."""
    now = timezone.now()
    here = at or min((user.last_event_at if user else None) or now, now)
    order = Event.objects.all().last_order_start(user.pk, at or now) if user else None
    return Steps(
        earlier=here - STEP,
        later=here + STEP if at is not None and here + STEP <= now else None,
        order=order,
        before_order=order - timedelta(seconds=1) if order else None,
    )
