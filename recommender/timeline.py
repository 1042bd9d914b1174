"""A user's events as a person reads them: by day, and within a day by basket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from django.utils import timezone

from recommender.models import EndUser, Event

EVENTS_PER_PAGE = 40


@dataclass(frozen=True)
class Basket:
    """Events of one basket on one day, or a single event that belongs to none."""

    name: str
    events: tuple[Event, ...]

    @property
    def at(self) -> datetime:
        return self.events[0].occurred_at

    @property
    def paid(self) -> float | None:
        """What the purchases with a price came to; None where no price is known."""
        sums = [float(event.price) * event.value for event in self.events if event.price is not None]
        return sum(sums) if sums else None


@dataclass(frozen=True)
class Day:
    day: date
    baskets: tuple[Basket, ...]


@dataclass(frozen=True)
class Timeline:
    days: tuple[Day, ...]
    oldest: Event | None
    """The last event shown; pass it as `after` for the next page. None where nothing is left."""


def timeline(user: EndUser, *, after: tuple[datetime, int] | None = None, n: int = EVENTS_PER_PAGE) -> Timeline:
    """The next n events in newest-first order, from the newest or from after an event already shown."""
    events = Event.objects.filter(user=user).newest_first().select_related("item")
    if after is not None:
        events = events.before(*after)
    found = list(events[: n + 1])
    shown = found[:n]
    days = tuple(
        Day(day, _baskets(list(of_day)))
        for day, of_day in groupby(shown, key=lambda event: timezone.localtime(event.occurred_at).date())
    )
    return Timeline(days, shown[-1] if len(found) > n else None)


def _baskets(events: Sequence[Event]) -> tuple[Basket, ...]:
    """Events of a day by basket, in the order in which each basket's newest event comes."""
    by_basket: dict[str, list[Event]] = {}
    for event in events:
        by_basket.setdefault(event.basket or f"\0{event.pk}", []).append(event)
    return tuple(Basket(name if name[0] != "\0" else "", tuple(of_basket)) for name, of_basket in by_basket.items())
