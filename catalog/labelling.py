"""Item -> reading -> label head -> language model -> suggestions. A LabelRequest row is the work until it is done.

Every waiting item is read and scored by the head first, which is cheap; where that leaves doubt, the language model is
asked and its opinion pooled with the others. Work is claimed for a while, so that workers may share it and a dead
one's comes back; no transaction spans a model call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction
from numpy.typing import NDArray

from catalog import asking, claims, readings, shortlist, suggestions
from catalog.asking import Answer, Work
from catalog.classifiers import classifier
from catalog.embedding import embed_items
from catalog.models import Item, ItemEmbedding, Label, LabelRequest, Taxonomy
from catalog.models.item_label import LabelRequestQuerySet
from catalog.providers import ChatModel, Embedder, ModelStatus, get_chat_model
from catalog.readings import Reader
from catalog.suggestions import Key

log = structlog.get_logger(__name__)

# At a time by embeddings, which is quick, and by the language model, of which a batch should fit well into a claim.
AT_ONCE = 256
BY_MODEL_AT_ONCE = 12
MAX_ATTEMPTS = 3
STATUS_KEPT_S = 5.0
Status = LabelRequest.Status


@dataclass(frozen=True)
class LabellingReport:
    """What one call did. `remaining` is what another call could work on now; what waits for the model is not in it."""

    provisional: int = 0
    done: int = 0
    copied: int = 0
    failed: int = 0
    remaining: int = 0

    @property
    def worked(self) -> int:
        return self.provisional + self.done + self.copied + self.failed


@dataclass(frozen=True)
class LabellingCounts:
    pending: int
    provisional: int
    done: int
    failed: int


def request_labels(item_ids: Sequence[int], *, taxonomy_ids: Sequence[int] | None = None) -> int:
    """Ask for labels of these items' present text, by all active taxonomies or by those named. Returns how many rows
    now wait that did not before; a text that was labelled or is waiting already is not asked about again."""
    taxonomies = Taxonomy.objects.filter(is_active=True)
    if taxonomy_ids is not None:
        taxonomies = Taxonomy.objects.filter(pk__in=taxonomy_ids)
    wanted = list(taxonomies.order_by("pk").values_list("pk", flat=True))
    texts = dict(Item.objects.filter(pk__in=item_ids).order_by("pk").values_list("pk", "text_hash"))
    before = LabelRequest.objects.filter(item_id__in=texts, taxonomy_id__in=wanted)
    known = {(row.item_id, row.taxonomy_id): row.text_hash for row in before}
    rows = [
        LabelRequest(item_id=item_id, taxonomy_id=taxonomy_id, text_hash=text)
        for item_id, text in texts.items()
        for taxonomy_id in wanted
        if known.get((item_id, taxonomy_id)) != text
    ]
    LabelRequest.objects.bulk_create(
        rows,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["item", "taxonomy"],
        update_fields=["text_hash", "status", "attempts", "error", "claimed_until", "updated_at"],
    )
    return len(rows)


def request_again(requests: LabelRequestQuerySet) -> int:
    """Put failed or finished requests back to waiting: after a mended error, or for new labels, a new prompt or model.
    What a worker is computing about them just now is not stored."""
    with transaction.atomic():
        ids = list(requests.locked().values_list("pk", flat=True))
        return LabelRequest.objects.filter(pk__in=ids).update(
            status=Status.PENDING, attempts=0, error="", claimed_until=None
        )


def counts() -> LabellingCounts:
    found = LabelRequest.objects.all().count_by_status()
    return LabellingCounts(**{name: found.get(status, 0) for name, status in _STATUS_NAMES.items()})


_STATUS_NAMES = {
    "pending": Status.PENDING.value,
    "provisional": Status.PROVISIONAL.value,
    "done": Status.DONE.value,
    "failed": Status.FAILED.value,
}


@claims.kept()
def label_waiting(
    limit: int = AT_ONCE,
    *,
    requests: LabelRequestQuerySet | None = None,
    chat_model: ChatModel | None = None,
    embedder: Embedder | None = None,
) -> LabellingReport:
    """Label up to `limit` waiting requests (or of `requests`): those nobody looked at yet first, by embeddings and the
    head; then, where the language model answers, those that wait for it. Safe to run twice and beside itself."""
    requests = LabelRequest.objects.all() if requests is None else requests
    chat_model = chat_model or get_chat_model()
    pending = LabelRequest.objects.filter(pk__in=requests.filter(status=Status.PENDING).values("pk"))
    provisional = LabelRequest.objects.filter(pk__in=requests.filter(status=Status.PROVISIONAL).values("pk"))
    report = LabellingReport()
    is_ready = chat_model is not None and requests.waiting().exists() and chat_model.status().state == "ready"
    if batch := _with_present_text(pending.claim(limit, seconds=settings.LABEL_CLAIM_S)):
        report = _label_at_once(batch, chat_model, readings.present_reader(embedder))
    elif chat_model is not None and is_ready:
        batch = _with_present_text(provisional.claim(min(limit, BY_MODEL_AT_ONCE), seconds=settings.LABEL_CLAIM_S))
        report, is_ready = _label_by_model(batch, chat_model, readings.present_reader(embedder))
    remaining = pending.unclaimed().count() + (provisional.unclaimed().count() if is_ready else 0)
    if report.worked:
        log.info(
            "labels_suggested",
            done=report.done,
            copied=report.copied,
            provisional=report.provisional,
            failed=report.failed,
        )
    return replace(report, remaining=remaining)


def _with_present_text(batch: list[LabelRequest]) -> list[LabelRequest]:
    """Those whose item still has the text they are about; the others are asked for anew."""
    stale = [request for request in batch if request.text_hash != request.item.text_hash]
    for request in stale:
        request_labels([request.item_id], taxonomy_ids=[request.taxonomy_id])
    return [request for request in batch if request not in stale]


def _label_at_once(batch: list[LabelRequest], chat_model: ChatModel | None, reader: Reader) -> LabellingReport:
    """By embeddings, the head and what the language model said of the same text before. Final where there is nothing
    that the language model is worth asking."""
    failed = _without_labels(batch)
    works = works_of([request for request in batch if request.pk not in failed], reader)
    known = _known_answers(works, chat_model)
    answers = _suggestions(works, known, chat_model, reader)
    copied = {key: answer for key, answer in answers.items() if key in known}
    settled = {work.key: answers[work.key] for work in works if work.key not in known and not work.to_ask()}
    rest = {key: answer for key, answer in answers.items() if key not in copied and key not in settled}
    return LabellingReport(
        done=suggestions.store(batch, settled, status=Status.DONE),
        provisional=suggestions.store(batch, rest, status=Status.PROVISIONAL),
        copied=suggestions.store(batch, copied, status=Status.DONE),
        failed=suggestions.fail(failed, max_attempts=1),
    )


def _label_by_model(batch: list[LabelRequest], chat_model: ChatModel, reader: Reader) -> tuple[LabellingReport, bool]:
    """What was done, and whether the model was there to the end."""
    failed = _without_labels(batch)
    works = works_of([request for request in batch if request.pk not in failed], reader)
    known = _known_answers(works, chat_model)
    # By now the head may know enough of some of these.
    settled = {work.key for work in works if work.key in known or not work.to_ask()}
    replies, gone = asking.ask([work for work in works if work.key not in settled], chat_model)
    errors = {reply.work.key: reply.error for reply in replies if reply.answer is None}
    told = {reply.work.key: asking.by_label(reply.work, reply.answer) for reply in replies if reply.answer is not None}
    told |= {work.key: asking.by_label(work, known[work.key]) for work in works if work.key in known}
    # A version of the head may have gone live while the model was asked, and labels said anew with it.
    works = works_of([request for request in batch if request.pk not in failed], reader)
    answered = answers_of(works, told)
    ready = [work for work in works if work.key in settled or work.key in answered]
    answers = _suggestions(ready, answered, chat_model, reader)
    report = LabellingReport(
        done=suggestions.store(batch, {key: answers[key] for key in answers if key not in known}, status=Status.DONE),
        copied=suggestions.store(batch, {key: answers[key] for key in answers if key in known}, status=Status.DONE),
        failed=suggestions.fail(
            {request.pk: errors[_key(request)] for request in batch if _key(request) in errors},
            max_attempts=MAX_ATTEMPTS,
        )
        + suggestions.fail(failed, max_attempts=1),
    )
    if gone is not None:
        log.warning("chat_model_unavailable", model=chat_model.name, reason=gone.message)
        _forget_status()
    suggestions.release(request.pk for request in batch if _key(request) not in {*answers, *errors})
    return report, gone is None


def _key(request: LabelRequest) -> Key:
    return request.text_hash, request.taxonomy_id


def _without_labels(batch: Sequence[LabelRequest]) -> dict[int, str]:
    taxonomies = {request.taxonomy_id: request.taxonomy for request in batch}
    usable = set(
        Label.objects.filter(taxonomy_id__in=taxonomies).assignable().values_list("taxonomy_id", flat=True).distinct()
    )
    return {
        request.pk: f"Taxonomy {request.taxonomy.slug!r} has no labels; add some, then run label_items --again."
        for request in batch
        if request.taxonomy_id not in usable
    }


def works_of(batch: Sequence[LabelRequest], reader: Reader) -> list[Work]:
    """One piece of work a distinct text and taxonomy. Embeds and reads what was not yet."""
    wanted = {_key(request): request for request in batch}
    if not wanted:
        return []
    embed_items([request.item_id for request in wanted.values()], embedder=reader.small)
    texts = {text_hash: readings.read_text(request.item) for (text_hash, _), request in wanted.items()}
    works: list[Work] = []
    for taxonomy in {request.taxonomy_id: request.taxonomy for request in wanted.values()}.values():
        mine = [key for key in wanted if key[1] == taxonomy.pk]
        is_single = taxonomy.choice == Taxonomy.Choice.SINGLE
        if is_single:
            vectors = readings.of_texts({text_hash: texts[text_hash] for text_hash, _ in mine}, reader)
        else:
            vectors = ItemEmbedding.objects.vectors_by_text({key for key, _ in mine}, model=reader.small.name)
        mine = [key for key in mine if key[0] in vectors]
        neighbours = readings.neighbourhood(reader)
        found = classifier(taxonomy, reader, neighbours)
        if not mine or not found.labels.ids:
            continue
        rows = np.stack([vectors[text_hash] for text_hash, _ in mine])
        if is_single:
            rows = neighbours.smoothed([text_hash for text_hash, _ in mine], rows)
        for key, begin, learned in zip(mine, found.start.scores(rows), found.head.scores(rows), strict=True):
            text = texts[key[0]]
            works.append(Work(key, text.text, text.title, found, begin, learned))
    return works


def _known_answers(works: Sequence[Work], chat_model: ChatModel | None) -> dict[Key, Answer]:
    """The language model's opinions about texts that it met before."""
    if chat_model is None:
        return {}
    return answers_of(works, suggestions.earlier_opinions({work.key for work in works}, model=chat_model.name))


def answers_of(works: Sequence[Work], told: Mapping[Key, Sequence[Sequence[float]]]) -> dict[Key, Answer]:
    """[[label id, share], …] -> opinions by position, of labels that still are there."""
    found: dict[Key, Answer] = {}
    for work in works:
        place = {pk: position for position, pk in enumerate(work.classifier.labels.ids)}
        answer = {place[int(pk)]: share for pk, share in told.get(work.key, ()) if int(pk) in place}
        if answer:
            found[work.key] = answer
    return found


def _suggestions(
    works: Sequence[Work], answers: Mapping[Key, Answer], chat_model: ChatModel | None, reader: Reader
) -> dict[Key, tuple[suggestions.Suggestion, ...]]:
    evidence_for = evidence(works, reader.small)
    name = chat_model.name if chat_model else ""
    return {
        work.key: asking.suggest(work, answers.get(work.key), chat_model=name, evidence_for=evidence_for)
        for work in works
    }


def evidence(works: Sequence[Work], embedder: Embedder) -> Callable[[Work, int], str]:
    """Work and label position -> the words of the item's title that lie closest to that label."""
    by_title = {work.title: shortlist.phrases(work.title) for work in works}
    distinct = sorted({phrase for phrases in by_title.values() for phrase in phrases})
    vectors: dict[str, NDArray[np.float32]] = dict(zip(distinct, embedder.embed(distinct), strict=True))
    return lambda work, position: shortlist.evidence(
        by_title[work.title], vectors, work.classifier.labels.vectors[position, : embedder.dim]
    )


_status_lock = threading.Lock()
_status: tuple[float, ModelStatus] | None = None


def model_status() -> ModelStatus:
    """Whether the language model answers, asked at most every few seconds a process: pages call this freely."""
    global _status
    if settings.RECSITE_LLM == "off":
        return ModelStatus(
            "off", "", "The language model is switched off (RECSITE_LLM=off); labels come from embeddings alone."
        )
    model = get_chat_model()
    if model is None:
        return ModelStatus(
            "off", "", "No language model is configured (LLM_BASE_URL); labels come from embeddings alone."
        )
    with _status_lock:
        if _status is None or time.monotonic() - _status[0] > STATUS_KEPT_S:
            _status = (time.monotonic(), model.status())
        return _status[1]


def _forget_status() -> None:
    global _status
    _status = None
