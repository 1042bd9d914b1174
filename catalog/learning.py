"""What decisions teach: label heads in versions, how much each opinion weighs, and labels said anew with both.

A new head goes live only if, on decisions that neither it nor the live one was trained on, it is right more often. The
live one has not seen decisions made since it was trained; of the new one, heads are asked that were trained without
the decision in question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from numpy.typing import NDArray

from catalog import label_head, label_metrics, labelling, opinions, readings, review_queue, suggestions
from catalog.asking import Work, suggest
from catalog.classifiers import Classifier, classifier
from catalog.label_head import Head
from catalog.models import ItemEmbedding, ItemLabel, LabelHead, LabelRequest, OpinionFit, Taxonomy
from catalog.opinions import OpinionWeights
from catalog.readings import Neighbourhood, Reader
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError

log = structlog.get_logger(__name__)

MIN_DECISIONS = 10
# Training begins by itself when so many decisions came since the last time.
EVERY_DECISIONS = 25
RESCORED_AT_ONCE = 500
# A label that stays first is said anew only where its confidence moved by more than this.
CONFIDENCE_STEP = 0.02


@dataclass(frozen=True)
class Lesson:
    """What decisions say, one row an item, oldest first. vectors, smoothed: (n, dim); targets: (n, n_labels), as
    `label_head.train` takes them; truth: (n,) positions, -1 where only wrong labels are known."""

    vectors: NDArray[np.float32]
    smoothed: NDArray[np.float32]
    targets: NDArray[np.float32]
    truth: NDArray[np.int64]
    decided_at: tuple[datetime, ...]
    model: NDArray[np.float32]


def retrain(taxonomy_id: int) -> LabelHead | None:
    """Train a version on all decisions of people, and the opinions' weights; None where there are too few.

    Raises ConflictError where nobody decided anything since the last version.
    """
    taxonomy = _taxonomy(taxonomy_id)
    reader = readings.present_reader()
    neighbours = readings.neighbourhood(reader)
    found = classifier(taxonomy, reader, neighbours)
    lesson = _lesson(taxonomy, found, reader, neighbours)
    if len(lesson.truth) < MIN_DECISIONS:
        return None
    newest = LabelHead.objects.filter(taxonomy=taxonomy).first()
    if newest and newest.model == found.reader and max(lesson.decided_at) <= newest.created_at:
        raise ConflictError(
            f"Nobody decided about {taxonomy.name} since version {newest.version} was trained; "
            "review some suggestions, then train again."
        )
    # Decisions that the live head was trained on say nothing about it; the zero-shot start was trained on none.
    since = LabelHead.objects.live(taxonomy.pk).created_at if found.version else None
    unseen = np.array([since is None or at > since for at in lesson.decided_at])
    is_single = found.labels.is_single
    apart = label_head.out_of_fold(
        found.start, lesson.vectors, lesson.targets, is_single=is_single, scored=lesson.smoothed
    )
    learned = label_head.train(found.start, lesson.vectors, lesson.targets, is_single=is_single)
    report = compare(found.head.scores(lesson.smoothed), apart, lesson.targets, unseen, is_single=is_single)
    head = _save(taxonomy, found, learned, lesson, report)
    if is_single:
        _fit_weights(taxonomy, found, apart, lesson)
    log.info("label_head_trained", taxonomy=taxonomy.pk, version=head.version, status=head.status, **report)
    rescore(taxonomy_id)
    return head


def compare(
    live: NDArray[np.float32],
    new: NDArray[np.float32],
    targets: NDArray[np.float32],
    unseen: NDArray[np.bool_],
    *,
    is_single: bool,
) -> dict[str, object]:
    """How often either is right on the decisions neither has seen; live, new, targets: (n, n_labels)."""
    right_live, right_new = (_is_right(scores, targets, is_single)[unseen] for scores in (live, new))
    known = ~np.isnan(right_live)
    difference = (right_new - right_live)[known]
    return {
        "held_out": int(known.sum()),
        "live_accuracy": round(float(right_live[known].mean()), 4) if known.any() else None,
        "new_accuracy": round(float(right_new[known].mean()), 4) if known.any() else None,
        "difference": round(float(difference.mean()), 4) if known.any() else 0.0,
        "ci95": label_metrics.interval(difference, seed=0) if known.any() else [0.0, 0.0],
    }


def _is_right(scores: NDArray[np.float32], targets: NDArray[np.float32], is_single: bool) -> NDArray[np.float64]:
    """(n,): 1 right, 0 wrong, NaN unknown; for several choices the share of decided labels that it tells right."""
    if is_single:
        is_known = targets.max(axis=1) > 0.999
        right = (scores.argmax(axis=1) == targets.argmax(axis=1)).astype(np.float64)
        return np.where(is_known, right, np.nan)
    same = np.where(np.isnan(targets), np.nan, (scores > 0.0) == (targets > 0.5))
    return np.asarray(np.nanmean(same, axis=1), dtype=np.float64)


def _save(taxonomy: Taxonomy, found: Classifier, learned: Head, lesson: Lesson, report: dict[str, object]) -> LabelHead:
    difference = report["difference"]
    assert isinstance(difference, float)  # noqa: S101
    is_better = difference > 0
    told = f"{report['new_accuracy']:.0%} against {report['live_accuracy']:.0%} right" if report["held_out"] else ""
    words = f"{told} on {report['held_out']} decisions that neither had seen."
    with transaction.atomic():
        Taxonomy.objects.select_for_update().get(pk=taxonomy.pk)
        heads = LabelHead.objects.filter(taxonomy=taxonomy)
        version = (heads.aggregate(last=Max("version"))["last"] or 0) + 1
        if is_better:
            heads.filter(status=LabelHead.Status.LIVE).update(status=LabelHead.Status.RETIRED)
        return LabelHead.objects.create(
            taxonomy=taxonomy,
            version=version,
            status=LabelHead.Status.LIVE if is_better else LabelHead.Status.REFUSED,
            weights=label_head.to_bytes(learned, found.labels.ids),
            model=found.reader,
            decisions=len(lesson.truth),
            report=report,
            reason=(f"Live: {words}" if is_better else f"Not live, for it is not better: {words}")[:300],
            went_live_at=timezone.now() if is_better else None,
        )


def _fit_weights(taxonomy: Taxonomy, found: Classifier, apart: NDArray[np.float32], lesson: Lesson) -> None:
    """Stored only where, fitted on one half of the decisions, the weights make the other half likelier."""
    known = lesson.truth >= 0
    start, head, model = found.start.scores(lesson.smoothed)[known], apart[known], lesson.model[known]
    fitted, report = fit_weights(start, head, model, lesson.truth[known])
    kept = OpinionFit.objects.filter(taxonomy=taxonomy).first()
    OpinionFit.objects.update_or_create(
        taxonomy=taxonomy,
        defaults={
            "parameters": {**(kept.parameters if kept else {}), "weights": fitted.as_dict()},
            "decisions": int(known.sum()) if fitted is not opinions.PRIOR else 0,
            "report": report,
        },
    )


def fit_weights(
    start: NDArray[np.float32], head: NDArray[np.float32], model: NDArray[np.float32], truth: NDArray[np.int64]
) -> tuple[OpinionWeights, dict[str, float]]:
    """The opinions' weights after these decisions and what they changed on decisions they were not fitted on."""
    halves = np.arange(len(truth)) % 2 == 0
    shares = {"prior": opinions.pooled(start, head, model), "fitted": opinions.pooled(start, head, model)}
    for half in (halves, ~halves):
        weights = opinions.fit(start[half], head[half], model[half], truth[half])
        shares["fitted"][~half] = opinions.pooled(start[~half], head[~half], model[~half], weights=weights)
    figures = {name: _figures(found, truth) for name, found in shares.items()}
    report = {
        "held_out": len(truth),
        "ece_before": figures["prior"][1],
        "ece_after": figures["fitted"][1],
        "accuracy_prior": figures["prior"][0],
        "accuracy_fitted": figures["fitted"][0],
    }
    is_likelier = figures["fitted"][2] > figures["prior"][2]
    return (opinions.fit(start, head, model, truth) if is_likelier else opinions.PRIOR), report


def _figures(shares: NDArray[np.float32], truth: NDArray[np.int64]) -> tuple[float, float, float]:
    """(accuracy, expected calibration error, mean log likelihood)"""
    if not len(truth):
        return 0.0, 0.0, 0.0
    is_right = shares.argmax(axis=1) == truth
    ece = label_metrics.expected_calibration_error(shares.max(axis=1).astype(np.float64), is_right)
    likelihood = np.log(shares[np.arange(len(truth)), truth] + 1e-9).mean()
    return round(float(is_right.mean()), 4), round(ece, 4), float(likelihood)


def roll_back(head_id: int, *, staff: User) -> LabelHead:
    """Make that version live, and say labels anew with it. Raises ConflictError where it does not fit the labels."""
    head = LabelHead.objects.select_related("taxonomy").filter(pk=head_id).first()
    if head is None:
        raise NotFoundError("That version does not exist any more; reload the page.")
    reader = readings.present_reader()
    found = classifier(head.taxonomy, reader, readings.neighbourhood(reader))
    _, label_ids = label_head.from_bytes(bytes(head.weights))
    if label_ids != found.labels.ids or head.model != found.reader:
        raise ConflictError(
            f"Version {head.version} was trained for other labels or another embedding model and cannot go live; "
            "train a new one instead."
        )
    with transaction.atomic():
        Taxonomy.objects.select_for_update().get(pk=head.taxonomy_id)
        LabelHead.objects.filter(taxonomy_id=head.taxonomy_id, status=LabelHead.Status.LIVE).update(
            status=LabelHead.Status.RETIRED
        )
        head.status, head.went_live_at = LabelHead.Status.LIVE, timezone.now()
        head.reason = f"Live again: {staff.get_username()} rolled back to it."[:300]
        head.save(update_fields=["status", "went_live_at", "reason"])
    log.info("label_head_rolled_back", taxonomy=head.taxonomy_id, version=head.version, staff=staff.pk)
    rescore(head.taxonomy_id)
    return head


# ---------------------------------------------------------------- said anew
def rescore(taxonomy_id: int) -> int:
    """Say the labels of this taxonomy anew as things stand, with what the language model said before, and put the
    review queue in order. Decisions stay. Returns how many items' suggestions changed."""
    taxonomy = _taxonomy(taxonomy_id)
    reader = readings.present_reader()
    state = _state(taxonomy, reader)
    requests = LabelRequest.objects.filter(taxonomy=taxonomy).answered()
    ids = list(requests.order_by("pk").values_list("pk", flat=True))
    changed = 0
    for begin in range(0, len(ids), RESCORED_AT_ONCE):
        batch = list(requests.filter(pk__in=ids[begin : begin + RESCORED_AT_ONCE]).select_related("item", "taxonomy"))
        changed += _rescore([row for row in batch if row.text_hash == row.item.text_hash], taxonomy, reader)
    review_queue.rank(taxonomy, reader)
    kept = OpinionFit.objects.filter(taxonomy=taxonomy).first()
    parameters = {**(kept.parameters if kept else {}), "scored": state}
    OpinionFit.objects.update_or_create(taxonomy=taxonomy, defaults={"parameters": parameters})
    log.info("labels_rescored", taxonomy=taxonomy.pk, items=len(ids), changed=changed)
    return changed


def _rescore(batch: list[LabelRequest], taxonomy: Taxonomy, reader: Reader) -> int:
    works = labelling.works_of(batch, reader)
    firsts = {
        row.text_hash: row
        for row in ItemLabel.objects.first_suggestions(taxonomy.pk, [request.item_id for request in batch])
    }
    told = {work.key: firsts[work.key[0]].opinions.get("language_model", []) for work in works if work.key[0] in firsts}
    answers = labelling.answers_of(works, told)
    moved = [work for work in works if _has_moved(firsts.get(work.key[0]), work.confidences(answers.get(work.key)), work)]
    evidence_for = labelling.evidence(moved, reader.small)
    said = {}
    for work in moved:
        first = firsts.get(work.key[0])
        name = first.model if first and work.key in answers else ""
        said[work.key] = suggest(work, answers.get(work.key), chat_model=name, evidence_for=evidence_for)
    return suggestions.store(batch, said, status=None)


def _has_moved(first: ItemLabel | None, confidences: NDArray[np.float32], work: Work) -> bool:
    if first is None:
        return True
    best = int(confidences.argmax())
    return (
        first.label_id != work.classifier.labels.ids[best]
        or abs(first.confidence - float(confidences[best])) > CONFIDENCE_STEP
    )


def learn() -> int:
    """Train where enough was decided, say anew where something else changed. Returns how many taxonomies it took.

    Cheap where there is nothing to do: the sweep rings for it.
    """
    taken = 0
    reader = readings.present_reader()
    for taxonomy in Taxonomy.objects.filter(is_active=True).order_by("pk"):
        if LabelRequest.objects.filter(taxonomy=taxonomy, status=LabelRequest.Status.PENDING).exists():
            continue
        if decisions_since_training(taxonomy.pk) >= EVERY_DECISIONS:
            taken += 1
            retrain(taxonomy.pk)
        elif _scored(taxonomy) != _state(taxonomy, reader):
            taken += 1
            rescore(taxonomy.pk)
    return taken


def decisions_since_training(taxonomy_id: int) -> int:
    decided = ItemLabel.objects.decided_by_people().filter(taxonomy_id=taxonomy_id)
    newest = LabelHead.objects.filter(taxonomy_id=taxonomy_id).first()
    return (decided.filter(decided_at__gt=newest.created_at) if newest else decided).count()


def _scored(taxonomy: Taxonomy) -> object:
    fit = OpinionFit.objects.filter(taxonomy=taxonomy).first()
    return fit.parameters.get("scored") if fit else None


def _state(taxonomy: Taxonomy, reader: Reader) -> dict[str, object]:
    """What labels depend on besides their items: where it changes they are said anew."""
    neighbours = readings.neighbourhood(reader)
    live = LabelHead.objects.live(taxonomy.pk)
    return {"reader": reader.name, "texts": len(neighbours.keys), "head": live.version if live else 0}


# ---------------------------------------------------------------- decisions
def _lesson(taxonomy: Taxonomy, found: Classifier, reader: Reader, neighbours: Neighbourhood) -> Lesson:
    rows = list(ItemLabel.objects.decided_by_people().filter(taxonomy=taxonomy).for_training())
    place = {pk: position for position, pk in enumerate(found.labels.ids)}
    by_item: dict[int, list[ItemLabel]] = {}
    for row in rows:
        by_item.setdefault(row.item_id, []).append(row)
    texts = {mine[0].item.text_hash: readings.read_text(mine[0].item) for mine in by_item.values()}
    if found.labels.is_single:
        vectors = readings.of_texts(texts, reader)
    else:
        vectors = ItemEmbedding.objects.vectors_by_text(texts, model=reader.small.name)
    kept: list[tuple[str, NDArray[np.float32], datetime]] = []
    for mine in by_item.values():
        target = _target(mine, place, found)
        if target is not None and mine[0].item.text_hash in vectors:
            kept.append((mine[0].item.text_hash, target, max(row.decided_at for row in mine if row.decided_at)))
    n_labels = len(place)
    if not kept:
        none = np.zeros((0, found.start.weights.shape[1]), dtype=np.float32)
        return Lesson(none, none, np.zeros((0, n_labels), np.float32), np.zeros(0, np.int64), (), none)
    kept.sort(key=lambda row: row[2])
    keys = [key for key, _, _ in kept]
    stacked = np.stack([vectors[key] for key in keys])
    targets = np.stack([target for _, target, _ in kept])
    truth = np.where(targets.max(axis=1) > 0.999, targets.argmax(axis=1), -1).astype(np.int64)
    told = ItemLabel.objects.model_opinions(taxonomy.pk, keys)
    model = np.zeros((len(keys), n_labels), dtype=np.float32)
    if found.labels.is_single:
        for row_place, key in enumerate(keys):
            answer = {place[int(pk)]: share for pk, share in told.get(key, ()) if int(pk) in place}
            if answer:
                model[row_place, list(answer)] = opinions.log_ratio(list(answer.values()))
    return Lesson(
        vectors=stacked,
        smoothed=neighbours.smoothed(keys, stacked) if found.labels.is_single else stacked,
        targets=targets,
        truth=truth,
        decided_at=tuple(at for _, _, at in kept),
        model=model,
    )


def _target(rows: Sequence[ItemLabel], place: dict[int, int], found: Classifier) -> NDArray[np.float32] | None:
    """What these decisions about one item say, or None where their labels are gone."""
    yes = {place[pk] for row in rows if row.is_assigned and (pk := row.final_label_id or row.label_id) in place}
    no = {
        place[row.label_id] for row in rows if row.label_id in place and row.decision != ItemLabel.Decision.ACCEPTED
    } - yes
    if not yes and not no:
        return None
    if not found.labels.is_single:
        target = np.full(len(place), np.nan, dtype=np.float32)
        target[list(yes)], target[list(no)] = 1.0, 0.0
        return target
    target = np.zeros(len(place), dtype=np.float32)
    if yes:
        target[next(iter(yes))] = 1.0
        return target
    # Only what is wrong is known: the rest is as likely as chance.
    target[:] = 1.0
    target[list(no)] = 0.0
    return target / target.sum() if target.any() else None


def _taxonomy(taxonomy_id: int) -> Taxonomy:
    taxonomy = Taxonomy.objects.filter(pk=taxonomy_id).first()
    if taxonomy is None:
        raise NotFoundError("That taxonomy does not exist any more; reload the page.")
    if not taxonomy.labels.exists():
        raise InvalidInputError(f"{taxonomy.name} has no labels; add some first.")
    return taxonomy
