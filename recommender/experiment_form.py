"""The form of an experiment: what stands in it, what was typed, and what is wrong with that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from recommender.experiment_drafts import LONGEST_ATTRIBUTION_HOURS, MOST_ARMS, Arm, Plan
from recommender.models import Experiment


@dataclass(frozen=True)
class ArmFields:
    """As typed. number: from 1 on; the first is the control."""

    number: int
    name: str = ""
    strategy: str = ""
    share: str = ""
    error: str = ""

    @property
    def is_control(self) -> bool:
        return self.number == 1

    @property
    def is_needed(self) -> bool:
        return self.number <= 2


@dataclass(frozen=True)
class ExperimentForm:
    """`plan` is what was typed, None where some of it cannot be read; `errors` says what, by field."""

    name: str
    hypothesis: str
    placement: str
    traffic: str
    measure: str
    attribution: str
    ends_at: str
    arms: tuple[ArmFields, ...]
    plan: Plan | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_more_arms(self) -> bool:
        return any(arm.name or arm.error for arm in self.arms if not arm.is_needed)


def empty_form() -> ExperimentForm:
    return form_of(Plan("", (Arm("a"), Arm("b"))))


def form_of(plan: Plan) -> ExperimentForm:
    arms = [
        ArmFields(place, arm.name, str(arm.strategy or ""), _plain(arm.share))
        for place, arm in enumerate(plan.arms, start=1)
    ]
    arms += [ArmFields(place, share="1") for place in range(len(arms) + 1, MOST_ARMS + 1)]
    return ExperimentForm(
        name=plan.name,
        hypothesis=plan.hypothesis,
        placement=plan.placement,
        traffic=_plain(100 * plan.traffic_share),
        measure=plan.measure,
        attribution=str(plan.attribution_hours),
        ends_at=f"{timezone.localtime(plan.ends_at):%Y-%m-%dT%H:%M}" if plan.ends_at else "",
        arms=tuple(arms),
        plan=plan,
    )


def form_from(typed: Mapping[str, str]) -> ExperimentForm:
    """Each error at its field; nothing typed is lost. Arms are `arm-1-name`, `arm-1-strategy`, `arm-1-share`, …"""
    values = {key: value.replace("\x00", "").strip() for key, value in typed.items()}
    errors: dict[str, str] = {}
    traffic, hours = _number(values.get("traffic", "")), _number(values.get("attribution", ""))
    if traffic is None or not 0 < traffic <= 100:
        errors["traffic"] = gettext("Type a percentage above 0, up to 100.")
    if hours is None or hours != int(hours) or not 1 <= hours <= LONGEST_ATTRIBUTION_HOURS:
        errors["attribution"] = gettext("Type whole hours, 1 to %(most)s.") % {"most": LONGEST_ATTRIBUTION_HOURS}
    ends_at, is_readable = _moment(values.get("ends_at", ""))
    if not is_readable:
        errors["ends_at"] = gettext("Type a day and a time, like 2026-03-31 18:00, or leave it empty.")
    if not values.get("name"):
        errors["name"] = gettext("Give the experiment a name.")
    fields = [_arm_fields(values, place) for place in range(1, MOST_ARMS + 1)]
    arms = [_arm(each) for each in fields if each.is_needed or each.name]
    is_whole = not errors and not any(each.error for each in fields)
    plan = None
    if is_whole and traffic is not None and hours is not None:
        plan = Plan(
            name=values.get("name", ""),
            arms=tuple(arms),
            hypothesis=values.get("hypothesis", ""),
            placement=values.get("placement", ""),
            traffic_share=traffic / 100,
            measure=values.get("measure", Experiment.Measure.PURCHASE),
            attribution_hours=int(hours),
            ends_at=ends_at,
        )
    return ExperimentForm(
        name=values.get("name", ""),
        hypothesis=values.get("hypothesis", ""),
        placement=values.get("placement", ""),
        traffic=values.get("traffic", ""),
        measure=values.get("measure", ""),
        attribution=values.get("attribution", ""),
        ends_at=values.get("ends_at", ""),
        arms=tuple(fields),
        plan=plan,
        errors=errors,
    )


def _arm_fields(values: Mapping[str, str], number: int) -> ArmFields:
    name, strategy = values.get(f"arm-{number}-name", ""), values.get(f"arm-{number}-strategy", "")
    share, error = values.get(f"arm-{number}-share", ""), ""
    found = _number(share)
    if number <= 2 or name:
        if not name:
            error = gettext("Give the arm a name, like “a”.")
        elif found is None or found <= 0:
            error = gettext("Type a share above 0.")
    return ArmFields(number, name, strategy, share, error)


def _arm(fields: ArmFields) -> Arm:
    is_key = fields.strategy.isascii() and fields.strategy.isdecimal() and len(fields.strategy) < 18
    strategy = int(fields.strategy) if is_key else (None if not fields.strategy else 0)
    return Arm(fields.name, strategy, _number(fields.share) or 0.0)


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _moment(text: str) -> tuple[datetime | None, bool]:
    """In the current time zone; whether it can be read."""
    if not text:
        return None, True
    try:
        found = parse_datetime(text)
    except ValueError:  # written like a moment, but none: 30 February
        found = None
    if found is None:
        return None, False
    return (found if timezone.is_aware(found) else timezone.make_aware(found)), True


def _plain(value: float) -> str:
    """Without noise: 10, 12.5, 33.3333."""
    return f"{round(value, 4):g}"
