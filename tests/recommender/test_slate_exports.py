"""Exports of slates: streamed, complete, by a job where there are many; and how long slates and files are kept."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from recommender import slate_exports, slate_filters, slate_retention, tasks, upkeep
from recommender.models import Slate, SlateItem
from recommender.slate_filters import SlateFilters
from recsite.operations import site_settings
from recsite.operations.errors import InvalidInputError, NotFoundError
from recsite.operations.models import Job, Setting
from tests.factories import EndUserFactory, ItemFactory, SlateFactory, SlateItemFactory
from tests.pages import shopper_client, staff_client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.RECSITE_HOME = tmp_path
    return tmp_path


def post(**asked: str) -> Any:
    return staff_client().post("/audit/export/", asked)


def text_of_stream(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


def test_csv_has_a_row_for_each_item_and_no_formula() -> None:
    slate = SlateFactory(user=EndUserFactory(external_id="=u1"), placement="home", arm="b")
    SlateItemFactory(slate=slate, item=ItemFactory(external_id="i2", title="@Two"), position=2, propensity=0.5)
    SlateItemFactory(slate=slate, item=ItemFactory(external_id="i1"), position=1, rules=[{"name": "Up", "position": 1}])
    SlateFactory(n=3)
    response = post(format="csv")
    assert response.streaming
    assert 'filename="slates-' in response["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(text_of_stream(response))))
    assert [(row["n"], row["position"], row["item"]) for row in rows] == [
        ("3", "", ""),
        ("12", "1", "i1"),
        ("12", "2", "i2"),
    ]
    assert (rows[1]["user"], rows[2]["title"], rows[2]["propensity"]) == ("'=u1", "'@Two", "0.5")
    assert rows[1]["rules"] == "Up"
    assert rows[1]["why"] == "Pinned here by the rule “Up”. 12 users took it in the last 28 days"


def test_json_lines_have_all_that_is_stored_and_only_what_was_asked_for() -> None:
    slate = SlateFactory(user=EndUserFactory(external_id="u1"), versions={"fit": 3}, request={"repeats": "allow"})
    row = SlateItemFactory(slate=slate)
    SlateFactory()
    (line,) = text_of_stream(post(format="jsonl", user="u1")).splitlines()
    said = json.loads(line)
    assert (said["user"], said["versions"], said["request"]) == ("u1", {"fit": 3}, {"repeats": "allow"})
    assert said["items"][0]["parts"] == row.parts
    assert said["items"][0]["item"] == row.item.external_id


def test_memory_does_not_grow_for_slates_are_read_in_chunks(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(slate_exports, "CHUNK", 3)
    made = [SlateFactory() for _ in range(7)]
    with django_assert_num_queries(6):  # three chunks, each with its items
        assert list(slate_exports.every_slate(SlateFilters())) == made[::-1]


def test_many_are_written_by_a_job_whose_page_has_the_download(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(slate_filters, "MOST_DOWNLOADED", 2)
    slates = [SlateFactory() for _ in range(3)]
    response = post(format="jsonl")
    job = Job.objects.get()
    assert response["Location"] == f"/operations/jobs/{job.pk}/"
    with pytest.raises(NotFoundError, match="not finished"):
        slate_exports.file_of(job.pk)
    tasks.export_slates(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, job.total) == ("succeeded", 3, 3)
    assert f"/audit/exports/{job.pk}/" in staff_client().get(f"/operations/jobs/{job.pk}/").content.decode()
    lines = text_of_stream(staff_client().get(f"/audit/exports/{job.pk}/")).splitlines()
    assert [json.loads(line)["slate"] for line in lines] == [str(slate.public_id) for slate in slates[::-1]]
    assert [path.name for path in (home / "exports").iterdir()] == [f"slates-{job.pk}.jsonl"]
    assert shopper_client().get(f"/audit/exports/{job.pk}/").status_code == 403


def test_a_job_keeps_to_its_filters(home: Path) -> None:
    SlateFactory()
    mine = SlateFactory(user=EndUserFactory(external_id="u1"))
    job = slate_exports.request_export(SlateFilters(user="u1"), "jsonl", staff=None)  # type: ignore[arg-type]
    tasks.export_slates(job.pk)
    lines = slate_exports.file_of(job.pk).read_text().splitlines()
    assert [json.loads(line)["slate"] for line in lines] == [str(mine.public_id)]


def test_a_format_there_is_not_and_an_item_there_is_not_are_refused_without_a_trace() -> None:
    SlateFactory()
    assert post(format="xls").status_code == 404
    with pytest.raises(InvalidInputError, match="csv or jsonl"):
        slate_exports.request_export(SlateFilters(), "xls", staff=None)  # type: ignore[arg-type]
    assert post(format="csv", item="i99").status_code == 302
    assert not Job.objects.exists()


def test_exports_are_deleted_after_a_week(home: Path) -> None:
    (home / "exports").mkdir()
    old, new = home / "exports" / "slates-1.csv", home / "exports" / "slates-2.csv"
    for path in (old, new):
        path.write_text("x")
    week_ago = time.time() - 7 * 86_400 - 10
    os.utime(old, (week_ago, week_ago))
    assert slate_exports.delete_old_files() == 1
    assert (old.exists(), new.exists()) == (False, True)


def aged(days: int) -> Slate:
    slate = SlateFactory()
    SlateItemFactory(slate=slate)
    Slate.objects.filter(pk=slate.pk).update(served_at=timezone.now() - timedelta(days=days))
    return slate


def test_slates_past_their_time_are_deleted_in_batches_the_oldest_first_with_their_items() -> None:
    kept, old, oldest = aged(29), aged(31), aged(40)
    assert slate_retention.delete_old_slates(days=30, batch=1) == 1
    assert set(Slate.objects.all()) == {kept, old}
    assert not SlateItem.objects.filter(slate_id=oldest.pk).exists()
    assert slate_retention.delete_old_slates(days=30, batch=10) == 1
    assert slate_retention.delete_old_slates(days=30, batch=10) == 0
    assert list(Slate.objects.all()) == [kept]


def test_zero_days_keeps_them_for_ever() -> None:
    aged(4_000)
    assert slate_retention.delete_old_slates(days=0, batch=10) == 0
    assert Slate.objects.count() == 1


@pytest.mark.parametrize("days", [30, 0])
def test_the_setting_decides_and_the_environment_where_nobody_set_it(settings: Any, days: int) -> None:
    settings.SLATE_RETENTION_DAYS = 55
    assert site_settings.value("slates_kept_days") == 55
    Setting.objects.create(key="slates_kept_days", value=days)
    site_settings.forget()
    assert site_settings.value("slates_kept_days") == days


def test_the_sweep_deletes_what_the_setting_says() -> None:
    Setting.objects.create(key="slates_kept_days", value=10)
    aged(11)
    kept = aged(9)
    upkeep.sweep()
    assert list(Slate.objects.all()) == [kept]
