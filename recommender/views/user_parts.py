"""Parts of a user's page: how fresh it is, what they care for and which events are behind that, what they did."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from catalog.models import Item, Label
from recommender import interests
from recommender.events import record_events
from recommender.list_controls import moment_from
from recommender.models import EndUser, Event, InterestLabel, ItemStatistics
from recommender.timeline import timeline, timeline_filters
from recsite.operations.access import needs, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import toast
from recsite.operations.stored_words import shown

LABELS_A_TAXONOMY = 8
ITEMS_A_LABEL = 4
EVENTS_A_LABEL = 20


@staff_page
@require_http_methods(["GET", "POST"])
def user_freshness(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: asked again each second while interests are behind; once they are not, the list and interests reload.
    POST: rebuild them here and now, which needs no worker."""
    found = get_object_or_404(EndUser, pk=pk)
    if request.method == "POST":
        interests.rebuild(found.pk)
        found.refresh_from_db()
    response = render(request, "recommender/_freshness.html", {"end_user": found, **freshness_context(found)})
    if request.method == "POST":
        toast(response, gettext("Interests are rebuilt from all events."), events={"interests-current": True})
    elif found.interests_are_current:
        response["HX-Trigger"] = "interests-current"
    return response


@staff_page
@require_GET
def user_interests(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(EndUser, pk=pk)
    return render(request, "recommender/_interests.html", {"end_user": found, **interests_context(found)})


@staff_page
@require_GET
def user_label_events(request: HttpRequest, pk: int, label_pk: int) -> HttpResponse:
    """The newest events with the items behind an interest label."""
    interest = get_object_or_404(InterestLabel, user_id=pk, label_id=label_pk)
    events = Event.objects.all().telling().filter(user_id=pk, item_id__in=interest.items).newest_first()
    context = {"events": list(events.select_related("item")[:EVENTS_A_LABEL])}
    return render(request, "recommender/_label_events.html", context)


@staff_page
@require_GET
def user_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """The newest events, or with `after` and `after_id` those that follow an event already shown."""
    found = get_object_or_404(EndUser, pk=pk)
    context = {
        "end_user": found,
        "list_page": reverse("user", args=[found.external_id]),
        **timeline_context(found, request.GET),
    }
    response = render(request, "recommender/_timeline_answer.html", context)
    if request.headers.get("HX-Trigger") == "timeline-form":
        query = f"show=events&{context['filter_query']}".rstrip("&")
        response["HX-Push-Url"] = f"{context['list_page']}?{query}"
    return response


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
        return toast(HttpResponse(status=204), shown(report.rejected[0].message), kind="danger")
    message = gettext("Recorded. The list follows within seconds.")
    response = toast(HttpResponse(status=204), message, events={"event-recorded": True})
    if not EndUser.objects.filter(external_id=payload["user"]).exclude(events=None).exists():
        return response
    if request.POST.get("was_unknown") == "true":
        response["HX-Refresh"] = "true"
    return response


def freshness_context(user: EndUser | None) -> dict[str, object]:
    if user is None:
        return {"events_behind": 0, "event_count": 0, "statistics_at": None}
    behind = 0 if user.interests_are_current else Event.objects.all().behind(user)
    built_at = ItemStatistics.objects.order_by("item_id").values_list("built_at", flat=True).first()
    count = Event.objects.filter(user=user).count()
    return {"events_behind": behind, "event_count": count, "statistics_at": built_at}


def interests_context(user: EndUser | None) -> dict[str, object]:
    """Interest vectors and labels, each with the items behind it."""
    if user is None:
        return {"interest_vectors": [], "interest_groups": {}}
    vectors = list(user.interest_vectors.select_related("medoid").defer("vector").order_by("position", "id"))
    labels = list(
        user.interest_labels.select_related("label", "label__taxonomy")
        .prefetch_related("label__names")
        .order_by("label__taxonomy__position", "label__taxonomy_id", "-weight", "id")
    )
    wanted = {entry["item"] for vector in vectors for entry in vector.events}
    wanted |= {item for label in labels for item in label.items[:ITEMS_A_LABEL]}
    items = Item.objects.in_bulk(wanted)
    entries = {entry["event"] for vector in vectors for entry in vector.events}
    types = dict(Event.objects.filter(pk__in=entries).order_by("pk").values_list("pk", "type"))
    groups: dict[str, list[dict[str, object]]] = defaultdict(list)
    for label in labels:
        behind = [items[pk] for pk in label.items[:ITEMS_A_LABEL] if pk in items]
        if len(groups[label.label.taxonomy.name]) < LABELS_A_TAXONOMY:
            groups[label.label.taxonomy.name].append({"interest": label, "items": behind})
    firsts = [vector.labels[0]["label"] for vector in vectors if vector.labels]
    named = Label.objects.filter(pk__in=firsts).with_every_name().in_bulk() if firsts else {}
    shown = [
        {
            "interest": vector,
            "label": named.get(vector.labels[0]["label"]) if vector.labels else None,
            "share": vector.labels[0]["share"] if vector.labels else 0.0,
            "events": [_behind(entry, items, types) for entry in vector.events if entry["item"] in items],
        }
        for vector in vectors
    ]
    return {"interest_vectors": shown, "interest_groups": dict(groups)}


def _behind(entry: dict[str, int], items: dict[int, Item], types: dict[int, str]) -> dict[str, object]:
    kind = types.get(entry["event"], "")
    words = Event.Type(kind).label if kind in Event.Type.values else ""
    return {**entry, "item": items[entry["item"]], "type": kind, "type_words": words}


def timeline_context(user: EndUser, values: QueryDict) -> dict[str, object]:
    filters = timeline_filters(values)
    after_id = values.get("after_id", "")
    after: datetime | None = moment_from(values.get("after", ""))
    place = (after, int(after_id)) if after and after_id.isdecimal() and len(after_id) < 19 else None
    return {
        "filters": filters,
        "filter_query": _filters(values),
        "event_types": Event.Type.choices,
        "is_continued": place is not None,
        "timeline": timeline(user, after=place, filters=filters),
        "field_errors": [(name, filters.errors.get(name, "")) for name in ("type", "from", "to", "day")],
    }


def _filters(values: QueryDict) -> str:
    """The address's filters of events, without empty ones."""
    kept = QueryDict(mutable=True)
    for name in ("type", "from", "to", "day"):
        if found := [value for value in values.getlist(name) if value]:
            kept.setlist(name, found)
    return kept.urlencode()
