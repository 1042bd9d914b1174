"""What pages show but is too dear to compute for each look: kept by a worker, computed at once for a small shop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from catalog import confidence
from catalog.models import Item
from recommender.algorithms.experiment_statistics import MISMATCH_BELOW, mismatch_p
from recommender.models import Event, Experiment, Finding, Slate
from recommender.stored_checks import Counted, count_checks

COMPUTED_EVERY = timedelta(hours=1)
# Below both, computing takes a page a few hundred milliseconds. Ids grow by one, so the newest tells without counting.
SMALL_ITEMS = 20_000
SMALL_EVENTS = 250_000


@dataclass(frozen=True)
class Found:
    value: Any
    computed_at: datetime


def _checks() -> object:
    return [asdict(one) for one in count_checks()]


def _confidence() -> object:
    return confidence.report_as_json(confidence.report_of_all())


def _skewed_experiments() -> object:
    """Ids of running experiments whose users are not split as was asked for."""
    found = []
    for experiment in Experiment.objects.running().order_by("pk"):
        users = Slate.objects.all().users_by_arm(experiment.pk)
        shares = {str(arm["name"]): float(arm.get("share", 0)) for arm in experiment.arms}
        if mismatch_p([users.get(arm, 0) for arm in shares], list(shares.values())) < MISMATCH_BELOW:
            found.append(experiment.pk)
    return found


COMPUTED: Mapping[str, Callable[[], object]] = {
    "checks": _checks,
    "confidence": _confidence,
    "skewed_experiments": _skewed_experiments,
}


def refresh_due() -> list[str]:
    """Compute what is missing or older than an hour; returns the names."""
    fresh_since = timezone.now() - COMPUTED_EVERY
    fresh = set(Finding.objects.filter(computed_at__gt=fresh_since).values_list("name", flat=True))
    due = [name for name in COMPUTED if name not in fresh]
    for name in due:
        refresh(name)
    return due


def refresh(name: str) -> None:
    Finding.objects.all().keep(name, COMPUTED[name]())


def is_small() -> bool:
    """Whether a page may compute for itself. Two look-ups."""
    newest_item = Item.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return newest_item <= SMALL_ITEMS and Event.objects.all().newest_id() <= SMALL_EVENTS


def current(name: str, *, small: bool) -> Found | None:
    """Computed now in a small shop, else as the worker left it; None where it has not been here yet."""
    if small:
        return Found(COMPUTED[name](), timezone.now())
    return kept(name)


def kept(name: str) -> Found | None:
    found = Finding.objects.filter(pk=name).first()
    return Found(found.value, found.computed_at) if found else None


def checks_of(found: Found) -> list[Counted]:
    return [Counted(**told) for told in found.value]
