"""A rule's life by keyboard alone: from an item's page to its preview, published, seen over the API, and back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from playwright.sync_api import Page, expect

from recommender import interests, neighbours
from recommender.models import Rule, Slate
from tests.browser.walking import in_every_language, like, tab_to, type_anew
from tests.factories import GoldenExpectationFactory, RuleFactory
from tests.recommender.ruled_shop import build, exclude, pin, published

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shop() -> None:
    build()
    neighbours.rebuild_statistics()
    interests.rebuild_all()


def first_of_the_api(console: Page, live_server: Any) -> Any:
    return console.request.get(f"{live_server.url}/api/v1/rules/").json()


def expect_said(console: Page, sentence: str) -> None:
    expect(console.get_by_role("status").filter(has_text=sentence)).to_be_visible()


@in_every_language
def test_from_an_item_to_a_published_pin_and_back_by_keyboard_alone(
    console: Page, live_server: Any, shop: None
) -> None:
    name = _("Pin") + " Item 9"
    console.goto(f"{live_server.url}/catalog/a9/")
    console.wait_for_load_state("load")
    tab_to(console, console.get_by_role("link", name=_("Pin…")))
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name=_("New rule"))).to_be_visible()
    console.wait_for_load_state("load")
    expect(console.get_by_role("textbox", name=_("Name"))).to_have_value(name)

    # The form is filled in and the cursor is on the preview: Enter, and what it changes is shown.
    expect(console.get_by_role("button", name=_("Preview"))).to_be_focused()
    console.keyboard.press("Enter")
    changes = like(
        "%(done)s of %(all)s users: %(changed)s lists change; %(gained)s items gained, %(lost)s lost, %(moved)s moved."
    )
    expect(console.get_by_text(changes)).to_be_visible()
    expect(console.locator(".compared").first).to_contain_text(_("With this rule"))
    assert not Slate.objects.exists()
    assert not Rule.objects.exists()

    # The next stop publishes it; the next list obeys it.
    tab_to(console, console.get_by_role("button", name=_("Publish")))
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("%(rule)s is published.") % {"rule": f"{name} v1"})).to_be_visible()
    console.wait_for_load_state("load")
    assert [(each["name"], each["state"]) for each in first_of_the_api(console, live_server)] == [(name, "running")]
    served = console.request.get(f"{live_server.url}/api/v1/users/u1/recommendations/?n=3").json()
    assert served["items"][0]["item"]["external_id"] == "a9"

    # Stopped, undone, and back to the first version.
    tab_to(console, console.get_by_role("button", name=_("Stop")))
    console.keyboard.press("Enter")
    expect_said(console, _("%(rule)s is stopped: no list obeys it from now on.") % {"rule": f"{name} v1"})
    assert first_of_the_api(console, live_server) == []
    tab_to(console, console.get_by_role("button", name=_("Go back to version %(version)s") % {"version": 1}))
    console.keyboard.press("Enter")
    expect_said(console, _("%(rule)s is published: it says what the earlier version said.") % {"rule": f"{name} v2"})
    assert first_of_the_api(console, live_server)[0]["version"] == 2
    console.keyboard.press("z")
    expect_said(console, _("The publish is taken back."))
    assert first_of_the_api(console, live_server) == []


@in_every_language
def test_a_rule_is_typed_refused_at_its_field_and_mended(console: Page, live_server: Any, shop: None) -> None:
    console.keyboard.press("g")
    console.keyboard.press("p")
    expect(console.get_by_role("heading", name=_("Rules"), exact=True)).to_be_visible()
    console.wait_for_load_state("load")
    tab_to(console, console.get_by_role("link", name=_("New rule")).first)
    console.keyboard.press("Enter")
    expect(console.get_by_role("textbox", name=_("Name"))).to_be_focused()
    console.wait_for_load_state("load")
    console.keyboard.type("Odd down")
    tab_to(console, console.get_by_role("radio", name=_("Boost")))
    console.keyboard.press("ArrowDown")
    expect(console.get_by_role("radio", name=_("Bury"))).to_be_checked()
    strength = console.get_by_role("spinbutton", name=_("Strength"))
    tab_to(console, strength)
    type_anew(console, "9")
    console.keyboard.press("Enter")
    refused = ngettext("One value cannot work; nothing was saved.", "%(n)s values cannot work; nothing was saved.", 2)
    expect(console.get_by_text(refused % {"n": 2})).to_be_visible()
    console.wait_for_load_state("load")
    tab_to(console, strength)
    type_anew(console, "0.3")
    brands = console.get_by_role("combobox", name=_("Brands"))
    tab_to(console, brands)
    console.keyboard.type("od")
    expect(console.get_by_role("option", name=re.compile("Odd"))).to_be_visible()
    console.keyboard.press("Enter")
    says = {"items": _("items of %(brands)s") % {"brands": "Odd"}, "strength": _("a little") + " (0.3)"}
    expect(console.locator("#rule-check")).to_contain_text(_("Lowers %(items)s %(strength)s.") % says)
    matches = ngettext("Matches %(shown)s item", "Matches %(shown)s items", 5) % {"shown": 5}
    expect(console.locator("#rule-check")).to_contain_text(matches)
    tab_to(console, console.get_by_role("button", name=_("Save draft")))
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("%(rule)s is saved as a draft.") % {"rule": "Odd down v1"})).to_be_visible()
    rule = Rule.objects.get()
    assert (rule.action, rule.scope, rule.strength, rule.state) == ("bury", {"brands": ["Odd"]}, 0.3, "draft")


def order() -> list[str]:
    return list(Rule.objects.published().by_priority().values_list("name", flat=True))


@in_every_language
def test_the_order_is_changed_by_a_number_and_by_dragging(console: Page, live_server: Any, shop: None) -> None:
    for name in ("first", "second", "third"):
        published(name, exclude("a9"))
    console.goto(f"{live_server.url}/rules/")
    console.wait_for_load_state("load")
    place, moved = (
        console.get_by_label(_("Place of %(name)s") % {"name": "third"}),
        _("“%(rule)s” is at place %(place)s."),
    )
    tab_to(console, place)
    type_anew(console, "1")
    console.keyboard.press("Enter")
    expect_said(console, moved % {"rule": "third", "place": 1})
    assert order() == ["third", "first", "second"]
    expect(place).to_be_focused()
    console.locator("tr", has_text="third").locator(".rule-handle").drag_to(console.locator("tr", has_text="second"))
    expect_said(console, moved % {"rule": "third", "place": 3})
    assert order() == ["first", "second", "third"]


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_no_page_of_rules_scrolls_sideways(console: Page, live_server: Any, shop: None, width: int) -> None:
    long = "Très long 日本語 😀 שלום " + "W" * 70
    content = pin(1, "a9", placement="W" * 90, note="W" * 300)
    RuleFactory(name=long, **content.as_columns())
    draft = RuleFactory(name=long, version=2, state="draft", **content.as_columns())
    published("other", pin(1, "a8"))
    golden = GoldenExpectationFactory(user_external_id="W" * 150, scope={"items": ["a9"]}, note="W" * 300)
    console.set_viewport_size({"width": width, "height": 844})
    paths = ("rules/", f"rules/{long}/", f"rule-versions/{draft.pk}/edit/", "rules/golden/", "catalog/a9/")
    for path in (*paths, f"golden-users/{golden.pk}/edit/"):
        console.goto(f"{live_server.url}/{path}")
        console.wait_for_load_state("networkidle")
        assert console.evaluate("document.documentElement.scrollWidth") <= width, path
