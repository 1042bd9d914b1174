"""The insights page: every chart has a sentence, a table, a file; ranges are kept; what is missing is said."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from recommender import findings
from recommender.attention import needs_attention
from recommender.insights.page import CHARTS, one_chart
from recommender.models import Event, Experiment, Finding, GoldenExpectation, Rule, Slate
from recsite.operations.date_range import DateRange
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    SlateFactory,
    SlateItemFactory,
    StrategyFactory,
)
from tests.pages import assert_guarded, staff_client, text_of
from tests.recommender.test_pages import READY, LabellingCounts

pytestmark = pytest.mark.django_db


def last_days(n: int = 7) -> DateRange:
    today = timezone.localdate()
    return DateRange(today - timedelta(days=n - 1), today, n)


def rows_of(address: str) -> list[dict[str, str]]:
    response = staff_client().get(address)
    assert response["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def lists(n: int) -> None:
    user, items, strategy = EndUserFactory(), [ItemFactory() for _ in range(4)], StrategyFactory(name="mine")
    for place in range(n):
        slate = SlateFactory(user=user, strategy=strategy, took_ms=50.0)
        SlateItemFactory(slate=slate, item=items[0], position=1)
        Slate.objects.filter(pk=slate.pk).update(served_at=timezone.now() - timedelta(hours=2 + place))
    for kind in ("impression", "impression", "click"):
        EventFactory(user=user, item=items[0], type=kind, occurred_at=timezone.now() - timedelta(hours=1))


def test_every_viewer_of_the_console_sees_the_charts_and_nobody_else() -> None:
    for address in ("/insights/", "/insights/events.csv", "/insights/funnel.json"):
        assert_guarded(address)
    viewer = Client()
    viewer.force_login(User.objects.create(username="viewer", is_staff=True))
    assert viewer.get("/insights/").status_code == 200


def test_an_empty_shop_is_told_what_each_chart_lacks_and_where_to_get_it() -> None:
    page = staff_client().get("/insights/").content.decode()
    words = text_of(staff_client().get("/insights/"))
    for said in ("No events yet", "No lists served yet", "No suggestions yet", "No user has events yet"):
        assert said in words
    assert page.count("data-chart-table") == 0
    assert 'href="/api/docs/"' in page


def test_each_chart_has_its_sentence_its_table_and_its_file() -> None:
    lists(3)
    ItemLabelFactory(decision="accepted", decided_at=timezone.now(), confidence=0.9)
    response = staff_client().get("/insights/?days=7")
    words = text_of(response)
    assert "Of 2 impressions of recommended items 1 were followed by a click (50%) and 0 by a purchase (0%)." in words
    assert "3 lists on 7 days, 0 a day on average; 100% of them by mine v1." in words
    assert "3 lists showed 1 of 5 items (20%); the most shown 1% of items had 100% of all places. Gini 0.80" in words
    assert "Of 1 decided suggestions 100% were right" in words
    for key in CHARTS:
        chart = one_chart(key, last_days())
        assert chart is not None
        assert chart.empty is None, key
        assert chart.summary
        assert chart.as_of is not None
        assert f'/insights/{key}.csv?days=7"' in response.content.decode()
        assert len(rows_of(f"/insights/{key}.csv?days=7")) == len(chart.rows) > 0


def test_files_hold_the_numbers_of_the_chart() -> None:
    lists(2)
    assert [row["events"] for row in rows_of("/insights/funnel.csv?days=7")] == ["2", "1", "0", "0"]
    told = staff_client().get("/insights/lists.json?days=7").json()
    assert (told["chart"], sum(row["total"] for row in told["rows"])) == ("lists", 2)
    assert told["data_as_of"]
    assert staff_client().get("/insights/nothing.csv").status_code == 404
    assert staff_client().get("/insights/events.xml").status_code == 404


def test_days_outside_the_range_are_not_counted_and_the_empty_chart_leads_to_where_events_are() -> None:
    EventFactory(occurred_at=timezone.now() - timedelta(days=200))
    day = timezone.localtime(timezone.now() - timedelta(days=200)).date()
    chart = one_chart("events", last_days())
    assert chart is not None
    assert chart.empty is not None
    assert chart.empty.address == f"?from={day - timedelta(days=6)}&to={day}"
    there = one_chart("events", DateRange(day, day))
    assert there is not None
    assert there.rows == ((day, 1.0, 1.0),)


def test_links_to_home_and_insights_carry_the_days() -> None:
    page = staff_client().get("/?from=2026-03-01&to=2026-03-09").content.decode()
    assert 'href="/insights/?from=2026-03-01&amp;to=2026-03-09"' in page
    assert 'hx-get="/events-chart/?from=2026-03-01&amp;to=2026-03-09"' in page
    page = staff_client().get("/insights/?days=90").content.decode()
    assert 'href="/?days=90"' in page
    assert 'id="days-90" href="/insights/?days=90" aria-current="true"' in page


def test_a_name_that_a_spreadsheet_would_run_is_quoted() -> None:
    slate = SlateFactory(strategy=StrategyFactory(name="=1+1"))
    Slate.objects.filter(pk=slate.pk).update(served_at=timezone.now())
    SlateItemFactory(slate=slate, position=1)
    assert staff_client().get("/insights/lists.csv").content.decode().startswith("day,'=1+1 v1,total")


def test_home_names_broken_expectations_rules_about_to_end_and_troubled_experiments() -> None:
    now = timezone.now()
    GoldenExpectation.objects.create(user_external_id="u", kind="never", is_met=False, finding="Item 3 is alcohol.")
    GoldenExpectation.objects.create(user_external_id="u", kind="never", is_met=True)
    for name, days in (("soon", 2), ("later", 4), ("over", -1)):
        ends_at, begun = now + timedelta(days=days), now - timedelta(days=9)
        Rule.objects.create(name=name, action="boost", state="published", published_at=begun, ends_at=ends_at)
    for name, ends_at in (("skewed", None), ("overdue", now - timedelta(hours=1)), ("fine", None)):
        Experiment.objects.create(name=name, placement=name, state="running", ends_at=ends_at)
    Finding.objects.all().keep("skewed_experiments", [Experiment.objects.get(name="skewed").pk])
    found = {one.title: one.detail for one in needs_attention(LabellingCounts(0, 0, 0, 0), READY)}
    assert found["1 golden expectation is broken"] == "Item 3 is alcohol."
    assert found["1 rule ends within 3 days"] == "soon"
    assert "Users of skewed are not split as asked" in found
    assert "overdue is past its end" in found
    assert not [title for title in found if "fine" in title]


def test_home_names_checks_that_failed_when_the_worker_looked_last() -> None:
    ItemFactory(price=None, vector=True)
    assert "fail" not in str(needs_attention(LabellingCounts(0, 0, 0, 0), READY))
    findings.refresh("checks")
    found = {one.title: one for one in needs_attention(LabellingCounts(0, 0, 0, 0), READY)}
    assert (found["1 data check fails"].detail, found["1 data check fails"].address) == (
        "Every item has a price",
        "/data-quality/",
    )
    assert Event.objects.count() == 0
