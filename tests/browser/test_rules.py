"""A rule's life by keyboard alone: from an item's page to its preview, published, seen over the API, and back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from recommender import interests, neighbours
from recommender.models import Rule, Slate
from tests.browser.walking import tab_to
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


def test_from_an_item_to_a_published_pin_and_back_by_keyboard_alone(
    console: Page, live_server: Any, shop: None
) -> None:
    console.goto(f"{live_server.url}/catalog/a9/")
    console.wait_for_load_state("load")
    tab_to(console, console.get_by_role("link", name="Pin…"))
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name="New rule")).to_be_visible()
    console.wait_for_load_state("load")
    expect(console.get_by_role("textbox", name="Name")).to_have_value("Pin Item 9")

    # The form is filled in and the cursor is on the preview: Enter, and what it changes is shown.
    expect(console.get_by_role("button", name="Preview")).to_be_focused()
    console.keyboard.press("Enter")
    expect(console.get_by_text(re.compile(r"\d+ of 10 users: \d+ lists change;")).first).to_be_visible()
    expect(console.locator(".compared").first).to_contain_text("With this rule")
    assert not Slate.objects.exists()
    assert not Rule.objects.exists()

    # The next stop publishes it; the next list obeys it.
    tab_to(console, console.get_by_role("button", name="Publish"))
    console.keyboard.press("Enter")
    expect(console.get_by_text("Pin Item 9 v1 is published.")).to_be_visible()
    console.wait_for_load_state("load")
    assert [(each["name"], each["state"]) for each in first_of_the_api(console, live_server)] == [
        ("Pin Item 9", "running")
    ]
    served = console.request.get(f"{live_server.url}/api/v1/users/u1/recommendations/?n=3").json()
    assert served["items"][0]["item"]["external_id"] == "a9"

    # Stopped, undone, and back to the first version.
    tab_to(console, console.get_by_role("button", name="Stop"))
    console.keyboard.press("Enter")
    expect(console.get_by_role("status").filter(has_text="Pin Item 9 v1 is stopped")).to_be_visible()
    assert first_of_the_api(console, live_server) == []
    tab_to(console, console.get_by_role("button", name="Go back to version 1"))
    console.keyboard.press("Enter")
    expect(console.get_by_role("status").filter(has_text="Pin Item 9 v2 is published")).to_be_visible()
    assert first_of_the_api(console, live_server)[0]["version"] == 2
    console.keyboard.press("z")
    expect(console.get_by_role("status").filter(has_text="The publish is taken back.")).to_be_visible()
    assert first_of_the_api(console, live_server) == []


def test_a_rule_is_typed_refused_at_its_field_and_mended(console: Page, live_server: Any, shop: None) -> None:
    console.keyboard.press("g")
    console.keyboard.press("p")
    expect(console.get_by_role("heading", name="Rules", exact=True)).to_be_visible()
    console.wait_for_load_state("load")
    tab_to(console, console.get_by_role("link", name="New rule").first)
    console.keyboard.press("Enter")
    expect(console.get_by_role("textbox", name="Name")).to_be_focused()
    console.wait_for_load_state("load")
    console.keyboard.type("Odd down")
    tab_to(console, console.get_by_role("radio", name="Boost"))
    console.keyboard.press("ArrowDown")
    expect(console.get_by_role("radio", name="Bury")).to_be_checked()
    strength = console.get_by_role("spinbutton", name="Strength")
    tab_to(console, strength)
    console.keyboard.press("ControlOrMeta+a")
    console.keyboard.type("9")
    console.keyboard.press("Enter")
    expect(console.get_by_text("2 values cannot work; nothing was saved.")).to_be_visible()
    tab_to(console, strength)
    console.keyboard.press("ControlOrMeta+a")
    console.keyboard.type("0.3")
    brands = console.get_by_role("combobox", name="Brands")
    tab_to(console, brands)
    console.keyboard.type("od")
    expect(console.get_by_role("option", name=re.compile("Odd"))).to_be_visible()
    console.keyboard.press("Enter")
    expect(console.locator("#rule-check")).to_contain_text("Lowers items of Odd a little (0.3).")
    expect(console.locator("#rule-check")).to_contain_text("Matches 5 items")
    tab_to(console, console.get_by_role("button", name="Save draft"))
    console.keyboard.press("Enter")
    expect(console.get_by_text("Odd down v1 is saved as a draft.")).to_be_visible()
    rule = Rule.objects.get()
    assert (rule.action, rule.scope, rule.strength, rule.state) == ("bury", {"brands": ["Odd"]}, 0.3, "draft")


def order() -> list[str]:
    return list(Rule.objects.published().by_priority().values_list("name", flat=True))


def test_the_order_is_changed_by_a_number_and_by_dragging(console: Page, live_server: Any, shop: None) -> None:
    for name in ("first", "second", "third"):
        published(name, exclude("a9"))
    console.goto(f"{live_server.url}/rules/")
    console.wait_for_load_state("load")
    place = console.get_by_label("Place of third")
    tab_to(console, place)
    console.keyboard.press("ControlOrMeta+a")
    console.keyboard.type("1")
    console.keyboard.press("Enter")
    expect(console.get_by_role("status").filter(has_text="“third” is at place 1.")).to_be_visible()
    assert order() == ["third", "first", "second"]
    expect(console.get_by_label("Place of third")).to_be_focused()
    console.locator("tr", has_text="third").locator(".rule-handle").drag_to(console.locator("tr", has_text="second"))
    expect(console.get_by_role("status").filter(has_text="“third” is at place 3.")).to_be_visible()
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
