"""What the staff of a generated shop set up: rules over labels, brands and prices, golden users, an experiment."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from catalog.models import Item
from recommender.made_load.shop import Shop
from recommender.models import Experiment, GoldenExpectation, Rule, Strategy
from recommender.scopes import Audience, Scope

RULES = 24
GOLDEN_USERS = 12
STARTED_DAYS_AGO = 20


def make_rules(shop: Shop, now: datetime) -> None:
    """Some of every action; every third for some users only, every sixth with a draft of its next version."""
    items = Item.objects.filter(pk__in=shop.item_ids[:RULES].tolist()).order_by("pk")
    rules = []
    for number, item in enumerate(items):
        action, scope, values = _asked(number, item, int(shop.label_ids[number % len(shop.label_ids)]))
        audience = Audience(histories=("few", "many")) if number % 3 == 0 else Audience()
        content = {"name": f"made rule {number + 1}", "action": action, "scope": scope.as_json(), **values}
        content |= {"audience": audience.as_json(), "priority": number % 4}
        rules.append(Rule(**content, state="published", published_at=now - timedelta(days=number + 1)))
        if number % 6 == 0:
            rules.append(Rule(**content, version=2, state="draft"))
    Rule.objects.bulk_create(rules)


def _asked(number: int, item: Item, label: int) -> tuple[str, Scope, dict[str, object]]:
    of_brand = Scope(brands=(item.brand,), price_from=Decimal(1), price_to=Decimal(50))
    actions: tuple[tuple[str, Scope, dict[str, object]], ...] = (
        ("boost", Scope(labels=(label,)), {"strength": 0.4}),
        ("bury", Scope(labels=(label,)), {"strength": 0.4}),
        ("cap", of_brand, {"limit": 2}),
        ("exclude", of_brand, {}),
        ("pin", Scope(items=(item.external_id,)), {"position": 3}),
    )
    return actions[number % len(actions)]


def make_golden_users(external_ids: list[str], shop: Shop) -> None:
    never = Scope(labels=(int(shop.label_ids[-1]),)).as_json()
    GoldenExpectation.objects.bulk_create(
        GoldenExpectation(
            user_external_id=user, kind="never" if place % 2 else "brands", scope=never if place % 2 else {}, least=2
        )
        for place, user in enumerate(external_ids[:GOLDEN_USERS])
    )


def make_experiment(now: datetime) -> Experiment:
    """Running, on half of the users."""
    other = Strategy.objects.create(name="made variety", recipe={"diversity": 0.3})
    arms = [
        {"name": "as it is", "strategy": None, "share": 0.5},
        {"name": "variety", "strategy": other.pk, "share": 0.5},
    ]
    began = now - timedelta(days=STARTED_DAYS_AGO)
    return Experiment.objects.create(
        name="made experiment", arms=arms, traffic_share=0.5, salt="made", state="running", started_at=began
    )
