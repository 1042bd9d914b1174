"""What axe cannot see: the keyboard's way, focus that shows and comes back, zoom, calm, single keys switched off."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import settle
from tests.console_pages import PAGES, addresses
from tests.console_shop import Shop, build_shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Where focus stands, and whether anything tells it: an outline, a shadow, or another border than without it.
FOCUS = """
() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const tells = element => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none';
  };
  const box = one.getBoundingClientRect(), around = one.closest('label, .search, .typeahead, .node, .tile, li, tr');
  const words = (one.getAttribute('aria-label') || one.textContent || '').trim().slice(0, 40);
  return {
    stop: `${one.tagName}#${one.id} ${words}`,
    isSeen: box.width > 0 && box.height > 0 && (tells(one) || Boolean(around && tells(around))),
  };
}
"""
WIDER = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
MOVING = """
() => document.getAnimations().filter(each => each.playState === 'running'
  && each.effect.getComputedTiming().duration > 10).map(each => each.animationName || each.transitionProperty)
"""


@pytest.fixture
def shop(transactional_db: None) -> Shop:
    return build_shop()


def console_addresses(shop: Shop) -> list[str]:
    return [address for address in addresses(shop, PAGES) if not address.startswith("/admin/")]


def test_every_stop_of_the_tab_key_is_seen_and_the_first_skips_to_the_content(
    console: Page, live_server: Any, shop: Shop
) -> None:
    unseen = {}
    for address in console_addresses(shop):
        console.goto(f"{live_server.url}{address}")
        settle(console)
        assert console.locator("h1").count() == 1, address
        if console.locator("[autofocus]").count():  # there Tab begins at the field
            console.locator(".skip").focus()
        else:
            console.keyboard.press("Tab")
        skip = console.evaluate("() => document.activeElement.getAttribute('href')")
        assert skip == "#content", address
        console.keyboard.press("Enter")
        assert console.evaluate("() => document.activeElement.closest('main') !== null"), address
        for _ in range(12):
            console.keyboard.press("Tab")
            stop = console.evaluate(FOCUS)
            if stop and not stop["isSeen"]:
                unseen.setdefault(address, []).append(stop["stop"])
    assert unseen == {}


@pytest.mark.parametrize("width", [720, 320], ids=["200% of 1440", "400% of 1280"])
def test_pages_fit_when_they_are_enlarged(console: Page, live_server: Any, shop: Shop, width: int) -> None:
    console.set_viewport_size({"width": width, "height": 450})
    wide = []
    for address in console_addresses(shop):
        console.goto(f"{live_server.url}{address}")
        settle(console)
        if console.evaluate(WIDER):
            wide.append(address)
    assert wide == []


def test_nothing_moves_for_who_wants_it_calm(console: Page, live_server: Any, shop: Shop) -> None:
    console.emulate_media(reduced_motion="reduce")
    moving = {}
    for address in console_addresses(shop):
        console.goto(f"{live_server.url}{address}", wait_until="domcontentloaded")
        if found := console.evaluate(MOVING):
            moving[address] = found
    assert moving == {}


def test_focus_comes_back_to_what_opened_a_dialog(console: Page, live_server: Any, shop: Shop) -> None:
    opener = console.locator("[data-opens=keys]")
    opener.focus()
    console.keyboard.press("Enter")
    expect(console.locator("#keys")).to_be_visible()
    console.keyboard.press("Escape")
    expect(opener).to_be_focused()
    console.goto(f"{live_server.url}/taxonomies/{shop.taxonomy.slug}/?label={shop.label.pk}")
    settle(console)
    opener = console.locator("[hx-get*='/rename/']").first
    opener.focus()
    console.keyboard.press("Enter")
    dialog = console.locator("dialog[open]")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("textbox").first).to_be_focused()
    console.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()


@pytest.mark.parametrize("address", ["/", "/admin/catalog/itemlabel/focus/"])
def test_single_keys_are_off_where_the_page_says_so(console: Page, live_server: Any, shop: Shop, address: str) -> None:
    console.goto(f"{live_server.url}{address}")
    console.wait_for_load_state("networkidle")
    console.evaluate("() => localStorage.setItem('single-keys', 'off')")
    for key in ("?", "x", "z", "g", "c"):
        console.keyboard.press(key)
    expect(console.locator("dialog[open]")).to_have_count(0)
    assert console.url == f"{live_server.url}{address}"
    console.evaluate("() => localStorage.removeItem('single-keys')")
    console.keyboard.press("?")
    expect(console.locator("#keys")).to_be_visible()
