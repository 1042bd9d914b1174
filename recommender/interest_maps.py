"""The interest map: computed by a job, weekly and when the embedding model changes, and stored place by place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import structlog
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext
from numpy.typing import NDArray

from catalog.models import Item, ItemEmbedding
from recommender.algorithms import projection
from recommender.models import ItemPlace
from recsite.operations import jobs
from recsite.operations.errors import ConflictError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

KIND = "build_interest_map"
REBUILT_EVERY = timedelta(days=7)
AGAIN_AFTER = timedelta(days=1)  # a job that failed or was cancelled
SAMPLE = 5_000
CHUNK = 5_000
# Shares of the work, in percent: reading, each stage, the rest of the items.
READ, STAGE = 4, 20

OnProgress = Callable[[int, int, str], None]


def build(on_progress: OnProgress | None = None) -> int:
    """A new map of every item that has a vector, turned to lie on the last one. Returns how many items are on it."""
    report = on_progress or (lambda done, total, message: None)
    report(0, 100, "Reading vectors")
    ids = np.array(ItemEmbedding.objects.order_by("pk").values_list("pk", flat=True), dtype=np.int64)
    if not len(ids):
        ItemPlace.objects.all().delete()
        return 0
    ids, sampled, reduced = _read(ids, report)
    before, known = _last_map(ids)
    start = _start(reduced, sampled, before, known)
    places = np.zeros((len(ids), 2))
    for stage, found in projection.layout(reduced[sampled], start=start):
        places[sampled] = found
        report(READ + STAGE * stage, 100, "Arranging items by likeness")
    rest = np.setdiff1d(np.arange(len(ids)), sampled)
    for begin in range(0, len(rest), CHUNK):
        rows = rest[begin : begin + CHUNK]
        places[rows] = projection.between(reduced[rows], reduced[sampled], places[sampled])
        report(READ + STAGE * projection.STAGES + 12 * (begin + len(rows)) // len(rest), 100, "Placing the other items")
    placed = projection.framed(projection.turned(places, known, before))
    written = ItemPlace.objects.all().replace_all(ids.tolist(), placed, timezone.now())
    report(100, 100, "Stored")
    log.info("interest_map_built", items=written, sampled=len(sampled))
    return written


def _read(
    ids: NDArray[np.int64], report: OnProgress
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """(ids, rows that are sampled, (n, components)); never more than a chunk of whole vectors at once."""
    wanted = ids[projection.sample_of(ids, SAMPLE)]
    sample_ids, vectors = ItemEmbedding.objects.filter(pk__in=wanted.tolist()).matrix()
    mean, axes = projection.components(vectors)
    found_ids, found = [sample_ids], [(vectors - mean) @ axes]
    others = np.setdiff1d(ids, wanted)
    for begin in range(0, len(others), CHUNK):
        some, vectors = ItemEmbedding.objects.filter(pk__in=others[begin : begin + CHUNK].tolist()).matrix()
        found_ids.append(some)
        found.append((vectors - mean) @ axes)
        report(READ * begin // max(1, len(others)), 100, "Reading vectors")
    all_ids = np.concatenate(found_ids)
    order = np.argsort(all_ids)
    sampled = np.flatnonzero(np.isin(all_ids[order], sample_ids)).astype(np.int64)
    return all_ids[order], sampled, np.concatenate(found)[order].astype(np.float32)


def _last_map(ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """((n, 2), which of the items have a place on it)."""
    rows = list(ItemPlace.objects.order_by("pk").values_list("pk", "x", "y"))
    before, known = np.zeros((len(ids), 2)), np.zeros(len(ids), dtype=bool)
    if rows:
        last = np.array(rows, dtype=np.float64)
        _, here, there = np.intersect1d(ids, last[:, 0].astype(np.int64), return_indices=True)
        before[here], known[here] = last[there, 1:], True
    return before, known


def _start(
    reduced: NDArray[np.float32],
    sampled: NDArray[np.int64],
    before: NDArray[np.float64],
    known: NDArray[np.bool_],
) -> NDArray[np.float64] | None:
    """Where the sampled items stood, new ones between the known ones they resemble; None where most are new."""
    old = known[sampled]
    if old.sum() < max(3, len(sampled) / 2):
        return None
    start = before[sampled]
    if not old.all():
        start[~old] = projection.between(reduced[sampled[~old]], reduced[sampled[old]], before[sampled[old]])
    return start


# ---------------------------------------------------------------- as a job
def active_job() -> Job | None:
    return Job.objects.active().filter(kind=KIND).newest_first().first()


def request(*, started_by: User | None = None) -> Job:
    """Queue the job; the one that is at it already where there is one. Raises ConflictError where no item has a
    vector: there is nothing to map."""
    if not ItemEmbedding.objects.exists():
        raise ConflictError(
            gettext("No item has a vector yet, so there is nothing to map; import items, then try again.")
        )
    if (job := active_job()) is not None:
        return job
    job = jobs.create(KIND, "Build the interest map", started_by=started_by)
    jobs.ring(job)
    return job


def run(progress: jobs.Progress) -> None:
    """The job."""
    progress.describe(model=ItemEmbedding.objects.all().model_in_use())
    items = build(progress.report)
    progress.describe(items=items)


def build_where_due() -> Job | None:
    """Rung by the sweep. No map: once every item has its vector; else when the map is a week old, or its vectors come
    from another model than today's."""
    last = Job.objects.filter(kind=KIND).newest_first().first()
    now = timezone.now()
    if last is not None and last.status != Job.Status.SUCCEEDED and now - last.created_at < AGAIN_AFTER:
        return None
    built_at = ItemPlace.objects.all().built_at()
    model = ItemEmbedding.objects.all().model_in_use()
    if not model or Job.objects.active().filter(kind="load_demo").exists():
        return None
    if built_at is None:
        is_due = not Item.objects.all().without_current_embedding().exists()
    else:
        has_other_model = last is not None and last.details.get("model", model) != model
        is_due = now - built_at >= REBUILT_EVERY or has_other_model
    return request() if is_due else None
