"""The data-quality page: checks of what is stored, and what preparation left out."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from recommender import findings
from recommender.data_quality import newest_reports, shown_report
from recommender.stored_checks import in_words
from recsite.operations.access import staff_page

LONGEST_ID = 18


@staff_page
@require_GET
def data_quality(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("report", "")
    chosen = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) <= LONGEST_ID else None
    shown = shown_report(chosen)
    if shown is None and chosen is not None:
        raise Http404
    found = findings.current("checks", small=findings.is_small())
    checks = in_words(findings.checks_of(found)) if found else ()
    context = {"checks": checks, "found": found, "reports": newest_reports(), "shown": shown}
    return render(request, "recommender/data_quality.html", context)
