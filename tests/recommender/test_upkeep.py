"""The sweep finds rows left behind. Tasks run eagerly here; what they did is what is asserted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from catalog.models import ItemEmbedding, ItemLabel
from recommender import interests, neighbours, tasks, upkeep
from recommender.models import EndUser, Event, InterestVector, ItemStatistics
from recsite.operations.models import Job
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemEmbeddingFactory,
    ItemFactory,
    ItemLabelFactory,
    JobFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def eagerly(monkeypatch):
    """Tasks run where they are rung; `send_task` finds them by name as a worker would."""
    monkeypatch.setitem(current_app.conf, "task_always_eager", True)
    monkeypatch.setattr(current_app, "send_task", lambda name, args: current_app.tasks[name].apply(args, throw=True))


def test_a_user_left_behind_is_rebuilt():
    user = EndUserFactory()
    EventFactory(user=user, item=ItemFactory(vector=True))
    assert upkeep.rebuild_stale_users() == 1
    user.refresh_from_db()
    assert user.interests_are_current
    assert upkeep.rebuild_stale_users() == 0


def test_many_users_left_behind_become_one_job(monkeypatch):
    monkeypatch.setattr(upkeep, "MOST_SINGLE_REBUILDS", 1)
    for _ in range(3):
        EventFactory(item=ItemFactory(vector=True))
    current = EventFactory(item=ItemFactory(vector=True)).user
    interests.rebuild(current.pk)
    built_at = EndUser.objects.get(pk=current.pk).interests_built_at
    upkeep.rebuild_stale_users()
    job = Job.objects.get()
    assert (job.kind, job.status, job.done, job.total) == ("rebuild_interests", "succeeded", 3, 3)
    assert EndUser.objects.stale().count() == 0
    assert EndUser.objects.get(pk=current.pk).interests_built_at == built_at


def test_rings_of_the_sweep_expire_before_the_next_sweep_rings_again(monkeypatch):
    rung = []
    for task in (tasks.rebuild_user_interests, tasks.refresh_user_interests):
        monkeypatch.setattr(
            task, "apply_async", lambda args, name=task.name, **options: rung.append((name[18:], args, options))
        )
    item, waiting, embedded = ItemFactory(), EndUserFactory(), EndUserFactory()
    EventFactory(user=embedded, item=item)
    interests.rebuild(embedded.pk)
    ItemEmbeddingFactory(item=item)
    EventFactory(user=waiting)
    upkeep.rebuild_stale_users()
    upkeep.follow_new_embeddings()
    assert rung == [
        ("rebuild_user_interests", [waiting.pk], {"expires": 30}),
        ("refresh_user_interests", [[embedded.pk]], {"expires": 30}),
    ]


def test_no_second_job_is_queued_while_one_waits_or_the_demo_loads(monkeypatch):
    JobFactory(kind="rebuild_interests")
    assert upkeep.request_rebuild_of_all("again") is None
    Job.objects.all().delete()
    JobFactory(kind="load_demo", status="running")
    assert upkeep.request_rebuild_of_all("again") is None
    assert Job.objects.count() == 1


def test_users_whose_items_were_embedded_later_are_rebuilt():
    item, user = ItemFactory(), EndUserFactory()
    EventFactory(user=user, item=item)
    interests.rebuild(user.pk)
    assert InterestVector.objects.count() == 0
    ItemEmbeddingFactory(item=item)
    assert upkeep.follow_new_embeddings() == 1
    assert InterestVector.objects.get().medoid == item
    assert upkeep.follow_new_embeddings() == 0


def ago(**duration):
    return timezone.now() - timedelta(**duration)


def test_the_first_labels_reach_the_interests_after_ten_minutes():
    item, user = ItemFactory(vector=True), EndUserFactory()
    EventFactory(user=user, item=item)
    interests.rebuild(user.pk)
    label = ItemLabelFactory(item=item).label
    assert upkeep.follow_new_labels() is False
    EndUser.objects.update(interests_built_at=ago(minutes=11))
    assert upkeep.follow_new_labels() is True
    assert [each.label for each in user.interest_labels.all()] == [label]


@pytest.mark.parametrize(
    ("built", "changed", "is_followed"),
    [
        ({"minutes": 9}, {"minutes": 1}, False),
        ({"minutes": 50}, {"minutes": 1}, False),  # more are coming
        ({"minutes": 50}, {"minutes": 11}, True),  # they have settled
        ({"minutes": 61}, {"minutes": 1}, True),  # more are coming, but it has been long
        ({"minutes": 61}, {"minutes": 62}, False),  # known already
    ],
)
def test_later_labels_are_followed_once_they_settle_or_after_an_hour(built, changed, is_followed):
    item, user = ItemFactory(vector=True), EndUserFactory()
    EventFactory(user=user, item=item)
    interests.rebuild(user.pk)
    ItemLabelFactory(item=item)
    ItemLabel.objects.update(suggested_at=ago(**changed))
    JobFactory(kind="rebuild_interests", status="succeeded")
    Job.objects.update(created_at=ago(**built))
    JobFactory(kind="rebuild_interests", status="succeeded", parameters={"only_stale": True})
    assert upkeep.follow_new_labels() is is_followed


def test_a_job_whose_worker_died_and_a_job_whose_message_was_lost_run_again():
    died = JobFactory(kind="rebuild_statistics", status="running", heartbeat_at=timezone.now() - timedelta(hours=1))
    lost, fresh = JobFactory(kind="rebuild_interests"), JobFactory(kind="rebuild_interests")
    Job.objects.filter(pk=lost.pk).update(created_at=timezone.now() - timedelta(minutes=5))
    assert upkeep.requeue_jobs() == [died.pk, lost.pk]
    states = dict(Job.objects.values_list("pk", "status"))
    assert states == {died.pk: "succeeded", lost.pk: "succeeded", fresh.pk: "queued"}


def test_jobs_of_other_apps_are_left_to_their_own_sweep():
    other = JobFactory(kind="import_items")
    Job.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert upkeep.requeue_jobs() == []
    other.refresh_from_db()
    assert other.status == "queued"


def test_statistics_are_rebuilt_only_after_new_events():
    assert upkeep.refresh_statistics() is None
    EventFactory()
    assert upkeep.refresh_statistics().kind == "rebuild_statistics"
    assert ItemStatistics.objects.count() == 1
    assert upkeep.refresh_statistics() is None
    EventFactory(type="impression")
    assert upkeep.refresh_statistics() is None
    EventFactory()
    upkeep.refresh_statistics()
    assert ItemStatistics.objects.count() == 2


def test_five_rings_for_a_user_rebuild_once():
    user = EndUserFactory()
    EventFactory(user=user, item=ItemFactory(vector=True))
    tasks.rebuild_user_interests.delay(user.pk)
    built_at = EndUser.objects.get().interests_built_at
    for _ in range(4):
        tasks.rebuild_user_interests.delay(user.pk)
    assert EndUser.objects.get().interests_built_at == built_at


def test_the_statistics_job_reports_its_end_and_a_finished_job_does_not_run_again():
    EventFactory()
    job = JobFactory(kind="rebuild_statistics")
    tasks.rebuild_statistics_job.delay(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, job.total, job.message) == (
        "succeeded",
        3,
        3,
        "Statistics and neighbours are current",
    )
    ItemStatistics.objects.all().delete()
    tasks.rebuild_statistics_job.delay(job.pk)
    assert ItemStatistics.objects.count() == 0


def test_the_whole_sweep_runs_on_an_empty_site_and_changes_nothing():
    tasks.sweep.delay()
    tasks.refresh_statistics.delay()
    assert (Job.objects.count(), Event.objects.count(), ItemEmbedding.objects.count()) == (0, 0, 0)
    assert neighbours.rebuild_statistics() == 0
