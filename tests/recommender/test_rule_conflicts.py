"""What a draft runs into, in words, and what its preview shows of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Item
from recommender import neighbours
from recommender.models import Event, Experiment, Rule, Slate
from recommender.rule_conflicts import conflicts
from recommender.rule_content import RuleContent
from recommender.rule_preview import golden_outlook, preview, sample_of
from recommender.scopes import Audience, Scope
from tests.factories import EndUserFactory, EventFactory, GoldenExpectationFactory, InterestLabelFactory, LabelFactory
from tests.recommender.ruled_shop import build, exclude, items, pin, published, stored, users

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop() -> None:
    build()
    neighbours.rebuild_statistics()


def said(content: RuleContent, name: str = "mine") -> list[tuple[str, str]]:
    return [(each.kind, each.words) for each in conflicts(content.as_rule(name))]


def test_a_rule_that_meets_nothing_has_no_conflict() -> None:
    published("other", exclude("a1"))
    assert said(pin(1, "a2")) == []


def test_a_pin_and_an_exclude_of_the_same_item_name_it_and_link_to_the_other() -> None:
    other = published("Never nine", exclude("a9", "a8"))
    found = conflicts(pin(1, "a9", "a0").as_rule("mine"))
    assert [(each.kind, each.rule, each.items) for each in found] == [("danger", other, (("a9", "Item 9"),))]
    assert "“Never nine” leaves out some of its items" in found[0].words
    published("Two first", pin(1, "a2"))
    assert said(exclude("a2")) == [("danger", "“Two first” pins some of its items: left out, they are pinned no more.")]


def test_two_pins_at_one_position_say_which_gives_way() -> None:
    published("other", pin(2, "a9", priority=5))
    assert "other” pins to position 2 too and comes first" in said(pin(2, "a1"))[0][1]
    assert "it gives way" in said(pin(2, "a1", priority=6))[0][1]
    assert said(pin(3, "a1")) == []


def test_two_pins_of_one_item_say_which_does_nothing() -> None:
    published("other", pin(1, "a9", priority=5))
    for position in (1, 4):
        assert [words for _, words in said(pin(position, "a9"))] == [
            "“other” pins the same item and comes first: this one does nothing where that one does."
        ]
    assert said(pin(1, "a9", priority=6))[0][1] == "“other” pins the same item: it does nothing where this one does."


def test_a_boost_and_a_bury_of_the_same_items_add_up() -> None:
    published("down", RuleContent("bury", items("a1", "a2"), strength=1.0))
    assert said(RuleContent("boost", Scope(brands=("odd",)), strength=1.0))[0][1].startswith(
        "“down” lowers some of the"
    )
    published("up", RuleContent("boost", items("a3"), strength=1.0))
    assert said(RuleContent("bury", items("a3"), strength=1.0))[0][1].startswith("“up” raises some of the same items")
    published("gone", exclude("a5"))
    assert said(RuleContent("boost", items("a5"), strength=1.0))[0][0] == "warning"


def test_more_pins_than_a_cap_allows() -> None:
    published("p1", pin(1, "a0"))
    published("p2", pin(2, "a2"))
    cap = RuleContent("cap", Scope(brands=("even",)), limit=1)
    assert said(cap)[0][1].startswith("2 rules pin items of it, more than the 1")
    published("cap", RuleContent("cap", Scope(brands=("even",)), limit=2))
    assert said(pin(3, "a4"))[0][1].startswith("“cap” allows 2 of its items and 3 rules pin some")
    assert said(pin(3, "a5")) == []


def test_items_that_no_list_shows() -> None:
    Item.objects.filter(external_id="a1").update(is_hidden=True)
    assert said(pin(1, "a1")) == [("danger", "All its items are hidden or out of stock: no rule can show them.")]
    assert "1 item is hidden or out of stock and cannot be pinned past that." in said(pin(1, "a1", "a2"))[0][1]
    assert said(exclude("a1")) == []
    assert said(RuleContent("exclude", Scope(brands=("Nobody",)))) == [
        ("danger", "No item is in its scope, so it does nothing.")
    ]


def test_audiences_without_anybody() -> None:
    label = LabelFactory(name="Tea")
    nobody = [("danger", "No user is in its audience, so it does nothing.")]
    assert said(exclude("a1", audience=Audience(interests=(label.pk,)))) == nobody
    assert said(exclude("a1", audience=Audience(attributes={"country": "XX"}))) == nobody
    assert said(exclude("a1", audience=users("u1", "martian"))) == [("info", "Nobody knows the user martian yet.")]
    arm = exclude("a1", audience=Audience(arm="prices/b"))
    assert said(arm)[0][1].startswith("There is no arm “prices/b”")
    Experiment.objects.create(name="prices", salt="s", arms=[{"name": "b", "strategy": None, "share": 1.0}])
    assert said(arm)[0][1].startswith("The experiment “prices” is not running")
    InterestLabelFactory(label=label)
    assert said(exclude("a1", audience=Audience(interests=(label.pk,)))) == []


def test_rules_of_other_times_pages_and_users_do_not_meet() -> None:
    now, day = timezone.now(), timedelta(days=1)
    published("soon", pin(1, "a1", starts_at=now + day, ends_at=now + 2 * day))
    published("basket", pin(1, "a1", placement="basket"))
    published("u1", pin(1, "a1", audience=users("u1")))
    mine = {"placement": "home", "audience": users("u2"), "ends_at": now + day / 2}
    assert said(pin(1, "a1", **mine)) == []
    assert len(said(pin(1, "a1"))) == 3


def test_a_label_that_was_merged_and_a_gap_before_the_start_are_told() -> None:
    into = LabelFactory(name="Tea")
    label = LabelFactory(name="Teas", taxonomy=into.taxonomy, is_deprecated=True, merged_into=into)
    words = [each for _, each in said(RuleContent("cap", Scope(labels=(label.pk,)), limit=1))]
    assert any("“Teas” was merged into “Tea”: the rule is about “Tea” now." in each for each in words)
    published("mine", exclude("a1"))
    later = exclude("a1", starts_at=timezone.now() + timedelta(days=1))
    assert said(later)[0][1].startswith("Publishing it stops version 1 at once; until ")


def queries(content: RuleContent) -> int:
    with CaptureQueriesContext(connection) as captured:
        conflicts(content.as_rule("mine"))
    return len(captured)


def test_queries_do_not_grow_with_the_rules() -> None:
    published("cap", RuleContent("cap", Scope(brands=("even",)), limit=1))
    published("p0", pin(1, "a1"))
    before = queries(pin(1, "a0"))
    for place in range(1, 10):
        published(f"p{place}", pin(1, f"a{place}"))
    assert queries(pin(1, "a0")) == before


def test_a_preview_has_lists_before_and_after_and_stores_nothing() -> None:
    before = stored()
    found = preview(pin(1, "a9").as_rule("mine"), budget_s=60)
    lists = {each.user_external_id: each for each in found.compared.lists}
    assert set(lists) == {f"u{place}" for place in range(10)}
    one = lists["u5"]
    assert [place.item.external_id for place in one.before][:2] == ["a0", "a1"]
    assert [place.item.external_id for place in one.after][:3] == ["a9", "a0", "a1"]
    assert (one.gained, one.lost, one.moved) == (0, 0, 10)
    assert found.compared.changed == 10
    assert (stored(), Slate.objects.count()) == (before, 0)


def test_a_preview_compares_with_the_version_that_runs_and_goes_on_where_it_stopped() -> None:
    published("mine", pin(1, "a9"))
    draft = pin(2, "a9").as_rule("mine", version=2)
    first = preview(draft, budget_s=0)
    assert (len(first.compared.lists), first.compared.next_start) == (1, 1)
    assert first.compared.lists[0].before[0].item.external_id == "a9"
    assert first.compared.lists[0].after[1].item.external_id == "a9"
    rest = preview(draft, start=1, budget_s=60)
    assert (len(rest.compared.lists), rest.compared.next_start) == (9, None)


def test_a_preview_of_a_scheduled_rule_is_of_its_start() -> None:
    start = timezone.now() + timedelta(days=1)
    published("until then", exclude("a9", ends_at=start))
    found = preview(pin(1, "a9", starts_at=start).as_rule("mine"), budget_s=0)
    assert found.at == start
    assert found.compared.lists[0].after[0].item.external_id == "a9"


def test_the_sample_prefers_users_whom_the_rule_reaches() -> None:
    label = LabelFactory(name="Tea")
    fan = EndUserFactory(external_id="fan", attributes={"country": "DE"})
    EventFactory(user=fan, item=Item.objects.get(external_id="a0"))
    InterestLabelFactory(user=fan, label=label)
    for audience in (Audience(interests=(label.pk,)), Audience(attributes={"country": "DE"}), users("fan")):
        assert sample_of(audience).users == ("fan",)
    Experiment.objects.create(
        name="prices",
        salt="s",
        state="running",
        started_at=timezone.now(),
        arms=[{"name": "b", "strategy": None, "share": 1}],
    )
    assert len(sample_of(Audience(arm="prices/b")).users) == 11
    nobody = sample_of(Audience(attributes={"country": "XX"}))
    assert (len(nobody.users), nobody.is_reached) == (11, False)
    assert sample_of(Audience()).users == sample_of(Audience()).users


def test_the_sample_is_of_the_lengths_of_history_that_are_asked() -> None:
    Event.objects.filter(user__external_id="u3").delete()
    EndUserFactory(external_id="new")
    assert set(sample_of(Audience(histories=("none",))).users) == {"u3", "new"}
    assert "u3" not in sample_of(Audience(histories=("one", "few", "many"))).users


def test_the_outlook_of_golden_users_says_what_breaks_what_mends_and_what_stays() -> None:
    breaks = GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a9"]}, n=3)
    mends = GoldenExpectationFactory(user_external_id="u1", kind="shows", scope={"items": ["a9"]}, n=3)
    stays = GoldenExpectationFactory(user_external_id="u1", kind="brands", least=3, n=3)
    holds = GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a8"]}, n=3)
    found = golden_outlook(pin(1, "a9").as_rule("mine"))
    assert [each.expectation for each in found.broken] == [breaks]
    assert [each.expectation for each in found.mended] == [mends]
    assert [each.expectation for each in found.broken_before] == [stays]
    assert found.holds == 2
    assert holds.checked_at is None
    assert not Rule.objects.exists()
