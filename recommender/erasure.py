"""Erase a user with everything that is known about them, exports and the log of changes included."""

from __future__ import annotations

import csv
import io
import json
import mmap
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.db import transaction
from django.db.models import Q

from recommender import slate_exports
from recommender.models import EndUser, Event, GoldenExpectation, Rule, Slate
from recommender.models.rule import ERASED
from recommender.users import checked_id
from recsite.operations.change_context import written_by_nobody
from recsite.operations.errors import NotFoundError
from recsite.operations.models import Change, Job

log = structlog.get_logger(__name__)

DELETED = "The file was deleted, as a user whose lists it held was erased. Export again for one without them."
USER = slate_exports.HEAD.index("user")


@dataclass(frozen=True)
class Erased:
    events: int
    slates: int


def erase(external_id: str) -> Erased:
    """Delete the user, their events, interests and slates, for good. Raises NotFoundError where there is nothing.

    Slates served under this id before the user was known go too, exports that hold them, and what is expected of them
    as a golden user; rules and the log of changes name nobody in their place, and no change tells of the erasure.
    Counts over all users change at their next rebuild.
    """
    external_id = checked_id(external_id)
    with transaction.atomic(), written_by_nobody():
        # A rebuild that is under way ends first: it would else write interests of a user who is gone, and fail with
        # everybody it rebuilds at once.
        known = EndUser.objects.filter(external_id=external_id)
        EndUser.objects.lock_interests(list(known.values_list("pk", flat=True)))
        user = EndUser.objects.select_for_update().filter(external_id=external_id).first()
        pk = user.pk if user is not None else None
        slates = Slate.objects.filter(user_external_id=external_id)
        erased = Erased(
            events=Event.objects.filter(user=user).count() if user else 0,
            slates=slates.count(),
        )
        if user is None and not erased.slates and not exports_with(external_id):
            raise NotFoundError(f"There is no user {external_id!r}; there is nothing to erase.")
        slates.delete()
        GoldenExpectation.objects.filter(user_external_id=external_id).delete()
        Rule.objects.all().forget_user(external_id)
        forget_in_changes(external_id)
        forget_in_jobs(external_id)
        if user is not None:
            user.delete()
        transaction.on_commit(lambda: forget_in_exports(external_id))
    log.info("user_erased", user=pk, events=erased.events, slates=erased.slates)
    return erased


def exports_with(external_id: str) -> list[Path]:
    """Finished files with a list of this user."""
    return [path for path in slate_exports.files() if path.suffix != ".partial" and _holds(path, external_id)]


def forget_in_exports(external_id: str) -> int:
    """Delete these files; their jobs say why. To be called once the user's lists are gone. Returns how many."""
    gone = exports_with(external_id)
    for path in gone:
        path.unlink(missing_ok=True)
        job = Job.objects.filter(pk=slate_exports.job_id_of(path), kind=slate_exports.KIND).first()
        if job is not None:
            job.details.pop("address", None)
            job.details["_deleted"] = True
            Job.objects.filter(pk=job.pk).update(details=job.details, message=DELETED)
    if gone:
        log.info("exports_of_erased_deleted", files=len(gone))
    return len(gone)


def forget_in_jobs(external_id: str) -> None:
    """Exports that were asked for this user name nobody, and those that run now stop: they may have read the lists."""
    exports = Job.objects.filter(kind=slate_exports.KIND)
    for job in exports.filter(parameters__filters__user=external_id):
        job.parameters["filters"]["user"] = ERASED
        job.save(update_fields=["parameters"])
    running = exports.filter(status=Job.Status.RUNNING)
    running.exclude(Q(parameters__filters__has_key="user") & ~Q(parameters__filters__user=ERASED)).update(
        cancel_requested=True
    )


def forget_in_changes(external_id: str) -> None:
    """Changes of what was expected of them go; those of rules name nobody in their place."""
    of_user = Q(object_name=external_id[:300])
    for columns in ("before", "after"):
        of_user |= Q(**{f"{columns}__user_external_id": external_id})
    Change.objects.filter(of_user, kind="golden_expectation").delete()
    named = Q()
    for columns in ("before", "after"):
        named |= Q(**{f"{columns}__audience__users__contains": [external_id]})
    for change in Change.objects.filter(named, kind="rule").order_by("pk").iterator():
        for values in (change.before, change.after):
            users = (values.get("audience") or {}).get("users")
            if users and external_id in users:
                kept = [ERASED if user == external_id else user for user in users]
                values["audience"]["users"] = list(dict.fromkeys(kept))
        Change.objects.filter(pk=change.pk).update(before=change.before, after=change.after)


def _holds(path: Path, external_id: str) -> bool:
    """Files without the id anywhere are told by one fast look, however large they are."""
    is_csv = path.suffix == ".csv"
    cell = slate_exports.cell(external_id)
    written = _as_csv(cell) if is_csv else json.dumps(external_id, ensure_ascii=False)
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        if held.find(written.encode()) < 0:
            return False
    with path.open(encoding="utf-8", newline="") as text:
        if is_csv:
            return any(len(row) > USER and row[USER] == cell for row in csv.reader(text))
        return any(json.loads(line).get("user") == external_id for line in text)


def _as_csv(cell: str) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([cell])
    return text.getvalue().removesuffix("\r\n")
