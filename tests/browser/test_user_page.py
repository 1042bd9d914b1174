"""A user's page in a browser: filter by label, two strategies side by side, back in time, why, events and the map."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from playwright.sync_api import Locator, Page, expect

from recommender import interest_maps, interests, neighbours
from recommender.models import Slate, Strategy
from tests.browser.walking import in_every_language, like
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    StrategyFactory,
    axis,
    unit_vector,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Nothing is drawn to explore: by chance it would take the place of what these tests look for.
PLAIN = {"explore_share": 0.0}
LAST = datetime(2026, 3, 20, 18, tzinfo=UTC)
LONG = ("Très long 日本語 😀 שלום " + "W" * 300)[:300]


@pytest.fixture
def shop() -> Strategy:
    """Twenty items of two labels, five users who bought some, a second strategy, and the map. Ada bought last."""
    labels = [LabelFactory(name=name, taxonomy__slug="shelves") for name in ("Rye bread", "Soap")]
    items = []
    for place in range(20):
        vector = axis(place % 2) * 2 + unit_vector(place)
        title = LONG if place == 19 else f"{labels[place % 2].name} {place}"
        item = ItemFactory(external_id=f"a{place}", title=title, vector=vector / np.linalg.norm(vector))
        ItemLabelFactory(item=item, label=labels[place % 2])
        items.append(item)
    for place, name in enumerate(("ada", "ben", "cleo", "dan", "eve")):
        user = EndUserFactory(external_id=name)
        for step, item in enumerate(items[place : place + 5]):
            moment = LAST - timedelta(days=10 * (4 - step) + place)
            EventFactory(user=user, item=item, occurred_at=moment, basket=f"{name}-{step}")
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    interest_maps.build()
    StrategyFactory(name="best sellers", recipe={"weights": {"popular": 1.0, "new": 0.5}, "repeats": "allow"} | PLAIN)
    return StrategyFactory(name="default", recipe=PLAIN, is_live=True)


def rows(console: Page) -> Locator:
    return console.locator("#list .ranked > li")


def as_of(order: datetime) -> str:
    """The moment before an order."""
    before = order - timedelta(seconds=1)
    said = {"day": date_format(before, _("j M Y")), "time": date_format(before, "H:i")}
    return _("As of %(day)s, %(time)s.") % said


@in_every_language
def test_filter_compare_go_back_in_time_and_read_why(console: Page, live_server: Any, shop: Strategy) -> None:
    console.goto(f"{live_server.url}/users/ada/")
    expect(rows(console)).to_have_count(12)

    # By label, found as one types; the address takes it over, and back undoes it.
    console.get_by_text(_("Only some items")).click()
    label = console.get_by_role("combobox", name=_("Labels, any of them"))
    label.fill("rye")
    expect(console.get_by_role("option", name="Rye bread")).to_be_visible()
    label.press("Enter")
    expect(console.locator(".picked .filter-chip")).to_have_text(re.compile("Rye bread"))
    expect(console.locator("#list .ranked-words").filter(has_text="Soap")).to_have_count(0)
    expect(rows(console).first).to_contain_text("Rye bread")
    expect(console).to_have_url(re.compile(r"/users/ada/\?label=\d+$"))
    console.go_back()
    expect(console).to_have_url(re.compile(r"/users/ada/$"))
    expect(rows(console)).to_have_count(12)
    console.go_forward()
    expect(console.locator("#list .ranked-words").filter(has_text="Soap")).to_have_count(0)

    # A value that cannot be is told at its field; what was typed stays, and the list with the rest.
    length = console.get_by_label(_("Length"))
    length.fill("lots")
    length.press("Enter")
    expect(console.locator("#error-n")).to_have_text(
        _("Ask for a whole number of items, 1 to %(most)s.") % {"most": 100}
    )
    expect(length).to_have_attribute("aria-invalid", "true")
    expect(length).to_have_value("lots")
    expect(length).to_be_focused()
    length.fill("4")
    length.press("Enter")
    expect(rows(console)).to_have_count(4)
    expect(console.locator("#error-n")).to_be_empty()

    # Two strategies side by side: what differs is said in words.
    beside = console.get_by_label(_("Side by side with"), exact=True)
    beside.select_option(label="best sellers v1")
    columns = console.locator("#list .column")
    expect(columns).to_have_count(2)
    expect(columns.nth(1)).to_contain_text("best sellers v1")
    differs = like("%(kept)s in the same place, %(moved)s moved, %(gained)s gained, %(lost)s lost")
    expect(columns.nth(1)).to_contain_text(differs)
    marks = "|".join(like(each).pattern for each in ("gained", "up %(n)s", "down %(n)s", "same place"))
    expect(columns.nth(1).locator(".ranked-mark").first).to_have_text(re.compile(marks))
    beside.select_option("")
    expect(columns).to_have_count(0)

    # Back in time.
    console.get_by_text(_("At a moment of the past")).click()
    console.get_by_role("link", name=_("Before their last order")).click()
    expect(console.get_by_text(as_of(LAST))).to_be_visible()
    caution = _("The user as they were then; other users, items and labels as they are today.")
    expect(console.locator("#list")).to_contain_text(caution)
    expect(console.locator("#list")).to_contain_text("Rye bread 4")  # bought in that order
    expect(console.get_by_label(like("Day and time (%(zone)s)"))).to_have_value("2026-03-20T17:59:59")
    console.get_by_role("link", name=_("A week earlier")).click()
    expect(console.get_by_text(as_of(LAST - timedelta(days=7)))).to_be_visible()

    # Why, by keyboard.
    first = rows(console).first
    first.locator("summary").press("Enter")
    expect(first.locator(".why-parts")).to_be_visible()
    parts = [float(text.replace("−", "-")) for text in first.locator(".why-parts tbody .num").all_inner_texts()]
    total = float(first.locator(".why-parts tfoot .num").inner_text().replace("−", "-"))
    assert sum(parts) == pytest.approx(total, abs=0.01 * len(parts))
    assert not Slate.objects.exists()


@in_every_language
def test_events_by_type_and_day_and_the_label_behind_them(console: Page, live_server: Any, shop: Strategy) -> None:
    console.goto(f"{live_server.url}/users/ada/?show=events")
    events = console.locator("#timeline .basket li")
    expect(events).to_have_count(5)
    console.get_by_label(_("To day"), exact=True).fill("2026-03-05")
    expect(events).to_have_count(3)
    expect(console).to_have_url(re.compile(r"show=events&to=2026-03-05$"))
    console.get_by_label(_("View"), exact=True).check()
    expect(console.get_by_text(_("No such events"))).to_be_visible()
    console.get_by_role("link", name=_("Show all events")).click()
    expect(events).to_have_count(5)
    label = console.locator(".interest-rows details").first
    label.locator("summary").press("Enter")
    expect(label.locator(".behind small").first).to_have_text(date_format(LAST, _("j M Y")))


@in_every_language
def test_the_map_is_walked_by_keyboard(console: Page, live_server: Any, shop: Strategy) -> None:
    console.goto(f"{live_server.url}/users/ada/?show=map")
    marks = console.locator(".map-mark")
    expect(marks.first).to_be_visible()
    listed = console.locator(".map-list button").first
    listed.focus()
    expect(console.locator(".map-tip")).to_be_visible()
    expect(marks.first).to_have_class(re.compile("is-on"))
    listed.press("Enter")
    expect(marks.first).to_be_focused()
    expect(console.locator("#map-status")).not_to_be_empty()
    console.keyboard.press("Escape")
    expect(listed).to_be_focused()
    console.get_by_role("button", name=_("Table")).press("Enter")
    expect(console.get_by_role("table", name=_("Interests on the map"))).to_be_visible()
    expect(marks.first).to_be_hidden()


@in_every_language
def test_rebuilding_now_reloads_the_list(console: Page, live_server: Any, shop: Strategy) -> None:
    console.goto(f"{live_server.url}/users/ada/")
    expect(console.locator("#freshness")).to_contain_text(_("Interests are current"))
    with console.expect_response(re.compile("/user-parts/list/")):
        console.get_by_role("button", name=_("Rebuild now")).press("Enter")
    expect(console.get_by_text(_("Interests are rebuilt from all events."))).to_be_visible()
    expect(console).to_have_url(re.compile("/users/ada/$"))


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_no_part_of_the_page_scrolls_sideways(console: Page, live_server: Any, shop: Strategy, width: int) -> None:
    other = StrategyFactory(name="Très long 😀 " + "W" * 80)
    EventFactory(user=EndUserFactory(external_id="é/😀/שלום/" + "W" * 150))
    console.set_viewport_size({"width": width, "height": 844})
    for path in (
        "users/ada/?n=20",
        f"users/ada/?n=20&compare={other.pk}&compare={shop.pk}&price_from=abc&brand={'W' * 200}&at=2026-03-01T00:00",
        "users/ada/?show=events",
        "users/ada/?show=map",
        "users/nobody/",
        "users/é/😀/שלום/" + "W" * 150 + "/",
    ):
        console.goto(f"{live_server.url}/{path}")
        assert console.evaluate("document.documentElement.scrollWidth") <= width, path


@in_every_language
def test_on_a_phone_one_list_is_shown_at_a_time(console: Page, live_server: Any, shop: Strategy) -> None:
    other = StrategyFactory(name="newest", recipe={"weights": {"new": 1.0}} | PLAIN)
    console.set_viewport_size({"width": 390, "height": 844})
    console.goto(f"{live_server.url}/users/ada/?compare={other.pk}")
    columns = console.locator("#list .column")
    expect(columns.nth(0)).to_be_visible()
    expect(columns.nth(1)).to_be_hidden()
    choice = console.get_by_role("group", name=_("Which list is shown"))
    choice.get_by_role("button", name="newest v1").click()
    expect(columns.nth(0)).to_be_hidden()
    expect(columns.nth(1)).to_be_visible()
