"""Versions of the interest encoder: train one, compare it with what is live, go live, roll back.

A version goes live only if it is surely better on moments that neither its training nor its tuning has seen: the newest
ones, of users whose validation moments chose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext
from numpy.typing import NDArray

from catalog import label_metrics
from catalog.models import ItemEmbedding
from recommender import encoder_examples, encoding
from recommender.algorithms import interest_encoder as algorithm
from recommender.algorithms import interest_transform
from recommender.algorithms.interest_transform import InterestTransform
from recommender.encoder_examples import Lesson
from recommender.models import EndUser, Event, InterestEncoder
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

KIND = "train_interests"
MIN_EXAMPLES = 300
# Fewer moments to compare on can not tell a small gain from chance.
MIN_HELD_OUT = 50
# By itself: at most so often, and only where so many events came since, in terms of all there are.
EVERY = timedelta(days=7)
GROWN = 0.05
FIRST_TEN = 10

Status = InterestEncoder.Status


def train(*, seed: int = 0, progress: jobs.Progress | None = None) -> InterestEncoder:
    """Train a version and keep it, live or refused. Raises InvalidInputError where there is too little to learn."""
    began, model = timezone.now(), ItemEmbedding.objects.model_in_use()
    newest = InterestEncoder.objects.defer("weights").first()
    lesson = encoder_examples.lesson(seed=seed, on_progress=progress.report if progress else None)
    if len(lesson.train) < MIN_EXAMPLES or len(lesson.held_out) < MIN_HELD_OUT:
        raise InvalidInputError(
            gettext(
                "There are %(train)s moments to train on and %(held_out)s to compare on; training "
                "takes %(least_train)s and %(least_held_out)s. Train again when users have taken more that was new "
                "to them."
            )
            % {
                "train": len(lesson.train),
                "held_out": len(lesson.held_out),
                "least_train": MIN_EXAMPLES,
                "least_held_out": MIN_HELD_OUT,
            }
        )

    def tell(done: int, most: int) -> None:
        if progress is not None:
            progress.report(done, most, f"Training on {len(lesson.train):,} moments")

    tell(0, 1)
    trained = algorithm.train(lesson.train, lesson.item_vectors, validation=lesson.tune, seed=seed, on_epoch=tell)
    live = InterestEncoder.objects.defer("weights").filter(status=Status.LIVE, model=model).first()
    now_live = encoding.live_transform() or InterestTransform.identity(lesson.item_vectors.shape[1])
    report = {
        **compare(now_live, trained.transform, lesson),
        "against": live.version if live else 0,
        "moments": len(lesson.train),
        "split_at": lesson.split_at.isoformat() if lesson.split_at else None,
        "pull": trained.report.pull,
        "epochs": trained.report.epochs,
        "items": len(lesson.item_vectors),
    }
    encoder = _save(trained.transform, report, model=model, users=lesson.users, began=began, newest=newest)
    log.info("interest_encoder_trained", version=encoder.version, status=encoder.status, **report)
    return encoder


def compare(live: InterestTransform, new: InterestTransform, lesson: Lesson) -> dict[str, Any]:
    """NDCG@10 and HR@10 of the item taken next among all that the user had no event with, paired by moment.

    `ci95` is the bootstrap interval of the difference in NDCG@10: a version is better where all of it is above 0.
    """
    ranks = {
        name: algorithm.ranks(transform, lesson.held_out, lesson.item_vectors)
        for name, transform in (
            ("live", live),
            ("new", new),
            ("without", InterestTransform.identity(lesson.item_vectors.shape[1])),
        )
    }
    gains = {name: ndcg(found) for name, found in ranks.items()}
    difference = gains["new"] - gains["live"]
    return {
        "held_out": len(difference),
        **{f"{name}_ndcg": round(float(gain.mean()), 4) for name, gain in gains.items()},
        **{f"{name}_hr": round(float((found <= FIRST_TEN).mean()), 4) for name, found in ranks.items()},
        "difference": round(float(difference.mean()), 5),
        "ci95": label_metrics.interval(difference, seed=0),
    }


def ndcg(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) NDCG@10 of one right item each at these ranks."""
    return np.where(ranks <= FIRST_TEN, 1.0 / np.log2(1.0 + ranks), 0.0)


def _save(
    transform: InterestTransform,
    report: Mapping[str, Any],
    *,
    model: str,
    users: int,
    began: datetime,
    newest: InterestEncoder | None,
) -> InterestEncoder:
    is_better = report["difference"] > 0 and report["ci95"][0] > 0
    with transaction.atomic():
        InterestEncoder.objects.lock_versions()
        version = (InterestEncoder.objects.aggregate(last=Max("version"))["last"] or 0) + 1
        if version != (newest.version if newest else 0) + 1:
            raise ConflictError(
                gettext("Version %(version)s was trained meanwhile; train again once there is more to learn.")
                % {"version": version - 1}
            )
        if is_better:
            InterestEncoder.objects.filter(status=Status.LIVE).update(status=Status.RETIRED)
        encoder = InterestEncoder.objects.create(
            version=version,
            status=Status.LIVE if is_better else Status.REFUSED,
            weights=interest_transform.to_bytes(transform),
            model=model,
            histories=users,
            report=dict(report),
            reason=_reason(transform, report, is_better=is_better)[:300],
            went_live_at=timezone.now() if is_better else None,
        )
        # Events that came while it was trained are news to it.
        encoder.created_at = began
        encoder.save(update_fields=["created_at"])
        if is_better:
            _rebuild_all(f"Rebuild interests with encoder version {version}", staff=None)
    return encoder


def _reason(transform: InterestTransform, report: Mapping[str, Any], *, is_better: bool) -> str:
    low, high = report["ci95"]
    words = (
        f"NDCG@10 {report['new_ndcg']:.4f} against {report['live_ndcg']:.4f} on {report['held_out']:,} moments that "
        f"it had not seen (95% interval of the difference {low:+.4f} to {high:+.4f})."
    )
    if is_better:
        return f"Went live: {words}"
    if transform.is_identity:
        return f"Not live, for no change to the interests was better than none: {words}"
    if report["difference"] > 0:
        return f"Not live, for that may be chance: {words}"
    return f"Not live, for it is not better: {words}"


# ---------------------------------------------------------------- live, and back
def roll_back(encoder_id: int, *, staff: User) -> InterestEncoder:
    """Make that version live; a job rebuilds all interests. Raises ConflictError where it may not go live."""
    encoder = _found(encoder_id)
    if encoder.status == Status.REFUSED:
        raise ConflictError(
            gettext("Version %(version)s was not better than what was live and cannot go live.")
            % {"version": encoder.version}
        )
    model = ItemEmbedding.objects.model_in_use()
    if encoder.model != model:
        raise ConflictError(
            gettext(
                "Version %(version)s reads vectors of %(model)s, but items have vectors of %(used)s; "
                "train a new one instead."
            )
            % {"version": encoder.version, "model": encoder.model, "used": model}
        )
    with transaction.atomic():
        InterestEncoder.objects.lock_versions()
        InterestEncoder.objects.filter(status=Status.LIVE).update(status=Status.RETIRED)
        encoder.status, encoder.went_live_at = Status.LIVE, timezone.now()
        encoder.reason = f"Live again: {staff.get_username()} rolled back to it."[:300]
        encoder.save(update_fields=["status", "went_live_at", "reason"])
        _rebuild_all(f"Rebuild interests with encoder version {encoder.version}", staff=staff)
    log.info("interest_encoder_rolled_back", version=encoder.version, staff=staff.pk)
    return encoder


def retire(encoder_id: int, *, staff: User) -> InterestEncoder:
    """Interests without an encoder again, as before the first version. Raises ConflictError where it is not live."""
    encoder = _found(encoder_id)
    with transaction.atomic():
        InterestEncoder.objects.lock_versions()
        reason = f"Retired: {staff.get_username()} went back to interests without an encoder."[:300]
        live = InterestEncoder.objects.filter(pk=encoder.pk, status=Status.LIVE)
        if not live.update(status=Status.RETIRED, reason=reason):
            raise ConflictError(
                gettext("Version %(version)s is not live any more; reload the page.") % {"version": encoder.version}
            )
        _rebuild_all("Rebuild interests without an encoder", staff=staff)
    log.info("interest_encoder_retired", version=encoder.version, staff=staff.pk)
    return InterestEncoder.objects.defer("weights").get(pk=encoder.pk)


def _found(encoder_id: int) -> InterestEncoder:
    encoder = InterestEncoder.objects.defer("weights").filter(pk=encoder_id).first()
    if encoder is None:
        raise NotFoundError(gettext("That version does not exist any more; reload the page."))
    return encoder


def _rebuild_all(title: str, *, staff: User | None) -> None:
    """Beside one that runs, for it may have passed some users already; not beside one that has not begun."""
    waiting = Job.objects.filter(kind="rebuild_interests", parameters={}, status=Job.Status.QUEUED)
    if waiting.exists() or not EndUser.objects.filter(last_event_id__isnull=False).exists():
        return
    job = jobs.create("rebuild_interests", title, started_by=staff)
    transaction.on_commit(lambda: jobs.ring(job))


# ---------------------------------------------------------------- training, asked for and by itself
def request_training(*, staff: User | None = None) -> Job:
    """A job that trains a version. Raises ConflictError where one is under way."""
    if Job.objects.active().filter(kind=KIND).exists():
        raise ConflictError(gettext("The interest encoder is being trained already; wait until that job has ended."))
    if not Event.objects.exists():
        raise InvalidInputError(gettext("There are no events to learn from yet; import or record some first."))
    job = jobs.create(KIND, "Train the interest encoder", started_by=staff)
    transaction.on_commit(lambda: jobs.ring(job))
    return job


def run(progress: jobs.Progress) -> None:
    """The job."""
    encoder = train(progress=progress)
    progress.report(1, 1, f"Version {encoder.version} is trained")
    progress.describe(said=encoder.reason)


def train_where_due() -> Job | None:
    """Beat: a job where enough events came since the last version, at most one each EVERY."""
    if not is_due() or Job.objects.active().filter(kind__in=[KIND, "load_demo"]).exists():
        return None
    tried = Job.objects.filter(kind=KIND, created_at__gt=timezone.now() - EVERY)
    return None if tried.exists() else request_training()


def is_due() -> bool:
    total = Event.objects.telling().count()
    if total < MIN_EXAMPLES:
        return False
    newest = InterestEncoder.objects.defer("weights").first()
    if newest is None:
        return True
    if newest.created_at > timezone.now() - EVERY:
        return False
    since = Event.objects.telling().filter(received_at__gt=newest.created_at).count()
    return since >= max(MIN_EXAMPLES, GROWN * total)
