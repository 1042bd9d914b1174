"""The demo's job: made once, rung again where it was left behind."""

from __future__ import annotations

from typing import Any

import pytest
from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from recsite.operations import jobs
from recsite.operations.embedded import demo
from recsite.operations.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    calls: list[tuple[str, list[int]]] = []

    def send_task(name: str, *, args: list[int]) -> None:
        calls.append((name, args))

    monkeypatch.setattr(current_app, "send_task", send_task)
    return calls


def test_the_demo_is_queued_once_and_rung_again_while_it_waits(rung: list[tuple[str, list[int]]]) -> None:
    first = demo.ensure_demo("grocery")
    assert first is not None
    assert demo.ensure_demo("grocery") == first
    assert Job.objects.get().parameters == {"demo": "grocery"}
    assert rung == [("recommender.tasks.load_demo", [first])] * 2


def test_a_broker_that_is_away_leaves_the_demo_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(current_app, "send_task", refuse)
    job_id = demo.ensure_demo("grocery")
    assert Job.objects.values_list("pk", "status").get() == (job_id, Job.Status.QUEUED)


def test_no_demo_no_job(rung: list[tuple[str, list[int]]]) -> None:
    assert demo.ensure_demo("none") is None
    assert (Job.objects.count(), rung) == (0, [])


@pytest.mark.parametrize("status", [Job.Status.SUCCEEDED, Job.Status.CANCELLED])
def test_a_demo_that_is_loaded_or_was_cancelled_is_left_alone(
    rung: list[tuple[str, list[int]]], status: Job.Status
) -> None:
    Job.objects.create(kind="load_demo", title="Load the demo shop", status=status)
    assert demo.ensure_demo("grocery") is None
    assert (Job.objects.count(), rung) == (1, [])


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_demo_whose_worker_was_killed_runs_again(rung: list[tuple[str, list[int]]], attempts: int) -> None:
    job = Job.objects.create(
        kind="load_demo",
        title="Load the demo shop",
        status=Job.Status.RUNNING,
        heartbeat_at=timezone.now(),
        attempts=attempts,
        done=7,
    )
    jobs.workers_are_gone()
    assert demo.ensure_demo("grocery") == job.pk
    job.refresh_from_db()
    assert (job.status, job.done) == (Job.Status.QUEUED, 0)
    assert rung == [("recommender.tasks.load_demo", [job.pk])]


def test_following_shows_how_it_ended(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "POLL_S", 0.0)
    job = Job.objects.create(kind="load_demo", title="t", status=Job.Status.RUNNING, done=5, total=10, message="Items")
    follow = demo.Follow(job.pk)
    assert follow.step() is False
    Job.objects.filter(pk=job.pk).update(status=Job.Status.FAILED, error="The package is missing.")
    assert follow.step() is True
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["Demo shop: 50% Items", "Demo shop: failed, The package is missing. See Operations, Jobs."]
