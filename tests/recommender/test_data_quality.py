"""The data-quality page: checks of what is stored, and the reports of preparation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.algorithms.cleaning.report import OffendingRow, Step
from recommender.models import PreparationReport
from recommender.preparation_reports import keep_report
from recommender.stored_checks import Check, stored_checks
from tests.factories import EndUserFactory, EventFactory, ItemFactory, axis
from tests.pages import assert_guarded, queries_of, staff_client, text_of

pytestmark = pytest.mark.django_db
ADDRESS = "/data-quality/"


def check(key: str) -> Check:
    return next(one for one in stored_checks() if one.key == key)


def report(source: str = "sales.csv", n: int = 1) -> PreparationReport:
    rows = tuple(OffendingRow(7 + i, {"user": "ann", "item": "POST", "quantity": 2.0}, "no item") for i in range(n))
    steps = (
        Step("non_items", "Postage.", dropped=n, rows=rows),
        Step("bots", "Users who act faster than a person can."),
    )
    return keep_report(source, rows_in=10, rows_out=10 - n, steps=steps)


def test_the_page_is_for_staff() -> None:
    assert_guarded(ADDRESS)


def test_an_empty_page_says_what_brings_something_here() -> None:
    page = text_of(staff_client().get(ADDRESS))
    assert "Nothing is stored yet" in page
    assert "No report yet" in page


def test_a_report_shows_each_step_its_share_and_the_rows_with_their_reason() -> None:
    report()
    page = text_of(staff_client().get(ADDRESS))
    assert "9 of 10 rows stay (90%)." in page
    assert "Nothing to do: Bots." in page
    assert "1 left out 0 changed 10% of all rows" in page
    assert "7 no item ann POST 2" in page


def test_the_newest_report_is_shown_unless_another_is_chosen() -> None:
    old = report("old.csv", n=3)
    report("new.csv", n=2)
    assert "8 of 10 rows stay" in text_of(staff_client().get(ADDRESS))
    assert "7 of 10 rows stay" in text_of(staff_client().get(f"{ADDRESS}?report={old.pk}"))
    assert staff_client().get(f"{ADDRESS}?report={old.pk + 100}").status_code == 404
    assert staff_client().get(f"{ADDRESS}?report=x").status_code == 200


def test_what_a_file_says_is_escaped() -> None:
    rows = (OffendingRow(1, {"title": "<script>alert(1)</script>"}, "no item"),)
    keep_report("a<b>.csv", rows_in=1, rows_out=0, steps=(Step("missing", "", dropped=1, rows=rows),))
    page = staff_client().get(ADDRESS).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_queries_do_not_grow_with_reports_items_and_events() -> None:
    report()
    EventFactory(item=ItemFactory(title="postage", price=None, is_hidden=True))
    one = queries_of(staff_client(), ADDRESS)
    for number in range(12):
        report(f"{number}.csv", n=5)
        item = ItemFactory(title="Postage", price=None)
        for days in (1, -1):
            EventFactory(item=item, user=EndUserFactory(), occurred_at=timezone.now() - timedelta(days=days))
    assert queries_of(staff_client(), ADDRESS) == one


def test_items_without_name_price_or_vector_and_names_used_twice_are_counted() -> None:
    ItemFactory(title="Rye bread", vector=axis(0))
    ItemFactory(title="Rye bread", vector=axis(1))
    ItemFactory(external_id="sku-x", title="sku-x", price=None)
    assert [(check(key).failing, check(key).total) for key in ("no_title", "no_price", "no_vector", "same_title")] == [
        (1, 3),
        (1, 3),
        (1, 3),
        (2, 3),
    ]
    assert [example.address for example in check("no_price").examples] == ["/catalog/sku-x/"]
    assert check("no_title").kind == "warn"


def test_postage_on_sale_is_no_item_and_hidden_postage_is_settled() -> None:
    ItemFactory(title="Gothic carriage lantern")
    assert check("not_item").kind == "good"
    postage = ItemFactory(title="Postage.")
    assert (check("not_item").failing, check("not_item").examples[0].text) == (1, "Postage.")
    postage.is_hidden = True
    postage.save()
    assert check("not_item").failing == 0


def test_events_ahead_of_now_and_of_hidden_items_are_counted_with_the_user() -> None:
    now = timezone.now()
    EventFactory(occurred_at=now - timedelta(days=2))
    assert (check("future").kind, check("hidden").kind) == ("good", "good")
    EventFactory(user=EndUserFactory(external_id="u/9"), occurred_at=now + timedelta(hours=5))
    EventFactory(item=ItemFactory(is_hidden=True), occurred_at=now - timedelta(days=1))
    assert (check("future").failing, check("future").total) == (1, 3)
    assert check("future").examples[0].address == "/users/u/9/"
    assert (check("hidden").failing, check("hidden").total, check("hidden").kind) == (1, 2, "warn")


def test_an_event_stored_twice_is_found_once() -> None:
    user, item, at = EndUserFactory(), ItemFactory(), timezone.now() - timedelta(days=1)
    for number in range(3):
        EventFactory(external_id=f"e-{number}", user=user, item=item, type="view", occurred_at=at, basket="")
    found = check("repeated")
    assert (found.failing, found.total, len(found.examples)) == (2, 3, 1)


def test_a_user_with_more_moments_a_day_than_a_person_can_is_named(monkeypatch) -> None:
    monkeypatch.setattr("recommender.stored_checks.MOST_A_DAY", 3)
    noon = timezone.now().replace(hour=12, minute=0) - timedelta(days=2)
    item, machine, person = ItemFactory(), EndUserFactory(external_id="bot"), EndUserFactory()
    for minute in range(4):
        EventFactory(user=machine, item=item, occurred_at=noon + timedelta(minutes=minute))
        EventFactory(user=person, item=item, occurred_at=noon)
    found = check("inhuman")
    assert (found.failing, found.total) == (1, 2)
    assert found.examples[0].text == "bot"
    assert found.examples[0].note.startswith("4 actions on ")
