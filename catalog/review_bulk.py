"""Many suggestions accepted by one click: counted first, the unsure ones only where asked for, undone as one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext

from catalog import review
from catalog.models import DecisionRecord, ItemLabel
from catalog.models.item_label import ItemLabelQuerySet
from catalog.review_filters import ReviewFilter, parse, rows_for
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.jobs import Progress
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

UNSURE_BELOW = 0.5
AT_ONCE = 200
CHUNK = 500
SAMPLE = 24
LABELS_NAMED = 12


@dataclass(frozen=True)
class Preview:
    """What would be accepted: how many, how many of them below UNSURE_BELOW, of which labels, and the least sure."""

    total: int
    unsure: int
    labels: tuple[tuple[str, int], ...]
    sample: tuple[ItemLabel, ...]

    @property
    def sure(self) -> int:
        return self.total - self.unsure


@dataclass(frozen=True)
class Outcome:
    """What one click did: at once, or by a job. `left_out` were decided by somebody meanwhile."""

    batch: UUID
    done: int = 0
    left_out: int = 0
    job: Job | None = None


def preview(narrowing: ReviewFilter, reviewer: User) -> Preview:
    rows = _offered(narrowing, reviewer)
    counted = rows.order_by().aggregate(total=Count("pk"), unsure=Count("pk", filter=Q(confidence__lt=UNSURE_BELOW)))
    by_label = rows.order_by().values_list("label__path").annotate(n=Count("pk")).order_by("-n", "label__path")
    named = rows.select_related("item", "label", "taxonomy").in_every_language()
    sample = named.defer("item__search_vector").order_by("confidence", "id")
    return Preview(counted["total"], counted["unsure"], tuple(by_label[:LABELS_NAMED]), tuple(sample[:SAMPLE]))


def accept_matching(narrowing: ReviewFilter, *, as_of: datetime, include_unsure: bool, reviewer: User) -> Outcome:
    """Accept all that match and were there `as_of`; those below UNSURE_BELOW only where included.

    More than AT_ONCE become a job. Raises InvalidInputError where nothing matches.
    """
    rows = chosen(narrowing, as_of=as_of, include_unsure=include_unsure, reviewer=reviewer)
    batch, n = uuid4(), rows.count()
    if not n:
        raise InvalidInputError(gettext("Nothing that matches is waiting any more; change the filter or count again."))
    if n <= AT_ONCE:
        done, left_out = accept_free(list(rows.values_list("pk", flat=True)), reviewer=reviewer, batch=batch)
        return Outcome(batch, done, left_out)
    parameters = {
        "filter": narrowing.parameters,
        "as_of": as_of.isoformat(),
        "include_unsure": include_unsure,
        "batch": str(batch),
    }
    title = f"Accept {n:,} suggested labels"
    return Outcome(batch, job=_queue("accept_labels", title, parameters, reviewer))


def undo_at_once(batch: UUID, *, reviewer: User) -> Outcome:
    """Take a batch back; a large one by a job."""
    n = DecisionRecord.objects.filter(batch=batch).exclude(act=DecisionRecord.Act.UNDO).count()
    if n <= AT_ONCE:
        done = review.undo_batch(batch, reviewer=reviewer)
        return Outcome(batch, done, n - done)
    title = f"Take back {n:,} decisions"
    return Outcome(batch, job=_queue("undo_decisions", title, {"batch": str(batch)}, reviewer))


@transaction.atomic
def undo_last(*, reviewer: User) -> list[int]:
    """Take back what the reviewer did last and that still stands. Returns the ids of the item labels."""
    record = DecisionRecord.objects.last_act_of(reviewer.pk)
    if record is None:
        raise ConflictError(gettext("You have nothing left to take back."))
    batch = record.batch
    if batch is None:
        review.undo(record.item_label_id, reviewer=reviewer)
        return [record.item_label_id]
    decisions = DecisionRecord.objects.filter(batch=batch).exclude(act=DecisionRecord.Act.UNDO)
    ids = list(decisions.order_by("id").values_list("item_label_id", flat=True))
    if len(ids) > AT_ONCE:
        words = gettext("Your last act decided about %(n)s labels; take it back on the history page.")
        raise ConflictError(words % {"n": f"{len(ids):,}"})
    review.undo_batch(batch, reviewer=reviewer)
    return ids


def accept_free(ids: list[int], *, reviewer: User, batch: UUID) -> tuple[int, int]:
    """Accept those of these that still wait: (accepted, left out)."""
    free = list(ItemLabel.objects.awaiting_review().filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    try:
        done = review.accept(free, reviewer=reviewer, batch=batch) if free else 0
    except ConflictError:  # somebody was faster with one of them: the others are accepted each by itself
        done = 0
        for pk in free:
            try:
                done += review.accept([pk], reviewer=reviewer, batch=batch)
            except ConflictError:
                log.info("label_left_out", item_label=pk)
    return done, len(ids) - done


def run_accepting(progress: Progress) -> None:
    """The job: safe to run twice, since what is accepted waits no longer."""
    job = progress.job
    reviewer = _who_started(job)
    rows = chosen(
        parse(job.parameters["filter"]),
        as_of=datetime.fromisoformat(job.parameters["as_of"]),
        include_unsure=bool(job.parameters["include_unsure"]),
        reviewer=reviewer,
    )
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    progress.start(len(ids), message="Accepting labels")
    batch = UUID(job.parameters["batch"])
    accepted = 0
    for chunk in _chunks(ids):
        done, left_out = accept_free(chunk, reviewer=reviewer, batch=batch)
        accepted += done
        progress.advance(len(chunk), rejected=left_out)
    progress.describe(batch=str(batch), accepted=accepted)


def run_undoing(progress: Progress) -> None:
    """The job: rows that were decided again since stay as they are, so running it twice takes back nothing more."""
    job = progress.job
    reviewer, batch = _who_started(job), UUID(job.parameters["batch"])
    records = DecisionRecord.objects.filter(batch=batch).exclude(act=DecisionRecord.Act.UNDO)
    ids = list(records.order_by("item_label_id").values_list("item_label_id", flat=True).distinct())
    progress.start(len(ids), message="Taking decisions back")
    for chunk in _chunks(ids):
        done = review.undo_batch(batch, reviewer=reviewer, only=chunk)
        progress.advance(len(chunk), rejected=len(chunk) - done)


def _offered(narrowing: ReviewFilter, reviewer: User) -> ItemLabelQuerySet:
    """Whatever state the page showed: only what waits can be accepted."""
    return rows_for(narrowing, reviewer).filter(decision="")


def chosen(narrowing: ReviewFilter, *, as_of: datetime, include_unsure: bool, reviewer: User) -> ItemLabelQuerySet:
    """What `accept_matching` would accept."""
    rows = _offered(narrowing, reviewer).filter(suggested_at__lte=as_of)
    return rows if include_unsure else rows.filter(confidence__gte=UNSURE_BELOW)


def selected(ids: Iterable[int]) -> ItemLabelQuerySet:
    """Of these rows those that a click on the page of many at once would decide: people's decisions stay."""
    return ItemLabel.objects.current().filter(Q(decision="") | Q(is_automatic=True), pk__in=list(ids))


def _queue(kind: str, title: str, parameters: Mapping[str, object], reviewer: User) -> Job:
    with transaction.atomic():
        job = jobs.create(kind, title, parameters=dict(parameters), started_by=reviewer)
        transaction.on_commit(lambda: jobs.ring(job), robust=True)
    return job


def _who_started(job: Job) -> User:
    if job.started_by is None:
        raise ConflictError(
            gettext("Whoever started job %(job)s is no longer here; start it anew from the review page.")
            % {"job": job.pk}
        )
    return job.started_by


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
