"""A real worker and a real model server, killed in the middle: in the end every item is labelled, each once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
from celery import current_app
from django.db.models import Count

from catalog import labelling, tasks
from catalog.models import ItemLabel, LabelRequest, Lease, ModelUsage
from recsite.operations.embedded.ports import free_port
from tests.catalog.shelves import make_item, make_taxonomy
from tests.conftest import PROJECT, database_url, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ITEMS = 500


class Site:
    """The processes of a test: each is started, killed and ended by the handle we hold."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.asked = directory / "asked.txt"
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, log: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "RECSITE_LLM": "auto",
            "LABEL_EMBEDDER": "off",
            "LLM_BASE_URL": f"http://127.0.0.1:{self.port}/v1",
            "LLM_MODEL": "stand-in",
        }
        with (self.directory / log).open("ab") as output:
            process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        self.running.append(process)
        return process

    def start_model(self) -> subprocess.Popen[bytes]:
        return self.start(
            *(sys.executable, "-m", "tests.stand_in_model", str(self.port), str(self.asked), "0.02"), log="model.log"
        )

    def start_worker(self, name: str, *, pool: str = "solo") -> subprocess.Popen[bytes]:
        return self.start(
            *(sys.executable, "-m", "celery", "--app", "recsite", "worker", "--queues", "models,events"),
            *(
                "--pool",
                pool,
                "--concurrency",
                "1",
                "--hostname",
                f"{name}-{os.getpid()}@%h",
                "--without-gossip",
                "--without-mingle",
            ),
            *("--include", "tests.worker_embedder", "--loglevel", "INFO"),
            log=f"{name}.log",
        )

    def said(self, log: str) -> str:
        return (self.directory / log).read_text()[-4000:]


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)


@pytest.fixture
def site(tmp_path: Path):
    with current_app.connection_for_write() as link:
        for queue in ("default", "events", "models"):
            link.default_channel.queue_purge(queue)
    made = Site(tmp_path)
    yield made
    for process in made.running:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            kill(process)
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()


def by_model() -> int:
    return LabelRequest.objects.filter(status=LabelRequest.Status.DONE).count()


def test_nothing_is_lost_or_doubled_whatever_is_killed(site: Site) -> None:
    taxonomy = make_taxonomy()
    # As close to one label as to another, so that the model has to be asked about each.
    items = [make_item(f"sku-{n}", f"Milk, bread and chips {n}") for n in range(ITEMS)]
    labelling.request_labels([item.pk for item in items])
    model = site.start_model()
    worker = site.start_worker("first")
    # The worker rings for what waits by itself; nothing was sent to it.
    wait_until(lambda: by_model() > 60, timeout_s=60, what=f"the first labels: {site.said('first.log')}")
    wait_until(lambda: Lease.objects.filter(name__startswith="claim:").exists(), what="a claim")
    kill(worker)
    left_behind = LabelRequest.objects.filter(claimed_until__isnull=False).waiting().count()

    second = site.start_worker("second")
    reached = by_model() + 60
    wait_until(lambda: by_model() > reached, timeout_s=60, what=f"labels after the kill: {site.said('second.log')}")
    assert "claims_of_dead_worker_released" in site.said("second.log") or not left_behind

    kill(model)
    done_without = by_model()
    wait_until(lambda: not Lease.objects.is_taken(tasks.LEASE), what=f"the drain to stop: {site.said('second.log')}")
    assert ITEMS > by_model() >= done_without
    assert LabelRequest.objects.filter(status=LabelRequest.Status.FAILED).count() == 0
    site.start_model()

    def is_done() -> bool:
        tasks.sweep.delay()  # which beat does
        return by_model() == ITEMS

    wait_until(is_done, timeout_s=60, what=f"the end, {by_model()} done: {site.said('second.log')}")
    wait_until(lambda: not Lease.objects.is_taken(tasks.LEASE), what="the lease to be given back")
    second.terminate()
    second.wait(timeout=20)

    assert labelling.counts() == labelling.LabellingCounts(pending=0, provisional=0, done=ITEMS, failed=0)
    assert LabelRequest.objects.filter(taxonomy=taxonomy).count() == ITEMS
    assert LabelRequest.objects.filter(attempts__gt=0).count() == 0
    assert not LabelRequest.objects.exclude(claimed_until=None).exists()
    # One set of current suggestions an item, the model's, and one replaced set, the embeddings'.
    sets = Counter(ItemLabel.objects.current().values_list("item_id", "rank").annotate(n=Count("pk")))
    assert len(sets) == ITEMS * 3
    assert {n for _, _, n in sets} == {1}
    assert set(ItemLabel.objects.current().values_list("source", flat=True)) == {"language_model"}
    replaced = ItemLabel.objects.filter(superseded_at__isnull=False)
    assert set(replaced.values_list("source", flat=True)) == {"embedding"}
    assert set(replaced.values_list("item_id").annotate(n=Count("pk")).values_list("n", flat=True)) == {3}
    assert replaced.values("item_id").distinct().count() == ITEMS
    # Nothing holds anything any more, and what was asked was counted.
    assert not Lease.objects.filter(name__startswith="claim:").exists()
    assert not Lease.objects.filter(name__startswith="drain:").exists()
    usage = ModelUsage.objects.get(purpose="label", model="stand-in")
    assert usage.prompt_tokens == 50 * (usage.calls - usage.failures)
    # What is asked twice is the batch that was under way when something was killed, and no more.
    asked = Counter(site.asked.read_text().splitlines())
    assert len(asked) == ITEMS
    assert sum(n > 1 for n in asked.values()) <= 2 * labelling.BY_MODEL_AT_ONCE


def test_a_killed_child_of_a_worker_is_replaced_and_its_work_given_back(site: Site) -> None:
    make_taxonomy()
    items = [make_item(f"sku-{n}", f"Milk, bread and chips {n}") for n in range(120)]
    labelling.request_labels([item.pk for item in items])
    site.start_model()
    worker = site.start_worker("forking", pool="prefork")
    wait_until(lambda: by_model() > 20, timeout_s=60, what=f"the first labels: {site.said('forking.log')}")
    (child,) = psutil.Process(worker.pid).children()
    wait_until(lambda: Lease.objects.filter(name__startswith="claim:").exists(), what="a claim")
    child.kill()
    wait_until(lambda: by_model() == 120, timeout_s=60, what=f"the end: {site.said('forking.log')}")
    worker.terminate()
    worker.wait(timeout=20)
    assert ItemLabel.objects.current().count() == 120 * 3
    assert ItemLabel.objects.filter(superseded_at__isnull=False).count() == 120 * 3
    assert not LabelRequest.objects.exclude(claimed_until=None).exists()
