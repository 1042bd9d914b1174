"""A small shop whose lists can be worked out: ten items, the first the most popular, and what rules make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User

from recommender import rule_versions
from recommender.models import Rule, Strategy
from recommender.rule_content import RuleContent
from recommender.scopes import Audience, Scope
from recommender.slates import recommend
from tests.factories import EndUserFactory, EventFactory, ItemFactory, StaffFactory, axis


def build() -> None:
    """Items a0..a9 of the brands Even and Odd, a0 taken by most users; nothing but popularity speaks in their lists."""
    Strategy.objects.all().delete()
    recipe = {"weights": {"popular": 1.0}, "repeats": "allow", "max_share_per_label": 1.0, "explore_share": 0.0}
    Strategy.objects.create(name="default", recipe=recipe, is_live=True)
    users = [EndUserFactory(external_id=f"u{place}") for place in range(10)]
    for place in range(10):
        brand = ("Even", "Odd")[place % 2]
        item = ItemFactory(external_id=f"a{place}", title=f"Item {place}", brand=brand, price=place, vector=axis(place))
        for user in users[: 10 - place]:
            EventFactory(user=user, item=item)


def shown(user: str = "stranger", *, n: int = 4, **asked: Any) -> list[str]:
    """The external ids of the list that a user gets, without a trace."""
    return [each.item.external_id for each in recommend(user, n=n, record=False, **asked).items]


def items(*external_ids: str) -> Scope:
    return Scope(items=external_ids)


def pin(position: int, *external_ids: str, **other: Any) -> RuleContent:
    return RuleContent("pin", items(*external_ids), position=position, **other)


def exclude(*external_ids: str, **other: Any) -> RuleContent:
    return RuleContent("exclude", items(*external_ids), **other)


def published(name: str, content: RuleContent, *, staff: User | None = None) -> Rule:
    return rule_versions.publish_edited(None, name, content, expected="", staff=staff or StaffFactory())


def users(*external_ids: str) -> Audience:
    return Audience(users=external_ids)


def stored() -> Sequence[dict[str, Any]]:
    return list(Rule.objects.order_by("pk").values())
