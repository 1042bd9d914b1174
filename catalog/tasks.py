"""The catalog's tasks: embed, label, and ring again for what was left behind. Each is safe to run twice."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_init, worker_ready
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from catalog import auto_accept, claims, embedding, label_descriptions, labelling, learning, model_usage, review_bulk
from catalog.models import AutoAccept, Item, LabelRequest, Lease
from recsite.operations import jobs

log = structlog.get_logger(__name__)

SLICE_S = 25.0
LEASE = "label_waiting_items"
LEARNING = "learn"
LEARNING_S = 600.0
SWEPT_AT_ONCE = 512
FOLLOWED_S = 10.0
# What was written within this time still has its own bell on the way.
LEFT_BEHIND_AFTER = timedelta(seconds=60)


@shared_task(soft_time_limit=540, time_limit=600)
def embed_items(item_ids: list[int]) -> None:
    """Vectors for these items, so that they can be found and recommended; labels follow in label_waiting_items."""
    embedding.embed_items(item_ids)
    if not Lease.objects.is_taken(LEASE):
        label_waiting_items.delay()


@shared_task(bind=True, soft_time_limit=240, time_limit=300)
def label_waiting_items(self: Any, holder: str = "") -> None:
    """Label for about SLICE_S, then queue itself again while work remains, so that other tasks get their turn.

    One drains at a time: whoever holds the lease. A bell that rings meanwhile finds it taken and does nothing.
    """
    holder = holder or self.request.id or "command"
    if not Lease.objects.take(LEASE, holder, seconds=settings.LABEL_LEASE_S):
        return
    remaining = 0
    try:
        with claims.holding(LEASE, holder):
            label_descriptions.ring_missing()
            remaining = _drain_for(SLICE_S)
    except SoftTimeLimitExceeded:
        remaining = 1
        log.warning("labelling_slow", reason="A batch took longer than its time limit; it is tried again.")
    except BaseException:
        Lease.objects.release(LEASE, holder)
        raise
    if remaining:
        label_waiting_items.delay(holder)
    else:
        Lease.objects.release(LEASE, holder)


def _drain_for(seconds: float) -> int:
    """Returns how many requests could still be worked on now."""
    until = monotonic() + seconds
    while True:
        try:
            report = _label_waiting()
        finally:
            model_usage.flush()
        if not report.worked:
            return 0
        if not report.remaining or monotonic() > until:
            return report.remaining


def _label_waiting() -> labelling.LabellingReport:
    if label_descriptions.is_holding():
        return labelling.label_waiting(requests=label_descriptions.not_held(LabelRequest.objects.all()))
    return labelling.label_waiting()


@shared_task(soft_time_limit=240, time_limit=300)
def describe_labels(job_id: int) -> None:
    """Have the language model describe a taxonomy's labels, in slices; labelling that waited for it is rung for."""
    try:
        with jobs.running(job_id) as progress:
            if progress is not None:
                label_descriptions.run(progress)
    finally:
        model_usage.flush()
    if LabelRequest.objects.waiting().unclaimed().exists() and not Lease.objects.is_taken(LEASE):
        label_waiting_items.delay()


@shared_task(bind=True, soft_time_limit=540, time_limit=600)
def learn(self: Any) -> None:
    """Train on what staff decided and say labels anew; one at a time."""
    holder = self.request.id or "command"
    if not Lease.objects.take(LEARNING, holder, seconds=LEARNING_S):
        return
    try:
        learning.learn()
    finally:
        Lease.objects.release(LEARNING, holder)


@shared_task(soft_time_limit=540, time_limit=600)
def learn_labels(job_id: int) -> None:
    """The job of training a head now, or of saying labels anew with an earlier one."""
    with jobs.running(job_id) as progress:
        if progress is not None:
            learning.run(progress)


@shared_task(soft_time_limit=120, time_limit=150)
def settle_auto_accept(taxonomy_id: int | None = None) -> None:
    """Start, stop, draw audits and accept what is sure, for one taxonomy or for all; rings again while any remains."""
    reports = auto_accept.settle_all() if taxonomy_id is None else {taxonomy_id: auto_accept.settle(taxonomy_id)}
    for settled_id, report in reports.items():
        if report.remaining:
            settle_auto_accept.apply_async((settled_id,), expires=settings.SWEEP_EVERY_S)


@shared_task(soft_time_limit=60, time_limit=90)
def sweep() -> None:
    """Beat, every 30 s: rings for items without a vector, for requests that nobody works on, and where auto-accept
    is on."""
    since = timezone.now() - LEFT_BEHIND_AFTER
    unembedded = Item.objects.without_current_embedding().filter(updated_at__lt=since).order_by("pk")
    # A bell that nobody heard until the next sweep is worth nothing: it expires, so that they never pile up.
    if ids := list(unembedded.values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
        embed_items.apply_async((ids,), expires=settings.SWEEP_EVERY_S)
    if LabelRequest.objects.waiting().unclaimed().exists() and not Lease.objects.is_taken(LEASE):
        label_waiting_items.apply_async(expires=settings.SWEEP_EVERY_S)
    label_descriptions.ring_missing()
    if AutoAccept.objects.filter(state__in=auto_accept.ON).exists():
        settle_auto_accept.apply_async((None,), expires=settings.SWEEP_EVERY_S)
    if not Lease.objects.is_taken(LEARNING) and learning.is_due():
        learn.apply_async(expires=settings.SWEEP_EVERY_S)


@worker_process_init.connect
def give_back_what_the_dead_held(**_: Any) -> None:
    """A worker that starts is often there because another one died."""
    try:
        claims.release_of_dead(LEASE)
    except DatabaseError as error:
        log.warning("claims_not_released", reason=str(error).strip()[:200])
    finally:
        connection.close()


@worker_ready.connect
def ring_for_what_waits(sender: Any, **_: Any) -> None:
    """So that a worker of the models queue begins at once where it would else wait for the next sweep."""
    if "models" not in sender.app.amqp.queues.consume_from:
        return
    try:
        if LabelRequest.objects.waiting().unclaimed().exists() and not Lease.objects.is_taken(LEASE):
            label_waiting_items.apply_async(expires=settings.SWEEP_EVERY_S)
    except (DatabaseError, OperationalError) as error:
        log.warning("bell_not_rung", task="label_waiting_items", reason=str(error).strip()[:200])
    finally:
        # The pool forks its children from this process: none of them may inherit a connection.
        connection.close()


@shared_task
def accept_labels(job_id: int) -> None:
    with jobs.running(job_id) as progress:
        if progress is not None:
            review_bulk.run_accepting(progress)


@shared_task
def undo_decisions(job_id: int) -> None:
    with jobs.running(job_id) as progress:
        if progress is not None:
            review_bulk.run_undoing(progress)


@shared_task
def import_taxonomy(job_id: int) -> None:
    from catalog import taxonomy_import_jobs

    with jobs.running(job_id) as progress:
        if progress is not None:
            taxonomy_import_jobs.run(progress)


@shared_task
def relabel_items(job_id: int) -> None:
    """Tell for some seconds how far the job's items are, then wait in the queue again: others get their turn."""
    from catalog import relabelling

    with jobs.running(job_id) as progress:
        if progress is not None and not relabelling.follow(progress, seconds=FOLLOWED_S):
            raise jobs.JobPaused
