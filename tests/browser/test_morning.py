"""A merchandiser's morning, by keyboard alone and in both languages: review ten labels, find out why a user gets an
item and why another is missing, pin that one, look at what it changes, publish, see it served, and take it back.

docs/tour.md tells the same. `pytest -s` says how long it took; nothing depends on that.
"""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from catalog.models import ItemLabel
from recommender import interests, neighbours
from recommender.models import Rule, Slate
from tests.browser.test_review_by_keyboard import press, shelf, shown
from tests.browser.walking import in_every_language, tab_to
from tests.recommender.ruled_shop import build

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

USER, MISSING = "u1", "a9"


@pytest.fixture
def shop() -> None:
    build()
    shelf(12)
    neighbours.rebuild_statistics()
    interests.rebuild_all()


class Morning:
    """Keys and what they lead to; locators know no language."""

    def __init__(self, page: Page, site: str) -> None:
        self.page, self.site = page, site
        self.keys = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.keys += 1
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.keys += len(text)
        self.page.keyboard.type(text)

    def tab_to(self, wanted: Locator) -> None:
        tab_to(self.page, wanted)

    def served(self) -> list[str]:
        answer = self.page.request.get(f"{self.site}/api/v1/users/{USER}/recommendations/?n=4").json()
        return [each["item"]["external_id"] for each in answer["items"]]


@in_every_language
def test_a_morning(console: Page, live_server: Any, shop: None, language: str) -> None:
    expect(console.locator("html")).to_have_attribute("lang", re.compile(language, re.IGNORECASE))
    morning, began = Morning(console, live_server.url), time.monotonic()
    before = morning.served()
    assert MISSING not in before

    # Ten labels, one Enter each.
    morning.press("g", "r")
    console.wait_for_url("**/focus/**")
    console.wait_for_load_state("networkidle")
    for _ in range(10):
        row = shown(console)
        morning.keys += 1
        press(console, "Enter", row)
        assert ItemLabel.objects.get(pk=int(row)).decision == "accepted"

    # Why does this user get what stands first?
    morning.press("g", "u")
    console.wait_for_url("**/users/")
    console.wait_for_load_state("load")
    morning.press("/")
    morning.type(USER)
    console.locator(f".search-panel a[href$='/users/{USER}/']").wait_for()
    morning.tab_to(console.locator(f".search-panel a[href$='/users/{USER}/']"))
    morning.press("Enter")
    console.wait_for_url(f"**/users/{USER}/")
    console.wait_for_load_state("load")
    first = console.locator(".ranked summary").first
    morning.tab_to(first)
    morning.press("Enter")
    expect(console.locator(".ranked details[open] .why-parts").first).to_be_visible()
    sentence = console.locator(".ranked details[open] .why-parts tbody tr").first
    expect(sentence).to_contain_text("8")  # so many users took it lately

    # And why not another one?
    morning.tab_to(console.locator("details.why-not > summary"))
    morning.press("Enter")
    item = console.locator("#why-not input[name=item]")
    expect(item).to_be_visible()
    morning.tab_to(item)
    morning.type(MISSING)
    morning.tab_to(console.locator("#why-not input[name=n]"))
    morning.press("ControlOrMeta+a")
    morning.type("4")
    morning.press("Enter")
    expect(console.locator("#why-not-answer .why-not-sentence")).to_be_visible()
    expect(console.locator("#why-not-answer .why-not-steps .is-failed")).to_have_count(1)

    # It shall stand there all the same: pinned from its own page, with a look at users' lists before.
    expect(console.locator("#why-not-answer .why-not-remedies li").first).to_be_visible()
    morning.tab_to(console.locator("#why-not-answer .why-not-cause a").first)
    morning.press("Enter")
    console.wait_for_url(f"**/catalog/{MISSING}/")
    console.wait_for_load_state("load")
    morning.tab_to(console.locator("a[href*='/rules/new/'][href*='action=pin']"))
    morning.press("Enter")
    console.wait_for_url("**/rules/new/**")
    console.wait_for_load_state("load")
    expect(console.locator("#preview-go")).to_be_focused()
    morning.press("Enter")
    expect(console.locator(".compared").first).to_be_visible()
    assert not Rule.objects.exists()
    morning.tab_to(console.locator("button[name=act][value=publish]"))
    morning.press("Enter")
    console.wait_for_url(re.compile(r"/rules/(?!new)"))
    console.wait_for_load_state("load")

    # Served, and kept for the audit with the rule that did it.
    after = morning.served()
    assert MISSING in after
    touched = Slate.objects.latest("pk").items.get(item__external_id=MISSING).rules
    assert [(each["action"], each["version"]) for each in touched] == [("pin", 1)]

    # Taken back.
    stop = console.locator(".rule-acts button[hx-post$='/stop/']")
    morning.tab_to(stop)
    morning.press("Enter")
    expect(stop).to_have_count(0)
    assert morning.served() == before
    took_s = time.monotonic() - began
    sys.stdout.write(f"\na morning in {language}: {took_s:.1f} s, {morning.keys} keys without Tab\n")
