"""What an import of events mends and warns of, and the report it keeps."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from catalog.models import Item
from recommender.models import Event, PreparationReport
from tests.factories import ItemFactory

pytestmark = pytest.mark.django_db
HEADER = "user,item,type,occurred_at,value\n"


@pytest.fixture(autouse=True)
def items() -> None:
    ItemFactory(external_id="85123A", title="White heart holder")
    ItemFactory(external_id="POST", title="POSTAGE")


def run(tmp_path: Path, rows: str, *options: str) -> str:
    path = tmp_path / "till.csv"
    path.write_text(HEADER + rows)
    out = io.StringIO()
    call_command("import_events", str(path), *options, stdout=out)
    return out.getvalue()


def steps() -> dict[str, dict[str, Any]]:
    report = PreparationReport.objects.newest_first()[0]
    return {step["step"]: step for step in report.steps if step["dropped"] or step["changed"] or step["rows"]}


def stored() -> list[tuple[str, str, float]]:
    return list(Event.objects.order_by("pk").values_list("item__external_id", "type", "value"))


def test_a_quantity_below_zero_is_a_refund_of_it(tmp_path):
    run(tmp_path, "u1,85123A,purchase,1768469400,6\nu1,85123A,purchase,1768469500,-2\n")
    assert stored() == [("85123A", "purchase", 6.0), ("85123A", "refund", 2.0)]
    assert set(steps()) == {"cancellations"}
    assert (steps()["cancellations"]["changed"], steps()["cancellations"]["rows"][0]["row"]) == (1, 2)


def test_a_view_with_a_value_below_zero_is_still_rejected(tmp_path):
    run(tmp_path, "u1,85123A,view,1768469400,-2\nu1,85123A,view,1768469400,1\n")
    assert stored() == [("85123A", "view", 1.0)]
    assert steps()["rejected"]["rows"][0]["reason"].startswith("value must be above 0")


def test_a_refund_of_more_than_was_bought_before_is_stored_and_named(tmp_path):
    out = run(
        tmp_path,
        "u1,85123A,purchase,1768469400,2\nu1,85123A,refund,1768469500,5\nu2,85123A,refund,1768469500,1\n"
        "u2,85123A,purchase,1768469600,1\n",
    )
    assert len(stored()) == 4
    assert [(row["row"], row["reason"]) for row in steps()["unmatched"]["rows"]] == [
        (2, "3 more given back than was bought before"),
        (3, "1 more given back than was bought before"),
    ]
    assert "2: Refunds without an earlier purchase" in out


def test_an_unknown_id_in_another_case_is_named_and_taken_only_if_asked_for(tmp_path):
    row = "u1,85123a,view,1768469400,1\n"
    out = run(tmp_path, row + "u1,85123A,view,1768469400,1\n")
    assert stored() == [("85123A", "view", 1.0)]
    assert "--match-ids takes it for that" in out
    assert steps()["ids"]["changed"] == 0
    run(tmp_path, row, "--match-ids")
    assert stored() == [("85123A", "view", 1.0)] * 2
    assert (steps()["ids"]["changed"], steps()["ids"]["rows"][0]["reason"]) == (1, "taken for 85123A")
    assert "0 accepted, 1 stored before" in run(tmp_path, row, "--match-ids")


def test_an_id_that_could_be_one_of_two_items_is_nobodys(tmp_path):
    ItemFactory(external_id="85123a")
    run(tmp_path, "u1,８５123A,view,1768469400,1\nu1,85123a,view,1768469400,1\n", "--match-ids")
    assert stored() == [("85123a", "view", 1.0)]
    assert "ids" not in steps()


def test_matched_ids_are_not_created_anew(tmp_path):
    run(tmp_path, "u1,85123a,view,1768469400,1\n", "--match-ids", "--create-items")
    assert Item.objects.count() == 2


def test_events_of_postage_are_stored_and_named(tmp_path):
    run(tmp_path, "u1,POST,purchase,1768469400,1\nu1,POST,purchase,1768469500,1\n")
    assert len(stored()) == 2
    (row,) = steps()["non_items"]["rows"]
    assert (row["values"], row["reason"]) == (
        {"item": "POST", "title": "POSTAGE"},
        "2 rows of an item with this name",
    )


def test_rows_that_stand_twice_are_counted_with_their_row(tmp_path):
    same = "u1,85123A,view,1768469400,1\n"
    run(tmp_path, same + "u2,85123A,view,1768469400,1\n" + same)
    assert (steps()["duplicates"]["dropped"], steps()["duplicates"]["rows"][0]["row"]) == (1, 3)
    run(tmp_path, same)
    assert steps()["duplicates"]["dropped"] == 1


def test_the_report_adds_up(tmp_path):
    run(tmp_path, "u1,85123A,view,1768469400,1\nu1,gone,view,1768469400,1\nu1,85123A,view,1768469400,1\n")
    report = PreparationReport.objects.get()
    assert (report.source, report.rows_in, report.rows_out) == ("till.csv", 3, 1)
    assert report.rows_out + sum(step["dropped"] for step in report.steps) == report.rows_in
