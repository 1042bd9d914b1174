"""Pages of rules: the list and its order, one rule, the editor, the preview, parts; who may change them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from catalog.models import Item
from recommender import neighbours, rule_versions
from recommender.models import Rule, Slate
from recommender.rule_content import RuleContent
from recommender.rule_form import form_from, form_of
from recommender.rule_versions import digest_of, draft_new
from recommender.scopes import Scope
from recommender.slates import recommend
from recommender.views import rule_editor
from tests.factories import GoldenExpectationFactory, ItemLabelFactory, LabelFactory, RuleFactory, StaffFactory
from tests.pages import HTMX, assert_guarded, queries_of, staff_client, text_of, toast_of
from tests.recommender.ruled_shop import build, exclude, pin, published, shown, stored

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop() -> None:
    build()
    neighbours.rebuild_statistics()


def typed(**other: Any) -> dict[str, Any]:
    """What the editor's form sends of a pin of a9."""
    return {
        "name": "Nine first",
        "action": "pin",
        "items": ["a9"],
        "position": "1",
        "cap_by": "scope",
        "priority": "0",
    } | other


def send(address: str, **values: Any) -> Any:
    return staff_client().post(address, values, headers=HTMX)


def test_pages_are_for_staff() -> None:
    rule = published("x", exclude("a1"))
    draft = draft_new("y", exclude("a2"), staff=StaffFactory())
    item = Item.objects.get(external_id="a1")
    for address in ("/rules/", f"/rules/{rule.name}/", "/rules/new/", "/rules/golden/", "/golden-users/new/"):
        assert_guarded(address)
    assert_guarded(f"/rule-versions/{draft.pk}/edit/")
    assert_guarded(f"/items/{item.pk}/rules/")


def test_staff_without_the_permission_look_and_change_nothing() -> None:
    rule = published("x", exclude("a1"))
    draft = draft_new("y", exclude("a2"), staff=StaffFactory())
    viewer = User.objects.create_user("viewer", is_staff=True)
    client = Client(headers=HTMX)
    client.force_login(viewer)
    before = stored()
    for address in ("/rules/", "/rules/x/", "/rules/golden/"):
        page = client.get(address)
        assert page.status_code == 200
        assert "/rules/new/" not in page.content.decode()
        assert "/act/" not in page.content.decode()
    for act in (
        f"{rule.pk}/act/stop",
        f"{rule.pk}/move",
        f"{rule.pk}/draft",
        f"{draft.pk}/discard",
        f"{draft.pk}/edit",
    ):
        assert client.post(f"/rule-versions/{act}/", {"place": 1}).status_code == 403
    for address in ("/rules/new/", "/golden-users/new/", "/golden-users/check/", "/golden-users/restore/"):
        assert client.post(address, typed()).status_code == 403
    assert stored() == before
    assert client.post("/rule-parts/preview/", typed()).status_code == 200
    viewer.user_permissions.add(Permission.objects.get(codename="change_rule"))
    client.force_login(User.objects.get(pk=viewer.pk))
    assert client.post(f"/rule-versions/{rule.pk}/act/stop/").status_code == 200


def test_the_list_says_each_rule_in_words_in_its_order() -> None:
    label = LabelFactory(name="Beer")
    published("No beer", RuleContent("exclude", Scope(labels=(label.pk,)), priority=5))
    published("Nine first", pin(1, "a9", placement="basket", note="new"))
    draft_new("Later", exclude("a1"), staff=StaffFactory())
    words = text_of(staff_client().get("/rules/"))
    assert words.index("No beer Leaves out items labelled Beer. Everybody on every page Running") < words.index(
        "Nine first Puts “Item 9” at position 1. Everybody on basket Running"
    )
    assert "Later Leaves out “Item 1”. Everybody on every page Draft" in words
    for address, there in (
        ("?state=draft", {"Later"}),
        ("?action=pin", {"Nine first"}),
        ("?placement=basket", {"No beer", "Nine first", "Later"}),
        ("?q=NEW", {"Nine first"}),
        ("?q=nothing", set()),
    ):
        part = text_of(staff_client().get(f"/rules/{address}", headers=HTMX))
        assert {name for name in ("No beer", "Nine first", "Later") if name in part} == there, address
    assert "No rule matches" in text_of(staff_client().get("/rules/?q=nothing"))


def test_an_empty_list_leads_to_the_first_rule() -> None:
    assert "No rules yet" in text_of(staff_client().get("/rules/"))


def test_pages_take_a_constant_number_of_queries() -> None:
    client = staff_client()
    item = Item.objects.get(external_id="a1")
    labels = [LabelFactory(name=f"Label {place}") for place in range(6)]
    addresses = ["/rules/", "/rules/x/", f"/items/{item.pk}/rules/", "/rules/golden/"]

    def add(place: int) -> None:
        content = RuleContent("boost", Scope(labels=(labels[place].pk,), items=("a1",)), strength=1.0)
        RuleFactory(name="x", version=place + 1, state="published" if not place else "retired", **_columns(content))
        RuleFactory(name=f"r{place}", **_columns(content))
        GoldenExpectationFactory(scope={"labels": [labels[place].pk]})
        recommend("u1")

    add(0)
    before = [queries_of(client, address) for address in addresses]
    for place in range(1, 6):
        add(place)
    assert [queries_of(client, address) for address in addresses] == before
    assert max(before) <= 14


def _columns(content: RuleContent) -> dict[str, Any]:
    return content.as_columns()


def test_a_rules_page_has_its_figures_and_versions() -> None:
    rule = published("Nine first", pin(1, "a9"))
    recommend("u1")
    recommend("u2")
    words = text_of(staff_client().get("/rules/Nine first/"))
    assert "What version 1 says Running Puts “Item 9” at position 1." in words
    assert "In force for 2 With an item it moved or pinned 2" in words
    Slate.objects.update(served_at=timezone.now() - timedelta(days=8))
    assert "In force for 0" in text_of(staff_client().get("/rules/Nine first/"))
    assert "Undo the publish" in words
    Rule.objects.filter(pk=rule.pk).update(published_at=timezone.now() - timedelta(hours=2))
    assert "Undo the publish" not in text_of(staff_client().get("/rules/Nine first/"))
    assert staff_client().get("/rules/nobody/").status_code == 404


def test_stop_and_its_undo_and_going_back() -> None:
    rule = published("Nine first", pin(1, "a9"))
    response = send(f"/rule-versions/{rule.pk}/act/stop/")
    toast = toast_of(response)
    assert toast["message"] == "Nine first v1 is stopped: no list obeys it from now on."
    assert shown()[0] == "a0"
    back = send(toast["undo"]["url"])
    assert "Go back to version 1" in back.content.decode()
    assert shown()[0] == "a9"
    again = send(toast_of(back)["undo"]["url"])
    assert toast_of(again)["message"] == "The publish is taken back."
    assert shown()[0] == "a0"
    assert send(f"/rule-versions/{rule.pk}/act/dance/").status_code == 404
    assert toast_of(send(f"/rule-versions/{rule.pk}/act/stop/"))["kind"] == "danger"


def test_a_rule_is_moved_by_its_number_and_the_undo_moves_it_back() -> None:
    first, second = published("a", exclude("a1", priority=9)), published("b", exclude("a2", priority=1))
    response = send(f"/rule-versions/{second.pk}/move/?q=", place="1", was="2")
    toast = toast_of(response)
    assert toast["message"] == "“b” is at place 1."
    assert list(Rule.objects.published().by_priority().values_list("name", flat=True)) == ["b", "a"]
    assert "autofocus" in response.content.decode()
    send(toast["undo"]["url"], **toast["undo"]["values"])
    assert list(Rule.objects.published().by_priority().values_list("name", flat=True)) == ["a", "b"]
    assert toast_of(send(f"/rule-versions/{second.pk}/move/", place="1", was="2"))["kind"] == "danger"
    assert first.priority == 9


def test_the_address_fills_the_form_in_and_stores_nothing() -> None:
    page = staff_client().get("/rules/new/?action=pin&item=a9&position=3&user=u1&placement=home").content.decode()
    for there in (
        'value="Pin Item 9"',
        'name="items" value="a9"',
        'name="position" type="number" step="1" min="1" max="100" autocomplete="off" value="3"',
        'name="users" value="u1"',
        'value="home"',
        'value="pin" checked',
        "Puts “Item 9” at position 3.",
    ):
        assert there in page, there
    assert stored() == []
    published("Pin Item 9", pin(3, "a9"))
    assert 'value="Pin Item 9 2"' in staff_client().get("/rules/new/?item=a9").content.decode()
    for odd in ("?action=dance&position=x&label=y", "?item=gone", "?label=999999", "?item=%00"):
        assert staff_client().get(f"/rules/new/{odd}").status_code == 200


def test_a_new_rule_is_saved_or_published_at_once() -> None:
    saved = send("/rules/new/", **typed(name="Later", act="save"))
    draft = Rule.objects.get(name="Later")
    assert (saved["HX-Redirect"], draft.state) == (f"/rule-versions/{draft.pk}/edit/", "draft")
    response = send("/rules/new/", **typed(act="publish"))
    assert response["HX-Redirect"] == "/rules/Nine%20first/"
    assert shown()[0] == "a9"


def test_what_cannot_work_is_said_at_its_field_and_everything_typed_is_still_there() -> None:
    response = send(
        "/rules/new/",
        **typed(position="first", price_from="cheap", attributes="country", items=["a9", "gone"], note="<b>why</b>"),
        ends_at="2026-13-01T10:00",
    )
    page = response.content.decode()
    for said in (
        "“first” cannot be read here.",
        "“cheap” cannot be read here.",
        "No item has the id “gone”; take it out.",
    ):
        assert said in page
    for kept in ('value="first"', 'value="cheap"', 'value="gone"', "country</textarea>", "&lt;b&gt;why&lt;/b&gt;"):
        assert kept in page, kept
    assert "“country” is no attribute" in page
    assert page.count('class="field-error"') == 5
    assert stored() == []


def test_times_are_those_of_the_reader() -> None:
    sent = QueryDict(urlencode(typed(starts_at="2030-05-01T08:00"), doseq=True))
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        content = form_from(sent).content
        assert content is not None
        assert content.starts_at == datetime(2030, 5, 1, 0, tzinfo=UTC)
        assert form_of(content, "x").texts["starts_at"] == "2030-05-01T08:00"
    assert form_of(content, "x").texts["starts_at"] == "2030-05-01T00:00"


def test_every_field_comes_back_as_it_was_saved() -> None:
    label = LabelFactory(name="Tea")
    values = typed(
        action="boost",
        labels=[str(label.pk)],
        brands=["Even"],
        price_from="1.50",
        price_to="9",
        stock_from="1",
        stock_to="7",
        users=["u1"],
        histories=["none", "few"],
        interests=[str(label.pk)],
        attributes="country = DE\nclub = true",
        arm="prices/b",
        placement="home",
        strength="0,7",
        priority="-3",
        starts_at="2030-05-01T08:00",
        ends_at="2030-06-01T08:00",
        note="why",
    )
    send("/rules/new/", **values, act="save")
    rule = Rule.objects.get()
    assert rule.scope == {
        "items": ["a9"],
        "labels": [label.pk],
        "brands": ["Even"],
        "price_from": "1.50",
        "price_to": "9",
        "stock_from": 1,
        "stock_to": 7,
    }
    assert rule.audience == {
        "users": ["u1"],
        "histories": ["none", "few"],
        "interests": [label.pk],
        "attributes": {"country": "DE", "club": "true"},
        "arm": "prices/b",
    }
    assert (rule.strength, rule.priority, rule.placement, rule.note) == (0.7, -3, "home", "why")
    seen = digest_of(rule)
    again = send(f"/rule-versions/{rule.pk}/edit/", **values, expected=seen)
    assert toast_of(again)["message"] == "Saved."
    rule.refresh_from_db()
    assert digest_of(rule) == seen


def test_two_editors_of_one_draft() -> None:
    draft = draft_new("Nine first", pin(1, "a9"), staff=StaffFactory())
    seen = digest_of(draft)
    rule_versions.change(draft.pk, pin(2, "a9"), expected=seen, staff=StaffFactory())
    told = send(f"/rule-versions/{draft.pk}/edit/", **typed(position="3"), expected=seen)
    page = told.content.decode()
    assert "Somebody saved Nine first v1" in page
    assert 'value="3"' in page
    draft.refresh_from_db()
    assert draft.position == 2
    assert f'name="expected" value="{digest_of(draft)}"' in page
    send(f"/rule-versions/{draft.pk}/edit/", **typed(position="3"), expected=digest_of(draft))
    draft.refresh_from_db()
    assert draft.position == 3
    rule_versions.publish(draft.pk, expected=digest_of(draft), staff=StaffFactory())
    gone = send(f"/rule-versions/{draft.pk}/edit/", **typed(position="4"), expected=digest_of(draft))
    assert "Make a new draft of what stands here" in gone.content.decode()
    send(f"/rule-versions/{draft.pk}/edit/", **typed(position="4"), act="new_draft")
    assert list(Rule.objects.order_by("version").values_list("state", "position")) == [("published", 3), ("draft", 4)]
    assert staff_client().get(f"/rule-versions/{draft.pk}/edit/")["Location"] == "/rules/Nine%20first/"


def test_the_editor_refuses_what_breaks_a_golden_user_and_keeps_what_was_typed() -> None:
    expectation = GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a9"]}, n=3)
    response = send("/rules/new/", **typed(act="publish", note="mine"))
    page = response.content.decode()
    assert "Refused: it would break what must hold for golden users." in page
    assert "“Item 9” is shown at position 1." in page
    assert f"/golden-users/{expectation.pk}/edit/" in page
    assert 'value="mine"' in page
    assert stored() == []


def test_what_it_says_and_matches_is_told_while_typing() -> None:
    Item.objects.filter(external_id="a3").update(is_hidden=True)
    words = text_of(send("/rule-parts/check/", **typed(items=[], brands=["Odd"], action="bury", strength="0.3")))
    assert words.startswith("Lowers items of Odd a little (0.3). For everybody, on every page, without an end.")
    assert "Matches 4 items and 1 hidden, sold out or without a vector" in words
    assert "Say which items it is about" in text_of(send("/rule-parts/check/", **typed(items=[])))


def test_the_preview_goes_on_with_its_totals_and_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_editor, "preview", partial(rule_editor.preview, budget_s=600))
    words = text_of(send("/rule-parts/preview/", **typed()))
    assert "Nothing is expected of golden users yet." in words
    assert "10 of 10 users: 10 lists change;" in words
    more = text_of(send("/rule-parts/preview/", **typed(), start="8", so_far_changed="8", so_far_gained="1"))
    assert more.startswith("10 of 10 users: 10 lists change; 1 items gained")
    assert "Mend first" in text_of(send("/rule-parts/preview/", **typed(position="")))
    assert (stored(), Slate.objects.count()) == ([], 0)


def test_the_preview_of_a_draft_names_conflicts_and_golden_users() -> None:
    GoldenExpectationFactory(user_external_id="u1", scope={"items": ["a9"]}, n=3)
    published("Two first", pin(1, "a2"))
    words = text_of(send("/rule-parts/preview/", **typed()))
    assert "“Two first” pins to position 1 too" in words
    assert "Publishing will be refused: it breaks what must hold." in words


def test_choices_are_found_by_what_is_typed() -> None:
    label = LabelFactory(name="Green tea")
    for kind, q, there in (
        ("items", "Item 9", 'data-value="a9"'),
        ("labels", "tea", f'data-value="{label.pk}"'),
        ("interests", "tea", f'data-value="{label.pk}"'),
        ("brands", "ev", 'data-value="Even"'),
        ("users", "u3", 'data-value="u3"'),
        ("users", "martian", "nobody knows this user yet"),
        ("brands", "zzz", "Nothing is like “zzz”."),
    ):
        assert there in staff_client().get(f"/rule-parts/choices/?kind={kind}&q={q}").content.decode(), (kind, q)
    for odd in ("?kind=items&q=", "?kind=cats&q=x", "?q=%00"):
        assert staff_client().get(f"/rule-parts/choices/{odd}").status_code == 200


def test_an_items_page_has_the_rules_that_touch_it() -> None:
    label = LabelFactory(name="Tea")
    ItemLabelFactory(item=Item.objects.get(external_id="a1"), label=label)
    published("By label", RuleContent("exclude", Scope(labels=(label.pk,))))
    published("By brand", RuleContent("cap", Scope(brands=("odd",)), limit=2))
    published("Another", exclude("a2"))
    over = published("Over", exclude("a1", ends_at=timezone.now() + timedelta(hours=1)))
    Rule.objects.filter(pk=over.pk).update(ends_at=timezone.now())
    item = Item.objects.get(external_id="a1")
    part = staff_client().get(f"/items/{item.pk}/rules/")
    words = text_of(part)
    assert {name for name in ("By label", "By brand", "Another", "Over") if name in words} == {"By label", "By brand"}
    assert "/rules/new/?action=pin&amp;item=a1&amp;position=1" in part.content.decode()
    assert f"/items/{item.pk}/rules/" in staff_client().get("/catalog/a1/").content.decode()


def test_drafts_begin_on_a_rules_page_and_are_discarded_there() -> None:
    rule = published("Nine first", pin(1, "a9"))
    begun = send(f"/rule-versions/{rule.pk}/draft/")
    draft = Rule.objects.get(state="draft")
    assert begun["HX-Redirect"] == f"/rule-versions/{draft.pk}/edit/"
    assert toast_of(send(f"/rule-versions/{rule.pk}/draft/"))["kind"] == "danger"
    assert send(f"/rule-versions/{draft.pk}/discard/")["HX-Redirect"] == "/rules/Nine%20first/"
    alone = draft_new("alone", exclude("a1"), staff=StaffFactory())
    assert send(f"/rule-versions/{alone.pk}/discard/")["HX-Redirect"] == "/rules/"
    assert toast_of(send("/rule-versions/999999/discard/"))["kind"] == "danger"
