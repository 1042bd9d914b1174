"""Whom an edit of labels reaches: users whose interests rest on these labels, or on items that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.models import Label
from recommender.models import EndUser, InterestLabel

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
