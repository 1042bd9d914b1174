"""The commands: what they print, what they leave behind, and how they end."""

from __future__ import annotations

import csv
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Item
from tests.factories import ItemFactory

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
FEED = "external_id,title,price,colour\n1,Rye,3.5,red\n2,,1,\n3,Wheat,-1,\n1,Rye bread,3.5,red\n"


@pytest.fixture()
def feed(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text(FEED)
    return path


def run(*args, **options) -> str:
    out = StringIO()
    call_command(*args, stdout=out, no_color=True, **options)
    return out.getvalue()


def test_counts_and_the_first_rejections_are_printed(feed):
    assert run("import_items", str(feed)).splitlines() == [
        "shop.csv: 4 rows, recsite CSV",
        "1 created, 0 updated, 0 unchanged, 2 rejected",
        "1 rows repeat an external_id; the last one won: 1",
        "Columns that are no field of an item, kept as attributes: colour (2)",
        "  row 2 (2): title is empty; every item needs one.",
        "  row 3 (3): price is -1.00; it cannot be negative.",
    ]
    assert Item.objects.values_list("external_id", "title", "attributes").get() == ("1", "Rye bread", {"colour": "red"})


def test_a_dry_run_writes_nothing(feed):
    assert "1 would be created" in run("import_items", str(feed), dry_run=True)
    assert not Item.objects.exists()


def test_every_rejected_row_goes_into_the_report(feed, tmp_path):
    report = tmp_path / "rejected.csv"
    run("import_items", str(feed), report=report)
    assert list(csv.reader(report.open())) == [
        ["row", "external_id", "field", "message"],
        ["2", "2", "title", "title is empty; every item needs one."],
        ["3", "3", "price", "price is -1.00; it cannot be negative."],
    ]


def test_an_id_that_a_spreadsheet_would_calculate_is_text_in_the_report(tmp_path):
    path, report = tmp_path / "shop.csv", tmp_path / "rejected.csv"
    path.write_text('external_id,title\n"=HYPERLINK(""http://x"")",\n2,Oat flakes\n')
    run("import_items", str(path), report=report)
    assert [row[1] for row in csv.reader(report.open())] == ["external_id", '\'=HYPERLINK("http://x")']


def test_a_report_that_cannot_be_written_stops_the_import_before_it_begins(feed, tmp_path):
    with pytest.raises(CommandError, match=r"The report .*/missing/r.csv cannot be written: No such file or directory"):
        run("import_items", str(feed), report=tmp_path / "missing" / "r.csv")
    assert not Item.objects.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "shop.csv is empty; export the feed again."),
        ("external_id,title\n", "shop.csv holds no items; export the feed again."),
        ("external_id,title\n,\n1,\n", "No row of shop.csv is valid; nothing was imported."),
        ("a,b\n1,2\n", "shop.csv begins like no format we know"),
    ],
)
def test_a_feed_with_nothing_valid_fails(content, message, tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text(content)
    with pytest.raises(CommandError, match=message):
        run("import_items", str(path))
    assert not Item.objects.exists()


def test_a_feed_that_breaks_off_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "feed.xml"
    entries = "".join(f"<item><id>{n}</id><title>Item {n}</title></item>" for n in range(1500))
    path.write_text(f"<rss>{entries}<item>")
    with pytest.raises(CommandError, match="not well-formed"):
        run("import_items", str(path))
    assert not Item.objects.exists()


def test_the_exit_code_is_one_where_the_file_is_missing():
    ended = subprocess.run(
        [sys.executable, "manage.py", "import_items", "/nowhere/feed.csv"], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "CommandError: There is no file /nowhere/feed.csv; check the path."


def test_partial_keeps_what_the_feed_does_not_name(tmp_path):
    ItemFactory(external_id="1", title="Rye", brand="Mill")
    path = tmp_path / "prices.csv"
    path.write_text("external_id,price\n1,4\n")
    run("import_items", str(path), format="csv", partial=True)
    assert Item.objects.values_list("title", "brand", "price").get() == ("Rye", "Mill", 4)


def test_an_export_can_be_imported_again_and_changes_nothing(tmp_path):
    ItemFactory.create_batch(3)
    path = tmp_path / "items.jsonl"
    assert f"3 items written to {path}" in run("export_items", str(path))
    assert "0 created, 0 updated, 3 unchanged, 0 rejected" in run("import_items", str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["items.jsonl"]


def test_an_export_without_a_known_ending_asks_for_the_format(tmp_path):
    with pytest.raises(CommandError, match=r"The ending of items.xyz names no format; add --format"):
        run("export_items", str(tmp_path / "items.xyz"))
