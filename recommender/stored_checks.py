"""How sound the data is that is stored now: checks with a threshold and examples. A constant number of queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Item
from recommender.algorithms.cleaning.rates import MOST_A_DAY
from recommender.algorithms.cleaning.service_words import CERTAIN
from recommender.models import Event
from recommender.models.event import EventQuerySet
from recsite.operations.templatetags.console import calendar_day

EXAMPLES = 5
RECENT_DAYS = 30
KINDS = ("warn", "noted", "good")


@dataclass(frozen=True)
class Example:
    text: str
    address: str
    note: str


@dataclass(frozen=True)
class Check:
    """`least`: the share of `total` that has to be sound for the check to pass. `unit`: what is counted."""

    key: str
    title: str
    why: str
    unit: str
    total: int
    failing: int
    least: float
    examples: tuple[Example, ...]

    @property
    def share(self) -> float | None:
        return (self.total - self.failing) / self.total if self.total else None

    @property
    def kind(self) -> str:
        """warn: too many are not sound; noted: some; good: all are."""
        if not self.failing or self.share is None:
            return "good"
        return "noted" if self.share >= self.least else "warn"


def stored_checks() -> tuple[Check, ...]:
    """Those that need somebody first; none of a kind of rows that there are none of."""
    checks = [check for check in (*_item_checks(), *_event_checks()) if check.total]
    return tuple(sorted(checks, key=lambda check: KINDS.index(check.kind)))


def _item_checks() -> Iterator[Check]:
    items = Item.objects.all()
    kinds = (
        (
            *("no_title", gettext("Every item has a name")),
            gettext("Embeddings and labels come from names; an import of events gives an item its id as name."),
            *(0.99, items.without_name()),
        ),
        (
            "no_price",
            gettext("Every item has a price"),
            gettext("Pages and lists show it."),
            0.95,
            items.without_price(),
        ),
        (
            *("no_vector", gettext("Every item has a current vector")),
            gettext("In no list until a background worker embeds it."),
            *(0.99, items.without_current_embedding()),
        ),
        (
            *("same_title", gettext("No name is used twice")),
            gettext("A list shows one of them only; often the same thing was sent under two ids."),
            *(0.95, items.sharing_a_name()),
        ),
        (
            *("not_item", gettext("Items are things to recommend")),
            gettext("Names like postage, vouchers or fees; hide such an item and no list shows it."),
            *(1.0, items.filter(is_hidden=False, title__iregex=rf"^({CERTAIN})\W*$")),
        ),
    )
    total = Item.objects.count()
    for key, title, why, least, failing in kinds:
        rows = failing.order_by("title", "pk").values_list("external_id", "title")[:EXAMPLES]
        examples = tuple(
            Example(name or external_id, reverse("item", args=[external_id]), external_id) for external_id, name in rows
        )
        yield Check(key, title, why, gettext("items"), total, failing.count(), least, examples)


def _event_checks() -> Iterator[Check]:
    """Whether events lie ahead is asked of all, the rest of the newest 30 days: all would take too long for a page."""
    now = timezone.now()
    ahead = Event.objects.filter(occurred_at__gt=now)
    yield Check(
        key="future",
        title=gettext("Events have happened"),
        why=gettext("An event ahead of now makes its user look newest of all; check the clock that sends it."),
        unit=gettext("events"),
        total=Event.objects.count(),
        failing=ahead.count(),
        least=1.0,
        examples=_events(ahead),
    )
    newest = min(now, Event.objects.filter(occurred_at__lte=now).newest_time() or now)
    recent = Event.objects.filter(occurred_at__gt=newest - timedelta(days=RECENT_DAYS), occurred_at__lte=now)
    n_recent, unit = recent.count(), gettext("events of 30 days")
    repeated = recent.repeated()
    n_repeated = sum(copies - 1 for copies, _ in repeated)
    firsts = [first for _, first in repeated[:EXAMPLES]]
    yield Check(
        key="repeated",
        title=gettext("Each event is stored once"),
        why=gettext("The same in every field: a client that sends no event_id and tries again stores it twice."),
        unit=unit,
        total=n_recent,
        failing=n_repeated,
        least=0.99,
        examples=_events(Event.objects.filter(pk__in=firsts)),
    )
    hidden = recent.of_hidden_items()
    yield Check(
        key="hidden",
        title=gettext("Events are of items that lists may show"),
        why=gettext("Hidden items that are still taken: hidden by mistake, or still on sale elsewhere."),
        unit=unit,
        total=n_recent,
        failing=hidden.count(),
        least=0.95,
        examples=_events(hidden),
    )
    yield _inhuman(recent)


def _inhuman(recent: EventQuerySet) -> Check:
    found = recent.moments_a_day(more_than=MOST_A_DAY)
    worst: dict[str, tuple[datetime, int]] = {}
    for user, day, moments in found:
        worst.setdefault(user, (day, moments))
    examples = tuple(
        Example(
            user,
            reverse("user", args=[user]),
            gettext("%(n)s actions on %(day)s") % {"n": f"{moments:,}", "day": calendar_day(day.date())},
        )
        for user, (day, moments) in list(worst.items())[:EXAMPLES]
    )
    return Check(
        key="inhuman",
        title=gettext("Users act as fast as people"),
        why=gettext("More than %(n)s different moments in one day: a bot or a test; erase it.") % {"n": MOST_A_DAY},
        unit=gettext("users of 30 days"),
        total=recent.telling().order_by().values("user").distinct().count(),
        failing=len(worst),
        least=1.0,
        examples=examples,
    )


def _events(found: EventQuerySet) -> tuple[Example, ...]:
    newest = found.newest_first().select_related("user", "item")[:EXAMPLES]
    return tuple(
        Example(
            event.item.title,
            reverse("user", args=[event.user.external_id]),
            f"{event.user.external_id} · {event.get_type_display()} · {calendar_day(event.occurred_at.date())}",
        )
        for event in newest
    )
