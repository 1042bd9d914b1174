"""The page of models: their state, and what the language model was asked and cost by day."""

from __future__ import annotations

import csv
from io import StringIO

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from catalog.model_report import DAYS, UsageReport, model_states, usage_report
from recsite.operations.access import staff_page
from recsite.operations.pages import wants_fragment

CSV_COLUMNS = (
    *("day", "model", "purpose", "calls", "failures", "prompt_tokens", "completion_tokens", "seconds"),
    *("tokens_per_s", "items_labelled"),
)


@staff_page
@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """To htmx the figures alone, for another measure in the chart."""
    report = usage_report(request.GET.get("show", ""))
    if request.GET.get("format") == "csv":
        return _csv(report)
    context = {
        "report": report,
        "n_days": DAYS,
        "measures": (
            ("tokens", gettext("Tokens")),
            ("calls", gettext("Calls")),
            ("seconds", gettext("Seconds")),
            ("items", gettext("Items labelled")),
        ),
        "currency": settings.LLM_PRICE_CURRENCY,
    }
    if wants_fragment(request):
        return render(request, "catalog/_model_chart.html", context)
    return render(request, "catalog/models.html", {**context, "states": model_states()})


@staff_page
@require_GET
def model_states_part(request: HttpRequest) -> HttpResponse:
    """Asked for again and again while a model is being fetched or loaded."""
    return render(request, "catalog/_model_states.html", {"states": model_states()})


def _csv(report: UsageReport) -> HttpResponse:
    file = StringIO()
    table = csv.writer(file)
    has_cost = report.total.cost is not None
    table.writerow([*CSV_COLUMNS, *([f"cost_{settings.LLM_PRICE_CURRENCY}"] if has_cost else [])])
    for row in report.rows:
        speed = "" if row.tokens_per_s is None else f"{row.tokens_per_s:.1f}"
        cost = [f"{row.cost:.6f}"] if row.cost is not None else []
        table.writerow(
            [
                *(row.day, row.model, row.purpose, row.calls, row.failures, row.prompt_tokens, row.completion_tokens),
                *(f"{row.seconds:.1f}", speed, "" if row.items is None else row.items, *cost),
            ]
        )
    name = f'attachment; filename="model-usage-{DAYS}-days.csv"'
    return HttpResponse(file.getvalue(), content_type="text/csv", headers={"Content-Disposition": name})
