"""The audit and why-not by keyboard alone: a served list found, replayed and compared; an item that is not on it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.translation import gettext as _
from playwright.sync_api import Page, expect

from catalog.models import Item
from recommender.slates import recommend
from tests.browser.walking import in_every_language, like, tab_to
from tests.recommender.audited_shop import never_exploring, open_shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shop() -> list[Item]:
    never_exploring()
    items = open_shop()
    for user in ("u0", "u0", "u1"):
        recommend(user, n=5)
    return items


@in_every_language
def test_a_served_list_is_found_replayed_and_compared_by_keyboard_alone(
    console: Page, live_server: Any, shop: list[Item]
) -> None:
    console.keyboard.press("g")
    console.keyboard.press("a")
    expect(console.get_by_role("heading", name=_("Audit of lists"), exact=True)).to_be_visible()
    console.wait_for_load_state("load")
    tab_to(console, console.get_by_label(_("User"), exact=True))
    console.keyboard.type("u0")
    console.keyboard.press("Enter")
    expect(console.locator(".audit-table tbody tr")).to_have_count(2)
    assert "user=u0" in console.url

    tab_to(console, console.locator(".audit-when a").first)
    console.keyboard.press("Enter")
    expect(
        console.get_by_role("heading", name=like("%(n)s item for %(user)s", "%(n)s items for %(user)s"))
    ).to_be_visible()
    console.wait_for_load_state("load")
    tab_to(console, console.get_by_role("button", name=_("Replay")))
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("The same list, the same scores."))).to_have_count(2)

    tab_to(console, console.get_by_role("link", name=_("Compare with the list before")))
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name=_("From A to B"))).to_be_visible()
    expect(console.get_by_text(_("The same list, the same scores."))).to_be_visible()


@in_every_language
def test_why_an_item_is_not_on_a_list_is_asked_by_keyboard_alone(
    console: Page, live_server: Any, shop: list[Item]
) -> None:
    left_out = recommend("u0", n=13, record=False).items[12].item
    console.goto(f"{live_server.url}/why-not/?user=u0")
    tab_to(console, console.get_by_label(_("Item"), exact=True))
    console.keyboard.type(left_out.external_id)
    tab_to(console, console.get_by_role("button", name=_("Find out")))
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name=_("What would have to change"))).to_be_visible()
    expect(
        console.get_by_text(like("A boost of %(strength)s standard deviations would bring it to place %(place)s."))
    ).to_be_visible()
    assert f"item={left_out.external_id}" in console.url
