"""The insights page: charts over the days chosen, and each as CSV or JSON."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from recommender.insights.page import all_charts, one_chart
from recsite.operations import saved_views
from recsite.operations.access import staff_page
from recsite.operations.date_range import PRESETS, DateRange, kept_days, read_range


@staff_page
@require_GET
def insights(request: HttpRequest) -> HttpResponse:
    asked = read_range(kept_days(request))
    context = {"charts": all_charts(asked), **range_context(asked, address=reverse("insights"))}
    context |= saved_views.context(request, "insights")
    return render(request, "recommender/insights.html", context)


@staff_page
@require_GET
def insights_file(request: HttpRequest, key: str, form: str) -> HttpResponse:
    """One chart of the same days as CSV or JSON."""
    asked = read_range(request.GET)
    chart = one_chart(key, asked)
    if chart is None or form not in ("csv", "json"):
        raise Http404
    if form == "json":
        return JsonResponse({**chart.json, "from": asked.first.isoformat(), "to": asked.last.isoformat()})
    name = f'attachment; filename="{key}-{asked.first}-{asked.last}.csv"'
    return HttpResponse(chart.csv, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})


def range_context(asked: DateRange, *, address: str, target: str = "", page: str = "") -> dict[str, object]:
    """What pieces/_date_range.html needs: `target`, where only a part of the page at `page` is exchanged."""
    return {
        "range": asked,
        "range_presets": PRESETS,
        "range_address": address,
        "range_target": target,
        "range_page": page or address,
        "range_id": "days",
    }
