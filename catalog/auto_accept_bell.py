"""The bell for auto-accept: decisions may start it or stop it, so whoever decided rings. The sweep rings anyway."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.conf import settings
from django.db import transaction

from catalog import tasks
from catalog.auto_accept import ON
from catalog.models import AutoAccept


def ring(taxonomy_ids: Iterable[int]) -> None:
    """After the transaction, for those of the taxonomies that have it on. Without a broker the sweep catches up."""
    on = AutoAccept.objects.filter(pk__in=set(taxonomy_ids), state__in=ON).order_by("pk")
    for taxonomy_id in on.values_list("pk", flat=True):
        transaction.on_commit(partial(_ring, taxonomy_id), robust=True)


def _ring(taxonomy_id: int) -> None:
    tasks.settle_auto_accept.apply_async((taxonomy_id,), expires=settings.SWEEP_EVERY_S)
