"""axe (WCAG 2.2 AA) finds nothing on any page of the console, in light and dark, on a desk and on a phone.

The pages are those of tests/console_pages.py: a new page is walked as soon as it has its line there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.console_pages import PAGES, addresses
from tests.console_shop import Shop, build_shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The theme changes colours and nothing else.
ONLY = {
    "light": {"type": "tag", "values": TAGS},
    "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
SIZES = {"desk": (1440, 900), "phone": (390, 844)}
RUN = """
async (only) => {
  const found = await axe.run(document, { runOnly: only, resultTypes: ['violations'] });
  return found.violations.map(each => ({
    rule: each.id, impact: each.impact,
    where: each.nodes.slice(0, 4).map(node => [
      node.target.join(' '), ...[...node.any, ...node.all, ...node.none].slice(0, 1).map(check => check.message),
    ]),
  }));
}
"""


@pytest.fixture
def shop(transactional_db: None) -> Shop:
    return build_shop()


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """axe comes from outside the page, which its content security policy would refuse."""
    return {**browser_context_args, "bypass_csp": True, "reduced_motion": "reduce"}


def settle(page: Page) -> None:
    """Parts that the page loads by itself have come."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(100)
    page.wait_for_function("() => !document.querySelector('.htmx-request')")


def violations(page: Page, theme: str) -> list[dict[str, Any]]:
    if not page.evaluate("() => 'axe' in window"):
        page.add_script_tag(path=str(AXE))
    found: list[dict[str, Any]] = page.evaluate(RUN, ONLY[theme])
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_on_any_page(console: Page, live_server: Any, shop: Shop, theme: str, size: str) -> None:
    width, height = SIZES[size]
    console.set_viewport_size({"width": width, "height": height})
    console.emulate_media(color_scheme=theme, reduced_motion="reduce")
    console.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    found = {}
    for address in addresses(shop, PAGES):
        console.goto(f"{live_server.url}{address}")
        settle(console)
        if seen := violations(console, theme):
            found[address] = seen
        if console.evaluate("() => document.documentElement.scrollWidth > window.innerWidth"):
            found.setdefault(address, []).append({"rule": "the page is wider than the window"})
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)
