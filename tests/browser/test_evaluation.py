"""Evaluation as it is walked with the keyboard alone: run one, watch it finish, read it, compare two, delete one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils.translation import gettext as _
from playwright.sync_api import Page, Route, expect

from recommender import evaluations, tasks
from recommender.models import Evaluation, Event, Strategy
from recsite.operations.models import Job
from tests.browser.walking import in_every_language, like
from tests.factories import EndUserFactory, EvaluationFactory, ItemFactory
from tests.recommender.evaluation_reports import whole_report

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NEWEST = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> None:
    """Events to evaluate on, and a measurement that is over at once."""
    user, item = EndUserFactory(), ItemFactory()
    Event.objects.bulk_create(
        Event(user=user, item=item, type="purchase", occurred_at=NEWEST - timedelta(hours=16 * step))
        for step in range(200)
    )

    def evaluate_database(strategy: Strategy, **options: Any) -> dict[str, Any]:
        options["on_progress"](1, 2, "Making lists")
        return whole_report(strategy=str(strategy))

    monkeypatch.setattr(evaluations, "evaluate_database", evaluate_database)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def run_from_the_form(page: Page) -> None:
    """The button at the head opens the form; Enter in a field sends it."""
    page.locator("#run-open").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=_("Run an evaluation"))).to_be_visible()
    expect(page.get_by_role("combobox", name=_("Strategy"))).to_be_focused()


def wait_for_the_next_poll(page: Page) -> None:
    """The list has just taken its own place, and does not for two seconds."""
    page.locator("#evaluation-list .polls").evaluate("one => one.classList.add('was-seen')")
    expect(page.locator("#evaluation-list .polls.was-seen")).to_have_count(0)


@in_every_language
def test_an_evaluation_is_run_read_and_deleted_by_keyboard(console: Page, live_server: Any, quick: None) -> None:
    press(console, "g", "e")
    expect(console.get_by_role("heading", name=_("Evaluation"), exact=True)).to_be_visible()
    expect(console.get_by_text(_("Nothing has been evaluated yet"))).to_be_visible()
    console.wait_for_load_state("load")

    # Refused: the reason stands in the form, and what was typed stays.
    run_from_the_form(console)
    console.get_by_role("spinbutton", name=_("Users")).focus()
    press(console, "ControlOrMeta+a")
    console.keyboard.type("500")
    console.get_by_label(_("Split at"), exact=True).fill("2026-03-31")
    console.keyboard.press("Enter")
    too_late = like(
        "%(after)s events lie after %(day)s and %(least)s are needed; the newest is of %(newest)s. "
        "Choose an earlier day."
    )
    expect(console.get_by_text(too_late)).to_be_visible()
    expect(console.get_by_role("combobox", name=_("Strategy"))).to_be_focused()  # last of all that the answer does
    expect(console.get_by_role("spinbutton", name=_("Users"))).to_have_value("500")
    assert Evaluation.objects.count() == 0

    # Accepted: it waits in the list.
    console.get_by_label(_("Split at"), exact=True).fill("2026-03-03")
    console.keyboard.press("Enter")
    waits = _("%(strategy)s waits to be evaluated; its progress is in the list below.") % {"strategy": "default v1"}
    expect(console.get_by_text(waits)).to_be_visible()
    expect(console.locator("#evaluation-list").get_by_text(_("Queued"))).to_be_visible()
    made = Evaluation.objects.get()
    assert made.parameters["users"] == 500

    # The worker is done: the page shows the figures by itself.
    tasks.evaluate(made.job_id)
    hits = _("In 100 lists of ten, %(n)s held an item the user took next") % {"n": 36}
    expect(console.get_by_text(hits)).to_be_visible()
    expect(console.locator("#evaluation-list").get_by_text(_("Finished"))).to_be_visible()
    expect(console.locator("#evaluation-chart canvas")).to_be_visible()

    # The chart in another metric, and as a table.
    console.get_by_role("button", name=_("Recall")).focus()
    console.keyboard.press("Enter")
    recall = like(
        "%(name)s has %(metric)s %(value)s, the best baseline, %(other)s, has %(best)s.",
        name="default v1",
        metric=_("Recall"),
        value="0.095",
    )
    expect(console.get_by_text(recall)).to_be_visible()
    expect(console.get_by_role("button", name=_("Recall"))).to_have_attribute("aria-pressed", "true")
    console.locator("[data-chart-table]").focus()
    console.keyboard.press("Enter")
    expect(console.locator("#evaluation-chart").get_by_role("columnheader", name=_("List made by"))).to_be_visible()
    console.locator("#glossary summary").focus()
    console.keyboard.press("Enter")
    meaning = _(
        "How near the top of the list the taken items stand: 1 where they come first, less with every place further"
        " down, 0 where none is in the list."
    )
    expect(console.get_by_text(meaning)).to_be_visible()

    # Its own page by j and Enter; kept, it is not deleted; let go, it is.
    console.locator("#content").focus()
    press(console, "j", "Enter")
    expect(console.get_by_role("heading", name="default v1")).to_be_visible()
    console.wait_for_load_state("load")
    console.get_by_role("button", name=_("Keep")).focus()
    console.keyboard.press("Enter")
    expect(console.get_by_role("button", name=_("Let go"))).to_be_visible()
    expect(console.get_by_role("button", name=_("Delete"))).to_have_count(0)
    console.get_by_role("button", name=_("Let go")).focus()
    console.keyboard.press("Enter")
    console.get_by_role("button", name=_("Delete")).focus()
    console.keyboard.press("Enter")
    expect(console.get_by_role("dialog")).to_be_visible()
    press(console, "Tab", "Enter")
    expect(console.get_by_text(_("The evaluation was deleted."))).to_be_visible()
    assert Evaluation.objects.count() == 0


@in_every_language
def test_one_that_waits_is_cancelled_and_two_are_compared_by_keyboard(
    console: Page, live_server: Any, quick: None
) -> None:
    EvaluationFactory(report=whole_report())
    EvaluationFactory(report=whole_report(**{"ndcg@10": 0.09, "strategy": "calm v2"}))
    console.goto(f"{live_server.url}/evaluation/")
    run_from_the_form(console)
    console.get_by_role("spinbutton", name=_("Users")).focus()
    console.keyboard.press("Enter")
    expect(console.locator("#evaluation-list").get_by_text(_("Queued"))).to_be_visible()
    boxes = console.get_by_role("checkbox", name=like("Choose %(name)s, %(day)s"))
    expect(boxes).to_have_count(2)
    wait_for_the_next_poll(console)
    for box in boxes.all():
        box.focus()
        console.keyboard.press("Space")
    console.locator("#evaluation-list").get_by_role("button", name=_("Cancel")).focus()
    console.keyboard.press("Enter")
    expect(console.locator("#evaluation-list").get_by_text(_("Cancelled"))).to_be_visible()
    assert Job.objects.filter(kind="evaluate", status="cancelled").count() == 1
    for box in boxes.all():
        expect(box).to_be_checked()
    console.get_by_role("button", name=_("Compare the chosen")).focus()
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name=_("Compare evaluations"))).to_be_visible()
    verdict = _("%(name)s has the highest NDCG, %(by)s above %(other)s") % {
        "name": "default v1",
        "by": "0.022",
        "other": "calm v2",
    }
    expect(console.get_by_text(verdict)).to_be_visible()


def test_a_tick_set_while_the_list_is_on_its_way_stays(console: Page, live_server: Any) -> None:
    EvaluationFactory(report=whole_report())
    console.goto(f"{live_server.url}/evaluation/")
    console.wait_for_load_state("load")
    held: list[Route] = []
    console.route("**/evaluation/list/**", lambda route: held.append(route))
    console.locator("#evaluation-list .polls").evaluate("one => one.classList.add('was-seen')")
    with console.expect_request("**/evaluation/list/**"):
        console.evaluate("htmx.trigger(document.body, 'jobs')")
    console.locator("#evaluation-list input[name=e]").check()
    held[0].continue_()
    expect(console.locator("#evaluation-list .polls.was-seen")).to_have_count(0)
    expect(console.locator("#evaluation-list input[name=e]")).to_be_checked()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_evaluation_never_scrolls_sideways(console: Page, live_server: Any, width: int, scheme: Any) -> None:
    long = "W" * 100
    ids = [
        EvaluationFactory(
            strategy__name=long,
            strategy__version=version,
            report=whole_report(strategy=f"{long} v1", warnings=["W" * 300]),
        ).pk
        for version in range(1, 5)
    ]
    chosen = "&".join(f"e={pk}" for pk in ids)
    console.set_viewport_size({"width": width, "height": 844})
    console.emulate_media(color_scheme=scheme)
    for path in ("/evaluation/", f"/evaluation/{ids[0]}/", f"/evaluation/compare/?{chosen}"):
        console.goto(f"{live_server.url}{path}")
        expect(console.locator("h1")).to_be_visible()
        assert console.evaluate("document.documentElement.scrollWidth") <= width, path
