"""Deleting served slates that are past their time; the setting `slates_kept_days` says when."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.utils import timezone

from recommender.models import Slate

log = structlog.get_logger(__name__)


def delete_old_slates(*, days: int, batch: int) -> int:
    """Slates served more than so many days ago with their items, the oldest first, at most `batch`. Returns how many.

    days 0 deletes none.
    """
    if days <= 0:
        return 0
    before = timezone.now() - timedelta(days=days)
    old = list(Slate.objects.all().served_before(before).order_by("served_at").values_list("pk", flat=True)[:batch])
    if old:
        Slate.objects.filter(pk__in=old).delete()
        log.info("slates_deleted", slates=len(old))
    return len(old)
