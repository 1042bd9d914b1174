"""The parts of an item's page that know about events: what is taken next, its figures, who gets it recommended."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from catalog.models import Item
from recommender.audit import AUDIENCE_DAYS, audience_of
from recommender.models import Event, ItemStatistics, Neighbour
from recsite.operations.access import staff_page

NEIGHBOURS_SHOWN = 12
WEEKS_SHOWN = 26


@staff_page
@require_GET
def item_next(request: HttpRequest, pk: int) -> HttpResponse:
    item = get_object_or_404(Item, pk=pk)
    neighbours = list(Neighbour.objects.all().taken_after(item, NEIGHBOURS_SHOWN))
    return render(request, "recommender/_item_next.html", {"item": item, "neighbours": neighbours})


@staff_page
@require_GET
def item_activity(request: HttpRequest, pk: int) -> HttpResponse:
    item = get_object_or_404(Item, pk=pk)
    weeks = Event.objects.all().count_by_week(item, WEEKS_SHOWN)
    if len(weeks) > 1 and weeks[-1][0] + timedelta(weeks=1) > timezone.now():
        weeks.pop()  # a week that is not over would read as a collapse
    context = {
        "item": item,
        "statistics": ItemStatistics.objects.filter(item=item).first(),
        "weeks": weeks,
        "weekly": [count for _, count in weeks],
    }
    return render(request, "recommender/_item_activity.html", context)


@staff_page
@require_GET
def item_audience(request: HttpRequest, pk: int) -> HttpResponse:
    item = get_object_or_404(Item, pk=pk)
    context = {"item": item, "audience": audience_of(item.pk), "days": AUDIENCE_DAYS}
    return render(request, "recommender/_item_audience.html", context)
