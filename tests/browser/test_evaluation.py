"""Evaluation as it is walked with the keyboard alone: run one, watch it finish, read it, compare two, delete one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from recommender import evaluations, tasks
from recommender.models import Evaluation, Event, Strategy
from recsite.operations.models import Job
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
    expect(page.get_by_role("dialog", name="Run an evaluation")).to_be_visible()
    expect(page.get_by_role("combobox", name="Strategy")).to_be_focused()


def test_an_evaluation_is_run_read_and_deleted_by_keyboard(console: Page, live_server: Any, quick: None) -> None:
    press(console, "g", "e")
    expect(console.get_by_role("heading", name="Evaluation", exact=True)).to_be_visible()
    expect(console.get_by_text("Nothing has been evaluated yet")).to_be_visible()
    console.wait_for_load_state("load")

    # Refused: the reason stands in the form, and what was typed stays.
    run_from_the_form(console)
    console.get_by_role("spinbutton", name="Users").focus()
    press(console, "ControlOrMeta+a")
    console.keyboard.type("500")
    console.get_by_label("Split at", exact=True).fill("2026-03-31")
    console.keyboard.press("Enter")
    expect(console.get_by_text("Choose an earlier day.")).to_be_visible()
    expect(console.get_by_role("spinbutton", name="Users")).to_have_value("500")
    assert Evaluation.objects.count() == 0

    # Accepted: it waits in the list.
    console.get_by_label("Split at", exact=True).fill("2026-03-03")
    console.keyboard.press("Enter")
    expect(console.get_by_text("default v1 waits to be evaluated")).to_be_visible()
    expect(console.locator("#evaluation-list").get_by_text("Queued")).to_be_visible()
    made = Evaluation.objects.get()
    assert made.parameters["users"] == 500

    # The worker is done: the page shows the figures by itself.
    tasks.evaluate(made.job_id)
    expect(console.get_by_text("In 100 lists of ten, 36 held an item the user took next")).to_be_visible()
    expect(console.locator("#evaluation-list").get_by_text("Finished")).to_be_visible()
    expect(console.locator("#evaluation-chart canvas")).to_be_visible()

    # The chart in another metric, and as a table.
    console.get_by_role("button", name="Recall").focus()
    console.keyboard.press("Enter")
    expect(console.get_by_text("default v1 has Recall 0.095")).to_be_visible()
    expect(console.get_by_role("button", name="Recall")).to_have_attribute("aria-pressed", "true")
    console.locator("[data-chart-table]").focus()
    console.keyboard.press("Enter")
    expect(console.locator("#evaluation-chart").get_by_role("columnheader", name="List made by")).to_be_visible()
    console.locator("#glossary summary").focus()
    console.keyboard.press("Enter")
    expect(console.get_by_text("How near the top of the list the taken items stand")).to_be_visible()

    # Its own page by j and Enter; kept, it is not deleted; let go, it is.
    console.locator("#content").focus()
    press(console, "j", "Enter")
    expect(console.get_by_role("heading", name="default v1")).to_be_visible()
    console.wait_for_load_state("load")
    console.get_by_role("button", name="Keep").focus()
    console.keyboard.press("Enter")
    expect(console.get_by_role("button", name="Let go")).to_be_visible()
    expect(console.get_by_role("button", name="Delete")).to_have_count(0)
    console.get_by_role("button", name="Let go").focus()
    console.keyboard.press("Enter")
    console.get_by_role("button", name="Delete").focus()
    console.keyboard.press("Enter")
    expect(console.get_by_role("dialog")).to_be_visible()
    press(console, "Tab", "Enter")
    expect(console.get_by_text("The evaluation was deleted.")).to_be_visible()
    assert Evaluation.objects.count() == 0


def test_one_that_waits_is_cancelled_and_two_are_compared_by_keyboard(
    console: Page, live_server: Any, quick: None
) -> None:
    EvaluationFactory(report=whole_report())
    EvaluationFactory(report=whole_report(**{"ndcg@10": 0.09, "strategy": "calm v2"}))
    console.goto(f"{live_server.url}/evaluation/")
    run_from_the_form(console)
    console.get_by_role("spinbutton", name="Users").focus()
    console.keyboard.press("Enter")
    expect(console.locator("#evaluation-list").get_by_text("Queued")).to_be_visible()
    first, second = console.get_by_role("checkbox", name="Choose strategy").all()
    for box in (first, second):
        box.focus()
        console.keyboard.press("Space")
    console.locator("#evaluation-list").get_by_role("button", name="Cancel").focus()
    console.keyboard.press("Enter")
    expect(console.locator("#evaluation-list").get_by_text("Cancelled")).to_be_visible()
    assert Job.objects.filter(kind="evaluate", status="cancelled").count() == 1
    expect(console.get_by_role("checkbox", name="Choose strategy", checked=True)).to_have_count(2)
    console.get_by_role("button", name="Compare the chosen").focus()
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name="Compare evaluations")).to_be_visible()
    expect(console.get_by_text("default v1 has the highest NDCG, 0.022 above calm v2")).to_be_visible()


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
