"""The home page and the search that every page carries."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from catalog.models import Item, Label
from recommender.insights.page import one_chart
from recommender.models import EndUser
from recommender.overview import overview
from recommender.views.insights import range_context
from recsite.operations.access import staff_page
from recsite.operations.date_range import kept_days, read_range
from recsite.operations.pages import wants_fragment


@staff_page
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    template = "recommender/_home_live.html" if wants_fragment(request) else "recommender/home.html"
    return render(request, template, {"overview": overview(), "range_query": kept_days(request).urlencode()})


@staff_page
@require_GET
def events_chart(request: HttpRequest) -> HttpResponse:
    """Events by day; a part of the home page that comes after the rest."""
    asked = read_range(kept_days(request))
    chart = one_chart("events", asked)
    shared = range_context(asked, address=reverse("events-chart"), target="#events-chart", page=reverse("home"))
    return render(request, "recommender/_events_chart.html", {"chart": chart, **shared})


@staff_page
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Items, users and labels for the search field of the top bar."""
    q = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    context: dict[str, object] = {"q": q}
    labels = Label.objects.select_related("taxonomy").with_every_name()
    if q:
        context |= {
            "items": list(Item.objects.search(q).for_tiles()[:6]),
            "users": list(EndUser.objects.search(q).most_recent_first()[:4]),
            "labels": labels.in_order(labels.found(q, limit=4)),
        }
    return render(request, "frame/_search_results.html", context)


@staff_page
@require_GET
def item_options(request: HttpRequest) -> HttpResponse:
    """Choices for a field that takes an item's id, as it is typed."""
    q = request.GET.get("item", "").replace("\x00", "").strip()[:100]
    found = list(Item.objects.search(q)[:10]) if len(q) > 1 else []
    return render(request, "recommender/_item_options.html", {"items": found})
