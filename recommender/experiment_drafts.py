"""Drafts of experiments: what one may say, how it is checked, made, changed, deleted and brought back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import structlog
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from recommender.models import Experiment, Strategy
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.recreation import insert

log = structlog.get_logger(__name__)

FEWEST_ARMS, MOST_ARMS = 2, 4
LONGEST_NAME, LONGEST_ARM, LONGEST_TEXT, LONGEST_PLACEMENT = 100, 60, 300, 100
LONGEST_ATTRIBUTION_HOURS = 720
BROUGHT_BACK_WITHIN_S = 3_600
SALT = "recommender.experiment"


@dataclass(frozen=True)
class Arm:
    """strategy: id of a published version, None for the live one. share: of the users that take part, by weight."""

    name: str
    strategy: int | None = None
    share: float = 1.0

    def as_json(self) -> dict[str, object]:
        return {"name": self.name, "strategy": self.strategy, "share": self.share}


@dataclass(frozen=True)
class Plan:
    """What a draft says. The first arm is the control."""

    name: str
    arms: tuple[Arm, ...]
    hypothesis: str = ""
    placement: str = ""
    traffic_share: float = 1.0
    measure: str = Experiment.Measure.PURCHASE
    attribution_hours: int = 72
    ends_at: datetime | None = None


def plan_of(experiment: Experiment) -> Plan:
    values = {each.name: getattr(experiment, each.name) for each in fields(Plan) if each.name != "arms"}
    return Plan(arms=tuple(arms_of(experiment)), **values)


def arms_of(experiment: Experiment) -> list[Arm]:
    return [Arm(arm["name"], arm["strategy"], arm["share"]) for arm in experiment.arms]


@transaction.atomic
def create(plan: Plan, *, staff: User) -> Experiment:
    """A draft. Raises InvalidInputError where it cannot work, ConflictError where its name is taken."""
    Experiment.objects.lock_changes()
    plan = checked(plan)
    _require_free(plan.name)
    made = Experiment.objects.create(**_columns(plan), created_by=staff)
    log.info("experiment_drafted", experiment=made.pk, staff=staff.pk)
    return made


@transaction.atomic
def change(experiment_id: int, plan: Plan, *, staff: User) -> Experiment:
    """Raises as `create`, and ConflictError where it is no draft any more."""
    draft = locked_draft(experiment_id)
    plan = checked(plan)
    _require_free(plan.name, but=draft.pk)
    for name, value in _columns(plan).items():
        setattr(draft, name, value)
    draft.save()
    log.info("experiment_changed", experiment=draft.pk, staff=staff.pk)
    return draft


@transaction.atomic
def delete(experiment_id: int, *, staff: User) -> str:
    """Delete a draft. Returns what `bring_back` needs. Raises ConflictError where it has run: lists refer to it."""
    draft = locked_draft(experiment_id)
    columns = {**_columns(plan_of(draft)), "id": draft.pk, "created_by_id": draft.created_by_id}
    columns["ends_at"] = draft.ends_at.isoformat() if draft.ends_at else None
    draft.delete()
    log.info("experiment_deleted", experiment=experiment_id, staff=staff.pk)
    return signing.dumps(columns, salt=SALT, compress=True)


@transaction.atomic
def bring_back(kept: str, *, staff: User) -> Experiment:
    """The draft that was deleted, under its id. Raises InvalidInputError after an hour, ConflictError where its name
    was taken meanwhile; twice brings it back once."""
    try:
        columns = signing.loads(kept, salt=SALT, max_age=BROUGHT_BACK_WITHIN_S)
    except signing.BadSignature:
        raise InvalidInputError(gettext("The deletion is too long ago to be taken back.")) from None
    Experiment.objects.lock_changes()
    if there := Experiment.objects.filter(pk=columns["id"]).first():
        return there
    _require_free(columns["name"])
    columns["ends_at"] = parse_datetime(columns["ends_at"]) if columns["ends_at"] else None
    if not User.objects.filter(pk=columns["created_by_id"]).exists():
        columns["created_by_id"] = None
    made = Experiment.objects.create(**columns)
    log.info("experiment_brought_back", experiment=made.pk, staff=staff.pk)
    return made


@transaction.atomic
def put_back(draft: Experiment, *, staff: User) -> Experiment:
    """A draft that was deleted, as the log of changes kept it, under its id. Raises ConflictError where its name was
    taken meanwhile, InvalidInputError as `create`: where its end is past, or a strategy of its arms is gone."""
    Experiment.objects.lock_changes()
    _require_free(draft.name)
    checked(plan_of(draft))
    insert(draft)
    log.info("experiment_put_back", experiment=draft.pk, staff=staff.pk)
    return draft


def locked_draft(experiment_id: int) -> Experiment:
    """Call within a transaction."""
    found = locked(experiment_id)
    if not found.is_draft:
        raise ConflictError(
            gettext("“%(name)s” has been started; what runs is not changed. Stop it, and start another one.")
            % {"name": found}
        )
    return found


def locked(experiment_id: int) -> Experiment:
    """Call within a transaction."""
    Experiment.objects.lock_changes()
    found = Experiment.objects.filter(pk=experiment_id).first()
    if found is None:
        raise NotFoundError(gettext("There is no such experiment; somebody may have deleted the draft."))
    return found


# ---------------------------------------------------------------- checks


def checked(plan: Plan) -> Plan:
    """As it is stored. Raises InvalidInputError that says what is wrong and what would do."""
    name = _text(plan.name, LONGEST_NAME, gettext("name"))
    if not name:
        raise InvalidInputError(gettext("Give the experiment a name."))
    if not 0 < plan.traffic_share <= 1:
        raise InvalidInputError(gettext("The share of users that takes part must be above 0% and at most 100%."))
    if not 1 <= plan.attribution_hours <= LONGEST_ATTRIBUTION_HOURS:
        raise InvalidInputError(
            gettext("An event can count for a list from 1 to %(most)s hours after it.")
            % {"most": LONGEST_ATTRIBUTION_HOURS}
        )
    if plan.measure not in Experiment.Measure.values:
        raise InvalidInputError(gettext("Choose clicks, carts or purchases as the measure that decides."))
    if plan.ends_at is not None and plan.ends_at <= timezone.now():
        raise InvalidInputError(gettext("Its end is in the past; choose a later one, or leave it empty."))
    return Plan(
        name=name,
        arms=_checked_arms(plan.arms),
        hypothesis=_text(plan.hypothesis, LONGEST_TEXT, gettext("hypothesis")),
        placement=_text(plan.placement, LONGEST_PLACEMENT, gettext("placement")),
        traffic_share=plan.traffic_share,
        measure=plan.measure,
        attribution_hours=plan.attribution_hours,
        ends_at=plan.ends_at,
    )


def _checked_arms(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    if not FEWEST_ARMS <= len(arms) <= MOST_ARMS:
        raise InvalidInputError(
            gettext("An experiment has %(fewest)s to %(most)s arms; this one has %(n)s.")
            % {"fewest": FEWEST_ARMS, "most": MOST_ARMS, "n": len(arms)}
        )
    found = tuple(Arm(_text(arm.name, LONGEST_ARM, gettext("arm's name")), arm.strategy, arm.share) for arm in arms)
    names = [arm.name for arm in found]
    for arm in found:
        if not arm.name or "/" in arm.name:
            raise InvalidInputError(gettext("Each arm needs a name, without a slash, like “a”."))
        if names.count(arm.name) > 1:
            raise InvalidInputError(gettext("Two arms are named “%(name)s”; give each its own.") % {"name": arm.name})
        if not 0 < arm.share < 1e6:
            raise InvalidInputError(gettext("The share of arm “%(name)s” must be above 0.") % {"name": arm.name})
    chosen = {arm.strategy for arm in found if arm.strategy is not None}
    published = set(Strategy.objects.published().filter(pk__in=chosen).values_list("pk", flat=True))
    for arm in found:
        if arm.strategy is not None and arm.strategy not in published:
            raise InvalidInputError(
                gettext("The strategy of arm “%(name)s” is not published; publish it first, or choose another.")
                % {"name": arm.name}
            )
    return found


def _text(value: str, longest: int, what: str) -> str:
    text = " ".join(value.replace("\x00", "").split())
    if len(text) > longest:
        raise InvalidInputError(
            gettext("The %(what)s has %(n)s characters; at most %(most)s fit.")
            % {"what": what, "n": len(text), "most": longest}
        )
    return text


def _require_free(name: str, *, but: int | None = None) -> None:
    if Experiment.objects.filter(name=name).exclude(pk=but or 0).exists():
        raise ConflictError(gettext("There is an experiment named “%(name)s”; choose another name.") % {"name": name})


def _columns(plan: Plan) -> Mapping[str, object]:
    columns = {each.name: getattr(plan, each.name) for each in fields(Plan)}
    return {**columns, "arms": [arm.as_json() for arm in plan.arms]}
