"""Claims that live as long as their worker: renewed while it works, given back when it died, and never taken from one
that lives."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from catalog import claims, labelling, tasks
from catalog.models import LabelRequest, Lease
from catalog.models import claim as claim_names
from tests.catalog.shelves import dairy_lover, drain, make_item, make_taxonomy
from tests.conftest import wait_until

pytestmark = pytest.mark.django_db


def waiting(n: int = 3) -> list[LabelRequest]:
    make_taxonomy()
    labelling.request_labels([make_item(f"mix-{number}", f"milk bread {number}").pk for number in range(n)])
    return list(LabelRequest.objects.order_by("pk"))


def ended_process() -> str:
    """The name of a process of this machine that is no more."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    host = claim_names.process_name().split(":")[0]
    name = f"{host}:{process.pid}:{claim_names._started(process.pid)}"
    assert not claim_names.is_dead(name)
    process.kill()
    wait_until(lambda: claim_names.is_dead(name), what="a killed process to count as dead, unreaped as it is")
    process.communicate()
    assert claim_names.is_dead(name)
    return name


def test_a_process_is_known_by_its_machine_its_number_and_its_start():
    me = claim_names.process_name()
    host, pid, started = me.split(":")
    assert (int(pid), claim_names.is_dead(me)) == (os.getpid(), False)
    assert claim_names.is_dead(f"{host}:{pid}:{int(started) - 1}")
    assert not claim_names.is_dead(f"another:{pid}:1")
    assert not claim_names.is_dead("nonsense")
    assert len(f"claim:{me}:999999") <= 60


@pytest.mark.django_db(transaction=True)
def test_a_claim_is_renewed_while_its_worker_is_at_it(settings):
    settings.LABEL_CLAIM_S = 0.4
    waiting()
    with claims.kept():
        batch = LabelRequest.objects.all().claim(3, seconds=settings.LABEL_CLAIM_S)
        first = batch[0].claimed_until
        wait_until(lambda: LabelRequest.objects.filter(claimed_until__gt=first + timedelta(seconds=0.5)).count() == 3)
        assert not LabelRequest.objects.unclaimed().exists()
        assert Lease.objects.filter(name__startswith="claim:").count() == 1
    assert not Lease.objects.filter(name__startswith="claim:").exists()
    wait_until(lambda: LabelRequest.objects.unclaimed().count() == 3, what="the claim to run out by itself")


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_was_taken_away_is_not_renewed(settings):
    settings.LABEL_CLAIM_S = 0.4
    rows = waiting()
    others = timezone.now() + timedelta(seconds=60)
    with claims.kept():
        LabelRequest.objects.all().claim(3, seconds=settings.LABEL_CLAIM_S)
        LabelRequest.objects.filter(pk=rows[0].pk).update(claimed_until=None)
        LabelRequest.objects.filter(pk=rows[1].pk).update(claimed_until=others)
        LabelRequest.objects.filter(pk=rows[2].pk).update(status="done")
        time.sleep(0.5)
    assert LabelRequest.objects.get(pk=rows[0].pk).claimed_until is None
    assert LabelRequest.objects.get(pk=rows[1].pk).claimed_until == others
    assert LabelRequest.objects.get(pk=rows[2].pk).claimed_until < timezone.now()


@pytest.mark.django_db(transaction=True)
def test_a_long_wait_for_the_model_outlives_the_term_of_a_claim(settings, embedder):
    settings.LABEL_CLAIM_S = 0.4
    waiting(1)
    drain(embedder=embedder)
    seen = []
    model = dairy_lover()
    choose = model.choose

    def slow(user):
        time.sleep(1.0)
        seen.append(LabelRequest.objects.unclaimed().exists())
        connection.close()
        return choose(user)

    model.choose = slow
    assert labelling.label_waiting(10, embedder=embedder, chat_model=model).done == 1
    assert seen
    assert not any(seen)


def test_what_a_dead_worker_held_is_given_back_and_a_living_ones_is_kept():
    rows = waiting(3)
    dead = ended_process()
    living = claim_names.process_name()
    for row, name in zip(rows, (dead, living, f"elsewhere:{dead.split(':', 1)[1]}"), strict=True):
        until = timezone.now() + timedelta(seconds=50 + row.pk)
        LabelRequest.objects.filter(pk=row.pk).update(claimed_until=until)
        Lease.objects.create(name=f"claim:{name}:0", holder=until.isoformat(), expires_at=until)
    assert claims.release_of_dead(tasks.LEASE) == 1
    assert list(LabelRequest.objects.unclaimed()) == [rows[0]]
    assert Lease.objects.filter(name__startswith="claim:").count() == 2
    assert claims.release_of_dead(tasks.LEASE) == 0


def test_what_a_dead_worker_finished_or_lost_is_not_touched():
    done, lost = waiting(2)
    until = timezone.now() + timedelta(seconds=50)
    LabelRequest.objects.filter(pk=done.pk).update(claimed_until=until, status="done")
    theirs = until + timedelta(microseconds=1)
    LabelRequest.objects.filter(pk=lost.pk).update(claimed_until=theirs)
    Lease.objects.create(name=f"claim:{ended_process()}:0", holder=until.isoformat(), expires_at=until)
    assert claims.release_of_dead(tasks.LEASE) == 0
    assert LabelRequest.objects.get(pk=lost.pk).claimed_until == theirs


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("whose", "is_taken"), [("dead", False), ("living", True)])
def test_the_lease_of_a_dead_worker_is_free_when_another_starts(whose, is_taken):
    name = ended_process() if whose == "dead" else claim_names.process_name()
    assert Lease.objects.take(tasks.LEASE, "ann", seconds=60)
    Lease.objects.create(name=f"drain:{name}", holder="ann", expires_at=timezone.now())
    tasks.give_back_what_the_dead_held()
    assert Lease.objects.is_taken(tasks.LEASE) is is_taken


def test_the_lease_of_a_worker_that_took_over_is_not_given_back():
    assert Lease.objects.take(tasks.LEASE, "bob", seconds=60)
    Lease.objects.create(name=f"drain:{ended_process()}", holder="ann", expires_at=timezone.now())
    claims.release_of_dead(tasks.LEASE)
    assert Lease.objects.is_taken(tasks.LEASE)


def test_rows_about_machines_that_are_no_more_are_forgotten_after_a_day():
    old, new = timezone.now() - timedelta(days=2), timezone.now() - timedelta(hours=2)
    for name, moment in {
        "claim:elsewhere:1:2:0": old,
        "drain:elsewhere:1:2": old,
        "claim:elsewhere:1:2:1": new,
    }.items():
        Lease.objects.create(name=name, holder=moment.isoformat(), expires_at=moment)
    Lease.objects.create(name="another lease", holder="ann", expires_at=old)
    claims.release_of_dead(tasks.LEASE)
    assert set(Lease.objects.values_list("name", flat=True)) == {"claim:elsewhere:1:2:1", "another lease"}


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed_while_it_is_held_and_not_after(settings):
    settings.LABEL_LEASE_S = 0.4
    assert Lease.objects.take(tasks.LEASE, "ann", seconds=0.4)
    with claims.holding(tasks.LEASE, "ann"):
        time.sleep(1.0)
        assert Lease.objects.is_taken(tasks.LEASE)
        assert Lease.objects.get(name__startswith="drain:").holder == "ann"
    assert not Lease.objects.filter(name__startswith="drain:").exists()
    wait_until(lambda: not Lease.objects.is_taken(tasks.LEASE), what="the lease to run out")


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_starts_rings_for_what_waits_if_labelling_is_its_business(monkeypatch):
    rung = []
    monkeypatch.setattr(tasks.label_waiting_items, "apply_async", lambda *args, **options: rung.append(options))

    def worker(*queues):
        amqp = SimpleNamespace(queues=SimpleNamespace(consume_from=dict.fromkeys(queues)))
        return SimpleNamespace(app=SimpleNamespace(amqp=amqp))

    tasks.ring_for_what_waits(worker("models"))
    assert rung == []
    waiting(1)
    tasks.ring_for_what_waits(worker("default", "events"))
    assert rung == []
    tasks.ring_for_what_waits(worker("default", "models"))
    assert len(rung) == 1
    Lease.objects.take(tasks.LEASE, "somebody", seconds=60)
    tasks.ring_for_what_waits(worker("models"))
    assert len(rung) == 1
