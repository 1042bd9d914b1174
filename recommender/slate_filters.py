"""Which served slates the audit is about, from an address, and a page of them in bounded time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import quote, urlencode

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext

from catalog.models import Item
from recommender.models import EndUser, Slate
from recommender.models.slate import SlateQuerySet

PER_PAGE = 25
LOOKED_THROUGH = 20_000
TITLES_SHOWN = 3
MOST_DOWNLOADED = 10_000
TEXTS = ("user", "item", "placement", "arm")
KEYS = ("strategy", "rule", "experiment")
DAYS = ("from", "to")


@dataclass(frozen=True)
class SlateFilters:
    """user and item: the shop's own ids; strategy, rule and experiment: keys; days in the staff member's time zone."""

    user: str = ""
    item: str = ""
    placement: str = ""
    arm: str = ""
    strategy: int | None = None
    rule: int | None = None
    experiment: int | None = None
    from_day: date | None = None
    to_day: date | None = None

    def as_query(self) -> dict[str, str]:
        """As an address has them; only what is asked for."""
        values: dict[str, object] = {name: getattr(self, name) for name in (*TEXTS, *KEYS)}
        values |= {"from": self.from_day, "to": self.to_day}
        return {name: str(value) for name, value in values.items() if value not in ("", None)}

    @property
    def query(self) -> str:
        return urlencode(self.as_query())

    @property
    def between(self) -> tuple[datetime | None, datetime | None]:
        """From the first moment of the first day until the first after the last."""
        after = self.to_day + timedelta(days=1) if self.to_day and self.to_day < date.max else None
        return _midnight(self.from_day), _midnight(after)


@dataclass(frozen=True)
class SlatePage:
    """after: where the next page begins. looked_since: where slates had to be looked through one by one, the moment to
    which that went; problem: why there can be none."""

    rows: tuple[Slate, ...] = ()
    after: str = ""
    looked_since: datetime | None = None
    problem: str = ""

    @property
    def looked_cursor(self) -> str:
        """As an address has it."""
        return quote(self.after)


@dataclass(frozen=True)
class Matching:
    """indexed: what indexes narrow down; slates: all conditions; is_looked_through: where these two differ."""

    indexed: SlateQuerySet
    slates: SlateQuerySet
    is_looked_through: bool


def filters_from(values: Mapping[str, str]) -> SlateFilters:
    """Nonsense in an address is as if it were not there."""
    texts = {name: values.get(name, "").replace("\x00", "").strip()[:200] for name in TEXTS}
    keys = {name: _key(values.get(name, "")) for name in KEYS}
    days = {f"{name}_day": _day(values.get(name, "")) for name in DAYS}
    return SlateFilters(**texts, **keys, **days)  # type: ignore[arg-type]


def matching(filters: SlateFilters) -> Matching | str:
    """The slates, in no order yet; or why there can be none."""
    since, until = filters.between
    found = Slate.objects.all()
    if since:
        found = found.filter(served_at__gte=since)
    if until:
        found = found.filter(served_at__lt=until)
    if filters.strategy is not None:
        found = found.filter(strategy_id=filters.strategy)
    if filters.experiment is not None:
        found = found.filter(experiment_id=filters.experiment)
    if filters.arm:
        found = found.filter(arm=filters.arm)
    if filters.item:
        item_id = Item.objects.filter(external_id=filters.item).values_list("pk", flat=True).first()
        if item_id is None:
            return gettext("There is no item “%(item)s” in the catalog.") % {"item": filters.item}
        found = found.with_item(item_id)
    narrowed, is_looked_through = found, False
    if filters.user:
        user_id = EndUser.objects.filter(external_id=filters.user).values_list("pk", flat=True).first()
        narrowed = narrowed.of_user(filters.user, user_id)
        if user_id is not None:
            found = narrowed
        else:
            is_looked_through = True
    if filters.rule is not None:
        narrowed, is_looked_through = narrowed.with_rule(filters.rule), True
    if filters.placement:
        narrowed, is_looked_through = narrowed.filter(placement=filters.placement), True
    return Matching(found, narrowed, is_looked_through)


def page_of_slates(filters: SlateFilters, *, after: str = "") -> SlatePage:
    """Newest first. after: as a page before gave it. Four queries and one for each id to find."""
    found = matching(filters)
    if isinstance(found, str):
        return SlatePage(problem=found)
    indexed, slates = found.indexed, found.slates
    if (place := _cursor(after)) is not None:
        indexed, slates = indexed.after_in_order(*place), slates.after_in_order(*place)
    boundary = None
    if found.is_looked_through:
        ordered = indexed.newest_first().values_list("served_at", "pk")
        boundary = next(iter(ordered[LOOKED_THROUGH - 1 : LOOKED_THROUGH]), None)
        if boundary is not None:
            slates = slates.filter(served_at__gte=boundary[0])
    rows = list(slates.newest_first().for_lists().with_titles(TITLES_SHOWN)[: PER_PAGE + 1])
    shown = tuple(rows[:PER_PAGE])
    if len(rows) > PER_PAGE:
        return SlatePage(shown, cursor_of(shown[-1].served_at, shown[-1].pk))
    if boundary is not None:
        return SlatePage(shown, cursor_of(*boundary), looked_since=boundary[0])
    return SlatePage(shown)


def is_download(filters: SlateFilters) -> bool:
    """Whether so few match that they can be sent at once; counted no further than that."""
    found = matching(filters)
    if isinstance(found, str):
        return True
    if found.is_looked_through:
        return found.indexed.order_by()[: LOOKED_THROUGH + 1].count() <= LOOKED_THROUGH
    return found.slates.order_by()[: MOST_DOWNLOADED + 1].count() <= MOST_DOWNLOADED


def cursor_of(served_at: datetime, pk: int) -> str:
    return f"{served_at.isoformat()}~{pk}"


def _cursor(text: str) -> tuple[datetime, int] | None:
    moment, _, pk = text.partition("~")
    key = _key(pk)
    try:
        served_at = parse_datetime(moment)
    except ValueError:
        return None
    return (served_at, key) if served_at is not None and key is not None and timezone.is_aware(served_at) else None


def _key(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:  # written like a date, but none: 30 February
        return None


def _midnight(day: date | None) -> datetime | None:
    if day is None or not 1 < day.year < 9999:
        return None
    return timezone.make_aware(datetime.combine(day, time()))
