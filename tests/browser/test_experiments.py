"""An experiment by keyboard, from its draft to the promotion of an arm, and back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from playwright.sync_api import Page, expect

from recommender import experiment_figures, tasks
from recommender.models import Experiment, Strategy
from recommender.strategies import live_strategy
from recsite.operations.models import Job
from tests.browser.walking import in_every_language, like, tab_to, type_anew
from tests.factories import StrategyFactory
from tests.recommender.served_experiment import many_served, running_experiment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def fresh() -> Strategy:
    live_strategy()
    return StrategyFactory(name="fresh finds")


@in_every_language
def test_from_a_draft_to_a_promoted_arm_by_keyboard_alone(console: Page, live_server: Any, fresh: Strategy) -> None:
    before = live_strategy()
    console.keyboard.press("g")
    console.keyboard.press("x")
    expect(console.get_by_role("heading", name=_("Experiments"), exact=True)).to_be_visible()
    console.wait_for_load_state("load")
    tab_to(console, console.get_by_role("link", name=_("New experiment")).first)
    console.keyboard.press("Enter")

    # The form: one field that cannot work is told at its place, and nothing typed is lost.
    expect(console.get_by_label(_("Name"), exact=True).first).to_be_focused()
    console.wait_for_load_state("load")
    console.keyboard.type("More new items")
    traffic = console.get_by_label(_("Of all users, take part"), exact=True)
    tab_to(console, traffic)
    type_anew(console, "0")
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("Type a percentage above 0, up to 100."))).to_be_visible()
    expect(console.get_by_label(_("Name"), exact=True).first).to_have_value("More new items")
    console.wait_for_load_state("load")

    # The slider moves the number, and the number the slider.
    slider = console.get_by_label(_("Of all users, take part (slider)"))
    tab_to(console, slider)
    console.keyboard.press("End")
    expect(traffic).to_have_value("100")
    tab_to(console, traffic)
    type_anew(console, "40")
    expect(slider).to_have_value("40")
    console.locator("#arm-2-strategy").select_option(label="fresh finds v1")
    tab_to(console, console.get_by_role("button", name=_("Save the draft")))
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("Saved. It serves nobody until it is started."))).to_be_visible()
    console.wait_for_load_state("load")
    experiment = Experiment.objects.get()
    assert (experiment.state, experiment.traffic_share) == ("draft", 0.4)

    # Started, with lists and events of some days, and counted.
    tab_to(console, console.get_by_role("button", name=_("Start…")))
    console.keyboard.press("Enter")
    expect(console.get_by_role("button", name=_("Start"), exact=True)).to_be_focused()
    console.keyboard.press("Enter")
    runs = _("“%(name)s” runs.") % {"name": "More new items"}
    expect(console.get_by_role("status").filter(has_text=runs)).to_be_visible()
    experiment.refresh_from_db()
    assert [arm["strategy"] for arm in experiment.arms] == [before.pk, fresh.pk]
    experiment.started_at -= timedelta(days=6)
    experiment.save()
    many_served(experiment, users=(1_000, 1_000), buyers=(50, 120))
    expect(console.get_by_role("button", name=_("Stop…"))).to_be_visible()
    tab_to(console, console.get_by_role("button", name=_("Count now")))
    console.keyboard.press("Enter")
    expect(console.get_by_text(_("Counting…"))).to_be_visible()
    tasks.measure_experiment(Job.objects.get(kind=experiment_figures.KIND, status="queued").pk)
    expect(console.locator("#summary")).to_contain_text(
        like(
            "After %(time)s, %(share)s of the users of arm %(arm)s %(did)s, against %(control_share)s of arm "
            "%(control)s: %(difference)s points (%(interval)s).",
            time=ngettext("%(n)s day", "%(n)s days", 6) % {"n": 6},
            share="12.0%",
            arm="b",
            did=_("bought an item of their lists"),
            control_share="5.0%",
            control="a",
            difference="+7.0",
        )
    )
    better = _("Arm %(arm)s is better than arm %(control)s.") % {"arm": "b", "control": "a"}
    expect(console.locator("#summary")).to_contain_text(better)
    expect(console.locator("[data-beside] canvas")).to_be_visible()
    expect(console.locator("[data-arms-by-day] canvas")).to_be_visible()
    table = console.locator("#experiment-chart [data-chart-table]")
    tab_to(console, table)
    console.keyboard.press("Enter")
    expect(console.locator("#experiment-chart .chart-table")).to_contain_text("120 (12.0%)")

    # Promoted, and taken back.
    console.keyboard.press("Home")
    promote = console.get_by_role("button", name=_("Promote an arm…"))
    tab_to(console, promote, key="Shift+Tab")
    console.keyboard.press("Enter")
    expect(console.get_by_role("radio", name=re.compile("^b"))).to_be_focused()
    tab_to(console, console.get_by_role("button", name=_("Promote"), exact=True))
    console.keyboard.press("Enter")
    promoted = _("Arm %(arm)s is promoted: %(strategy)s is live.") % {"arm": "b", "strategy": fresh}
    expect(console.get_by_role("status").filter(has_text=promoted)).to_be_visible()
    assert live_strategy() == fresh
    console.keyboard.press("z")
    taken_back = _("The version that was live before is live again; the experiment stays stopped.")
    expect(console.get_by_role("status").filter(has_text=taken_back)).to_be_visible()
    assert live_strategy() == before
    experiment.refresh_from_db()
    assert (experiment.state, experiment.promoted_arm) == ("stopped", "")


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_no_page_of_experiments_scrolls_sideways(console: Page, live_server: Any, fresh: Strategy, width: int) -> None:
    long = "Très long 日本語 😀 שלום " + "W" * 70
    experiment = running_experiment(name=long, placement="W" * 100, hypothesis="W" * 300, arm_names=["W" * 60, "b"])
    many_served(experiment, users=(150, 150), buyers=(3, 9))
    tasks.measure_experiment(experiment_figures.request(experiment).pk)
    draft = Experiment.objects.create(name=long[:-1], arms=experiment.arms, hypothesis="x" * 300)
    console.set_viewport_size({"width": width, "height": 844})
    for path in ("", "new/", f"{experiment.pk}/", f"{draft.pk}/", f"{draft.pk}/edit/"):
        console.goto(f"{live_server.url}/experiments/{path}")
        assert console.evaluate("document.documentElement.scrollWidth") <= width, path
