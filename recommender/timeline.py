"""A user's events as a person reads them: by day, and within a day by basket; of some types or days only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext

from recommender.models import EndUser, Event

EVENTS_PER_PAGE = 40


@dataclass(frozen=True)
class TimelineFilters:
    """Both days belong to the range. jump: show from the end of this day backwards. typed and errors by field."""

    types: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    jump: date | None = None
    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_set(self) -> bool:
        return bool(self.types or self.first_day or self.last_day or self.jump)


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


def timeline_filters(values: QueryDict) -> TimelineFilters:
    """What cannot be is told beside its field and left out. Days are days of the staff member's zone."""
    typed, errors = {}, {}
    types = tuple(dict.fromkeys(value for value in values.getlist("type") if value))
    if unknown := [each for each in types if each not in Event.Type.values]:
        errors["type"] = gettext("There is no type of event “%(type)s”; it was left out.") % {"type": unknown[0][:40]}
    days: dict[str, date | None] = {}
    for name in ("from", "to", "day"):
        typed[name] = values.get(name, "").replace("\x00", "").strip()[:40]
        days[name] = _day_from(typed[name])
        if typed[name] and days[name] is None:
            errors[name] = gettext("That is no day; write it like 2026-03-01.")
    first, last = days["from"], days["to"]
    if first and last and first > last:
        errors["to"] = gettext("The range ends before it begins; swap the two days.")
        first = last = None
    known = tuple(each for each in types if each in Event.Type.values)
    return TimelineFilters(known, first, last, days["day"], typed, errors)


def timeline(
    user: EndUser,
    *,
    after: tuple[datetime, int] | None = None,
    n: int = EVENTS_PER_PAGE,
    filters: TimelineFilters | None = None,
) -> Timeline:
    """The next n events in newest-first order, from the newest or from after an event already shown."""
    events = Event.objects.filter(user=user).newest_first().select_related("item")
    if filters is not None:
        if filters.types:
            events = events.filter(type__in=filters.types)
        if filters.first_day:
            events = events.filter(occurred_at__gte=_begin_of(filters.first_day))
        ends = [day for day in (filters.last_day, filters.jump) if day]
        if ends:
            events = events.filter(occurred_at__lt=_begin_of(min(ends) + timedelta(days=1)))
    if after is not None:
        events = events.before(*after)
    found = list(events[: n + 1])
    shown = found[:n]
    days = tuple(
        Day(day, _baskets(list(of_day)))
        for day, of_day in groupby(shown, key=lambda event: timezone.localtime(event.occurred_at).date())
    )
    return Timeline(days, shown[-1] if len(found) > n else None)


def _day_from(text: str) -> date | None:
    """None where it is no day, or one at the ends of the calendar that another zone has no name for."""
    try:
        day = parse_date(text)
    except ValueError:  # written like a day, but none: the 45th
        return None
    return day if day is not None and 1 < day.year < 9999 else None


def _begin_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min)).astimezone(UTC)


def _baskets(events: Sequence[Event]) -> tuple[Basket, ...]:
    """Events of a day by basket, in the order in which each basket's newest event comes."""
    by_basket: dict[str, list[Event]] = {}
    for event in events:
        by_basket.setdefault(event.basket or f"\0{event.pk}", []).append(event)
    return tuple(Basket(name if name[0] != "\0" else "", tuple(of_basket)) for name, of_basket in by_basket.items())
