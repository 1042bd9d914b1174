"""The interest map on a user's page: what stands on it, as data for the drawing, and the job that builds it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from recommender import interest_maps
from recommender.models import EndUser
from recommender.user_map import UserMap, background_of, user_map
from recsite.operations.access import staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import toast
from recsite.operations.templatetags.console import number, percent

DIGITS = 4


@staff_page
@require_GET
def interest_map_data(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything lies within 0..1 both ways. background: [x, y, title]."""
    found = user_map(get_object_or_404(EndUser, pk=pk))
    return JsonResponse(
        {
            "background": background_of(found.built_at) if found.built_at else (),
            "items": [
                {
                    "x": round(each.x, DIGITS),
                    "y": round(each.y, DIGITS),
                    "title": each.item.title,
                    "address": reverse("item", args=[each.item.external_id]),
                }
                for each in found.items
            ],
            "interests": [
                {
                    "x": round(each.place[0], DIGITS),
                    "y": round(each.place[1], DIGITS),
                    "position": each.interest.position,
                    "weight": each.interest.weight,
                    "title": each.interest.medoid.title,
                    "words": _interest_words(each.interest.weight, each.label.shown_name() if each.label else ""),
                }
                for each in found.interests
                if each.place
            ],
            "regions": [
                {"x": round(each.x, DIGITS), "y": round(each.y, DIGITS), "name": each.label.shown_name()}
                for each in found.regions
            ],
        }
    )


@staff_page
@require_http_methods(["GET", "POST"])
def interest_map(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: how far the job is, or the whole part once it is done. POST: queue it."""
    found = get_object_or_404(EndUser, pk=pk)
    problem = ""
    if request.method == "POST":
        try:
            interest_maps.request(started_by=staff_of(request))
        except RecsiteError as error:
            problem = error.message
    elif (job := interest_maps.active_job()) is not None:
        return render(request, "recommender/_interest_map_state.html", {"end_user": found, "map_job": job})
    response = render(request, "recommender/_interest_map.html", {"end_user": found, **map_context(found)})
    response["HX-Retarget"], response["HX-Reswap"] = "#interest-map", "outerHTML"
    return toast(response, problem, kind="danger") if problem else response


def map_context(user: EndUser) -> dict[str, object]:
    found = user_map(user)
    return {"map": found, "map_summary": summary_of(found), "map_job": interest_maps.active_job()}


def summary_of(found: UserMap) -> str:
    """What somebody who does not see the map should know."""
    if not found.interests:
        return gettext("This user has no interests yet, so only the catalog is on the map.")
    first = found.interests[0]
    words = [
        gettext("The strongest of %(n)s interests is “%(title)s” (%(share)s).")
        % {
            "n": len(found.interests),
            "title": first.interest.medoid.title[:80],
            "share": percent(first.interest.weight),
        }
        if len(found.interests) > 1
        else gettext("The one interest is “%(title)s”.") % {"title": first.interest.medoid.title[:80]}
    ]
    visited = found.regions_visited
    if visited:
        words.append(
            ngettext(
                "%(shown)s item of theirs lies in %(regions)s of %(all)s named regions, most in %(most)s.",
                "%(shown)s items of theirs lie in %(regions)s of %(all)s named regions, most in %(most)s.",
                len(found.items),
            )
            % {
                "shown": number(len(found.items)),
                "regions": len(visited),
                "all": len(found.regions),
                "most": ", ".join(f"{each.label.shown_name()} ({number(each.own)})" for each in visited[:2]),
            }
        )
    return " ".join(words)


def _interest_words(weight: float, label: str) -> str:
    return f"{percent(weight)} · {label}" if label else percent(weight)
