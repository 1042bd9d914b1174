"""Users: the table of them, and the page of one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from recommender.models import EndUser, Event
from recommender.views.interest_map import map_context
from recommender.views.user_list import id_or_404, list_context
from recommender.views.user_parts import freshness_context, interests_context, timeline_context
from recommender.views.user_preferences import preferences_context
from recsite.operations import saved_views
from recsite.operations.access import staff_page
from recsite.operations.pages import positive, wants_fragment

USERS_PER_PAGE = 25


@staff_page
@require_GET
def users(request: HttpRequest) -> HttpResponse:
    q = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    only_behind = request.GET.get("behind") == "1"
    found = EndUser.objects.search(q) if q else EndUser.objects.all()
    if only_behind:
        found = found.stale()
    number = positive(request.GET, "page", default=1, most=10_000)
    start = (number - 1) * USERS_PER_PAGE
    rows = list(found.most_recent_first().with_event_count().with_interest_labels()[start : start + USERS_PER_PAGE + 1])
    context = {
        "q": q,
        "only_behind": only_behind,
        "users": rows[:USERS_PER_PAGE],
        "number": number,
        "first": start + 1,
        "last": start + min(len(rows), USERS_PER_PAGE),
        "has_next": len(rows) > USERS_PER_PAGE,
    }
    if wants_fragment(request):
        return render(request, "recommender/_users.html", context)
    return render(request, "recommender/users.html", {**context, **saved_views.context(request, "users")})


@staff_page
@require_GET
def user(request: HttpRequest, external_id: str) -> HttpResponse:
    """One of three parts, `show`: the list, events or the map; beside it what they care for. A user nobody knows has a
    page too: the list they would get, and how they become known."""
    external_id = id_or_404(external_id)
    found = EndUser.objects.filter(external_id=external_id).first()
    show = request.GET.get("show", "") if found is not None else ""
    context = {
        "external_id": external_id,
        "end_user": found,
        "list_page": reverse("user", args=[external_id]),
        "event_types": Event.Type.choices,
        "show": show if show in {"events", "map"} else "list",
        **freshness_context(found),
        **interests_context(found),
        **preferences_context(found),
    }
    if found is not None and show == "events":
        context |= timeline_context(found, request.GET)
    elif found is not None and show == "map":
        context |= map_context(found)
    else:
        context |= list_context(external_id, found, request.GET)
    return render(request, "recommender/user.html", context)
