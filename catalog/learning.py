"""What decisions teach: label heads in versions, how much each opinion weighs, and labels said anew with both.

A new head goes live only if it is surely enough better on decisions that neither it nor the live one was trained on.
The live one has not seen decisions made since it was trained; of the new one, heads are asked that were trained without
the decision in question.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import numpy as np
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext
from numpy.typing import NDArray
from scipy.special import betainc

from catalog import label_head, label_metrics, opinions, readings, rescoring
from catalog.classifiers import Classifier, assignable_ids, classifier
from catalog.label_head import Head
from catalog.lessons import Lesson, lesson_of
from catalog.models import ItemLabel, LabelHead, LabelRequest, OpinionFit, Taxonomy
from catalog.opinions import OpinionWeights
from catalog.providers import get_label_embedder
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

MIN_DECISIONS = 10
# Training begins by itself when so many decisions came since the last time.
EVERY_DECISIONS = 25
# How likely it has to be that a new head is right more often than the live one; see `compare`.
SURE_ENOUGH = 0.8
# How long one turn may take beside training; the rest is done in the next.
TURN_S = 200.0

KIND = "learn_labels"


def train(taxonomy_id: int) -> LabelHead | None:
    """Train a version on all decisions of people, and the opinions' weights; None where there are too few.

    Raises ConflictError where nobody decided anything since the last version.
    """
    taxonomy = _taxonomy(taxonomy_id)
    reader = readings.present_reader()
    neighbours = readings.neighbourhood(reader)
    began = timezone.now()
    newest = LabelHead.objects.filter(taxonomy=taxonomy).defer("weights").first()
    found = classifier(taxonomy, reader, neighbours)
    lesson = lesson_of(taxonomy, found, reader, neighbours)
    if len(lesson.truth) < MIN_DECISIONS:
        return None
    if newest and newest.model == found.reader and max(lesson.decided_at) <= newest.created_at:
        raise ConflictError(
            gettext(
                "Nobody decided about %(taxonomy)s since version %(version)s was trained; "
                "review some suggestions, then train again."
            )
            % {"taxonomy": taxonomy.name, "version": newest.version}
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
    head = _save(taxonomy, found, learned, lesson, report, began=began, newest=newest)
    if is_single:
        _fit_weights(taxonomy, found, apart, lesson)
    log.info("label_head_trained", taxonomy=taxonomy.pk, version=head.version, status=head.status, **report)
    return head


def compare(
    live: NDArray[np.float32],
    new: NDArray[np.float32],
    targets: NDArray[np.float32],
    unseen: NDArray[np.bool_],
    *,
    is_single: bool,
) -> dict[str, object]:
    """How often either is right on the decisions neither has seen; live, new, targets: (n, n_labels).

    `chance` is how likely it is that the new one is the better one: of the decisions that only one of both gets right,
    its share is above a half by Beta(wins + 1, losses + 1), a sign test in Bayes' words. From SURE_ENOUGH, four to one,
    it goes live: two wins without a loss do, six against three, but not one alone, nor five against three. The usual
    95% would hold back what is right after few decisions, and waiting costs reviewers more than a version that is no
    better, which the next one replaces. What is refused is not lost: the live head stays, so what can be compared on
    grows by every round of reviews.
    """
    right_live, right_new = (_is_right(scores, targets, is_single)[unseen] for scores in (live, new))
    known = ~np.isnan(right_live)
    difference = (right_new - right_live)[known]
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    return {
        "held_out": int(known.sum()),
        "live_accuracy": round(float(right_live[known].mean()), 4) if known.any() else None,
        "new_accuracy": round(float(right_new[known].mean()), 4) if known.any() else None,
        "difference": round(float(difference.mean()), 4) if known.any() else 0.0,
        "ci95": label_metrics.interval(difference, seed=0) if known.any() else [0.0, 0.0],
        "wins": wins,
        "losses": losses,
        "chance": round(float(betainc(losses + 1, wins + 1, 0.5)), 4),
    }


def _is_right(scores: NDArray[np.float32], targets: NDArray[np.float32], is_single: bool) -> NDArray[np.float64]:
    """(n,): 1 right, 0 wrong, NaN unknown; for several choices the share of decided labels that it tells right."""
    if is_single:
        is_known = targets.max(axis=1) > 0.999
        right = (scores.argmax(axis=1) == targets.argmax(axis=1)).astype(np.float64)
        return np.where(is_known, right, np.nan)
    same = np.where(np.isnan(targets), np.nan, (scores > 0.0) == (targets > 0.5))
    return np.asarray(np.nanmean(same, axis=1), dtype=np.float64)


def _save(
    taxonomy: Taxonomy,
    found: Classifier,
    learned: Head,
    lesson: Lesson,
    report: dict[str, Any],
    *,
    began: datetime,
    newest: LabelHead | None,
) -> LabelHead:
    is_ahead = report["difference"] > 0
    is_better = is_ahead and report["chance"] >= SURE_ENOUGH
    words = _told(report)
    if is_better:
        reason = f"Went live: {words}"
    elif is_ahead:
        reason = f"Not live yet, for that may be chance: {words}"
    else:
        reason = f"Not live, for it is not better: {words}"
    with transaction.atomic():
        Taxonomy.objects.select_for_update().get(pk=taxonomy.pk)
        heads = LabelHead.objects.filter(taxonomy=taxonomy)
        version = (heads.aggregate(last=Max("version"))["last"] or 0) + 1
        if version != (newest.version if newest else 0) + 1:
            raise ConflictError(
                gettext("Version %(version)s of %(taxonomy)s was trained meanwhile; train again if you reviewed more.")
                % {"version": version - 1, "taxonomy": taxonomy.name}
            )
        if is_better:
            heads.filter(status=LabelHead.Status.LIVE).update(status=LabelHead.Status.RETIRED)
        head = LabelHead.objects.create(
            taxonomy=taxonomy,
            version=version,
            status=LabelHead.Status.LIVE if is_better else LabelHead.Status.REFUSED,
            weights=label_head.to_bytes(learned, found.labels.ids),
            model=found.reader,
            decisions=len(lesson.truth),
            report=report,
            reason=reason[:300],
            went_live_at=timezone.now() if is_better else None,
        )
        # Decisions that were made while it was trained are news to it.
        head.created_at = began
        head.save(update_fields=["created_at"])
    return head


def _told(report: dict[str, Any]) -> str:
    if not report["held_out"]:
        return "there is no decision that neither had seen."
    return (
        f"{report['new_accuracy']:.0%} against {report['live_accuracy']:.0%} right "
        f"on {report['held_out']} decisions that neither had seen."
    )


def _fit_weights(taxonomy: Taxonomy, found: Classifier, apart: NDArray[np.float32], lesson: Lesson) -> None:
    """On what came up by lot, for the other decisions are the hard ones: fitted on all, confidence would be too low."""
    known = (lesson.truth >= 0) & lesson.drawn
    start, head, model = found.start.scores(lesson.smoothed)[known], apart[known], lesson.model[known]
    fitted, report = fit_weights(start, head, model, lesson.truth[known])
    fit = OpinionFit.objects.remember(taxonomy.pk, weights=fitted.as_dict())
    fit.decisions, fit.report = int(known.sum()) if fitted is not opinions.PRIOR else 0, report
    fit.save(update_fields=["decisions", "report"])


def fit_weights(
    start: NDArray[np.float32], head: NDArray[np.float32], model: NDArray[np.float32], truth: NDArray[np.int64]
) -> tuple[OpinionWeights, dict[str, float]]:
    """The opinions' weights after these decisions, and what such weights change on decisions they were not fitted on:
    each half is told by the weights of the other."""
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
    return opinions.fit(start, head, model, truth), report


def _figures(shares: NDArray[np.float32], truth: NDArray[np.int64]) -> tuple[float, float]:
    """(accuracy, expected calibration error)"""
    if not len(truth):
        return 0.0, 0.0
    is_right = shares.argmax(axis=1) == truth
    ece = label_metrics.expected_calibration_error(shares.max(axis=1).astype(np.float64), is_right)
    return round(float(is_right.mean()), 4), round(ece, 4)


def roll_back(head_id: int, *, staff: User) -> LabelHead:
    """Make that version live; a job says labels anew with it. Raises ConflictError where it does not fit the labels."""
    head = LabelHead.objects.select_related("taxonomy").filter(pk=head_id).first()
    if head is None:
        raise NotFoundError(gettext("That version does not exist any more; reload the page."))
    _, label_ids = label_head.from_bytes(bytes(head.weights))
    newest = LabelHead.objects.filter(taxonomy=head.taxonomy).first()
    if set(label_ids) != assignable_ids(head.taxonomy) or (newest and newest.model != head.model):
        raise ConflictError(
            gettext(
                "Version %(version)s was trained for other labels or another embedding model and cannot go live; "
                "train a new one instead."
            )
            % {"version": head.version}
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
    decided = ItemLabel.objects.decided_by_people().filter(taxonomy=taxonomy).count_texts()
    if decided < MIN_DECISIONS:
        raise InvalidInputError(
            gettext("%(taxonomy)s has decisions about %(n)s items; training takes %(least)s. Review some first.")
            % {"taxonomy": taxonomy.name, "n": decided, "least": MIN_DECISIONS}
        )
    return _begin(taxonomy, f"Train the label head of {taxonomy.name}", staff=staff, train=True)


def _begin(taxonomy: Taxonomy, title: str, *, staff: User, train: bool) -> Job:
    job = jobs.create(KIND, title[:200], parameters={"taxonomy": taxonomy.pk, "train": train}, started_by=staff)
    transaction.on_commit(lambda: jobs.ring(job))
    return job


def run(progress: jobs.Progress) -> None:
    """The job: train where that is asked for, then say labels anew, a turn at a time."""
    job = progress.job
    taxonomy_id = int(job.parameters["taxonomy"])
    if job.parameters["train"]:
        head = train(taxonomy_id)
        progress.describe(said=head.reason if head else "There are too few decisions.")
        if head is None:
            return
        job.parameters = {**job.parameters, "train": False}
        job.save(update_fields=["parameters"])
    done = rescoring.rescore(taxonomy_id, on_progress=progress.report, seconds=TURN_S)
    if done.left:
        raise jobs.JobPaused
    progress.describe(changed=done.changed)


# ---------------------------------------------------------------- by itself
def learn() -> int:
    """Train where enough was decided, say anew where something else changed, for about TURN_S; what is left is due
    still. Returns how many taxonomies it took."""
    taken = 0
    until = time.monotonic() + TURN_S
    reader = readings.present_reader()
    for taxonomy in Taxonomy.objects.filter(is_active=True).order_by("pk"):
        left = until - time.monotonic()
        if left > 0 and not _is_busy(taxonomy) and (_is_trained_now(taxonomy) or _is_behind(taxonomy, reader.name)):
            taken += 1
            rescoring.rescore(taxonomy.pk, seconds=left)
    return taken


def _is_trained_now(taxonomy: Taxonomy) -> bool:
    """One taxonomy that cannot be trained keeps none of the others from it."""
    if decisions_since_training(taxonomy.pk) < EVERY_DECISIONS:
        return False
    try:
        return train(taxonomy.pk) is not None
    except (ConflictError, InvalidInputError) as error:
        log.warning("label_head_not_trained", taxonomy=taxonomy.pk, reason=error.message)
        return False


def is_due() -> bool:
    """Whether `learn` may find something to do. A few counts and no model: the sweep asks each time."""
    has_larger = get_label_embedder() is not None
    for taxonomy in Taxonomy.objects.filter(is_active=True).order_by("pk"):
        if _is_busy(taxonomy):
            continue
        read_by = str(rescoring.scored(taxonomy.pk).get("reader", ""))
        if decisions_since_training(taxonomy.pk) >= EVERY_DECISIONS or has_larger != ("+" in read_by):
            return True
        if _is_behind(taxonomy, read_by):
            return True
    return False


def _is_behind(taxonomy: Taxonomy, reader_name: str) -> bool:
    """Whether items' labels were said by another reader or head, of labels that were named or described otherwise, of
    a much smaller catalog, or only in part."""
    scored = rescoring.scored(taxonomy.pk)
    if not scored or rescoring.is_under_way(taxonomy.pk):
        return True
    live = LabelHead.objects.live_version(taxonomy.pk)
    if (scored["reader"], scored["head"]) != (reader_name, live[1] if live else 0):
        return True
    if scored.get("labels") != rescoring.labels_digest(taxonomy):
        return True
    return readings.count_texts(reader_name) > readings.GROWN * scored["texts"]


def _is_busy(taxonomy: Taxonomy) -> bool:
    """Nothing labelled yet, or labelling at once under way: there will be more to learn from soon."""
    requests = LabelRequest.objects.filter(taxonomy=taxonomy)
    return requests.filter(status=LabelRequest.Status.PENDING).exists() or not requests.answered().exists()


def decisions_since_training(taxonomy_id: int) -> int:
    """How many texts people decided about since the newest version was trained."""
    decided = ItemLabel.objects.decided_by_people().filter(taxonomy_id=taxonomy_id)
    newest = LabelHead.objects.filter(taxonomy_id=taxonomy_id).defer("weights").first()
    return (decided.filter(decided_at__gt=newest.created_at) if newest else decided).count_texts()


def _taxonomy(taxonomy_id: int) -> Taxonomy:
    taxonomy = Taxonomy.objects.filter(pk=taxonomy_id).first()
    if taxonomy is None:
        raise NotFoundError(gettext("That taxonomy does not exist any more; reload the page."))
    if not taxonomy.labels.exists():
        raise InvalidInputError(gettext("%(taxonomy)s has no labels; add some first.") % {"taxonomy": taxonomy.name})
    return taxonomy
