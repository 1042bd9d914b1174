"""The part of a label's edit that knows about users: how many it reaches."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from recommender.label_reach import label_reach
from recsite.operations.access import staff_page


@staff_page
@require_GET
def reach(request: HttpRequest) -> HttpResponse:
    wanted = [int(value) for value in request.GET.getlist("label") if value.isdecimal() and len(value) < 18]
    return render(request, "recommender/_label_reach.html", {"reach": label_reach(wanted)})
