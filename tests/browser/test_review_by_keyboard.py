"""Review by keyboard alone: fifty items, each decision checked in the database, with the time each one took.

`pytest -s` prints the times; nothing depends on them. The fifty are walked in one language: no step of it looks for
words. What a page says of a decision is walked in both.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from playwright.sync_api import Page, expect

from catalog.models import DecisionRecord, ItemLabel, Label
from tests.browser.walking import in_every_language, like, tab_to
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, TaxonomyFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FOCUS = "/admin/catalog/itemlabel/focus/"
NAMES = ("Bread", "Rolls", "Bagels", "Cakes", "Milk", "Cheese", "Yogurt", "Soda", "Juice", "Coffee")
KEYS = ("Enter", "a", "1", "2", "c", "x", "s", "z")


def shelf(n: int) -> list[Label]:
    """n embedded items with a suggestion and two alternatives each; the most telling first."""
    taxonomy = TaxonomyFactory(slug="groceries")
    top = LabelFactory(taxonomy=taxonomy, name="Food", path="Food")
    labels = [LabelFactory(taxonomy=taxonomy, parent=top, name=name) for name in NAMES]
    for number in range(n):
        chosen = [labels[(number + step) % len(labels)] for step in range(3)]
        item = ItemFactory(title=f"{chosen[0].name} number {number}", vector=True)
        opinions = {
            "embedding": [[chosen[0].pk, 0.6], [chosen[1].pk, 0.2]],
            "language_model": [[chosen[1].pk, 0.7], [chosen[0].pk, 0.2]],
        }
        for rank, label in enumerate(chosen, start=1):
            ItemLabelFactory(
                item=item,
                label=label,
                rank=rank,
                confidence=0.6 / rank,
                evidence=chosen[0].name if rank == 1 else "",
                opinions=opinions if rank == 1 else {},
                gain=1.0 - number / n,
                is_assigned=rank == 1,
            )
    return labels


def shown(page: Page) -> str:
    return page.locator("#rv-focus").get_attribute("data-row") or ""


def press(page: Page, key: str, row: str) -> float:
    """Seconds from the key to another suggestion on the screen, ready for the next key."""
    started = time.perf_counter()
    page.keyboard.press(key)
    page.wait_for_function(
        "row => { const now = document.getElementById('rv-focus');"
        " return now.dataset.row !== row && !now.hasAttribute('aria-busy') && document.activeElement === now; }",
        arg=row,
        polling="raf",
    )
    return time.perf_counter() - started


def decision_of(row: str) -> tuple[str, int | None]:
    item_label = ItemLabel.objects.get(pk=int(row))
    return item_label.decision, item_label.final_label_id


def alternative(page: Page, number: str) -> int:
    value = page.locator(f'[data-key="{number}"]').get_attribute("value") or ""
    return int(value.removeprefix("choose:"))


def expect_said(page: Page, one: str, many: str, n: int) -> None:
    """On a page that was loaded anew to say it, with the scripts that listen to keys."""
    expect(page.get_by_text(ngettext(one, many, n) % {"n": n})).to_be_visible()
    page.wait_for_load_state("load")


def test_fifty_items_are_reviewed_by_keyboard_alone(console: Page, live_server: Any, staff: User) -> None:
    labels = shelf(60)
    console.goto(f"{live_server.url}{FOCUS}")
    expect(console.locator("#rv-focus")).to_be_focused()
    wanted: dict[str, tuple[str, int | None]] = {}
    decided: list[str] = []
    seconds: list[float] = []
    rng = random.Random(11)
    skipped = 0
    while len(wanted) < 50:
        row = shown(console)
        key = "c" if len(wanted) in (5, 25) and row not in wanted else rng.choice(KEYS)
        suggested = ItemLabel.objects.get(pk=int(row)).label_id
        if key == "z":
            if not decided:
                continue
            last = decided.pop()
            press(console, "z", row)
            assert shown(console) == last
            assert decision_of(last) == ("", None)
            del wanted[last]
            continue
        if key == "s":
            if skipped == 5:
                continue
            skipped += 1
            press(console, "s", row)
            assert decision_of(row) == ("", None)
            continue
        if key == "c":
            right = labels[rng.randrange(len(labels))]
            console.keyboard.press("c")
            expect(console.locator("#rv-other")).to_be_focused()
            console.keyboard.type(right.name.lower())
            expect(console.locator("#rv-options [aria-selected=true]")).to_have_text(right.path)
            press(console, "Enter", row)
            wanted[row] = ("accepted" if right.pk == suggested else "corrected", right.pk)
        elif key in "12":
            chosen = alternative(console, key)
            seconds.append(press(console, key, row))
            wanted[row] = ("corrected", chosen)
        elif key == "x":
            seconds.append(press(console, key, row))
            wanted[row] = ("rejected", None)
        else:
            seconds.append(press(console, key, row))
            wanted[row] = ("accepted", suggested)
        decided.append(row)
        assert decision_of(row) == wanted[row], key
    stored = ItemLabel.objects.exclude(decision="").in_bulk()
    assert {str(pk): (one.decision, one.final_label_id) for pk, one in stored.items()} == wanted
    assert {one.reviewer_id for one in stored.values()} == {staff.pk}
    assert DecisionRecord.objects.exclude(act="undo").values("item_label").distinct().count() >= 50
    seconds.sort()
    median, p95 = statistics.median(seconds), seconds[int(0.95 * len(seconds))]
    sys.stdout.write(
        f"\n{len(seconds)} decisions by one key: median {1000 * median:.0f} ms, 95% within {1000 * p95:.0f} ms\n"
    )


@in_every_language
def test_keys_can_be_switched_off_and_stay_off_and_all_works_by_tab_and_mouse(console: Page, live_server: Any) -> None:
    shelf(4)
    console.goto(f"{live_server.url}{FOCUS}")
    first = shown(console)
    console.keyboard.press("?")
    expect(console.get_by_role("dialog", name=_("Keyboard shortcuts"))).to_be_visible()
    console.keyboard.press("x")
    console.get_by_label(_("Single-key shortcuts")).uncheck()
    console.keyboard.press("Escape")
    console.reload()
    for key in ("a", "x", "s", "1", "z", "c", "?"):
        console.keyboard.press(key)
    assert shown(console) == first
    expect(console.get_by_role("dialog")).to_have_count(0)
    assert not DecisionRecord.objects.exists()
    # By Tab alone: to the button, and Enter presses it.
    tab_to(console, console.get_by_role("button", name=_("Accept")).first)
    press(console, "Enter", first)
    assert decision_of(first)[0] == "accepted"
    # By mouse.
    second = shown(console)
    console.get_by_role("button", name=_("Reject")).click()
    expect(console.locator("#rv-focus")).not_to_have_attribute("data-row", second)
    assert decision_of(second) == ("rejected", None)
    expect(console.get_by_role("status").filter(has_text=like("Rejected: %(item)s is not %(label)s."))).to_be_visible()


def test_going_back_and_forth_decides_nothing(console: Page, live_server: Any) -> None:
    shelf(4)
    console.goto(f"{live_server.url}{FOCUS}")
    first = shown(console)
    press(console, "j", first)
    second = shown(console)
    press(console, "k", second)
    assert shown(console) == first
    press(console, "j", first)
    assert shown(console) == second
    assert not DecisionRecord.objects.exists()


@in_every_language
def test_many_are_selected_and_accepted_by_keyboard(console: Page, live_server: Any) -> None:
    shelf(6)
    console.goto(f"{live_server.url}/admin/catalog/itemlabel/bulk/")
    rows = console.locator(".rv-row[data-row]")
    ids = [int((rows.nth(place).get_attribute("id") or "").removeprefix("row-")) for place in range(3)]
    for _step in range(2):
        console.keyboard.press("j")
        console.keyboard.press("Space")
    expect(console.get_by_text("2 " + _("selected"))).to_be_visible()
    expect(rows.nth(0).get_by_text("number")).to_be_visible()
    console.keyboard.press("Enter")
    expect_said(console, "%(n)s accepted. z takes it back.", "%(n)s accepted. z takes them back.", 2)
    assert set(ItemLabel.objects.filter(decision="accepted").values_list("pk", flat=True)) == set(ids[:2])
    console.keyboard.press("z")
    expect_said(console, "Taken back: %(n)s decision.", "Taken back: %(n)s decisions.", 2)
    assert not ItemLabel.objects.exclude(decision="").exists()
    console.keyboard.press("j")
    console.keyboard.press("x")
    expect_said(console, "%(n)s rejected. z takes it back.", "%(n)s rejected. z takes them back.", 1)
    assert list(ItemLabel.objects.filter(decision="rejected").values_list("pk", flat=True)) == ids[:1]


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_no_page_of_review_scrolls_sideways(console: Page, live_server: Any, width: int) -> None:
    shelf(3)
    ItemLabelFactory(item=ItemFactory(title="Très long 日本語 😀 שלום " + "W" * 300), gain=9.0)
    console.set_viewport_size({"width": width, "height": 844})
    for path in (FOCUS, "/admin/catalog/itemlabel/bulk/", "/admin/catalog/itemlabel/progress/"):
        console.goto(f"{live_server.url}{path}")
        assert console.evaluate("document.documentElement.scrollWidth") <= width, path
