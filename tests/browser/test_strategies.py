"""A strategy's life by keyboard alone: a draft, another weight, the preview, live, and back."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.utils.translation import gettext as _
from playwright.sync_api import Page, expect

from recommender import interests, neighbours
from recommender.models import Slate, Strategy
from recommender.strategies import live_strategy, recipe_of
from recommender.strategy_preview import preview
from recommender.views import strategy_editor
from tests.browser.walking import in_every_language, like, tab_to, type_anew
from tests.factories import EndUserFactory, EventFactory, ItemFactory, StrategyFactory, axis

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Strategy:
    """Twenty items, four users with events, the live version, and a preview that a busy machine does not cut short."""
    monkeypatch.setattr(strategy_editor, "preview", partial(preview, budget_s=60.0))
    items = [ItemFactory(external_id=f"a{place}", title=f"Item {place}", vector=axis(place % 5)) for place in range(20)]
    for place in range(4):
        user = EndUserFactory(external_id=f"u{place}")
        for item in items[place : place + 4]:
            EventFactory(user=user, item=item)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    return live_strategy()


@in_every_language
def test_from_a_draft_to_live_and_back_by_keyboard_alone(console: Page, live_server: Any, shop: Strategy) -> None:
    console.keyboard.press("g")
    console.keyboard.press("s")
    expect(console.get_by_role("heading", name=_("Strategies"), exact=True)).to_be_visible()
    console.wait_for_load_state("load")

    # The strategy, and a draft of its next version.
    console.keyboard.press("j")
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name="default", exact=True)).to_be_visible()
    console.wait_for_load_state("load")
    tab_to(console, console.get_by_role("button", name=_("New draft")))
    console.keyboard.press("Enter")
    expect(console.get_by_role("textbox", name=_("Strategy"))).to_be_focused()
    console.keyboard.press("Enter")
    named = _("%(name)s, version %(version)s") % {"name": "default", "version": 2}
    expect(console.get_by_role("heading", name=named)).to_be_visible()
    console.wait_for_load_state("load")
    draft = Strategy.objects.get(is_draft=True)

    # A weight: first one that cannot work, which is told at its field, then one that can.
    weight = console.get_by_label(_("New"), exact=True)
    tab_to(console, weight)
    type_anew(console, "lots")
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("“%(written)s” is no number.") % {"written": "lots"}).first).to_be_visible()
    expect(weight).to_have_attribute("aria-invalid", "true")  # told in the form, and not only beside it
    expect(weight).to_be_focused()
    expect(weight).to_have_value("lots")
    type_anew(console, "6")
    expect(console.locator("#changes")).to_contain_text(like("One thing differs from %(live)s:", live="default v1"))
    expect(console.locator("#changes li")).to_contain_text([_("New")])
    console.keyboard.press("Enter")
    expect(console.get_by_role("status").filter(has_text=_("Saved."))).to_be_visible()
    draft.refresh_from_db()
    assert recipe_of(draft).weights["new"] == 6.0

    # The lists of real users, before and after.
    tab_to(console, console.get_by_role("button", name=_("Compare lists")))
    console.keyboard.press("Enter")
    compared = like(
        "%(n)s user in %(took)s: %(changed)s list changes, by %(items)s new items on average.",
        "%(n)s users in %(took)s: %(changed)s lists change, by %(items)s new items on average.",
        n="4",
    )
    expect(console.get_by_text(compared)).to_be_visible()
    first = console.locator(".compared").first
    expect(first).to_contain_text("default v1 " + _("live"))
    expect(first).to_contain_text("default v2 " + _("draft"))
    assert not Slate.objects.exists()
    assert live_strategy() == shop

    # Live.
    console.keyboard.press("Home")
    publish = console.get_by_role("button", name=_("Publish…"))
    tab_to(console, publish, key="Shift+Tab")
    console.keyboard.press("Enter")
    expect(console.get_by_role("button", name=_("Publish and make live"))).to_be_focused()
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("%(strategy)s is live.") % {"strategy": draft})).to_be_visible()
    console.wait_for_load_state("load")
    assert live_strategy().pk == draft.pk

    # And back, undone, and back again.
    go_back = console.get_by_role("button", name=_("Make version %(version)s live") % {"version": 1})
    tab_to(console, go_back)
    console.keyboard.press("Enter")
    is_live = _("%(strategy)s is live.") % {"strategy": shop}
    expect(console.get_by_role("status").filter(has_text=is_live)).to_be_visible()
    assert live_strategy() == shop
    console.keyboard.press("z")
    expect(go_back).to_be_visible()
    assert live_strategy().pk == draft.pk


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_no_page_of_strategies_scrolls_sideways(console: Page, live_server: Any, shop: Strategy, width: int) -> None:
    long = "Très long 日本語 😀 שלום " + "W" * 70
    StrategyFactory(name=long, note="x" * 300)
    draft = StrategyFactory(name=long, version=2, is_draft=True, note="W" * 300)
    console.set_viewport_size({"width": width, "height": 844})
    for path in ("strategies/", f"strategies/{long}/", f"strategy-versions/{draft.pk}/edit/"):
        console.goto(f"{live_server.url}/{path}")
        assert console.evaluate("document.documentElement.scrollWidth") <= width, path
