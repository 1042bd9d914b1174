"""The days that a page is about: read from its address, in the reader's own time zone, and carried to other pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date

PRESETS = (7, 28, 90)
DEFAULT_DAYS = 28
MOST_DAYS = 400
FIELDS = ("days", "from", "to")


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


def carried(values: QueryDict) -> str:
    """The part of an address that names days, for links to other pages; '' where it names none."""
    return read_range(values).query if any(values.get(name) for name in FIELDS) else ""


def _day(text: str) -> date | None:
    """None for nonsense, and for years that no time zone can shift."""
    try:
        found = parse_date(text)
    except ValueError:
        return None
    return found if found is not None and 1970 <= found.year <= 2200 else None
