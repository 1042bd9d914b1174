"""What decisions teach: label heads in versions, how much each opinion weighs, and labels said anew with both.

A new head goes live only if, on decisions that neither it nor the live one was trained on, it is right more often. The
live one has not seen decisions made since it was trained; of the new one, heads are asked that were trained without
the decision in question.
"""

from __future__ import annotations

import numpy as np
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from numpy.typing import NDArray

from catalog import label_head, label_metrics, opinions, readings, rescoring
from catalog.classifiers import Classifier, assignable_ids, classifier
from catalog.label_head import Head
from catalog.lessons import Lesson, lesson_of
from catalog.models import ItemLabel, LabelHead, LabellingVector, LabelRequest, OpinionFit, Taxonomy
from catalog.opinions import OpinionWeights
from catalog.providers import get_label_embedder
from catalog.rescoring import OnProgress
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

MIN_DECISIONS = 10
# Training begins by itself when so many decisions came since the last time.
EVERY_DECISIONS = 25


KIND = "learn_labels"


def retrain(taxonomy_id: int, *, on_progress: OnProgress = rescoring.nobody) -> LabelHead | None:
    """Train a version on all decisions of people, and the opinions' weights; None where there are too few.

    Raises ConflictError where nobody decided anything since the last version.
    """
    taxonomy = _taxonomy(taxonomy_id)
    reader = readings.present_reader()
    neighbours = readings.neighbourhood(reader)
    found = classifier(taxonomy, reader, neighbours)
    lesson = lesson_of(taxonomy, found, reader, neighbours)
    if len(lesson.truth) < MIN_DECISIONS:
        return None
    newest = LabelHead.objects.filter(taxonomy=taxonomy).first()
    if newest and newest.model == found.reader and max(lesson.decided_at) <= newest.created_at:
        raise ConflictError(
            f"Nobody decided about {taxonomy.name} since version {newest.version} was trained; "
            "review some suggestions, then train again."
        )
    # Decisions that the live head was trained on say nothing about it; the zero-shot start was trained on none.
    live = LabelHead.objects.live(taxonomy.pk) if found.version else None
    since = live.created_at if live else None
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
    rescoring.rescore(taxonomy_id, on_progress=on_progress)
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
            reason=(f"Went live: {words}" if is_better else f"Not live, for it is not better: {words}")[:300],
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
    """Make that version live; a job says labels anew with it. Raises ConflictError where it does not fit the labels."""
    head = LabelHead.objects.select_related("taxonomy").filter(pk=head_id).first()
    if head is None:
        raise NotFoundError("That version does not exist any more; reload the page.")
    _, label_ids = label_head.from_bytes(bytes(head.weights))
    newest = LabelHead.objects.filter(taxonomy=head.taxonomy).first()
    if set(label_ids) != assignable_ids(head.taxonomy) or (newest and newest.model != head.model):
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
        title = f"Label {head.taxonomy.name} anew with version {head.version}"
        _begin(head.taxonomy, title, staff=staff, train=False)
    log.info("label_head_rolled_back", taxonomy=head.taxonomy_id, version=head.version, staff=staff.pk)
    return head


def request_training(taxonomy_id: int, *, staff: User) -> Job:
    """A job that trains a version now. Raises InvalidInputError where there are too few decisions."""
    taxonomy = _taxonomy(taxonomy_id)
    decided = ItemLabel.objects.decided_by_people().filter(taxonomy=taxonomy).values("item_id").distinct().count()
    if decided < MIN_DECISIONS:
        raise InvalidInputError(
            f"{taxonomy.name} has decisions about {decided} items; training takes {MIN_DECISIONS}. Review some first."
        )
    return _begin(taxonomy, f"Train the label head of {taxonomy.name}", staff=staff, train=True)


def _begin(taxonomy: Taxonomy, title: str, *, staff: User, train: bool) -> Job:
    job = jobs.create(KIND, title[:200], parameters={"taxonomy": taxonomy.pk, "train": train}, started_by=staff)
    transaction.on_commit(lambda: jobs.ring(job))
    return job


def run(progress: jobs.Progress) -> None:
    """The job: train where that is asked for, then say labels anew."""
    taxonomy_id = int(progress.job.parameters["taxonomy"])
    if not progress.job.parameters["train"]:
        changed = rescoring.rescore(taxonomy_id, on_progress=progress.report)
        progress.describe(said=f"{changed:,} items' labels changed.")
        return
    head = retrain(taxonomy_id, on_progress=progress.report)
    progress.describe(said=head.reason if head else "There are too few decisions.")


# ---------------------------------------------------------------- by itself
def learn() -> int:
    """Train where enough was decided, say anew where something else changed. Returns how many taxonomies it took."""
    taken = 0
    reader = readings.present_reader()
    for taxonomy in Taxonomy.objects.filter(is_active=True).order_by("pk"):
        if _is_busy(taxonomy):
            continue
        if decisions_since_training(taxonomy.pk) >= EVERY_DECISIONS:
            taken += 1
            retrain(taxonomy.pk)
        elif rescoring.scored(taxonomy) != rescoring.state(taxonomy, reader):
            taken += 1
            rescoring.rescore(taxonomy.pk)
    return taken


def is_due() -> bool:
    """Whether `learn` may find something to do. A few counts and no model: the sweep asks each time."""
    has_larger = get_label_embedder() is not None
    for taxonomy in Taxonomy.objects.filter(is_active=True).order_by("pk"):
        if _is_busy(taxonomy):
            continue
        scored = rescoring.scored(taxonomy)
        live = LabelHead.objects.live(taxonomy.pk)
        if decisions_since_training(taxonomy.pk) >= EVERY_DECISIONS or not scored:
            return True
        read = LabellingVector.objects.of_items(model=str(scored["reader"])).count()
        if read > readings.GROWN * scored["texts"] or scored["head"] != (live.version if live else 0):
            return True
        if has_larger != ("+" in scored["reader"]):
            return True
    return False


def _is_busy(taxonomy: Taxonomy) -> bool:
    """Nothing labelled yet, or labelling at once under way: there will be more to learn from soon."""
    requests = LabelRequest.objects.filter(taxonomy=taxonomy)
    return requests.filter(status=LabelRequest.Status.PENDING).exists() or not requests.answered().exists()


def decisions_since_training(taxonomy_id: int) -> int:
    decided = ItemLabel.objects.decided_by_people().filter(taxonomy_id=taxonomy_id)
    newest = LabelHead.objects.filter(taxonomy_id=taxonomy_id).first()
    return (decided.filter(decided_at__gt=newest.created_at) if newest else decided).count()


def _taxonomy(taxonomy_id: int) -> Taxonomy:
    taxonomy = Taxonomy.objects.filter(pk=taxonomy_id).first()
    if taxonomy is None:
        raise NotFoundError("That taxonomy does not exist any more; reload the page.")
    if not taxonomy.labels.exists():
        raise InvalidInputError(f"{taxonomy.name} has no labels; add some first.")
    return taxonomy
