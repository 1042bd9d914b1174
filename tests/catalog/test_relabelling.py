"""Labels anew for some items: honest progress, the end of it, and what a cancel leaves."""

from __future__ import annotations

import pytest

from catalog import labelling, relabelling, tasks
from catalog.models import ItemLabel, LabelRequest
from recsite.operations import jobs
from recsite.operations.models import Job
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, LabelRequestFactory, TaxonomyFactory
from tests.fakes import FakeEmbedder

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ring", lambda job: None)


def start(taxonomy, items) -> Job:
    job = relabelling.relabel(taxonomy, [item.pk for item in items], title="Label anew", staff=None)
    assert job is not None
    return job


def state(job: Job) -> tuple[str, int, int]:
    job.refresh_from_db()
    return job.status, job.done, job.total


def test_a_job_follows_its_items_until_each_is_labelled(embedder: FakeEmbedder) -> None:
    label = LabelFactory(name="Bread")
    LabelFactory(taxonomy=label.taxonomy, name="Milk")
    items = ItemFactory.create_batch(3)
    LabelRequestFactory(taxonomy=label.taxonomy)  # somebody else's, which the job does not wait for
    job = start(label.taxonomy, items)
    seen: list[tuple[str, int, int]] = []

    def label_one(seconds: float) -> None:
        seen.append((job.status, job.done, job.total))
        mine = LabelRequest.objects.filter(item__in=items)
        labelling.label_waiting(1, requests=mine, embedder=embedder)
        job.refresh_from_db()

    with jobs.running(job.pk) as progress:
        assert progress is not None
        assert relabelling.follow(progress, seconds=60, pause=label_one) is True
    assert len(seen) == 3
    assert state(job) == ("succeeded", 3, 3)
    details = job.details
    assert (details["labelled"] + details["wait_for_the_language_model"], details["failed"]) == (3, 0)
    assert ItemLabel.objects.filter(item__in=items).current().values("item").distinct().count() == 3


def test_a_job_goes_on_in_another_task_where_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    taxonomy = LabelFactory().taxonomy
    job = start(taxonomy, [ItemFactory()])
    again: list[int] = []
    monkeypatch.setattr(tasks, "FOLLOWED_S", 0.0)
    monkeypatch.setattr(jobs, "ring", lambda paused: again.append(paused.pk))
    tasks.relabel_items(job.pk)
    assert state(job) == ("queued", 0, 1)
    assert again == [job.pk]
    LabelRequest.objects.update(status="provisional")
    tasks.relabel_items(job.pk)
    assert state(job) == ("succeeded", 1, 1)
    assert len(again) == 1
    assert job.details["wait_for_the_language_model"] == 1


def test_a_cancelled_job_leaves_what_nobody_looked_at_with_the_labels_it_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    label = LabelFactory()
    had = ItemLabelFactory(label=label)
    LabelRequestFactory(item=had.item, taxonomy=label.taxonomy, status="done")
    under_way, without = ItemFactory(), ItemFactory()
    ItemLabelFactory(label=label, item=under_way)
    job = start(label.taxonomy, [had.item, under_way, without])
    LabelRequest.objects.filter(item=under_way).claim(1, seconds=100)

    def cancel(seconds: float) -> None:
        jobs.cancel(job)

    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0.0)
    with jobs.running(job.pk) as progress:
        assert progress is not None
        relabelling.follow(progress, seconds=60, pause=cancel)
    assert state(job)[0] == "cancelled"
    assert dict(LabelRequest.objects.values_list("item_id", "status")) == {
        had.item_id: "done",  # it keeps its labels
        under_way.pk: "pending",  # a worker is at it
        without.pk: "pending",  # it has none to keep
    }
    had.refresh_from_db()
    assert had.superseded_at is None
    # Run again, it asks for what it had left.
    jobs.run_again(job)
    monkeypatch.setattr(tasks, "FOLLOWED_S", 0.0)
    monkeypatch.setattr(jobs, "ring", lambda paused: None)
    tasks.relabel_items(job.pk)
    assert state(job)[0] == "queued"
    assert set(LabelRequest.objects.values_list("status", flat=True)) == {"pending"}


def test_nothing_to_label_starts_no_job() -> None:
    taxonomy = TaxonomyFactory()
    assert relabelling.relabel(taxonomy, [], title="x", staff=None) is None
    taxonomy.is_active = False
    assert relabelling.relabel(taxonomy, [ItemFactory().pk], title="x", staff=None) is None
    assert (Job.objects.count(), LabelRequest.objects.count()) == (0, 0)


def test_a_retried_job_follows_the_same_items() -> None:
    taxonomy = LabelFactory().taxonomy
    job = start(taxonomy, [ItemFactory()])
    Job.objects.filter(pk=job.pk).update(status="failed")
    jobs.run_again(job)
    LabelRequest.objects.update(status="done")
    tasks.relabel_items(job.pk)
    assert state(job) == ("succeeded", 1, 1)
