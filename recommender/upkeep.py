"""Upkeep: what the sweep finds and mends. The rows say what is to do; a lost message costs half a minute."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db.models import Min
from django.utils import timezone

from catalog.models import ItemLabel
from recommender import (
    experiment_figures,
    experiment_runs,
    figures,
    findings,
    interest_maps,
    ranker_fits,
    slate_exports,
    tasks,
)
from recommender.models import EndUser, Event, ItemStatistics, RankedByModel
from recommender.slate_retention import delete_old_slates
from recsite.operations import changes, jobs, site_settings
from recsite.operations.errors import ConflictError
from recsite.operations.models import Job

log = structlog.get_logger(__name__)

MOST_SINGLE_REBUILDS = 200
EMBEDDED_WITHIN = timedelta(minutes=15)
LABELS_SETTLE = timedelta(minutes=10)
LABELS_AT_LATEST = timedelta(hours=1)
RING_EXPIRES_S = 30  # the next sweep rings again; where workers are slow, older rings must not pile up
QUEUED_TOO_LONG = timedelta(minutes=2)
SLATES_DELETED_AT_ONCE = 5_000
COUNTED_AT_ONCE = timedelta(days=8)
RANKINGS_KEPT = timedelta(days=30)
RANKINGS_DELETED_AT_ONCE = 20_000


def sweep() -> None:
    """Ring again for stale users and silent jobs, follow new vectors and labels, delete what is past its time."""
    requeue_jobs()
    rebuild_stale_users()
    follow_new_embeddings()
    follow_new_labels()
    interest_maps.build_where_due()
    delete_old_slates(days=site_settings.value("slates_kept_days"), batch=SLATES_DELETED_AT_ONCE)
    changes.delete_old()
    slate_exports.delete_old_files()
    delete_old_rankings()
    experiment_runs.stop_what_is_over()
    experiment_figures.request_where_due()


def requeue_jobs() -> list[int]:
    """Send jobs to their task again whose worker died, or whose message seems lost. Returns their ids."""
    silent = jobs.requeue_silent()
    lost = Job.objects.filter(status=Job.Status.QUEUED, created_at__lt=timezone.now() - QUEUED_TOO_LONG)
    again = Job.objects.filter(pk__in={*silent, *lost.values_list("pk", flat=True)}, kind__in=jobs.TASKS).order_by("pk")
    for job in again:
        jobs.ring(job)
        log.warning("job_sent_again", job=job.pk, kind=job.kind)
    return [job.pk for job in again]


def rebuild_stale_users() -> int:
    """Users with events their interests do not know: one by one, or in one job where there are too many."""
    stale = list(
        EndUser.objects.stale()
        .order_by("-last_event_at", "id")[: MOST_SINGLE_REBUILDS + 1]
        .values_list("pk", flat=True)
    )
    if len(stale) > MOST_SINGLE_REBUILDS:
        _request("rebuild_interests", "Rebuild interests: many users have new events", only_stale=True)
        return len(stale)
    for user_id in stale:
        tasks.rebuild_user_interests.apply_async([user_id], expires=RING_EXPIRES_S)
    if stale:
        log.info("stale_users_rung", users=len(stale))
    return len(stale)


def follow_new_embeddings() -> int:
    """Users whose items were embedded after their interests were built."""
    since = timezone.now() - EMBEDDED_WITHIN
    users = EndUser.objects.with_newer_embeddings(since).order_by("pk")[: MOST_SINGLE_REBUILDS + 1]
    user_ids = list(users.values_list("pk", flat=True))
    if len(user_ids) > MOST_SINGLE_REBUILDS:
        request_rebuild_of_all("Rebuild interests: many items have new vectors")
    elif user_ids:
        tasks.refresh_user_interests.apply_async([user_ids], expires=RING_EXPIRES_S)
    return len(user_ids)


def follow_new_labels() -> bool:
    """Labels that were suggested or decided since the interests were last built for all.

    The first ones after ten minutes; later ones when none has come for ten minutes, or after an hour at the latest:
    labelling some thousand items takes an hour or more, and each rebuild takes a minute that labelling needs.
    """
    now = timezone.now()
    of_all = Job.objects.filter(kind="rebuild_interests", parameters={}).order_by("-created_at")
    last = of_all.values_list("created_at", flat=True).first()
    oldest = EndUser.objects.aggregate(built_at=Min("interests_built_at"))["built_at"]
    known_since = last or oldest
    if known_since is None or now - known_since < LABELS_SETTLE:
        return False
    if not ItemLabel.objects.changed_since(known_since).exists():
        return False
    is_unsettled = ItemLabel.objects.changed_since(now - LABELS_SETTLE).exists()
    if last is not None and is_unsettled and now - last < LABELS_AT_LATEST:
        return False
    return request_rebuild_of_all("Rebuild interests: items have new labels") is not None


def request_rebuild_of_all(title: str) -> Job | None:
    """Queue the job; None where one is waiting or running already."""
    return _request("rebuild_interests", title)


def refresh_statistics() -> Job | None:
    """Rebuild statistics where events that count in them came in since they were built, and fit the live strategy
    again where that is due."""
    if ranker_fits.is_due():
        ranker_fits.request()
    newest = Event.objects.telling().order_by("-id").values_list("received_at", flat=True).first()
    built_at = ItemStatistics.objects.order_by("item_id").values_list("built_at", flat=True).first()
    if newest is None or (built_at is not None and newest <= built_at):
        return None
    return _request("rebuild_statistics", "Rebuild statistics and neighbours")


def refresh_figures() -> int:
    """Count the newest hours for charts, and what else pages show. Far back it is a job. Returns the hours' rows."""
    found = figures.due()
    if found is not None and timezone.now() - found.since > COUNTED_AT_ONCE:
        _request("count_figures", "Count events and lists by hour")
        return 0
    try:
        written = figures.recount(found) if found is not None else 0
    except ConflictError:
        return 0
    findings.refresh_due()
    return written


def _request(kind: str, title: str, **parameters: bool) -> Job | None:
    if Job.objects.active().filter(kind__in=[kind, "load_demo"]).exists():
        return None
    job = jobs.create(kind, title, parameters=parameters)
    jobs.ring(job)
    return job


def delete_old_rankings() -> int:
    """What the language model chose a month ago, some thousands a time. Returns how many."""
    deleted = RankedByModel.objects.delete_before(timezone.now() - RANKINGS_KEPT, limit=RANKINGS_DELETED_AT_ONCE)
    if deleted:
        log.info("rankings_deleted", rankings=deleted)
    return deleted
