"""How long served slates are kept, and deleting those past it."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from recommender.models import Slate
from recsite.operations.models import Setting

log = structlog.get_logger(__name__)

KEY = "slates_kept_days"


def kept_days() -> int:
    """As staff set it; otherwise as the environment says. 0: for ever."""
    value: object = Setting.objects.filter(pk=KEY).values_list("value", flat=True).first()
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return int(settings.SLATE_RETENTION_DAYS)


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
