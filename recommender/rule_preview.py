"""What a draft of a rule would change: lists of real users before and after, and golden users. Nothing is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from catalog.models import Label
from recommender import golden
from recommender.algorithms.experiments import arm_of
from recommender.algorithms.weights import bucket_of
from recommender.golden import Finding
from recommender.models import EndUser, Event, Experiment, GoldenExpectation, Rule
from recommender.models.user import EndUserQuerySet
from recommender.rule_content import content_of
from recommender.rules import as_published, at_placement
from recommender.scopes import Audience
from recommender.shelves import Shelf
from recommender.slates import RankedItem, recommend
from recommender.strategy_preview import BUDGET_S, DRAWN_FROM, LIST_LENGTH, SAMPLE_USERS, Preview, compare_users

HISTORIES_COUNTED = 200


@dataclass(frozen=True)
class Sample:
    """is_reached: they are of the rule's audience; otherwise it reaches none of the users who were looked at."""

    users: tuple[str, ...]
    is_reached: bool


@dataclass(frozen=True)
class RulePreview:
    """at: the moment whose rules are compared: now, or the draft's start."""

    compared: Preview
    sample: Sample
    at: datetime


@dataclass(frozen=True)
class GoldenOutlook:
    """Expectations by what becomes of them; `broken` refuses the publish."""

    holds: int
    broken: tuple[Finding, ...]
    mended: tuple[Finding, ...]
    broken_before: tuple[Finding, ...]


def preview(draft: Rule, *, start: int = 0, n: int = LIST_LENGTH, budget_s: float = BUDGET_S) -> RulePreview:
    """Compare users of the sample from `start` on until the time is up."""
    at = max(timezone.now(), draft.starts_at or timezone.now())
    before = at_placement(Rule.objects.holding(at), draft.placement)
    after = at_placement(as_published(draft, at=at), draft.placement)
    sample = sample_of(content_of(draft).audience)
    length = max(n, draft.position or 0)

    def list_by(rules: Sequence[Rule], user: str, shelf: Shelf) -> Sequence[RankedItem]:
        return recommend(user, n=length, placement=draft.placement, rules=rules, shelf=shelf, record=False).items

    compared = compare_users(
        sample.users,
        lambda user, shelf: list_by(before, user, shelf),
        lambda user, shelf: list_by(after, user, shelf),
        start=start,
        budget_s=budget_s,
    )
    return RulePreview(compared, sample, at)


def golden_outlook(draft: Rule) -> GoldenOutlook:
    """What becomes of every active expectation."""
    expectations = list(GoldenExpectation.objects.active())
    at = max(timezone.now(), draft.starts_at or timezone.now())
    after = golden.check(expectations, rules=as_published(draft, at=at))
    before = golden.check(expectations, rules=list(Rule.objects.holding(timezone.now())))
    pairs = list(zip(before, after, strict=True))
    return GoldenOutlook(
        holds=sum(then.is_met for _, then in pairs),
        broken=tuple(then for was, then in pairs if was.is_met and not then.is_met),
        mended=tuple(then for was, then in pairs if not was.is_met and then.is_met),
        broken_before=tuple(then for was, then in pairs if not was.is_met and not then.is_met),
    )


def sample_of(audience: Audience, n: int = SAMPLE_USERS) -> Sample:
    """External ids of active users whom the audience reaches, the same for the same data, those it names first.

    Where it reaches none of the users with the newest events, those users themselves. Five queries at most.
    """
    if audience.users:
        return Sample(tuple(audience.users[:n]), is_reached=True)
    within = Label.objects.all().branches(sorted(audience.interests)) if audience.interests else {}
    drawn = _drawn(EndUser.objects.in_audience(audience, within), with_events="none" not in audience.histories)
    experiment = _experiment(audience)
    reached = [user for _, user in _of_histories(drawn, audience) if _is_in_arm(user, experiment, audience)]
    if reached:
        return Sample(tuple(reached[:n]), is_reached=True)
    return Sample(tuple(user for _, user in _drawn(EndUser.objects.all(), with_events=True)[:n]), is_reached=False)


def _drawn(users: EndUserQuerySet, *, with_events: bool) -> list[tuple[int, str]]:
    """(id, external id), in the order of a hash."""
    found = users.filter(last_event_at__isnull=False) if with_events else users
    rows = found.most_recent_first().values_list("pk", "external_id")[:DRAWN_FROM]
    return sorted(rows, key=lambda row: hashlib.sha256(row[1].encode()).digest())


def _of_histories(drawn: list[tuple[int, str]], audience: Audience) -> list[tuple[int, str]]:
    """Visits are counted, which is close to what a list calls a step."""
    if not audience.histories:
        return drawn
    counted = Event.objects.visits_of([pk for pk, _ in drawn[:HISTORIES_COUNTED]])
    return [row for row in drawn[:HISTORIES_COUNTED] if bucket_of(counted.get(row[0], 0)) in audience.histories]


def _experiment(audience: Audience) -> Experiment | None:
    return Experiment.objects.filter(name=audience.arm.rpartition("/")[0]).first() if audience.arm else None


def _is_in_arm(user: str, experiment: Experiment | None, audience: Audience) -> bool:
    if not audience.arm:
        return True
    if experiment is None:
        return False
    place = arm_of(
        user,
        salt=experiment.salt,
        traffic_share=experiment.traffic_share,
        shares=[arm["share"] for arm in experiment.arms],
    )
    return place is not None and experiment.arms[place]["name"] == audience.arm.rpartition("/")[2]
