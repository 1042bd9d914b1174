"""The life of an experiment after its draft: start, stop, promote an arm, and what can be taken back.

Every act takes one lock, so that each sees what the one before it did. It is taken before the strategies' lock.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from recommender import strategy_versions
from recommender.experiment_drafts import LONGEST_TEXT, Arm, arms_of, checked, locked, locked_draft, plan_of
from recommender.models import Experiment, Strategy
from recommender.strategies import live_strategy
from recsite.operations.errors import ConflictError, InvalidInputError

log = structlog.get_logger(__name__)

RESUMED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Promotion:
    """live_before: id of the version that was live; None where the arm's own is live already, so that nothing
    changed: what the arm does otherwise are its rules."""

    experiment: Experiment
    made_live: Strategy | None
    live_before: int | None


@transaction.atomic
def start(experiment_id: int, *, staff: User) -> Experiment:
    """From the next list on, users are split. An arm without a strategy keeps the version that is live now.

    Raises ConflictError where another runs on its placement, InvalidInputError where the draft cannot work any more.
    """
    draft = locked_draft(experiment_id)
    Strategy.objects.lock_changes()
    stop_what_is_over()
    plan = checked(plan_of(draft))
    if other := Experiment.objects.running().filter(placement=plan.placement).first():
        words = (
            gettext(
                "“%(other)s” runs on “%(placement)s” already. Stop it first: a placement has one experiment at a time."
            )
            if plan.placement
            else gettext("“%(other)s” runs on all placements already. Stop it first: there is one at a time.")
        )
        raise ConflictError(words % {"other": other, "placement": plan.placement})
    live = live_strategy().pk
    draft.arms = [Arm(arm.name, arm.strategy or live, arm.share).as_json() for arm in plan.arms]
    draft.salt = secrets.token_hex(16)
    draft.state, draft.started_at = Experiment.State.RUNNING, timezone.now()
    draft.save()
    log.info("experiment_started", experiment=draft.pk, staff=staff.pk)
    return draft


@transaction.atomic
def stop(experiment_id: int, *, note: str = "", staff: User) -> Experiment:
    """Raises ConflictError where it does not run."""
    running = _running(experiment_id)
    _stop(running, note=_checked_note(note), staff=staff)
    return running


@transaction.atomic
def resume(experiment_id: int, *, staff: User) -> Experiment:
    """Take back a stop of the last minutes: everybody is in the arm they were in.

    Raises ConflictError where it is too late, another runs on its placement, or an arm was promoted.
    """
    stopped = locked(experiment_id)
    is_recent = stopped.stopped_at is not None and timezone.now() - stopped.stopped_at <= RESUMED_WITHIN
    is_over = stopped.ends_at is not None and stopped.ends_at <= timezone.now()
    if stopped.state != Experiment.State.STOPPED or stopped.promoted_arm or not is_recent or is_over:
        raise ConflictError(gettext("“%(name)s” can go on no more: start another one.") % {"name": stopped})
    if other := Experiment.objects.running().filter(placement=stopped.placement).first():
        raise ConflictError(gettext("“%(other)s” runs there meanwhile.") % {"other": other})
    stopped.state, stopped.stopped_at, stopped.stopped_by, stopped.note = Experiment.State.RUNNING, None, None, ""
    stopped.save(update_fields=["state", "stopped_at", "stopped_by", "note"])
    log.info("experiment_resumed", experiment=stopped.pk, staff=staff.pk)
    return stopped


@transaction.atomic
def promote(experiment_id: int, arm_name: str, *, note: str = "", staff: User) -> Promotion:
    """Stop it where it runs, and make the arm's strategy live: both or neither.

    Raises ConflictError where it is a draft or an arm was promoted already, InvalidInputError where it has no such arm,
    and whatever keeps the version from going live.
    """
    experiment = locked(experiment_id)
    if experiment.is_draft or experiment.promoted_arm:
        raise ConflictError(
            gettext("“%(name)s” has not been started; there is nothing to promote yet.") % {"name": experiment}
            if experiment.is_draft
            else gettext("Arm “%(arm)s” of “%(name)s” was promoted already.")
            % {"name": experiment, "arm": experiment.promoted_arm}
        )
    arm = next((each for each in arms_of(experiment) if each.name == arm_name), None)
    if arm is None:
        raise InvalidInputError(gettext("“%(name)s” has no such arm.") % {"name": experiment})
    note = _checked_note(note)
    if experiment.is_running:
        _stop(experiment, note=note, staff=staff)
    experiment.promoted_arm, experiment.note = arm_name, note or experiment.note
    experiment.save(update_fields=["promoted_arm", "note"])
    Strategy.objects.lock_changes()
    live = live_strategy()
    made_live = None
    if arm.strategy is not None and arm.strategy != live.pk:
        made_live = strategy_versions.make_live(arm.strategy, staff=staff, instead_of=live.pk)
    log.info("experiment_promoted", experiment=experiment.pk, strategy=arm.strategy, staff=staff.pk)
    return Promotion(experiment, made_live, live.pk if made_live else None)


@transaction.atomic
def take_back_promotion(experiment_id: int, *, live_before: int, staff: User) -> Experiment:
    """The version that was live before is live again; the experiment stays stopped.

    Raises ConflictError where no arm was promoted, or another version went live meanwhile.
    """
    experiment = locked(experiment_id)
    arm = next((each for each in arms_of(experiment) if each.name == experiment.promoted_arm), None)
    if arm is None:
        raise ConflictError(gettext("No arm of “%(name)s” is promoted.") % {"name": experiment})
    if live_before != arm.strategy and arm.strategy is not None:
        strategy_versions.make_live(live_before, staff=staff, instead_of=arm.strategy)
    experiment.promoted_arm = ""
    experiment.save(update_fields=["promoted_arm"])
    log.info("experiment_promotion_taken_back", experiment=experiment.pk, staff=staff.pk)
    return experiment


@transaction.atomic
def stop_what_is_over() -> int:
    """Experiments whose end has come. Returns how many."""
    if not Experiment.objects.over(timezone.now()).exists():
        return 0
    Experiment.objects.lock_changes()
    over = list(Experiment.objects.over(timezone.now()).order_by("pk"))
    for each in over:
        each.state, each.stopped_at = Experiment.State.STOPPED, each.ends_at
        each.save(update_fields=["state", "stopped_at"])
        log.info("experiment_over", experiment=each.pk)
    return len(over)


def _running(experiment_id: int) -> Experiment:
    found = locked(experiment_id)
    if not found.is_running:
        raise ConflictError(gettext("“%(name)s” does not run.") % {"name": found})
    return found


def _stop(running: Experiment, *, note: str, staff: User) -> None:
    running.state, running.stopped_at = Experiment.State.STOPPED, timezone.now()
    running.stopped_by, running.note = staff, note
    running.save(update_fields=["state", "stopped_at", "stopped_by", "note"])
    log.info("experiment_stopped", experiment=running.pk, staff=staff.pk)


def _checked_note(note: str) -> str:
    note = " ".join(note.replace("\x00", "").split())
    if len(note) > LONGEST_TEXT:
        raise InvalidInputError(
            gettext("The note has %(n)s characters; at most %(most)s fit.") % {"n": len(note), "most": LONGEST_TEXT}
        )
    return note
