"""Whom an edit of labels reaches: users whose interests rest on these labels, or on items that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext

from catalog.models import Label
from recommender.models import EndUser, GoldenExpectation, InterestLabel, Rule

MOST_LABELS = 40


@dataclass(frozen=True)
class LabelReach:
    users: int
    of: int


def label_reach(label_ids: Sequence[int]) -> LabelReach:
    """Labels below these count too. A label that is no more reaches nobody."""
    within = Label.objects.all().ids_within(list(label_ids)[:MOST_LABELS])
    known = list(Label.objects.filter(pk__in=within).order_by("pk").values_list("pk", flat=True))
    return LabelReach(InterestLabel.objects.all().count_users_resting_on(known), EndUser.objects.count())


def named_by(label_id: int) -> str:
    """What names this label, in words; '' for nothing. It would be about something else without it."""
    of_scope = Q(scope__labels__contains=[label_id])
    rule = Rule.objects.filter(of_scope | Q(audience__interests__contains=[label_id])).order_by("pk").first()
    if rule is not None:
        return gettext("rule “%(rule)s” names it") % {"rule": rule.name}
    expectation = GoldenExpectation.objects.filter(of_scope).order_by("pk").first()
    if expectation is not None:
        return gettext("what is expected of golden user %(user)s names it") % {"user": expectation.user_external_id}
    return ""
