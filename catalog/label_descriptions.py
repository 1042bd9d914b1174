"""Descriptions of labels that nobody described: written by the language model, once a label, before it labels.

A label without a description is the work, so that it is resumed where it stopped. What a person or a file wrote is
never touched. A label whose answer was unusable is marked as the model's with an empty description.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from catalog import labelling, model_usage, prompts
from catalog.models import Label, LabelRequest, Taxonomy
from catalog.models.item_label import LabelRequestQuerySet
from catalog.providers import ChatModel, get_chat_model
from recsite.operations import jobs
from recsite.operations.errors import InvalidInputError, UnavailableError
from recsite.operations.models import Job
from recsite.operations.models.job import JobQuerySet

log = structlog.get_logger(__name__)

KIND = "describe_labels"
SLICE_S = 25.0
# Labelling against a taxonomy waits no longer than this for its descriptions.
HOLD = timedelta(minutes=15)
# A job that was cancelled or that failed is not made again by itself for so long.
STOPPED_FOR = timedelta(days=1)
AT_ONCE_PER_SLOT = 2


@dataclass(frozen=True)
class DescribingReport:
    """What one call did. `left` were not asked about; `is_away` where that is because the model went away."""

    described: int = 0
    unusable: int = 0
    left: int = 0
    is_away: bool = False


def describe(
    label_ids: Sequence[int],
    *,
    chat_model: ChatModel,
    on_progress: Callable[[int], None] = lambda steps: None,
    is_over: Callable[[], bool] = lambda: False,
) -> DescribingReport:
    """Ask about these labels, a few at a time, and store each answer at once; ends early where `is_over` says so."""
    described = unusable = 0
    step = max(1, chat_model.concurrency) * AT_ONCE_PER_SLOT
    for start in range(0, len(label_ids), step):
        if start and is_over():
            return DescribingReport(described, unusable, len(label_ids) - start)
        labels = list(Label.objects.filter(pk__in=label_ids[start : start + step]).order_by("pk"))
        answers, gone = _ask(labels, chat_model)
        stored = [_store(label, text) for label, text in answers]
        model_usage.flush()
        described += sum(stored)
        unusable += len(stored) - sum(stored)
        on_progress(len(answers))
        if gone is not None:
            log.warning("chat_model_unavailable", model=chat_model.name, reason=gone.message)
            return DescribingReport(described, unusable, len(label_ids) - start - len(answers), is_away=True)
    log.info("labels_described", described=described, unusable=unusable)
    return DescribingReport(described, unusable)


def _ask(labels: Sequence[Label], model: ChatModel) -> tuple[list[tuple[Label, str]], UnavailableError | None]:
    """Each label with its description, '' where the answer was unusable; what was answered before the model left."""
    answers: list[tuple[Label, str]] = []
    gone: UnavailableError | None = None
    with ThreadPoolExecutor(max_workers=max(1, model.concurrency), thread_name_prefix="describe") as pool:
        futures: list[Future[str]] = [pool.submit(_ask_one, label.path, model) for label in labels]
        for label, future in zip(labels, futures, strict=True):
            try:
                answers.append((label, future.result()))
            except UnavailableError as error:
                gone = error
    return answers, gone


def write(paths: Sequence[str], model: ChatModel) -> list[str]:
    """A description of each of these label paths, '' where the answer was unusable. Stores nothing."""
    with ThreadPoolExecutor(max_workers=max(1, model.concurrency), thread_name_prefix="describe") as pool:
        return list(pool.map(lambda path: _ask_one(path, model), paths))


def _ask_one(path: str, model: ChatModel) -> str:
    try:
        reply = model.complete(prompts.describe(path), max_tokens=prompts.DESCRIPTION_TOKENS, purpose="describe")
    except InvalidInputError:
        return ""
    return prompts.read_description(reply)


def _store(label: Label, text: str) -> bool:
    """Whether the label has this description now. Nothing changes where it was renamed or described meanwhile; an
    unusable answer leaves a description that the model gave before."""
    mine = Label.objects.filter(pk=label.pk, path=label.path).open_to_model()
    if not text:
        mine.update(description_source=Label.DescriptionSource.LANGUAGE_MODEL)
        return False
    return bool(mine.update(description=text, description_source=Label.DescriptionSource.LANGUAGE_MODEL))


# ---------------------------------------------------------------- jobs
def ring_missing() -> list[Job]:
    """Queue a job for each active taxonomy with labels that nobody described, where the model answers."""
    if settings.LABEL_DESCRIPTIONS != "on" or not settings.LLM_BASE_URL:
        return []
    undescribed = Label.objects.filter(taxonomy__is_active=True).undescribed()
    ids = sorted(set(undescribed.order_by().values_list("taxonomy_id", flat=True)))
    if not ids or labelling.model_status().state != "ready":
        return []
    made = [request(taxonomy_id) for taxonomy_id in ids if not _was_stopped(taxonomy_id)]
    return [job for job in made if job is not None]


def request(taxonomy_id: int) -> Job | None:
    """Queue the job that describes this taxonomy's labels; None where one is at it already."""
    with transaction.atomic():
        taxonomy = Taxonomy.objects.select_for_update().filter(pk=taxonomy_id).first()
        if taxonomy is None or _active().filter(parameters__taxonomy=taxonomy_id).exists():
            return None
        job = jobs.create(KIND, f"Describe the labels of {taxonomy.name}"[:200], parameters={"taxonomy": taxonomy_id})
    jobs.ring(job)
    return job


def run(progress: jobs.Progress) -> None:
    """The job: as much as fits into a slice, then other tasks get their turn. Where the model goes away the job ends,
    and the sweep makes another one when the model is back."""
    job, model = progress.job, get_chat_model()
    ids = list(
        Label.objects.filter(taxonomy_id=job.parameters["taxonomy"])
        .undescribed()
        .order_by("position", "pk")
        .values_list("pk", flat=True)
    )
    before = job.done
    progress.report(before, before + len(ids), "Describing labels")
    if model is None or settings.LABEL_DESCRIPTIONS != "on":
        progress.report(before, before + len(ids), "Switched off; nothing was done")
        return
    until = monotonic() + SLICE_S
    report = describe(ids, chat_model=model, on_progress=progress.advance, is_over=lambda: monotonic() > until)
    told = {name: int(job.details.get(name, 0)) for name in ("described", "unusable")}
    progress.describe(described=told["described"] + report.described, unusable=told["unusable"] + report.unusable)
    if report.is_away:
        progress.report(job.done, job.total, "The language model went away; the rest follows when it is back")
    elif report.left:
        raise jobs.JobPaused
    else:
        progress.report(job.done, job.total, "Described")


def not_held(requests: LabelRequestQuerySet) -> LabelRequestQuerySet:
    """Without those that wait for the language model while it describes their labels; embeddings need not wait."""
    since = timezone.now() - HOLD
    held = [job.parameters.get("taxonomy") for job in _active().filter(created_at__gt=since)]
    if not held:
        return requests
    return requests.exclude(status=LabelRequest.Status.PROVISIONAL, taxonomy_id__in=held)


def is_holding() -> bool:
    return _active().filter(created_at__gt=timezone.now() - HOLD).exists()


def _active() -> JobQuerySet:
    return Job.objects.active().filter(kind=KIND)


def _was_stopped(taxonomy_id: int) -> bool:
    """Whether its newest job was cancelled or failed not long ago: then staff decide about another one."""
    newest = Job.objects.filter(kind=KIND, parameters__taxonomy=taxonomy_id).newest_first().first()
    if newest is None or newest.status not in {Job.Status.CANCELLED, Job.Status.FAILED}:
        return False
    return newest.finished_at is not None and newest.finished_at > timezone.now() - STOPPED_FOR
