"""Evaluation: the newest figures, all evaluations, one of them, several side by side, and running a new one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from recommender import evaluations
from recommender.evaluation_chart import CHARTED, chart_of
from recommender.evaluation_comparison import compared_metrics, verdict
from recommender.evaluation_exports import report_csv
from recommender.evaluation_report import NDCG, ReportView, view_of
from recommender.evaluation_words import BASELINE_NAMES, BASELINE_WORDS, GLOSSARY
from recommender.evaluations import BASELINES, Wanted
from recommender.models import Evaluation, Event, Strategy
from recommender.strategies import live_strategy
from recsite.operations.access import needs, needs_to_act, staff_of, staff_page
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.pages import page_of, toast, wants_fragment

PER_PAGE = 25


@staff_page
@needs_to_act("recommender.add_evaluation")
@require_http_methods(["GET", "POST"])
def evaluation_home(request: HttpRequest) -> HttpResponse:
    """GET shows the newest finished one and all others; POST runs a new one."""
    if request.method == "POST":
        return _start(request)
    newest = Evaluation.objects.all().newest_finished()
    context: dict[str, object] = {"glossary": GLOSSARY, **_report_context(request, newest)}
    if wants_fragment(request):
        return render(request, "recommender/_evaluation_newest.html", context)
    context |= {**_list_context(request, newest), **_form_context(QueryDict(), _default_values())}
    return render(request, "recommender/evaluations.html", context)


@staff_page
@require_GET
def evaluation_list(request: HttpRequest) -> HttpResponse:
    """Asked again each two seconds while one runs; once another has finished, the figures above are read anew."""
    newest = Evaluation.objects.all().newest_finished()
    context = _list_context(request, newest)
    response = render(request, "recommender/_evaluation_list.html", context)
    if str(context["newest_pk"]) != request.GET.get("newest", str(context["newest_pk"])):
        response["HX-Trigger"] = json.dumps({"evaluation-finished": True})
    return response


@staff_page
@require_GET
def evaluation_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One evaluation: its figures, how far it is, or why it failed."""
    found = evaluations.get(pk)
    context = {"evaluation": found, "glossary": GLOSSARY, **_report_context(request, found)}
    if wants_fragment(request):
        return render(request, "recommender/_evaluation_one.html", context)
    return render(request, "recommender/evaluation.html", context)


@staff_page
@require_GET
def evaluation_chart(request: HttpRequest, pk: int) -> HttpResponse:
    """The strategy beside the baselines in one metric; a part of the page."""
    found = evaluations.get(pk)
    if not found.is_finished:
        raise Http404("It has no figures yet.")
    return render(request, "recommender/_evaluation_chart.html", _report_context(request, found))


@staff_page
@require_GET
def evaluation_download(request: HttpRequest, pk: int) -> HttpResponse:
    found = evaluations.get(pk)
    if not found.is_finished:
        raise Http404("It has no figures yet.")
    kind = "csv" if request.GET.get("format") == "csv" else "json"
    if kind == "csv":
        text, content_type = report_csv(found.report), "text/csv"
    else:
        text, content_type = json.dumps(found.report, indent=2, ensure_ascii=False) + "\n", "application/json"
    name = f'attachment; filename="evaluation-{found.pk}.{kind}"'
    return HttpResponse(text, content_type=content_type, headers={"Content-Disposition": name})


@staff_page
@require_GET
def evaluation_compare(request: HttpRequest) -> HttpResponse:
    ids = [int(value) for value in request.GET.getlist("e") if _is_key(value)]
    try:
        comparison = evaluations.compare(ids)
    except InvalidInputError as error:
        return render(request, "recommender/evaluation_compare.html", {"refused": error.message})
    views = [view_of(one.report, strategy=str(one.strategy)) for one in comparison.evaluations]
    by_name = [{each.name: each for each in view.slices} for view in views]
    names = list(dict.fromkeys(each.name for view in views for each in view.slices))
    context = {
        "columns": [{"evaluation": one, "view": view} for one, view in zip(comparison.evaluations, views, strict=True)],
        "metrics": compared_metrics(views),
        "verdict": verdict(views, [one.report for one in comparison.evaluations]) if not comparison.warnings else "",
        "warnings": comparison.warnings,
        "slices": [(name, [slices.get(name) for slices in by_name]) for name in names],
    }
    return render(request, "recommender/evaluation_compare.html", context)


# ---------------------------------------------------------------- acts


def _start(request: HttpRequest) -> HttpResponse:
    """What was typed stays in the form where it is refused."""
    asked = request.POST
    try:
        made = evaluations.request_evaluation(_wanted(asked), staff=staff_of(request))
    except (InvalidInputError, ConflictError) as error:
        context = {"error": error.message, **_form_context(asked, asked)}
        if wants_fragment(request):
            return render(request, "recommender/_evaluation_form.html", context)
        messages.error(request, error.message)
        return redirect("evaluations")
    words = gettext("%(strategy)s waits to be evaluated; its progress is in the list below.")
    messages.success(request, words % {"strategy": str(made.strategy)})
    if wants_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": reverse("evaluations")})
    return redirect("evaluations")


def _wanted(asked: QueryDict) -> Wanted:
    try:
        day = parse_date(asked.get("split_at", ""))
    except ValueError:  # written like a date, but none: 30 February
        day = None
    if day is None:
        raise InvalidInputError(gettext("Choose the day on which the events are split, like 2026-03-31."))
    users = asked.get("users", "")
    if not _is_key(users):
        raise InvalidInputError(gettext("Say how many users to draw, as a whole number."))
    strategy = asked.get("strategy", "")
    return Wanted(
        strategy_id=int(strategy) if _is_key(strategy) else 0,
        split_at=datetime.combine(day, time(), tzinfo=UTC),
        max_users=int(users),
        baselines=tuple(asked.getlist("baselines")),
    )


@staff_page
@needs("recommender.change_evaluation")
@require_POST
def evaluation_keep(request: HttpRequest, pk: int) -> HttpResponse:
    wants_kept = request.POST.get("keep") == "1"
    try:
        evaluations.keep(pk, is_kept=wants_kept)
    except ConflictError as error:
        return _answer(request, error.message, kind="danger")
    kept, free = gettext("Kept; it cannot be deleted until it is let go."), gettext("No longer kept.")
    return _answer(request, kept if wants_kept else free)


@staff_page
@needs("recommender.delete_evaluation")
@require_POST
def evaluation_delete(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        evaluations.delete(pk)
    except ConflictError as error:
        return _answer(request, error.message, kind="danger")
    messages.success(request, gettext("The evaluation was deleted."))
    if wants_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": reverse("evaluations")})
    return redirect("evaluations")


def _answer(request: HttpRequest, message: str, *, kind: str = "success") -> HttpResponse:
    """To htmx a toast and a bell that makes lists reload; to a plain form the list."""
    if wants_fragment(request):
        return toast(HttpResponse(status=204), message, kind=kind, events={"jobs": True})
    (messages.error if kind == "danger" else messages.success)(request, message)
    return redirect("evaluations")


# ---------------------------------------------------------------- context


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 18


def _report_context(request: HttpRequest, found: Evaluation | None) -> dict[str, object]:
    if found is None or not found.is_finished:
        return {"shown": found, "view": None}
    view: ReportView = view_of(found.report, strategy=str(found.strategy))
    metric = request.GET.get("metric", NDCG)
    return {"shown": found, "view": view, "chart": chart_of(view, metric if metric in CHARTED else NDCG)}


def _list_context(request: HttpRequest, newest: Evaluation | None) -> dict[str, object]:
    rows = Evaluation.objects.all().for_lists().with_headline().newest_first().defer("report")
    page = page_of(rows, request.GET.get("page"), per_page=PER_PAGE)
    chosen = {value for value in request.GET.getlist("e") if _is_key(value)}
    return {
        "page": page,
        "chosen": chosen,
        "list_address": f"{reverse('evaluation-list')}?{urlencode({'page': page.number})}",
        "newest_pk": newest.pk if newest else 0,
        "is_active": any(one.is_active for one in page.object_list),
    }


def _default_values() -> QueryDict:
    split_at = evaluations.default_split()
    values = QueryDict(mutable=True)
    values["split_at"] = f"{split_at:%Y-%m-%d}" if split_at else ""
    values["users"] = str(evaluations.DEFAULT_USERS)
    values.setlist("baselines", list(BASELINES))
    return values


def _form_context(asked: QueryDict, values: QueryDict) -> dict[str, object]:
    """`values`: what stands in the form; the live strategy is chosen where nothing was asked for."""
    return {
        "has_events": Event.objects.all().newest_time() is not None,
        "strategies": list(Strategy.objects.order_by("-is_live", "name", "-version")[:200]) or [live_strategy()],
        "chosen_strategy": asked.get("strategy", ""),
        "split_value": values.get("split_at", ""),
        "users_value": values.get("users", ""),
        "least_users": evaluations.LEAST_USERS,
        "most_users": evaluations.MOST_USERS,
        "baselines": [
            (key, BASELINE_NAMES[key], BASELINE_WORDS[key], key in values.getlist("baselines")) for key in BASELINES
        ],
    }
