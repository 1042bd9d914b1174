"""An experiment with lists and events, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from catalog.models import Item
from recommender.models import EndUser, Event, Experiment, Slate, SlateItem
from recommender.strategies import live_strategy
from tests.factories import EndUserFactory, EventFactory, ExperimentFactory, ItemFactory, SlateFactory, SlateItemFactory


def running_experiment(**fields: Any) -> Experiment:
    """Two halves by the live version, begun ten days ago."""
    live = live_strategy().pk
    arms = [{"name": name, "strategy": live, "share": 1.0} for name in fields.pop("arm_names", "ab")]
    days = fields.pop("days", 10)
    return ExperimentFactory(
        **{"state": "running", "arms": arms, "started_at": timezone.now() - timedelta(days=days), **fields}
    )


def served(
    experiment: Experiment, arm: str, user: EndUser, items: Sequence[Item], at: datetime, **fields: Any
) -> Slate:
    strategy_id = fields.pop("strategy_id", next(each["strategy"] for each in experiment.arms if each["name"] == arm))
    slate = SlateFactory(user=user, experiment=experiment, arm=arm, strategy_id=strategy_id, **fields)
    Slate.objects.filter(pk=slate.pk).update(served_at=at)
    for position, item in enumerate(items, start=1):
        SlateItemFactory(slate=slate, position=position, item=item)
    return slate


def did(user: EndUser, kind: str, item: Item, at: datetime, **fields: Any) -> Event:
    return EventFactory(user=user, type=kind, item=item, occurred_at=at, **fields)


def many_served(experiment: Experiment, *, users: Sequence[int], buyers: Sequence[int], days: int = 5) -> None:
    """So many users an arm, each with one list, spread over days, and so many of them who buy; in bulk."""
    item = Item.objects.order_by("pk").first() or ItemFactory()
    begin = timezone.now() - timedelta(days=days)
    for arm, n, bought in zip(experiment.arms, users, buyers, strict=True):
        name = arm["name"]
        people = EndUser.objects.bulk_create(
            EndUser(external_id=f"{experiment.pk} {name} {place}") for place in range(n)
        )
        at = [begin + timedelta(days=days * place / n) for place in range(n)]
        slates = Slate.objects.bulk_create(
            Slate(
                user=user,
                user_external_id=user.external_id,
                is_known_user=True,
                n=1,
                strategy_id=arm["strategy"],
                experiment=experiment,
                arm=name,
                took_ms=1.0,
            )
            for user in people
        )
        for slate, moment in zip(slates, at, strict=True):
            slate.served_at = moment
        Slate.objects.bulk_update(slates, ["served_at"])
        SlateItem.objects.bulk_create(
            SlateItem(slate=slate, position=1, item=item, score=1.0, parts=[]) for slate in slates
        )
        every = n / bought if bought else 1
        Event.objects.bulk_create(
            Event(
                user=people[int(place * every)],
                item=item,
                type="purchase",
                price=Decimal("2.50"),
                occurred_at=at[int(place * every)] + timedelta(minutes=1),
            )
            for place in range(bought)
        )


def new_user() -> EndUser:
    return EndUserFactory()
