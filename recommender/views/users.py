"""Users: the table of them, and one with their events, interests and next items."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_GET, require_POST

from catalog.models import Item, Label
from recommender.events import record_events
from recommender.models import EndUser, Event
from recommender.score_bars import scale_of, segments
from recommender.slates import RecommendedList, recommend
from recommender.strategies import recipe_of
from recommender.templatetags.scores import SOURCES, source_name
from recommender.timeline import timeline
from recommender.users import checked_id
from recommender.views.user_preferences import preferences_context
from recsite.operations import saved_views
from recsite.operations.access import needs, staff_page
from recsite.operations.errors import InvalidInputError, RecsiteError
from recsite.operations.pages import positive, toast, wants_fragment

USERS_PER_PAGE = 25
LIST_LENGTHS = (6, 12, 24, 48)
# Notices of recommend() that are one whole sentence, for the translators to find.
gettext_noop("Nobody knows this user yet: popular and new items, spread over the labels.")
gettext_noop("This user has no events yet: popular and new items, spread over the labels.")
gettext_noop("No event of this user speaks for an item yet: popular and new items, spread over the labels.")


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
    """A user nobody knows has a page too: the list they would get, and how they become known."""
    external_id = _id_of(external_id)
    found = EndUser.objects.filter(external_id=external_id).first()
    context = {
        "external_id": external_id,
        "end_user": found,
        "event_types": Event.Type.choices,
        **_list_context(request, external_id),
        **_freshness_of(found),
        **_interests_of(found),
        **preferences_context(found),
        **_timeline_of(found),
    }
    return render(request, "recommender/user.html", context)


@staff_page
@require_GET
def user_list(request: HttpRequest) -> HttpResponse:
    context = _list_context(request, _id_of(request.GET.get("user", "")))
    return render(request, "recommender/_list.html", context)


@staff_page
@require_GET
def user_freshness(request: HttpRequest, pk: int) -> HttpResponse:
    """Asked again each second while interests are behind; once they are not, the list and interests reload."""
    found = get_object_or_404(EndUser, pk=pk)
    context = {"end_user": found, **_freshness_of(found)}
    response = render(request, "recommender/_freshness.html", context)
    if found.interests_are_current:
        response["HX-Trigger"] = "interests-current"
    return response


@staff_page
@require_GET
def user_interests(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(EndUser, pk=pk)
    return render(request, "recommender/_interests.html", {"end_user": found, **_interests_of(found)})


@staff_page
@require_GET
def user_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """The newest events, or with `after` and `after_id` those that follow an event already shown."""
    found = get_object_or_404(EndUser, pk=pk)
    after, after_id = _moment(request.GET.get("after", "")), request.GET.get("after_id", "")
    place = (after, int(after_id)) if after and after_id.isdecimal() else None
    context = {"end_user": found, "is_continued": place is not None, **_timeline_of(found, place)}
    return render(request, "recommender/_timeline.html", context)


def _id_of(text: str) -> str:
    try:
        return checked_id(text)
    except InvalidInputError as error:
        raise Http404(error.message) from None


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:  # written like a time, but none: the 45th
        return None
    return moment if moment is None or timezone.is_aware(moment) else timezone.make_aware(moment)


@staff_page
@needs("recommender.add_event")
@require_POST
def record_event(request: HttpRequest) -> HttpResponse:
    """Record one event for trying out, through the same door as the API."""
    payload = {
        "user": request.POST.get("user", ""),
        "item": request.POST.get("item", "").strip(),
        "type": request.POST.get("type", ""),
    }
    try:
        report = record_events([payload])
    except RecsiteError as error:
        return toast(HttpResponse(status=204), error.message, kind="danger")
    if report.rejected:
        return toast(HttpResponse(status=204), report.rejected[0].message, kind="danger")
    message = gettext("Recorded. The list follows within seconds.")
    response = toast(HttpResponse(status=204), message, events={"event-recorded": True})
    if not EndUser.objects.filter(external_id=payload["user"]).exclude(events=None).exists():
        return response
    if request.POST.get("was_unknown") == "true":
        response["HX-Refresh"] = "true"
    return response


def _list_context(request: HttpRequest, external_id: str) -> dict[str, object]:
    n = positive(request.GET, "n", default=12, most=100)
    asked = request.GET.get("repeats")
    made = recommend(external_id, n=n, repeats=asked if asked in {"allow", "exclude"} else None, record=False)
    return {
        "list": made,
        "sources": _legend(made),
        "ranked": _with_bars(made),
        "scale": scale_of([ranked.parts for ranked in made.items]),
        "n": n,
        "lengths": sorted({*LIST_LENGTHS, n}),
        "repeats": asked if asked in {"allow", "exclude"} else recipe_of(made.strategy).repeats,
        "list_user": external_id,
    }


def _with_bars(made: RecommendedList) -> list[dict[str, object]]:
    scale = scale_of([ranked.parts for ranked in made.items])
    labelled = {item.pk: item for item in Item.objects.filter(pk__in=[r.item.pk for r in made.items]).for_tiles()}
    return [
        {
            "ranked": ranked,
            "item": labelled.get(ranked.item.pk, ranked.item),
            "segments": segments(ranked.parts, scale),
            "event_json": json.dumps(
                {
                    "user": made.user_external_id,
                    "item": ranked.item.external_id,
                    "type": "purchase",
                    "was_unknown": str(made.user is None).lower(),
                }
            ),
        }
        for ranked in made.items
    ]


def _legend(made: RecommendedList) -> dict[str, str]:
    """The sources that move a score of this list, always in the same order."""
    present = {part.source for ranked in made.items for part in ranked.parts if abs(part.contribution) >= 0.005}
    known = [source for source in SOURCES if source in present]
    return {source: source_name(source) for source in [*known, *sorted(present.difference(SOURCES))]}


def _freshness_of(user: EndUser | None) -> dict[str, object]:
    if user is None:
        return {"events_behind": 0, "event_count": 0}
    behind = 0 if user.interests_are_current else Event.objects.all().behind(user)
    return {"events_behind": behind, "event_count": Event.objects.filter(user=user).count()}


def _interests_of(user: EndUser | None) -> dict[str, object]:
    """Interest vectors and labels, each with the items behind it."""
    if user is None:
        return {"interest_vectors": [], "interest_groups": {}}
    vectors = list(user.interest_vectors.select_related("medoid").defer("vector").order_by("position", "id"))
    labels = list(
        user.interest_labels.select_related("label", "label__taxonomy").order_by(
            "label__taxonomy__position", "label__taxonomy_id", "-weight", "id"
        )
    )
    wanted = {entry["item"] for vector in vectors for entry in vector.events}
    wanted |= {item for label in labels for item in label.items[:4]}
    items = Item.objects.in_bulk(wanted)
    groups: dict[str, list[dict[str, object]]] = defaultdict(list)
    for label in labels:
        behind = [items[pk] for pk in label.items[:4] if pk in items]
        if len(groups[label.label.taxonomy.name]) < 8:
            groups[label.label.taxonomy.name].append({"interest": label, "items": behind})
    firsts = [vector.labels[0]["label"] for vector in vectors if vector.labels]
    named = Label.objects.filter(pk__in=firsts).with_every_name().in_bulk() if firsts else {}
    shown = [
        {
            "interest": vector,
            "label": named.get(vector.labels[0]["label"]) if vector.labels else None,
            "share": vector.labels[0]["share"] if vector.labels else 0.0,
            "events": [{**e, "item": items[e["item"]]} for e in vector.events if e["item"] in items],
        }
        for vector in vectors
    ]
    return {"interest_vectors": shown, "interest_groups": dict(groups)}


def _timeline_of(user: EndUser | None, after: tuple[datetime, int] | None = None) -> dict[str, object]:
    return {"timeline": timeline(user, after=after) if user else None}
