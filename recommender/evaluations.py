"""Evaluations that staff run: start one as a job, store what it found, keep it, delete it, set several side by side.

What is measured and how is `evaluation.py`, which `manage.py evaluate` calls too; here is only who asked for it and
what became of it. The job names the evaluation, so a job that is retried fills the same one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from recommender.models import Evaluation, Event, Strategy
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import Job
from recsite.operations.templatetags.console import day

log = structlog.get_logger(__name__)

KIND = "evaluate"
BASELINES = ("pop", "itemknn", "ease", "repeat")
LEAST_USERS, MOST_USERS, DEFAULT_USERS = 100, 10_000, 1_000
LEAST_EVENTS_BEFORE, LEAST_EVENTS_AFTER = 100, 20
DEFAULT_DAYS = 28
LEAST_COMPARED, MOST_COMPARED = 2, 4
EVALUATION = "_evaluation"


@dataclass(frozen=True)
class Wanted:
    """What a form or a call asks for. `split_at` must know its zone."""

    strategy_id: int
    split_at: datetime
    max_users: int = DEFAULT_USERS
    baselines: tuple[str, ...] = BASELINES


@dataclass(frozen=True)
class Comparison:
    """Evaluations side by side, in the order asked for, and why they may not be compared; no warning: they may."""

    evaluations: tuple[Evaluation, ...]
    warnings: tuple[str, ...]


def evaluate_database(
    strategy: Strategy,
    *,
    split_at: datetime,
    max_users: int,
    baselines: Sequence[str],
    on_progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, object]:
    """Loaded when it is needed: what computes is heavy, and pages only ever list what was found."""
    from recommender import evaluation_database

    return evaluation_database.evaluate_database(
        strategy, split_at=split_at, max_users=max_users, baselines=baselines, on_progress=on_progress
    )


# ---------------------------------------------------------------- start


def default_split() -> datetime | None:
    """Midnight (UTC) 28 days before the newest event; where that leaves less than half of the time to learn from, once
    four fifths of it are over. None where there are no events."""
    oldest, newest = Event.objects.all().oldest_time(), Event.objects.all().newest_time()
    if oldest is None or newest is None:
        return None
    wanted, covered = newest - timedelta(days=DEFAULT_DAYS), newest - oldest
    if wanted < oldest + covered / 2:
        wanted = oldest + covered * 0.8
    return datetime.combine(wanted.astimezone(UTC).date(), time(), tzinfo=UTC)


@transaction.atomic
def request_evaluation(wanted: Wanted, *, staff: User | None) -> Evaluation:
    """An evaluation that waits for a worker, and its job. Raises InvalidInputError or ConflictError before anything is
    written."""
    strategy = Strategy.objects.filter(pk=wanted.strategy_id).first()
    if strategy is None:
        raise InvalidInputError(gettext("Choose one of the strategies; the one asked for is no longer there."))
    _require_known(wanted)
    _require_events(wanted.split_at)
    parameters = {"users": wanted.max_users, "baselines": [one for one in BASELINES if one in wanted.baselines]}
    Strategy.objects.select_for_update().get(pk=strategy.pk)  # two clicks at once start one evaluation
    same = Evaluation.objects.filter(strategy=strategy, split_at=wanted.split_at, parameters=parameters)
    if same.filter(job__status__in=Job.ACTIVE).exists():
        raise ConflictError(gettext("The same evaluation is under way already; its progress is in the list below."))
    job = jobs.create(
        KIND,
        f"Evaluate {strategy}"[:200],
        parameters={"strategy": str(strategy), "split_at": wanted.split_at.isoformat(), **parameters},
        started_by=staff,
    )
    made = Evaluation.objects.create(
        strategy=strategy, split_at=wanted.split_at, parameters=parameters, job=job, started_by=staff
    )
    job.parameters = {**job.parameters, EVALUATION: made.pk}
    job.save(update_fields=["parameters"])
    transaction.on_commit(lambda: jobs.ring(job), robust=True)
    return made


def _require_known(wanted: Wanted) -> None:
    if not LEAST_USERS <= wanted.max_users <= MOST_USERS:
        words = gettext("%(n)s users cannot be drawn; choose %(least)s to %(most)s.")
        raise InvalidInputError(
            words % {"n": f"{wanted.max_users:,}", "least": f"{LEAST_USERS:,}", "most": f"{MOST_USERS:,}"}
        )
    if unknown := sorted(set(wanted.baselines) - set(BASELINES)):
        words = gettext("There is no baseline %(name)r; the baselines are %(known)s.")
        raise InvalidInputError(words % {"name": unknown[0], "known": ", ".join(BASELINES)})


def _require_events(split_at: datetime) -> None:
    told = Event.objects.all().telling()
    newest = told.newest_time()
    if newest is None:
        raise InvalidInputError(
            gettext("There are no events to evaluate on; send some to POST /api/v1/events/ or import a file.")
        )
    before = told.count_up_to(LEAST_EVENTS_BEFORE, occurred_at__lt=split_at)
    after = told.count_up_to(LEAST_EVENTS_AFTER, occurred_at__gte=split_at)
    found = {"day": day(split_at), "before": before, "after": after, "newest": day(newest)}
    if after < LEAST_EVENTS_AFTER:
        words = gettext(
            "%(after)s events lie after %(day)s and %(least)s are needed; the newest is of %(newest)s."
            " Choose an earlier day."
        )
        raise InvalidInputError(words % {**found, "least": LEAST_EVENTS_AFTER})
    if before < LEAST_EVENTS_BEFORE:
        words = gettext("%(before)s events lie before %(day)s and %(least)s are needed. Choose a later day.")
        raise InvalidInputError(words % {**found, "least": LEAST_EVENTS_BEFORE})


# ---------------------------------------------------------------- run


def run(progress: jobs.Progress) -> None:
    """Evaluate and store what was found. Cancelled or failed, the evaluation stays without a report, and its job says
    why; run again, it fills the same row."""
    made = Evaluation.objects.select_related("strategy").filter(pk=progress.job.parameters.get(EVALUATION)).first()
    if made is None:
        raise InvalidInputError(gettext("This evaluation was deleted; run a new one."))
    progress.report(0, 0, "Reading events")
    report = evaluate_database(
        made.strategy,
        split_at=made.split_at,
        max_users=made.parameters["users"],
        baselines=made.parameters["baselines"],
        on_progress=progress.report,
    )
    stored = _storable(report)
    progress.describe(
        address=reverse("evaluation", args=[made.pk]), users=stored.get("users")
    )  # the last stop to cancel
    Evaluation.objects.filter(pk=made.pk).update(report=stored, finished_at=timezone.now())
    log.info("evaluation_finished", evaluation=made.pk, strategy=made.strategy_id, job=progress.job.pk)


def _storable(value: Any) -> Any:
    """JSON has no NaN: a figure that could not be computed is null."""
    if isinstance(value, dict):
        return {str(name): _storable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---------------------------------------------------------------- afterwards


def get(pk: int) -> Evaluation:
    found = Evaluation.objects.all().for_lists().filter(pk=pk).first()
    if found is None:
        raise NotFoundError(gettext("There is no evaluation %(id)s; it may have been deleted.") % {"id": pk})
    return found


@transaction.atomic
def keep(pk: int, *, is_kept: bool) -> Evaluation:
    """A kept evaluation cannot be deleted until it is let go."""
    found = _locked(pk)
    if is_kept and not found.is_finished:
        raise ConflictError(gettext("This evaluation has no figures yet; keep it once it is finished."))
    found.parameters = {**found.parameters, "is_kept": True}
    if not is_kept:
        found.parameters.pop("is_kept")
    found.save(update_fields=["parameters"])
    return found


@transaction.atomic
def delete(pk: int) -> None:
    """For good. Raises ConflictError where it is kept, or still running."""
    found = _locked(pk)
    if found.is_kept:
        raise ConflictError(gettext("This evaluation is kept; let it go first, then delete it."))
    if found.job is not None and found.job.is_active:
        raise ConflictError(gettext("This evaluation is still running; cancel it first, then delete it."))
    found.delete()
    log.info("evaluation_deleted", evaluation=pk)


def _locked(pk: int) -> Evaluation:
    if not Evaluation.objects.select_for_update().filter(pk=pk).exists():
        raise NotFoundError(gettext("There is no evaluation %(id)s; it may have been deleted.") % {"id": pk})
    return get(pk)


def compare(ids: Sequence[int]) -> Comparison:
    """Two to four finished evaluations, in the order asked for. Raises InvalidInputError or NotFoundError."""
    wanted = list(dict.fromkeys(ids))
    if not LEAST_COMPARED <= len(wanted) <= MOST_COMPARED:
        raise InvalidInputError(gettext("Choose two to four evaluations to compare."))
    rows = Evaluation.objects.all().for_lists().in_bulk(wanted)
    if missing := [pk for pk in wanted if pk not in rows]:
        raise NotFoundError(gettext("There is no evaluation %(id)s; it may have been deleted.") % {"id": missing[0]})
    found = tuple(rows[pk] for pk in wanted)
    if unfinished := [one for one in found if not one.is_finished]:
        words = gettext("Evaluation %(id)s has no figures yet; compare it once it is finished.")
        raise InvalidInputError(words % {"id": unfinished[0].pk})
    warnings = []
    if len({one.split_at for one in found}) > 1:
        warnings.append(gettext("They were split at different dates, so they are not comparable."))
    if len({one.parameters.get("users") for one in found}) > 1 or len({one.report.get("n") for one in found}) > 1:
        warnings.append(gettext("They were measured on different users, so they are not comparable."))
    return Comparison(evaluations=found, warnings=tuple(warnings))
