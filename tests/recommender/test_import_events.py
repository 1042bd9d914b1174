from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command

from catalog.models import Item
from recommender.models import EndUser, Event
from recsite.operations.models import Job
from tests.factories import ItemFactory

JANUARY = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def items() -> None:
    for external_id in ("i1", "i2"):
        ItemFactory(external_id=external_id)


def write(tmp_path: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def run(path: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("import_events", str(path), *options, stdout=out)
    return out.getvalue()


def stored() -> list[tuple[str, str, str, float, datetime]]:
    rows = Event.objects.order_by("id").values_list("user__external_id", "item__external_id", "type", "value")
    times = Event.objects.order_by("id").values_list("occurred_at", flat=True)
    return [(*row, time) for row, time in zip(rows, times, strict=True)]


FILES = {
    "jsonl": (
        "events.jsonl",
        '{"user": "u1", "item": "i1", "type": "purchase", "occurred_at": "2026-01-15T09:30:00Z", "value": 2}\n'
        '{"user": "u2", "item": "i2", "type": "view", "occurred_at": "2026-01-15T09:30:00Z"}\n',
    ),
    "jsonl, one list": (
        "events.json",
        '[{"user": "u1", "item": "i1", "type": "purchase", "occurred_at": 1768469400, "value": 2},\n'
        '{"user": "u2", "item": "i2", "type": "view", "occurred_at": 1768469400}]',
    ),
    "csv": (
        "events.csv",
        "user,item,type,occurred_at,value,colour\n"
        "u1,i1,purchase,2026-01-15T09:30:00Z,2,red\nu2,i2,view,2026-01-15T10:30:00+01:00,,\n",
    ),
    "csv, other names": (
        "log.csv",
        "User_ID;Product_ID;Event_Type;Timestamp;Quantity\nu1;i1;buy;1768469400;2\nu2;i2;pageview;1768469400;1\n",
    ),
    "gorse, JSON": (
        "feedback.jsonl",
        '{"FeedbackType":"purchase","UserId":"u1","ItemId":"i1","Timestamp":"2026-01-15T09:30:00Z","Value":2}\n'
        '{"FeedbackType":"read","UserId":"u2","ItemId":"i2","Timestamp":"2026-01-15T09:30:00Z","Comment":""}\n',
    ),
    "gorse, CSV": (
        "feedback.csv",
        "feedback_type,user_id,item_id,value,Timestamp\n"
        + "purchase,u1,i1,2,2026-01-15T09:30:00Z\nread,u2,i2,0,2026-01-15T09:30:00Z\n",
    ),
    "recbole": (
        "shop.inter",
        "user_id:token\titem_id:token\ttimestamp:float\ttype:token\tquantity:float\n"
        "u1\ti1\t1768469400\tpurchase\t2\nu2\ti2\t1768469400.0\tview\t1\n",
    ),
    "personalize": (
        "interactions.csv",
        "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\nu1,i1,1768469400,purchase,2\nu2,i2,1768469400,view,\n",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_each_format_is_recognised_and_read(name, tmp_path, items):
    path = write(tmp_path, *FILES[name])
    assert "2 accepted, 0 stored before, 0 rejected" in run(path)
    assert stored() == [("u1", "i1", "purchase", 2.0, JANUARY), ("u2", "i2", "view", 1.0, JANUARY)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_other_encodings_are_read(encoding, tmp_path):
    ItemFactory(external_id="牛奶")
    path = write(tmp_path, "e.csv", "user,item,type,occurred_at\n张三,牛奶,view,2026-01-15T09:30:00Z\n", encoding)
    run(path)
    assert EndUser.objects.get().external_id == "张三"


def test_parquet_is_read(tmp_path, items):
    path = tmp_path / "events.parquet"
    table = pyarrow.table(
        {
            "user": ["u1", "u2"],
            "item": ["i1", "i2"],
            "type": ["purchase", "view"],
            "occurred_at": pyarrow.array([JANUARY, JANUARY], pyarrow.timestamp("us", tz="UTC")),
            "value": [2.0, None],
            "store": ["a", "b"],
        }
    )
    pyarrow.parquet.write_table(table, path)
    run(path)
    assert stored() == [("u1", "i1", "purchase", 2.0, JANUARY), ("u2", "i2", "view", 1.0, JANUARY)]


def test_recbole_ratings_become_rate_events_and_bare_rows_the_default_type(tmp_path, items):
    rated = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\ti1\t4.0\t1768469400\n"
    run(write(tmp_path, "a.inter", rated))
    bare = "user_id:token\titem_id:token\ttimestamp:float\nu2\ti2\t1768469400\n"
    run(write(tmp_path, "b.inter", bare), "--default-type", "purchase")
    assert stored() == [("u1", "i1", "rate", 4.0, JANUARY), ("u2", "i2", "purchase", 1.0, JANUARY)]


def test_a_second_import_of_the_same_file_adds_nothing(tmp_path, items):
    path = write(tmp_path, *FILES["recbole"])
    run(path)
    assert "0 accepted, 2 stored before, 0 rejected" in run(path)
    assert Event.objects.count() == 2


def test_valid_rows_are_kept_and_the_rejected_ones_listed_by_row(tmp_path, items):
    path = write(
        tmp_path,
        "e.csv",
        "user,item,type,occurred_at\n"
        "u1,i1,view,2026-01-15T09:30:00Z\n"
        "u1,i-404,view,2026-01-15T09:30:00Z\n"
        "u1,i-404,view,2026-01-15T09:31:00Z\n"
        "u1,i1,haggle,2026-01-15T09:30:00Z\n"
        "u1,i1,view,1970-01-01T00:00:00Z\n"
        "u1,i1,view,\n"
        "u1,i1,view,2026-01-15T09:30:00Z,one,too,many\n"
        "u2,i2,view,2026-01-15T09:30:00Z\n",
    )
    out = run(path)
    assert "2 accepted, 0 stored before, 6 rejected" in out
    assert "row 2: There is no item 'i-404'" in out
    assert "row 4: There is no event type 'haggle'" in out
    assert "row 5: 1970-01-01 is before 2000" in out
    assert "row 6: occurred_at is missing" in out
    assert "row 7: Line 8 has 7 cells and the header 4" in out
    assert "1 unknown items: i-404 (2 rows)" in out


def test_only_the_first_twenty_rejected_rows_are_listed(tmp_path, items):
    rows = "".join(f"u1,gone-{number % 3},view,2026-01-15T09:30:00Z\n" for number in range(2500))
    path = write(tmp_path, "e.csv", f"user,item,type,occurred_at\nu1,i1,view,2026-01-15T09:30:00Z\n{rows}")
    out = run(path)
    assert "1 accepted, 0 stored before, 2,500 rejected" in out
    assert out.count("  row ") == 20
    assert "row 21: " in out
    assert "row 22: " not in out
    assert "… and 2,480 more" in out
    assert "3 unknown items: gone-0 (834 rows), gone-1 (833 rows), gone-2 (833 rows)" in out


def test_types_can_be_mapped(tmp_path, items):
    path = write(tmp_path, "e.csv", "user,item,type,occurred_at\nu1,i1,star,1768469400\nu1,i2,devour,1768469400\n")
    run(path, "--map-type", "devour=purchase")
    assert [row[2] for row in stored()] == ["favourite", "purchase"]


def test_times_without_a_zone_need_one(tmp_path, items):
    path = write(tmp_path, "e.csv", "user,item,type,occurred_at\nu1,i1,view,2026-01-15 10:30:00\n")
    with pytest.raises(CommandError, match=r"No row of e\.csv is valid"):
        run(path)
    run(path, "--time-zone", "Europe/Paris")
    assert stored() == [("u1", "i1", "view", 1.0, JANUARY)]


def test_unknown_items_can_be_created(tmp_path, items):
    path = write(tmp_path, "e.csv", "user,item,type,occurred_at\nu1,i-new,view,1768469400\nu1,i1,view,1768469400\n")
    assert "1 items created" in run(path, "--create-items")
    assert Item.objects.get(external_id="i-new").title == "i-new"
    assert Event.objects.count() == 2


def test_the_statistics_are_queued_after_an_import_and_users_left_stale_for_the_sweep(tmp_path, items, rung):
    run(write(tmp_path, *FILES["csv"]))
    job = Job.objects.get()
    assert (job.kind, job.status) == ("rebuild_statistics", "queued")
    assert rung("default") == [[job.pk]]
    assert rung("events") == []
    assert {user.external_id for user in EndUser.objects.stale()} == {"u1", "u2"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.jsonl", b"\n\n", "is empty"),
        ("head.csv", b"user,item,type,occurred_at\n", "holds no events"),
        ("other.csv", b"name,price\nmilk,2\n", "no format of events we know"),
        ("events.parquet", b"PAR1 but then nothing of the sort", "not a readable Parquet file"),
        ("events.zip", b"PK\x03\x04rest", "a spreadsheet or a zip archive"),
        ("list.json", b'[{"user": "u1"', "not valid JSON"),
        ("photo.csv", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x81", "no format of events we know"),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_a_sentence_and_stores_nothing(name, content, words, tmp_path, items):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CommandError, match=words) as caught:
        run(path)
    assert caught.value.returncode == 1
    assert not Event.objects.exists()
    assert not Job.objects.exists()


def test_a_file_that_is_not_there_and_options_that_are_wrong(tmp_path, items):
    with pytest.raises(CommandError, match="There is no file"):
        run(tmp_path / "nowhere.csv")
    path = write(tmp_path, *FILES["csv"])
    with pytest.raises(CommandError, match="There is no format 'xls'"):
        run(path, "--format", "xls")
    with pytest.raises(CommandError, match="is not THEIRS=OURS"):
        run(path, "--map-type", "a=b")
    with pytest.raises(CommandError, match="There is no time zone 'Mars'"):
        run(path, "--time-zone", "Mars")


def test_a_list_that_breaks_off_in_the_middle_leaves_nothing_half_written(tmp_path, items):
    rows = [{"user": "u1", "item": "i1", "type": "view", "occurred_at": 1768469400 + n} for n in range(1500)]
    path = write(tmp_path, "events.json", json.dumps(rows)[:-40])
    with pytest.raises(CommandError):
        run(path)
    assert not Event.objects.exists()
