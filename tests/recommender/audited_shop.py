"""A small shop for tests that look closely at a list: thirty items in three labels, twelve users, all built."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from catalog.models import Item
from recommender import interests, neighbours
from recommender.models import Event, Rule
from recommender.strategies import DEFAULT_NAME
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    StrategyFactory,
    axis,
    unit_vector,
)


def open_shop() -> list[Item]:
    labels = [LabelFactory(name=name) for name in ("Baking", "Dairy", "Soap")]
    items = []
    for place in range(30):
        vector = unit_vector(place) + 3 * axis(place % 3)
        item = ItemFactory(external_id=f"i{place}", title=f"Thing {place}", vector=vector)
        ItemLabelFactory(item=item, label=labels[place % 3])
        items.append(item)
    for user in range(12):
        own = [items[(user % 3) + 3 * step] for step in range(user % 3 + 2, user % 3 + 6)]
        take(EndUserFactory(external_id=f"u{user}"), *own, days_ago=user + 1)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    return items


def never_exploring() -> None:
    """The live strategy draws no place for new items, so that lists differ only by what a test changes."""
    StrategyFactory(name=DEFAULT_NAME, recipe={"explore_share": 0.0}, is_live=True)


def take(user: object, *items: Item, kind: str = "purchase", days_ago: float = 1.0) -> list[Event]:
    moment = timezone.now() - timedelta(days=days_ago)
    return [EventFactory(user=user, item=item, type=kind, occurred_at=moment) for item in items]


def publish(action: str, name: str = "a rule", **values: object) -> Rule:
    moment = timezone.now() - timedelta(minutes=1)
    return Rule.objects.create(name=name, action=action, state="published", published_at=moment, **values)
