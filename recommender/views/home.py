"""The home page and the search that every page carries."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from catalog.models import Item, Label
from recommender.models import EndUser
from recommender.overview import event_chart, overview
from recsite.operations.access import staff_page
from recsite.operations.pages import positive, wants_fragment

CHART_DAYS = (30, 90, 365)


@staff_page
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    template = "recommender/_home_live.html" if wants_fragment(request) else "recommender/home.html"
    return render(request, template, {"overview": overview()})


@staff_page
@require_GET
def events_chart(request: HttpRequest) -> HttpResponse:
    """Events by day; a part of the home page that comes after the rest."""
    days = positive(request.GET, "days", default=90, most=max(CHART_DAYS))
    chart = event_chart(days)
    if request.GET.get("format") == "csv":
        lines = ["day,events", *(f"{day:%Y-%m-%d},{count}" for day, count in chart.days)]
        name = f'attachment; filename="events-by-day-{days}.csv"'
        return HttpResponse("\r\n".join(lines) + "\r\n", content_type="text/csv", headers={"Content-Disposition": name})
    context = {"chart": chart, "chosen_days": days, "choices": CHART_DAYS}
    return render(request, "recommender/_events_chart.html", context)


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
