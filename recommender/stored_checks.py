"""How sound the data is that is stored now: checks with a threshold and examples. A constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

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


@dataclass(frozen=True)
class Counted:
    """A check without its words, as it is kept. Examples are [item or user, its id, what is told of it]."""

    key: str
    total: int
    failing: int
    examples: Sequence[Sequence[str]]


def stored_checks() -> tuple[Check, ...]:
    """Counted now. Those that need somebody first; none of a kind of rows that there are none of."""
    return in_words(count_checks())


def count_checks() -> list[Counted]:
    """Reads every item and the events of 30 days: for a worker, or for a small shop's page."""
    return [*_item_checks(), *_event_checks()]


def in_words(counted: Iterable[Counted]) -> tuple[Check, ...]:
    checks = [_in_words(one) for one in counted if one.total and one.key in LEAST]
    return tuple(sorted(checks, key=lambda check: KINDS.index(check.kind)))


# The share that has to be sound.
LEAST = {
    "no_title": 0.99,
    "no_price": 0.95,
    "no_vector": 0.99,
    "same_title": 0.95,
    "not_item": 1.0,
    "future": 1.0,
    "repeated": 0.99,
    "hidden": 0.95,
    "inhuman": 1.0,
}


def _words() -> dict[str, tuple[str, str, str]]:
    """Title, why it matters, what is counted; in the reader's language."""
    items, recent = gettext("items"), gettext("events of 30 days")
    return {
        "no_title": (
            gettext("Every item has a name"),
            gettext("Embeddings and labels come from names; an import of events gives an item its id as name."),
            items,
        ),
        "no_price": (gettext("Every item has a price"), gettext("Pages and lists show it."), items),
        "no_vector": (
            gettext("Every item has a current vector"),
            gettext("In no list until a background worker embeds it."),
            items,
        ),
        "same_title": (
            gettext("No name is used twice"),
            gettext("A list shows one of them only; often the same thing was sent under two ids."),
            items,
        ),
        "not_item": (
            gettext("Items are things to recommend"),
            gettext("Names like postage, vouchers or fees; hide such an item and no list shows it."),
            items,
        ),
        "future": (
            gettext("Events have happened"),
            gettext("An event ahead of now makes its user look newest of all; check the clock that sends it."),
            gettext("events"),
        ),
        "repeated": (
            gettext("Each event is stored once"),
            gettext("The same in every field: a client that sends no event_id and tries again stores it twice."),
            recent,
        ),
        "hidden": (
            gettext("Events are of items that lists may show"),
            gettext("Hidden items that are still taken: hidden by mistake, or still on sale elsewhere."),
            recent,
        ),
        "inhuman": (
            gettext("Users act as fast as people"),
            gettext("More than %(n)s different moments in one day: a bot or a test; erase it.") % {"n": MOST_A_DAY},
            gettext("users of 30 days"),
        ),
    }


def _in_words(counted: Counted) -> Check:
    title, why, unit = _words()[counted.key]
    examples = tuple(_example(counted.key, *told) for told in counted.examples)
    return Check(counted.key, title, why, unit, counted.total, counted.failing, LEAST[counted.key], examples)


def _example(key: str, text: str, external_id: str, *told: str) -> Example:
    """told: nothing of an item; of an event its type and day; of a user how many moments, and the day."""
    if not told:
        return Example(text or external_id, reverse("item", args=[external_id]), external_id)
    day = calendar_day(date.fromisoformat(told[1]))
    address = reverse("user", args=[external_id])
    if key == "inhuman":
        return Example(text, address, gettext("%(n)s actions on %(day)s") % {"n": f"{int(told[0]):,}", "day": day})
    return Example(text, address, f"{external_id} · {Event.Type(told[0]).label} · {day}")


def _item_checks() -> Iterator[Counted]:
    items = Item.objects.all()
    total = items.count()
    for key, failing in (
        ("no_title", items.without_name()),
        ("no_price", items.without_price()),
        ("no_vector", items.without_current_embedding()),
        ("same_title", items.sharing_a_name()),
        ("not_item", items.filter(is_hidden=False, title__iregex=rf"^({CERTAIN})\W*$")),
    ):
        rows = failing.order_by("title", "pk").values_list("title", "external_id")[:EXAMPLES]
        yield Counted(key, total, failing.count(), [list(row) for row in rows])


def _event_checks() -> Iterator[Counted]:
    """Whether events lie ahead is asked of all, the rest of the newest 30 days."""
    now = timezone.now()
    ahead = Event.objects.filter(occurred_at__gt=now)
    yield Counted("future", Event.objects.count(), ahead.count(), _events(ahead))
    newest = min(now, Event.objects.filter(occurred_at__lte=now).newest_time() or now)
    recent = Event.objects.filter(occurred_at__gt=newest - timedelta(days=RECENT_DAYS), occurred_at__lte=now)
    n_recent = recent.count()
    repeated = recent.repeated()
    firsts = [first for _, first in repeated[:EXAMPLES]]
    n_repeated = sum(copies - 1 for copies, _ in repeated)
    yield Counted("repeated", n_recent, n_repeated, _events(Event.objects.filter(pk__in=firsts)))
    hidden = recent.of_hidden_items()
    yield Counted("hidden", n_recent, hidden.count(), _events(hidden))
    worst: dict[str, tuple[datetime, int]] = {}
    for user, day, moments in recent.moments_a_day(more_than=MOST_A_DAY):
        worst.setdefault(user, (day, moments))
    users = recent.telling().order_by().values("user").distinct().count()
    examples = [[user, user, str(n), day.date().isoformat()] for user, (day, n) in list(worst.items())[:EXAMPLES]]
    yield Counted("inhuman", users, len(worst), examples)


def _events(found: EventQuerySet) -> list[list[str]]:
    newest = found.newest_first().select_related("user", "item")[:EXAMPLES]
    return [
        [event.item.title, event.user.external_id, event.type, event.occurred_at.date().isoformat()] for event in newest
    ]
