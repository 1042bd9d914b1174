"""The life of a rule: drafts, publishing, stopping, going back, order; what is refused leaves no trace."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from recommender import neighbours, rule_versions
from recommender.models import Rule
from recommender.rule_content import InvalidRuleError, RuleContent
from recommender.rule_versions import (
    change,
    digest_of,
    discard,
    draft_new,
    draft_version,
    move,
    publish,
    revert,
    stop,
    undo_publish,
)
from recommender.rule_words import state_of
from recommender.scopes import Audience, Scope
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError, RecsiteError
from tests.factories import GoldenExpectationFactory, StaffFactory
from tests.recommender.ruled_shop import build, exclude, items, pin, published, shown, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> None:
    build()
    neighbours.rebuild_statistics()


def test_a_draft_touches_no_list_and_is_stored_as_it_was_said(shop: None) -> None:
    staff = StaffFactory()
    draft = draft_new("  Nine   first ", pin(1, "a9", note="why"), staff=staff)
    assert (draft.name, draft.version, draft.state, draft.created_by) == ("Nine first", 1, "draft", staff)
    assert (draft.scope, draft.position, draft.note) == ({"items": ["a9"]}, 1, "why")
    assert shown()[0] == "a0"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (RuleContent("pin", items("a1")), "position"),
        (pin(0, "a1"), "position"),
        (pin(101, "a1"), "position"),
        (RuleContent("boost", items("a1")), "strength"),
        (RuleContent("boost", items("a1"), strength=0.05), "strength"),
        (RuleContent("bury", items("a1"), strength=5.1), "strength"),
        (RuleContent("bury", items("a1"), strength=float("nan")), "strength"),
        (RuleContent("cap", items("a1")), "limit"),
        (RuleContent("cap", items("a1"), limit=0), "limit"),
        (RuleContent("cap", items("a1"), limit=1, cap_by="colour"), "cap_by"),
        (RuleContent("exclude"), "scope"),
        (RuleContent("cap", limit=3), "scope"),
        (RuleContent("dance", items("a1")), "action"),
        (exclude("a1", priority=40_000), "priority"),
        (exclude("a1", note="x" * 301), "note"),
        (exclude("a1", placement="x" * 101), "placement"),
        (exclude("a1", starts_at=timezone.now(), ends_at=timezone.now() - timedelta(hours=1)), "ends_at"),
        (exclude("a1", "gone-1", "gone-2"), "items"),
        (RuleContent("exclude", Scope(labels=(999_999,))), "labels"),
        (exclude("a1", audience=Audience(interests=(999_999,))), "interests"),
    ],
)
def test_what_cannot_work_is_refused_at_its_field(shop: None, content: RuleContent, field: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        draft_new("x", content, staff=StaffFactory())
    assert list(refused.value.errors) == [field]
    assert stored() == []


def test_what_does_not_exist_is_named(shop: None) -> None:
    with pytest.raises(InvalidRuleError, match="“gone-1”, “gone-2”"):
        draft_new("x", exclude("a1", "gone-1", "gone-2"), staff=StaffFactory())


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 101, "a\x00b", "new", "Golden"])
def test_a_name_that_no_address_can_hold_is_refused(shop: None, name: str) -> None:
    with pytest.raises(InvalidRuleError):
        draft_new(name, exclude("a1"), staff=StaffFactory())
    assert stored() == []


def test_what_the_action_does_not_use_is_not_kept(shop: None) -> None:
    content = RuleContent("exclude", items("a1"), position=3, strength=1.0, limit=2, cap_by="brand")
    rule = draft_new("x", content, staff=StaffFactory())
    assert (rule.position, rule.strength, rule.limit, rule.cap_by) == (None, None, None, "scope")


def test_a_rule_has_one_draft_and_a_name_is_taken_once(shop: None) -> None:
    staff = StaffFactory()
    rule = published("x", exclude("a1"))
    draft_version(rule.pk, staff=staff)
    before = stored()
    with pytest.raises(ConflictError, match="has a draft already, version 2"):
        draft_version(rule.pk, staff=staff)
    with pytest.raises(ConflictError, match="There is a rule “x” already"):
        draft_new("x", exclude("a2"), staff=staff)
    assert stored() == before


def test_what_somebody_saved_meanwhile_is_not_overwritten_unseen(shop: None) -> None:
    staff = StaffFactory()
    draft = draft_new("x", exclude("a1"), staff=staff)
    seen = digest_of(draft)
    change(draft.pk, exclude("a2"), expected=seen, staff=StaffFactory())
    before = stored()
    with pytest.raises(ConflictError, match="Somebody saved"):
        change(draft.pk, exclude("a3"), expected=seen, staff=staff)
    with pytest.raises(ConflictError, match="Somebody saved"):
        publish(draft.pk, expected=seen, staff=staff)
    assert stored() == before


def test_publishing_retires_the_version_before_at_the_same_moment(shop: None) -> None:
    staff = StaffFactory()
    first = published("x", exclude("a0"))
    draft = draft_version(first.pk, staff=staff)
    draft = change(draft.pk, exclude("a1"), expected=digest_of(draft), staff=staff)
    second = publish(draft.pk, expected=digest_of(draft), staff=staff)
    first.refresh_from_db()
    assert (first.state, first.retired_at, first.retired_by) == ("retired", second.published_at, staff)
    assert (second.version, second.state, second.published_by) == (2, "published", staff)
    assert shown() == ["a0", "a2", "a3", "a4"]


def test_a_published_version_is_never_changed_or_discarded(shop: None) -> None:
    rule, staff = published("x", exclude("a0")), StaffFactory()
    before = stored()
    for act in (
        lambda: change(rule.pk, exclude("a1"), expected=digest_of(rule), staff=staff),
        lambda: discard(rule.pk, staff=staff),
        lambda: publish(rule.pk, expected=digest_of(rule), staff=staff),
        lambda: revert(rule.pk, staff=staff),
    ):
        with pytest.raises(ConflictError):
            act()
    assert stored() == before


def test_a_draft_can_be_discarded_and_is_then_gone(shop: None) -> None:
    staff = StaffFactory()
    draft = draft_new("x", exclude("a1"), staff=staff)
    discard(draft.pk, staff=staff)
    assert stored() == []
    with pytest.raises(NotFoundError):
        discard(draft.pk, staff=staff)


def test_stop_revert_and_undo(shop: None) -> None:
    staff = StaffFactory()
    first = published("x", exclude("a0"))
    stop(first.pk, staff=staff)
    assert shown()[0] == "a0"
    second = revert(first.pk, staff=staff)
    assert (second.version, second.scope, second.note) == (2, first.scope, "Back to version 1")
    assert shown()[0] == "a1"
    draft = draft_version(second.pk, staff=staff)
    draft = change(draft.pk, exclude("a0", "a1"), expected=digest_of(draft), staff=staff)
    third = publish(draft.pk, expected=digest_of(draft), staff=staff)
    assert shown()[0] == "a2"
    back = undo_publish(third.pk, staff=staff)
    assert (back.version, back.scope) == (4, {"items": ["a0"]})
    assert shown()[0] == "a1"
    with pytest.raises(ConflictError, match="not published"):
        undo_publish(third.pk, staff=staff)


def test_the_undo_of_a_first_publish_stops_the_rule(shop: None) -> None:
    rule = published("x", exclude("a0"))
    assert undo_publish(rule.pk, staff=StaffFactory()).state == "retired"
    assert shown()[0] == "a0"


def test_a_version_that_would_be_over_is_not_published(shop: None) -> None:
    staff = StaffFactory()
    draft = draft_new("x", exclude("a0", ends_at=timezone.now() - timedelta(minutes=1)), staff=staff)
    before = stored()
    with pytest.raises(InvalidInputError, match="would be over already"):
        publish(draft.pk, expected=digest_of(draft), staff=staff)
    assert stored() == before


def test_states_in_words(shop: None) -> None:
    now = timezone.now()
    hour = timedelta(hours=1)
    later = published("later", exclude("a1", starts_at=now + hour))
    until = published("until", exclude("a1", ends_at=now + hour))
    assert state_of(later).key == "scheduled"
    assert state_of(later).words.startswith("Scheduled from ")
    assert state_of(until).words.startswith("Running until ")
    assert state_of(until, now + 2 * hour).words.startswith("Over since ")
    assert state_of(stop(until.pk, staff=StaffFactory())).words.startswith("Stopped ")
    assert state_of(draft_version(later.pk, staff=StaffFactory())).words == "Draft"


def order() -> list[tuple[str, int]]:
    return list(Rule.objects.published().by_priority().values_list("name", "priority"))


def test_a_rule_is_moved_by_a_new_version_of_as_few_as_possible(shop: None) -> None:
    rules = {name: published(name, exclude("a1", priority=p)) for name, p in (("a", 30), ("b", 20), ("c", 10))}
    staff = StaffFactory()
    assert [rule.name for rule in move(rules["c"].pk, 1, staff=staff)] == ["c"]
    assert order() == [("c", 40), ("a", 30), ("b", 20)]
    assert [rule.name for rule in move(rules["a"].pk, 3, staff=staff)] == ["a"]
    assert order() == [("c", 40), ("b", 20), ("a", 10)]
    newest = Rule.objects.published().get(name="a")
    assert (newest.version, newest.scope) == (2, {"items": ["a1"]})
    assert move(newest.pk, 99, staff=staff) == []
    assert [rule.name for rule in move(newest.pk, 2, staff=staff)] == ["a"]
    assert order() == [("c", 40), ("a", 30), ("b", 20)]


def test_rules_of_one_priority_are_numbered_anew_where_one_is_moved(shop: None) -> None:
    rules = [published(name, exclude("a1")) for name in ("a", "b", "c")]
    move(rules[2].pk, 2, staff=StaffFactory())
    assert [name for name, _ in order()] == ["a", "c", "b"]
    before = stored()
    with pytest.raises(ConflictError, match="changed meanwhile"):
        move(rules[0].pk, 2, staff=StaffFactory())
    assert stored() == before


def test_a_publish_that_breaks_a_golden_user_is_refused_and_says_whom_and_what(shop: None) -> None:
    GoldenExpectationFactory(user_external_id="stranger", kind="never", scope={"items": ["a9"]}, n=4)
    staff = StaffFactory()
    draft = draft_new("Nine first", pin(1, "a9"), staff=staff)
    before = stored()
    with pytest.raises(
        ConflictError, match=r"stranger: never “Item 9” in the first 4\. “Item 9” is shown at position 1\."
    ):
        publish(draft.pk, expected=digest_of(draft), staff=staff)
    assert stored() == before
    assert shown()[0] == "a0"


def test_a_later_start_is_checked_as_well_and_what_is_broken_already_refuses_nothing(shop: None) -> None:
    expectation = GoldenExpectationFactory(user_external_id="stranger", scope={"items": ["a9"]}, n=4)
    with pytest.raises(ConflictError):
        published("Nine first", pin(1, "a9", starts_at=timezone.now() + timedelta(days=1)))
    assert stored() == []
    expectation.is_active = False
    expectation.save()
    published("Nine first", pin(1, "a9"))
    expectation.is_active = True
    expectation.save()
    published("Eight second", pin(2, "a8"))


def test_going_back_and_moving_are_checked_as_well(shop: None) -> None:
    staff = StaffFactory()
    rule = published("Nine first", pin(1, "a9"))
    stop(rule.pk, staff=staff)
    first, second = published("p", pin(1, "a8", priority=2)), published("q", pin(1, "a7", priority=1))
    GoldenExpectationFactory(user_external_id="stranger", scope={"items": ["a9"]}, n=4)
    GoldenExpectationFactory(user_external_id="stranger", scope={"items": ["a7"]}, n=1)
    before = stored()
    with pytest.raises(ConflictError, match="golden users"):
        revert(rule.pk, staff=staff)
    with pytest.raises(ConflictError, match="golden users"):
        move(second.pk, 1, staff=staff)
    assert stored() == before
    assert [each.pk for each in Rule.objects.published().by_priority()] == [first.pk, second.pk]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_publish_at_once_one_wins_and_the_other_is_told() -> None:
    build()
    draft = draft_new("x", exclude("a1"), staff=StaffFactory())
    expected, staff = digest_of(draft), [StaffFactory(), StaffFactory()]
    outcomes: list[Any] = []
    together = threading.Barrier(2)

    def act(who: Any) -> None:
        together.wait(timeout=10)
        try:
            outcomes.append(rule_versions.publish(draft.pk, expected=expected, staff=who).state)
        except RecsiteError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=[who]) for who in staff]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["conflict", "published"]
    assert Rule.objects.published().filter(name="x").count() == 1
