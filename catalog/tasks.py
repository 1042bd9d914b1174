"""The catalog's tasks: embed, label, and ring again for what was left behind. Each is safe to run twice."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from kombu.exceptions import OperationalError

from catalog import embedding, labelling
from catalog.models import Item, LabelRequest, Lease
from recsite.operations import jobs

log = structlog.get_logger(__name__)

SLICE_S = 25.0
LEASE_S = 60.0
LEASE = "label_waiting_items"
SWEPT_AT_ONCE = 512
SWEEP_EVERY_S = 30
FOLLOWED_S = 10.0
FOLLOWED_AGAIN_AFTER_S = 2
# What was written within this time still has its own bell on the way.
LEFT_BEHIND_AFTER = timedelta(seconds=60)


@shared_task(soft_time_limit=540, time_limit=600)
def embed_items(item_ids: list[int]) -> None:
    """Vectors and first labels for these items at once; the language model takes its turn in label_waiting_items."""
    embedding.embed_items(item_ids)
    mine = LabelRequest.objects.filter(item_id__in=item_ids, status=LabelRequest.Status.PENDING)
    while labelling.label_waiting(requests=mine).worked:
        pass
    if not Lease.objects.is_taken(LEASE):
        label_waiting_items.delay()


@shared_task(bind=True, soft_time_limit=240, time_limit=300)
def label_waiting_items(self: Any, holder: str = "") -> None:
    """Label for about SLICE_S, then queue itself again while work remains, so that other tasks get their turn.

    One drains at a time: whoever holds the lease. A bell that rings meanwhile finds it taken and does nothing.
    """
    holder = holder or self.request.id or "command"
    if not Lease.objects.take(LEASE, holder, seconds=LEASE_S):
        return
    remaining = 0
    try:
        remaining = _drain_for(SLICE_S, holder)
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


def _drain_for(seconds: float, holder: str) -> int:
    """Returns how many requests could still be worked on now."""
    until = monotonic() + seconds
    while True:
        report = labelling.label_waiting()
        if not report.worked:
            return 0
        if not report.remaining or monotonic() > until:
            return report.remaining
        Lease.objects.take(LEASE, holder, seconds=LEASE_S)


@shared_task(soft_time_limit=60, time_limit=90)
def sweep() -> None:
    """Beat, every 30 s: rings for items without a vector and for requests that nobody works on."""
    since = timezone.now() - LEFT_BEHIND_AFTER
    unembedded = Item.objects.without_current_embedding().filter(updated_at__lt=since).order_by("pk")
    # A bell that nobody heard until the next sweep is worth nothing: it expires, so that they never pile up.
    if ids := list(unembedded.values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
        embed_items.apply_async((ids,), expires=SWEEP_EVERY_S)
    if LabelRequest.objects.waiting().unclaimed().exists() and not Lease.objects.is_taken(LEASE):
        label_waiting_items.apply_async(expires=SWEEP_EVERY_S)


@shared_task
def import_taxonomy(job_id: int) -> None:
    from catalog import taxonomy_import_jobs

    with jobs.running(job_id) as progress:
        if progress is not None:
            taxonomy_import_jobs.run(progress)


@shared_task
def relabel_items(job_id: int, goes_on: bool = False) -> None:
    """Tell for some seconds how far the job's items are, then queue itself again, so that others get their turn."""
    from catalog import relabelling

    is_over = True
    with jobs.running(job_id, goes_on=goes_on) as progress:
        if progress is not None:
            is_over = relabelling.follow(progress, seconds=FOLLOWED_S)
            if not is_over:
                raise jobs.JobPaused
    if not is_over:
        try:
            relabel_items.apply_async((job_id, True), countdown=FOLLOWED_AGAIN_AFTER_S)
        except OperationalError as error:  # silent from now on, so the sweep takes it up again
            log.warning("bell_not_rung", task="relabel_items", job=job_id, reason=str(error))
