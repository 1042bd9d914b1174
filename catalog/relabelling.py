"""Labels anew for some items of a taxonomy: their requests wait again, and a job follows them until they are answered.

The requests are the work and whoever labels does it; the job only tells how far it is, so nothing depends on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef

from catalog import labelling
from catalog.models import ItemLabel, LabelRequest, Taxonomy
from catalog.taxonomies import REQUEST_CHUNK, ring_for_labels
from recsite.operations import jobs
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

KIND = "relabel_items"
REQUESTS = "_requests"
LEFT = "_left"
Status = LabelRequest.Status


@transaction.atomic
def relabel(taxonomy: Taxonomy, item_ids: Iterable[int], *, title: str, staff: User | None) -> Job | None:
    """These items wait to be labelled anew. None where there are none, or where the taxonomy is not in use.

    What a worker is computing for this taxonomy just now is dropped too: it may be about labels that are no more.
    """
    ids = sorted(item_ids)
    drop_answers_under_way(taxonomy)
    if not ids or not taxonomy.is_active:
        return None
    for start in range(0, len(ids), REQUEST_CHUNK):
        labelling.request_labels(ids[start : start + REQUEST_CHUNK], taxonomy_ids=[taxonomy.pk])
    requests = LabelRequest.objects.filter(taxonomy=taxonomy, item_id__in=ids)
    labelling.request_again(requests)
    job = jobs.create(
        KIND,
        title[:200],
        parameters={
            "taxonomy": taxonomy.slug,
            REQUESTS: list(requests.order_by("pk").values_list("pk", flat=True)),
        },
        started_by=staff,
    )
    transaction.on_commit(lambda: jobs.ring(job), robust=True)
    ring_for_labels()
    return job


def drop_answers_under_way(taxonomy: Taxonomy) -> None:
    """Take claims away; an answer whose request is no longer claimed is not stored, and is asked for again."""
    claimed = LabelRequest.objects.filter(taxonomy=taxonomy, claimed_until__isnull=False).waiting()
    ids = list(claimed.locked().values_list("pk", flat=True))
    LabelRequest.objects.filter(pk__in=ids).update(claimed_until=None)


def follow(progress: jobs.Progress, *, seconds: float, pause: Callable[[float], None] = time.sleep) -> bool:
    """Report how many of the job's requests are answered, each second. True once all are; False where time is up.

    Where staff cancel it, what nobody looked at yet keeps the labels it had.
    """
    ids: list[int] = progress.job.parameters.get(REQUESTS, [])
    mine = LabelRequest.objects.all().numbered(ids)
    until = time.monotonic() + seconds
    try:
        if progress.job.parameters.get(LEFT):
            _ask_again(progress.job)
        if not progress.job.total:
            progress.start(len(ids), message=_words(len(ids)))
        while waiting := mine.filter(status=Status.PENDING).count():
            progress.report(len(ids) - waiting, len(ids), _words(waiting))
            if time.monotonic() >= until:
                return False
            pause(1.0)
        counts = mine.count_by_status()
        progress.report(len(ids), len(ids), "All are labelled")
        progress.describe(
            labelled=counts.get(Status.DONE, 0),
            wait_for_the_language_model=counts.get(Status.PROVISIONAL, 0),
            failed=counts.get(Status.FAILED, 0),
        )
    except jobs.JobCancelled:
        left = _leave(progress.job, ids)
        log.info("relabelling_cancelled", job=progress.job.pk, left=len(left))
        raise
    return True


def _words(waiting: int) -> str:
    if waiting == 1:
        return f"{waiting} item waits for the models worker"
    return f"{waiting:,} items wait for the models worker"


@transaction.atomic
def _leave(job: Job, request_ids: list[int]) -> list[int]:
    """Requests that nobody has looked at, and whose item has labels already, are done as they are. Returns their ids,
    which the job keeps for the case that it is run again."""
    has_labels = ItemLabel.objects.current().filter(item=OuterRef("item"), taxonomy=OuterRef("taxonomy"))
    untouched = LabelRequest.objects.all().numbered(request_ids).filter(Exists(has_labels), status=Status.PENDING)
    ids = list(untouched.unclaimed().locked().values_list("pk", flat=True))
    LabelRequest.objects.filter(pk__in=ids).update(status=Status.DONE)
    Job.objects.filter(pk=job.pk).update(parameters={**job.parameters, LEFT: ids})
    return ids


@transaction.atomic
def _ask_again(job: Job) -> None:
    """A cancelled job that is run again asks for what it had left."""
    labelling.request_again(LabelRequest.objects.all().numbered(job.parameters.pop(LEFT)))
    Job.objects.filter(pk=job.pk).update(parameters=job.parameters)
    ring_for_labels()
