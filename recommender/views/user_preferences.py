"""A part of the user's page: what the language model says they prefer, how old that is, and asking for it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from catalog.providers import get_chat_model
from recommender import preferences
from recommender.models import EndUser, PreferenceSummary
from recsite.operations.access import needs_to_act, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.models import Job
from recsite.operations.pages import toast


@staff_page
@needs_to_act("operations.add_job")
@require_http_methods(["GET", "POST"])
def user_preferences(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the card, asked for again while an answer is awaited. POST: ask the language model."""
    found = get_object_or_404(EndUser, pk=pk)
    problem = ""
    if request.method == "POST":
        try:
            preferences.request(found)
        except RecsiteError as error:
            problem = error.message
    response = render(request, "recommender/_preferences.html", {"end_user": found, **preferences_context(found)})
    if request.method == "POST":
        said = problem or gettext("Asked. The answer takes some seconds.")
        toast(response, said, kind="danger" if problem else "success")
    return response


def preferences_context(user: EndUser | None) -> dict[str, object]:
    if user is None:
        return {}
    summary = PreferenceSummary.objects.filter(user=user).first()
    job = preferences.last_job(user.pk)
    is_asking = job is not None and job.status in {Job.Status.QUEUED, Job.Status.RUNNING}
    has_failed = job is not None and job.status == Job.Status.FAILED
    if has_failed and summary is not None and job is not None and summary.created_at > job.created_at:
        has_failed = False
    return {
        "preference": summary,
        "preference_items": summary.named_items() if summary else [],
        "preference_behind": preferences.behind(user, summary) if summary else 0,
        "preference_job": job,
        "is_asking": is_asking,
        "has_failed": has_failed,
        "model_is_off": get_chat_model() is None,
    }
