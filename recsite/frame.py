"""What the frame around every page shows: where action waits, what runs, how old the data is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from catalog import labelling
from catalog.labelling import ModelStatus
from recommender.attention import count_waiting_for_review, review_address
from recommender.models import Event
from recsite.operations.date_range import carried
from recsite.operations.models import Job
from recsite.operations.pages import wants_fragment


@dataclass(frozen=True)
class Frame:
    waiting_for_review: int
    review_address: str
    active_jobs: tuple[Job, ...]
    failed_jobs: int
    data_as_of: datetime | None
    model_status: ModelStatus
    place: str
    group: str
    range_query: str


PLACES = {
    "home": "home",
    "insights": "insights",
    "catalog": "catalog",
    "item": "catalog",
    "taxonomies": "catalog",
    "taxonomy": "catalog",
    "taxonomy-confidence": "catalog",
    "users": "users",
    "user": "users",
    "why-not-page": "users",
    "strategies": "strategies",
    "strategy": "strategies",
    "strategy-edit": "strategies",
    "experiments": "experiments",
    "experiment": "experiments",
    "experiment-new": "experiments",
    "experiment-edit": "experiments",
    **dict.fromkeys(("rules", "rule", "rule-new", "rule-edit", "golden-users", "golden-new", "golden-edit"), "rules"),
    "evaluations": "evaluation",
    "evaluation": "evaluation",
    "evaluation-compare": "evaluation",
    "jobs": "jobs",
    "job": "jobs",
    "audit": "audit",
    "changes": "changes",
    "settings": "settings",
    "staff": "settings",
    "staff-new": "settings",
    "api-keys": "keys",
    "api-key-new": "keys",
    "audit-diff": "audit",
    "slate": "audit",
    "models": "models",
    "data-quality": "data-quality",
    "interest-encoder": "models",
}
# Places that share an entry of the sidebar.
GROUPS = {
    **dict.fromkeys(("rules", "strategies", "experiments"), "strategies"),
    **dict.fromkeys(("insights", "evaluation"), "results"),
    **dict.fromkeys(("jobs", "data-quality", "models", "audit", "changes", "settings", "keys"), "operations"),
}


def frame(request: HttpRequest) -> dict[str, object]:
    """Context of full pages for staff; fragments, the admin and strangers do without."""
    match = request.resolver_match
    is_admin = match is not None and "admin" in match.app_names
    user = getattr(request, "user", None)
    if is_admin or wants_fragment(request) or user is None or not user.is_staff:
        return {}
    newest = Event.objects.all().newest_time()
    place = PLACES.get(match.url_name or "", "") if match else ""
    return {
        "frame": Frame(
            waiting_for_review=count_waiting_for_review(),
            review_address=review_address(),
            active_jobs=tuple(Job.objects.active().newest_first()[:5]),
            failed_jobs=Job.objects.failed().count(),
            data_as_of=newest,
            model_status=labelling.model_status(),
            place=place,
            group=GROUPS.get(place, ""),
            range_query=carried(request.GET),
        )
    }
