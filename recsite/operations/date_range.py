"""The days that a page is about: read from its address, in the reader's own time zone, and kept for other pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date

PRESETS = (7, 28, 90)
DEFAULT_DAYS = 28
MOST_DAYS = 400
FIELDS = ("days", "from", "to")
KEPT = "days_shown"  # in the session


@dataclass(frozen=True)
class DateRange:
    """From the first day to the last, both included. `preset`: so many days up to today; None for chosen dates."""

    first: date
    last: date
    preset: int | None = None

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        """The midnight after the last day."""
        return _midnight(self.last + timedelta(days=1))

    @property
    def query(self) -> str:
        """What asks for the same days in an address."""
        if self.preset is not None:
            return urlencode({"days": self.preset})
        return urlencode({"from": self.first.isoformat(), "to": self.last.isoformat()})

    @property
    def each_day(self) -> list[date]:
        return [self.first + timedelta(days=step) for step in range(self.days)]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())


def read_range(values: QueryDict, *, default_days: int = DEFAULT_DAYS) -> DateRange:
    """Nonsense gives the default; dates in the wrong order are swapped, and what is too long loses its oldest days."""
    today = timezone.localdate()
    first, last = _day(values.get("from", "")), _day(values.get("to", ""))
    if first is not None or last is not None:
        last = last or today
        first = first or last - timedelta(days=default_days - 1)
        first, last = min(first, last), max(first, last)
        return DateRange(max(first, last - timedelta(days=MOST_DAYS - 1)), last)
    asked = values.get("days", "")
    days = int(asked) if asked in {str(preset) for preset in PRESETS} else default_days
    return DateRange(today - timedelta(days=days - 1), today, days)


def ending_on(day: date, *, days: int = DEFAULT_DAYS) -> DateRange:
    """For data that is older than any preset."""
    return DateRange(day - timedelta(days=days - 1), day)


def carried(values: Mapping[str, str]) -> str:
    """The part of an address that names days, for links to other pages and for keeping; '' where it names none."""
    days = {name: day.isoformat() for name in ("from", "to") if (day := _day(values.get(name, "")))}
    if not days and values.get("days", "") in {str(preset) for preset in PRESETS}:
        days = {"days": values["days"]}
    return urlencode(days)


def kept_days(request: HttpRequest) -> QueryDict:
    """What the address names, else what was chosen last on any page of days, kept until somebody signs out.

    Named but empty, as by a form, it is none, and what was kept is forgotten. The next pages of a list keep nothing.
    """
    session = request.session
    kept = str(session.get(KEPT, ""))
    if not any(name in request.GET for name in FIELDS):
        return QueryDict(kept)
    asked = carried(request.GET)
    if not asked:
        if KEPT in session and not any(request.GET.get(name) for name in FIELDS):
            del session[KEPT]
    elif asked != kept and "after" not in request.GET and not _same_days(asked, kept):
        session[KEPT] = asked
    return QueryDict(asked)


def as_dates(values: QueryDict) -> dict[str, str]:
    """`from` and `to`, of a preset too; without one that is not named."""
    if values.get("days"):
        asked = read_range(values)
        return {"from": asked.first.isoformat(), "to": asked.last.isoformat()}
    return {name: str(values[name]) for name in ("from", "to") if name in values}


def _same_days(asked: str, kept: str) -> bool:
    """The dates of a preset do not take its place: it goes on with the days."""
    return bool(kept) and as_dates(QueryDict(asked)) == as_dates(QueryDict(kept))


def _day(text: str) -> date | None:
    """None for nonsense, and for years that no time zone can shift."""
    try:
        found = parse_date(text)
    except ValueError:
        return None
    return found if found is not None and 1970 <= found.year <= 2200 else None
