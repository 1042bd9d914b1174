"""The main flow as a merchandiser walks it: an item in, its labels, an event in, and the list that follows."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from playwright.sync_api import Page, expect

from catalog.models import Item, ItemLabel, Label
from catalog.taxonomy_files import read_taxonomy
from catalog.taxonomy_imports import import_taxonomy
from recommender.demo.loading import TAXONOMY_FILES
from recommender.models import EndUser, Event, Strategy
from recsite.operations import api_keys
from recsite.operations.models import ApiKey
from tests.browser.walking import in_every_language
from tests.conftest import wait_until
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SHOP = {
    "bread": "Wheat bread, 24 oz",
    "rye": "Rye bread, 16 oz",
    "bagels": "Bagels, 20 oz",
    "milk": "White milk, 1 gal",
    "cheddar": "Cheddar cheese, 8 oz",
    "yogurt": "Strawberry yogurt, 6 oz",
    "soap": "Bar soap, 3 count",
    "shampoo": "Shampoo, 12 oz",
    "detergent": "Liquid laundry detergent, 50 oz",
    "chips": "Tortilla chips, 13 oz",
    "salsa": "Salsa, 16 oz",
    "soda": "Soda cans multipack, 12-pack",
}


@pytest.fixture
def api(page: Page, live_server: Any) -> Any:
    """Calls the API as a storefront does: with a key, over HTTP. api(method, path, data=None) -> the response."""
    secret = api_keys.create("storefront", scopes=[ApiKey.Scope.READ, ApiKey.Scope.WRITE])[1]

    def call(method: str, path: str, data: object = None) -> Any:
        return page.request.fetch(
            f"{live_server.url}/api/v1/{path}", method=method, data=data, headers={"X-API-Key": secret}
        )

    return call


@pytest.fixture
def shop(api: Any, celery_worker_process: subprocess.Popen[bytes]) -> None:
    """Twelve items sent over the API, embedded and labelled by the worker against the demo's categories; nothing is
    drawn to explore, so the first places are those of the best."""
    Strategy.objects.create(name="default", recipe={"explore_share": 0.0}, is_live=True)
    import_taxonomy(read_taxonomy(TAXONOMY_FILES / "groceries.csv"), choice="single")
    response = api("POST", "items/", [{"external_id": key, "title": title} for key, title in SHOP.items()])
    assert response.json()["created"] == len(SHOP)
    wait_until(
        # Given to the item, or withheld for being too unsure.
        lambda: ItemLabel.objects.awaiting_review().values("item").distinct().count() == len(SHOP),
        timeout_s=120,
        what="a suggestion for every item",
    )


def test_an_item_is_labelled_an_event_changes_the_list_and_a_label_is_accepted(
    console: Page, api: Any, shop: None, live_server: Any
) -> None:
    # Items that nobody touched are in a stranger's list.
    stranger = api("GET", "users/somebody/recommendations/?n=5").json()
    assert stranger["is_known_user"] is False
    assert len(stranger["items"]) == 5
    # One shop for both languages: the worker needs half a minute for it.
    for language, user, reviewed in (("en", "ada", "soda"), ("zh-hans", "bo", "chips")):
        cookie = {"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": live_server.url}
        console.context.add_cookies([cookie])
        with translation.override(language):
            walk(console, api, live_server.url, user=user, reviewed=reviewed)


def walk(console: Page, api: Any, home: str, *, user: str, reviewed: str) -> None:
    def ranked() -> list[str]:
        wait_until(lambda: not EndUser.objects.stale().exists(), what="the user's interests")
        answer = api("GET", f"users/{user}/recommendations/?n=12").json()
        return [item["item"]["external_id"] for item in answer["items"]]

    # The catalog has all items, with labels.
    console.goto(f"{home}/catalog/")
    all_items = ngettext("%(shown)s item", "%(shown)s items", 12) % {"shown": 12}
    expect(console.get_by_text(all_items, exact=True)).to_be_visible()

    # An event over the API: the user's page shows it, and the list follows without a restart.
    assert api("POST", "events/", {"user": user, "item": "bread", "type": "purchase"}).status == 201
    listed = ranked()
    assert "bread" not in listed
    assert set(listed[:2]) <= {"rye", "bagels"}
    console.goto(f"{home}/users/{user}/?show=events")
    timeline = console.locator("#timeline")
    expect(timeline.get_by_text(SHOP["bread"])).to_be_visible()
    console.get_by_role("link", name=_("Next items")).click()

    # The same in the browser: record an event by hand, and see the list give up what was bought.
    shown = console.locator("#list li").first
    expect(shown).to_contain_text(SHOP[listed[0]])
    shown.locator("summary").press("Enter")
    fits = _("Fits the interest in %(label)s: %(items)s.")
    expect(shown.get_by_text(fits % {"label": "Bread, buns and rolls", "items": SHOP["bread"]})).to_be_visible()
    console.get_by_role("button", name=_("Record an event")).click()
    console.get_by_role("combobox", name=_("Item"), exact=True).fill("rye")
    console.get_by_role("button", name=_("Record"), exact=True).click()
    expect(console.get_by_text(_("Recorded. The list follows within seconds."))).to_be_visible()
    console.get_by_role("link", name=_("Events"), exact=True).click()
    expect(timeline.get_by_text(SHOP["rye"])).to_be_visible()
    recorded = Event.objects.filter(user__external_id=user)
    wait_until(lambda: recorded.count() == 2, what="the recorded event")
    assert "rye" not in ranked()

    # A reviewer accepts a label on the item's page.
    console.goto(f"{home}/catalog/{reviewed}/")
    label = ItemLabel.objects.awaiting_review().filter(item__external_id=reviewed).order_by("rank")[0].label
    console.get_by_role("button", name=_("Accept %(name)s") % {"name": label.name}).click()
    expect(console.get_by_text(_("Accepted."))).to_be_visible()
    decided = ItemLabel.objects.get(item__external_id=reviewed, decision=ItemLabel.Decision.ACCEPTED)
    assert decided.label == label
    assert decided.reviewer is not None
    assert decided.reviewer.username == "mira"


@in_every_language
def test_the_console_is_walked_by_keyboard_alone(console: Page, live_server: Any) -> None:
    console.keyboard.press("?")
    expect(console.get_by_role("dialog")).to_be_visible()
    console.keyboard.press("Escape")
    expect(console.get_by_role("dialog")).to_be_hidden()
    console.keyboard.press("g")
    console.keyboard.press("c")
    expect(console.get_by_role("heading", name=_("Catalog"), exact=True)).to_be_visible()
    console.wait_for_load_state("load")  # the heading is there before the scripts that listen to keys
    console.keyboard.press("/")
    assert console.evaluate("document.activeElement.type") == "search"
    console.keyboard.press("Escape")
    console.keyboard.press("g")
    console.keyboard.press("u")
    expect(console.get_by_role("heading", name=_("Users"), exact=True)).to_be_visible()


@in_every_language
def test_a_label_is_corrected_by_keyboard_and_the_focus_stays_on_its_row(console: Page, live_server: Any) -> None:
    soda = LabelFactory(name="Soda", path="Drinks > Soda")
    LabelFactory(taxonomy=soda.taxonomy, name="Juice", path="Drinks > Juice")
    suggestion = ItemLabelFactory(item=ItemFactory(external_id="oj"), label=soda)
    console.goto(f"{live_server.url}/catalog/oj/")
    console.keyboard.press("j")
    console.keyboard.press("c")
    expect(console.get_by_role("dialog", name=_("Correct “%(name)s”") % {"name": "Soda"})).to_be_visible()
    console.keyboard.type("jui")
    expect(console.locator("dialog[open] [role=option]")).to_have_count(1)
    console.keyboard.press("Enter")
    refused = _("%(taxonomy)s has no label “%(typed)s”; choose one of the list.")
    said = {"taxonomy": soda.taxonomy.name, "typed": "jui"}
    expect(console.get_by_text(refused % said)).to_be_visible()
    console.keyboard.type("ce")
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("Corrected to %(label)s.") % {"label": "Juice"})).to_be_visible()
    expect(console.locator(f"#label-row-{suggestion.pk}")).to_be_focused()
    suggestion.refresh_from_db()
    assert (suggestion.decision, suggestion.final_label.name) == (ItemLabel.Decision.CORRECTED, "Juice")


@in_every_language
def test_a_label_is_found_renamed_and_its_branch_opened_by_keyboard_alone(console: Page, live_server: Any) -> None:
    food = LabelFactory(name="Food")
    bread = LabelFactory(taxonomy=food.taxonomy, parent=food, name="Bread")
    LabelFactory(taxonomy=food.taxonomy, parent=bread, name="Rye")
    console.goto(f"{live_server.url}/taxonomies/{food.taxonomy.slug}/")
    console.keyboard.press("j")
    expect(console.get_by_role("treeitem", name="Food")).to_be_focused()
    console.keyboard.press("ArrowRight")
    expect(console.get_by_role("treeitem", name="Bread")).to_be_visible()
    console.keyboard.press("ArrowRight")
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name="Bread")).to_be_visible()
    console.get_by_role("button", name=_("Rename")).focus()
    console.keyboard.press("Enter")
    expect(console.get_by_role("dialog", name=_("Rename “%(label)s”") % {"label": "Bread"})).to_be_visible()
    expect(console.locator("#edit-preview").get_by_text(_("Users"))).to_be_visible()
    with console.expect_response("**/label-reach/*"):  # the preview of what is typed, to its end
        console.keyboard.type("Loaves")
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("It is called %(label)s now.") % {"label": "Loaves"})).to_be_visible()
    console.get_by_role("combobox", name=_("Find a label")).focus()
    console.keyboard.type("ry")
    expect(console.get_by_role("option", name="Rye")).to_be_visible()
    console.keyboard.press("ArrowDown")
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name="Rye")).to_be_visible()
    bread.refresh_from_db()
    assert (bread.path, Label.objects.get(name="Rye").path) == ("Food > Loaves", "Food > Loaves > Rye")


@pytest.mark.parametrize("width", [390, 1024, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways(console: Page, live_server: Any, width: int, scheme: Any) -> None:
    title = "Très long 日本語 😀 שלום " + "W" * 300
    Item.objects.create(external_id="long", title=title[:500], text_hash="0" * 64)
    console.set_viewport_size({"width": width, "height": 844})
    console.emulate_media(color_scheme=scheme)
    label = LabelFactory(name="W" * 200)
    tree = f"/taxonomies/{label.taxonomy.slug}/?label={label.pk}"
    for path in (
        "/",
        "/catalog/",
        "/catalog/long/",
        "/taxonomies/",
        tree,
        "/users/",
        "/users/somebody/",
        "/operations/jobs/",
    ):
        console.goto(f"{live_server.url}{path}")
        expect(console.locator("h1")).to_be_visible()
        assert console.evaluate("document.documentElement.scrollWidth") <= width, path
