"""Claims and leases that live as long as the worker that holds them: renewed while it works, given back when it died.

Renewal runs in a thread of its own, with a connection of its own, so that a long wait for a model loses nothing; and
because it is frequent, what a dead worker held runs out soon.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from catalog.models import LabelRequest, Lease
from catalog.models import claim as claim_names
from catalog.models.claim import Keeping

log = structlog.get_logger(__name__)

RENEWALS_A_TERM = 4
DRAIN = "drain"
# Rows about processes of machines that are no more; what they held ran out long ago.
FORGOTTEN_AFTER = timedelta(days=1)


@contextmanager
def kept() -> Iterator[None]:
    """Requests that are claimed in the block stay claimed while it runs."""
    with claim_names.keeping() as keeping:
        try:
            with _repeated(lambda: _renew(keeping), every_s=settings.LABEL_CLAIM_S / RENEWALS_A_TERM):
                yield
        finally:
            if keeping.claims:
                Lease.objects.filter(name__in=[claim.name for claim in keeping.claims]).delete()


@contextmanager
def holding(lease: str, holder: str) -> Iterator[None]:
    """A lease that was taken stays `holder`'s while the block runs, and is known to be held by this process."""
    name, seconds = f"{DRAIN}:{claim_names.process_name()}", settings.LABEL_LEASE_S
    # The row says whose lease dies with this process; it is no lease itself.
    Lease.objects.filter(name=name).delete()
    Lease.objects.take(name, holder, seconds=seconds)
    try:
        with _repeated(lambda: Lease.objects.take(lease, holder, seconds=seconds), every_s=seconds / RENEWALS_A_TERM):
            yield
    finally:
        Lease.objects.filter(name=name).delete()


def release_of_dead(lease: str) -> int:
    """Give back what processes of this machine held that are no more, their `lease` too. Returns how many requests
    are free again. What other machines' processes held runs out by itself."""
    freed = 0
    for row in Lease.objects.filter(name__startswith=claim_names.of_this_machine(claim_names.PREFIX)):
        process = row.name.split(":", 1)[1].rpartition(":")[0]
        if claim_names.is_dead(process):
            with transaction.atomic():
                until = datetime.fromisoformat(row.holder)
                freed += LabelRequest.objects.filter(claimed_until=until).waiting().update(claimed_until=None)
                row.delete()
    for row in Lease.objects.filter(name__startswith=claim_names.of_this_machine(DRAIN)):
        if claim_names.is_dead(row.name.split(":", 1)[1]):
            Lease.objects.release(lease, row.holder)
            row.delete()
            log.info("lease_of_dead_worker_released", lease=lease)
    forgotten = Q(name__startswith=f"{claim_names.PREFIX}:") | Q(name__startswith=f"{DRAIN}:")
    Lease.objects.filter(forgotten, expires_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()
    if freed:
        log.info("claims_of_dead_worker_released", requests=freed)
    return freed


def _renew(keeping: Keeping) -> None:
    for claim in list(keeping.claims):
        claim.until = LabelRequest.objects.renew(claim.name, claim.ids, claim.until, seconds=settings.LABEL_CLAIM_S)


@contextmanager
def _repeated(act: Callable[[], object], *, every_s: float) -> Iterator[None]:
    """`act` again and again while the block runs; the database's errors are logged, and the next turn tries anew."""
    is_over = threading.Event()

    def repeat() -> None:
        try:
            while not is_over.wait(every_s):
                try:
                    act()
                except DatabaseError as error:
                    log.warning("claims_not_renewed", reason=str(error).strip()[:200])
                    connection.close()
        finally:
            connection.close()

    thread = threading.Thread(target=repeat, name="renewal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
