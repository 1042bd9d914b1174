from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from recommender.models import PreparationReport

pytestmark = pytest.mark.django_db

HEADER = ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID")
ROWS = [
    ("500", "1001A", "BLUE MUG", 2, "2010-01-05 09:00:00", 3.0, 7.0),
    ("501", "1001a", "BLUE MUG", 1, "2010-02-05 09:00:00", 3.0, 7.0),
    ("501", "1002A", "TIN PLATE", 4, "2010-02-05 09:01:00", 1.5, 7.0),
    ("501", "POST", "POSTAGE", 1, "2010-02-05 09:01:00", 9.0, 7.0),
    ("C502", "1002A", "TIN PLATE", -4, "2010-02-09 09:00:00", 1.5, 7.0),
    ("503", "1003A", "GREEN  JUG", 1, "2010-03-05 09:00:00", 5.0, 7.0),
    ("503", "1001A", "BLUE MUG", 1, "2010-03-05 09:00:00", 3.0, 7.0),
    ("504", "1003A", "GREEN  JUG", 1, "2010-03-06 09:00:00", 5.0, None),
    ("505", "1001A", "BLUE MUG", 1, "2010-03-07 09:00:00", 3.0, 8.0),
    ("506", "1002A", "damaged", -1, "2010-03-07 09:00:00", 0.0, None),
]


def as_parquet(tmp_path: Path) -> Path:
    path = tmp_path / "shop.parquet"
    pd.DataFrame(ROWS, columns=list(HEADER)).to_parquet(path)
    return path


def as_csv(tmp_path: Path, *, separator: str = ",", encoding: str = "utf-8") -> Path:
    path = tmp_path / "shop.csv"
    lines = [separator.join("" if cell is None else str(cell) for cell in row) for row in (HEADER, *ROWS)]
    path.write_text("\r\n".join(lines) + "\r\n", encoding=encoding)
    return path


def run(path: Path, out: Path, *options: str, split_at: str = "2010-03-01") -> str:
    said = io.StringIO()
    call_command(
        "prepare", str(path), "--out", str(out), "--split-at", split_at, *options, stdout=said, stderr=io.StringIO()
    )
    return said.getvalue()


def seconds(*moment: int) -> str:
    return str(int(datetime(*moment, tzinfo=UTC).timestamp()))


def lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


def test_a_raw_file_becomes_clean_files_split_by_time(tmp_path):
    run(as_parquet(tmp_path), tmp_path / "out", "--valid-days", "28")
    first, second, third = seconds(2010, 1, 5, 9), seconds(2010, 2, 5, 9), seconds(2010, 3, 5, 9)
    assert lines(tmp_path / "out/shop.item") == [
        ["item_id:token", "title:token_seq", "price:float", "first_seen:float"],
        ["1001A", "BLUE MUG", "3.00", first],
        ["1002A", "TIN PLATE", "1.50", second],
        ["1003A", "GREEN JUG", "5.00", third],
    ]
    inter = ["user_id:token", "item_id:token", "timestamp:float"]
    assert lines(tmp_path / "out/shop.train.inter") == [inter, ["7", "1001A", first]]
    assert lines(tmp_path / "out/shop.train_for_test.inter") == [inter, ["7", "1001A", first], ["7", "1001A", second]]
    asked = ["user_id:token", "item_id_list:token_seq", "timestamp_list:float_seq", "item_id:token", "timestamp:float"]
    history = ["7", "1001A 1001A", f"{first} {second}"]
    assert lines(tmp_path / "out/shop.test.inter") == [
        asked,
        [*history, "1001A", third],
        [*history, "1003A", third],
    ]
    assert lines(tmp_path / "out/shop.valid.inter") == [asked, ["7", "1001A", first, "1001A", second]]
    assert lines(tmp_path / "out/shop.anonymous.inter") == [inter, ["basket-504", "1003A", seconds(2010, 3, 6, 9)]]


def test_the_report_counts_each_step_and_is_kept_for_the_page(tmp_path):
    said = run(as_parquet(tmp_path), tmp_path / "out")
    told = json.loads((tmp_path / "out/report.json").read_text())
    counts = {step["step"]: (step["dropped"], step["changed"]) for step in told["steps"]}
    assert (told["rows_in"], told["rows_out"], told["users"], told["items"]) == (10, 5, 2, 3)
    assert counts == {
        "ids": (0, 1),
        "missing": (0, 0),
        "duplicates": (0, 0),
        "stock_notes": (1, 0),
        "non_items": (1, 0),
        "cancellations": (2, 0),
        "unmatched": (0, 0),
        "bots": (0, 0),
        "prices": (0, 0),
        "quantities": (0, 0),
        "times": (0, 0),
        "titles": (0, 2),
        "anonymous": (1, 0),
    }
    assert told["test"] == {"users": 1, "rows": 2, "rows_repeat": 1, "rows_cold": 1}
    assert "shop.parquet: 10 rows, 5 kept" in said
    kept = PreparationReport.objects.get()
    assert (kept.source, kept.rows_in, kept.rows_out, kept.steps) == ("shop.parquet", 10, 5, told["steps"])
    (note,) = kept.steps[3]["rows"]
    assert (note["row"], note["values"]["title"], note["reason"]) == (10, "damaged", "a note about stock, not a sale")


@pytest.mark.parametrize(("separator", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "cp1252")])
def test_a_table_gives_the_same_files_as_parquet(separator, encoding, tmp_path):
    run(as_parquet(tmp_path), tmp_path / "one")
    run(as_csv(tmp_path, separator=separator, encoding=encoding), tmp_path / "two")
    for path in (tmp_path / "one").glob("shop.*"):
        assert path.read_text() == (tmp_path / "two" / path.name).read_text()


def test_times_without_a_zone_are_read_on_the_shops_clock(tmp_path):
    run(as_parquet(tmp_path), tmp_path / "out", "--time-zone", "America/New_York")
    assert lines(tmp_path / "out/shop.train.inter")[1][2] == seconds(2010, 1, 5, 14)


def test_a_mapping_names_columns_and_codes(tmp_path):
    path = tmp_path / "kasse.csv"
    path.write_text(
        "Kunde,Artikel,Tag,Menge\nk1,A1,05.01.2010,1\nk1,A2,06.01.2010,1\nk1,BAG,06.01.2010,1\nk1,A3,02.03.2010,2\n"
    )
    mapping = tmp_path / "kasse.toml"
    mapping.write_text(
        'time_format = "%d.%m.%Y"\nnon_item_ids = ["^BAG$"]\n'
        '[columns]\nuser = "Kunde"\nitem = "Artikel"\ntime = "Tag"\nquantity = "Menge"\n'
    )
    run(path, tmp_path / "out", "--mapping", str(mapping), "--name", "kasse2010")
    assert [row[1:4:2] for row in lines(tmp_path / "out/kasse2010.test.inter")[1:]] == [["A1 A2", "A3"]]


@pytest.mark.parametrize(
    ("text", "options", "split_at", "message"),
    [
        ("", (), "2010-03-01", "shop.csv is empty"),
        ("a,b\n1,2\n", (), "2010-03-01", "no column that looks like user, item, time"),
        (
            "user,item,time\nu,i,2010-01-01\n",
            (),
            "2009-01-01",
            "No purchase of a known customer lies before 2009-01-01",
        ),
        ("user,item,time\nu,i,2010-01-01\n", (), "soon", "'soon' is no date"),
        ("user,item,time\nu,i,2010-01-01\n", ("--valid-days", "900"), "2010-03-01", "choose fewer --valid-days"),
        ("user,item,time\nu,i,2010-01-01\n", ("--time-zone", "Mars/Base"), "2010-03-01", "There is no time zone"),
        ("user,item,time\nu,i,03/04/2010\n", (), "2010-05-01", "the day or the month comes first"),
        ("user,item,time\nu,i,tomorrow\n", (), "2010-05-01", "cannot be read, like 'tomorrow'"),
        ("user,item,time\nu,i,2010-01-01\nu,i,2010-01-01,x\n", (), "2010-05-01", "neither Parquet nor a table"),
    ],
)
def test_what_cannot_be_prepared_says_why_and_writes_nothing(text, options, split_at, message, tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text(text)
    with pytest.raises(CommandError, match=message):
        run(path, tmp_path / "out", *options, split_at=split_at)
    assert not (tmp_path / "out").exists()
    assert not PreparationReport.objects.exists()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("{", "neither JSON nor"),
        ('{"colums": {}}', "has colums; a mapping knows"),
        ('{"columns": {"buyer": "x"}}', "maps some of user"),
        ('{"columns": {"user": "x"}}', "has no column 'x'; it has Invoice"),
        ('{"non_item_ids": ["("]}', "is no regular expression"),
        ('{"ignore_case": "yes"}', "is true or false"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(mapping, message, tmp_path):
    (tmp_path / "m.json").write_text(mapping)
    with pytest.raises(CommandError, match=message):
        run(as_csv(tmp_path), tmp_path / "out", "--mapping", str(tmp_path / "m.json"))
    assert not (tmp_path / "out").exists()


def test_a_report_can_be_left_out(tmp_path):
    run(as_parquet(tmp_path), tmp_path / "out", "--no-report")
    assert not PreparationReport.objects.exists()
