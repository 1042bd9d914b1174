"""Rules on the lists that are served: what they do, for whom, where and when."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.models import Item
from recommender import neighbours, rule_versions
from recommender.models import EndUser, Slate, SlateItem
from recommender.rule_content import RuleContent
from recommender.scopes import Audience, Scope
from recommender.slates import recommend
from recommender.users import put
from tests.factories import (
    EventFactory,
    InterestLabelFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    RuleFactory,
    StaffFactory,
    axis,
)
from tests.recommender.ruled_shop import build, exclude, items, pin, published, shown, users

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop() -> None:
    build()
    neighbours.rebuild_statistics()


def test_without_a_rule_the_list_is_the_strategys() -> None:
    assert shown() == ["a0", "a1", "a2", "a3"]
    rule_versions.draft_new("later", exclude("a0"), staff=StaffFactory())
    assert shown() == ["a0", "a1", "a2", "a3"]


def test_a_pin_stands_at_its_position_and_says_so() -> None:
    published("Nine second", pin(2, "a9"))
    answer = recommend("stranger", n=4)
    assert [each.item.external_id for each in answer.items] == ["a0", "a9", "a1", "a2"]
    assert answer.items[1].sentences[0] == "Pinned here by the rule “Nine second”."
    kept = SlateItem.objects.get(slate__public_id=answer.slate_id, position=2).rules
    assert [(each["name"], each["version"], each["position"]) for each in kept] == [("Nine second", 1, 2)]
    assert [each["name"] for each in Slate.objects.get().details["rules"]] == ["Nine second"]


@pytest.mark.parametrize("change", [{"is_hidden": True}, {"is_in_stock": False}])
def test_hidden_and_out_of_stock_items_are_never_shown_even_when_pinned(change: dict[str, bool]) -> None:
    published("Nine first", pin(1, "a9"))
    Item.objects.filter(external_id="a9").update(**change)
    assert shown() == ["a0", "a1", "a2", "a3"]


def test_an_item_that_is_gone_is_never_shown_even_when_pinned_and_the_list_is_full() -> None:
    published("Nine first", pin(1, "a9", "a8"))
    Item.objects.get(external_id="a9").delete()
    assert shown() == ["a8", "a0", "a1", "a2"]
    Item.objects.get(external_id="a8").delete()
    assert shown() == ["a0", "a1", "a2", "a3"]


def test_what_a_user_asked_to_hide_is_not_pinned_for_them() -> None:
    published("Nine first", pin(1, "a9"))
    EventFactory(user=EndUser.objects.get(external_id="u5"), item=Item.objects.get(external_id="a9"), type="hide")
    assert "a9" not in shown("u5", n=10)
    assert shown("stranger")[0] == "a9"


def test_exclude_wins_over_pin_and_boost_whatever_the_priority() -> None:
    published("Nine first", pin(1, "a9", priority=100))
    published("Zero up", RuleContent("boost", items("a0"), strength=5.0, priority=100))
    published("Neither", exclude("a0", "a9"))
    assert shown(n=10) == ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"]


def test_boost_and_bury_move_and_are_part_of_the_score() -> None:
    published("Nine up", RuleContent("boost", items("a9"), strength=5.0))
    published("Zero down", RuleContent("bury", items("a0"), strength=5.0))
    answer = recommend("stranger", n=10, record=False)
    assert [each.item.external_id for each in answer.items][::9] == ["a9", "a0"]
    for each in answer.items:
        assert each.score == pytest.approx(sum(part.contribution for part in each.parts))


def test_a_cap_counts_all_of_a_scope_or_each_brand() -> None:
    cap = published("Two even", RuleContent("cap", Scope(brands=("even",)), limit=2))
    assert shown(n=5) == ["a0", "a1", "a2", "a3", "a5"]
    rule_versions.stop(cap.pk, staff=StaffFactory())
    published("One a brand", RuleContent("cap", limit=1, cap_by="brand"))
    assert shown(n=5) == ["a0", "a1"]


def test_scopes_are_by_label_with_those_below_price_and_stock() -> None:
    parent = LabelFactory(name="Drinks")
    child = LabelFactory(name="Beer", parent=parent, taxonomy=parent.taxonomy)
    ItemLabelFactory(item=Item.objects.get(external_id="a0"), label=child)
    Item.objects.filter(external_id="a1").update(stock_quantity=2)
    label = published("No drinks", RuleContent("exclude", Scope(labels=(parent.pk,))))
    assert shown(n=2) == ["a1", "a2"]
    rule_versions.stop(label.pk, staff=StaffFactory())
    price = published("Nothing cheap", RuleContent("exclude", Scope(price_to=Decimal(1))))
    assert shown(n=2) == ["a2", "a3"]
    rule_versions.stop(price.pk, staff=StaffFactory())
    published("Few left", RuleContent("exclude", Scope(stock_to=3)))
    assert shown(n=2) == ["a0", "a2"]


def test_an_audience_is_by_user_history_interest_and_attribute() -> None:
    label = LabelFactory(name="Tea")
    put("u1", {"country": "DE", "club": True, "age": 7})
    InterestLabelFactory(user__external_id="fan", label=label)
    for place, (audience, reached, other) in enumerate(
        [
            (users("u1", "nobody"), "nobody", "u2"),
            (Audience(histories=("none",)), "stranger", "u0"),
            (Audience(interests=(label.pk,)), "fan", "u1"),
            (Audience(attributes={"country": "DE"}), "u1", "u2"),
            (Audience(attributes={"club": "true", "age": "7"}), "u1", "stranger"),
        ]
    ):
        rule = published(f"Nine {place}", pin(1, "a9", audience=audience))
        before = shown(other, n=3)
        assert shown(reached, n=3)[0] == "a9", audience
        assert before[0] != "a9", audience
        rule_versions.stop(rule.pk, staff=StaffFactory())


def test_a_rule_of_one_placement_holds_only_there() -> None:
    published("Nine in the basket", pin(1, "a9", placement="basket"))
    assert shown(placement="basket")[0] == "a9"
    assert shown(placement="home")[0] == "a0"
    assert shown()[0] == "a0"


def test_start_and_end_take_effect_at_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    start, end = now + timedelta(hours=1), now + timedelta(hours=2)
    published("Happy hour", pin(1, "a9", starts_at=start, ends_at=end))
    second = timedelta(seconds=1)
    for moment, first in (
        (now + second, "a0"),
        (start - second, "a0"),
        (start, "a9"),
        (end - second, "a9"),
        (end, "a0"),
    ):
        with monkeypatch.context() as clock:
            clock.setattr(timezone, "now", lambda moment=moment: moment)
            assert shown()[0] == first, moment


def test_a_list_of_the_past_obeys_the_rules_of_then() -> None:
    rule = published("Nine first", pin(1, "a9"))
    then = timezone.now()
    rule_versions.stop(rule.pk, staff=StaffFactory())
    assert shown("stranger", at=then)[0] == "a9"
    assert shown()[0] == "a0"


def test_a_rule_that_cannot_be_read_any_more_holds_no_list_up() -> None:
    RuleFactory(action="exclude", scope={"colour": "red"})
    published("Nine first", pin(1, "a9"))
    assert shown() == ["a9", "a0", "a1", "a2"]


def test_new_items_that_no_source_proposes_can_be_pinned() -> None:
    ItemFactory(external_id="fresh", vector=axis(50))
    published("Fresh first", pin(1, "fresh"))
    assert shown()[0] == "fresh"
