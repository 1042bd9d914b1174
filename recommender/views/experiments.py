"""Experiments: all of them, one with its results, and what starts, stops and promotes."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from recommender import experiment_drafts, experiment_figures, experiment_runs
from recommender.experiment_exports import results_csv
from recommender.experiment_page import experiment_of, page_of_experiment, rows_of
from recommender.experiment_results import DEFAULT_LIFT, LIFTS
from recommender.experiment_view import chart_of, day_chart_of, view_of
from recommender.experiment_words import MEASURE_NAMES
from recommender.models import Experiment
from recommender.views.strategies import go, key_of
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import Undo, page_of, toast, wants_fragment

PER_PAGE = 25
CHANGES = "recommender.change_experiment"


@staff_page
@require_GET
def experiments(request: HttpRequest) -> HttpResponse:
    page = page_of(Experiment.objects.all().newest_first(), request.GET.get("page"), per_page=PER_PAGE)
    rows = [(row, view_of(row.results) if row.results else None) for row in rows_of(page.object_list)]
    context = {
        "page": page,
        "rows": rows,
        "may_change": staff_of(request).has_perm(CHANGES),
        "deleted": request.session.get("deleted_experiment") if "deleted" in request.GET else None,
    }
    return render(request, "recommender/experiments.html", context)


@staff_page
@require_GET
def experiment(request: HttpRequest, pk: int) -> HttpResponse:
    """`lift` is the difference that is looked for, `measure` what the chart shows; both are in the address."""
    if "polling" in request.GET and wants_fragment(request) and experiment_figures.active_job(pk) is not None:
        return HttpResponse(status=204)  # nothing new to show yet
    template = "recommender/_experiment.html" if wants_fragment(request) else "recommender/experiment.html"
    return render(request, template, _context(request, pk))


@staff_page
@require_GET
def experiment_chart(request: HttpRequest, pk: int) -> HttpResponse:
    """The arms in one measure; a part of the page."""
    context = _context(request, pk)
    if context["results"] is None:
        raise Http404("Nothing has been counted yet.")
    return render(request, "recommender/_experiment_chart.html", context)


@staff_page
@require_GET
def experiment_download(request: HttpRequest, pk: int) -> HttpResponse:
    page = page_of_experiment(pk)
    if page.results is None:
        raise Http404("Nothing has been counted yet.")
    name = f'attachment; filename="experiment-{pk}.csv"'
    return HttpResponse(
        results_csv(page.results), content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


# ---------------------------------------------------------------- acts


@staff_page
@needs(CHANGES)
@require_POST
def experiment_start(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        started = experiment_runs.start(pk, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    return _answer(request, pk, gettext("“%(name)s” runs.") % {"name": started})


@staff_page
@needs(CHANGES)
@require_POST
def experiment_stop(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        stopped = experiment_runs.stop(pk, note=request.POST.get("note", ""), staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    undo = Undo(url=reverse("experiment-resume", args=[pk]), target="#experiment", values={})
    return _answer(request, pk, gettext("“%(name)s” is stopped.") % {"name": stopped}, undo=undo)


@staff_page
@needs(CHANGES)
@require_POST
def experiment_resume(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        resumed = experiment_runs.resume(pk, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    return _answer(request, pk, gettext("“%(name)s” runs again.") % {"name": resumed})


@staff_page
@needs(CHANGES)
@require_POST
def experiment_promote(request: HttpRequest, pk: int) -> HttpResponse:
    arm, note = request.POST.get("arm", ""), request.POST.get("note", "")
    try:
        promotion = experiment_runs.promote(pk, arm, note=note, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    if promotion.made_live is None or promotion.live_before is None:
        words = gettext("Arm %(arm)s is promoted. Its strategy is live already; now publish its rules for everybody.")
        return _answer(request, pk, words % {"arm": arm})
    undo = Undo(
        url=reverse("experiment-unpromote", args=[pk]),
        target="#experiment",
        values={"live_before": str(promotion.live_before)},
    )
    words = gettext("Arm %(arm)s is promoted: %(strategy)s is live.")
    return _answer(request, pk, words % {"arm": arm, "strategy": promotion.made_live}, undo=undo)


@staff_page
@needs(CHANGES)
@require_POST
def experiment_unpromote(request: HttpRequest, pk: int) -> HttpResponse:
    live_before = key_of(request.POST, "live_before") or 0
    try:
        experiment_runs.take_back_promotion(pk, live_before=live_before, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    return _answer(
        request, pk, gettext("The version that was live before is live again; the experiment stays stopped.")
    )


@staff_page
@require_POST
def experiment_measure(request: HttpRequest, pk: int) -> HttpResponse:
    """Count now, instead of within ten minutes; whoever may look may ask."""
    found = experiment_of(pk)
    if found.is_draft:
        return _refused(request, pk, gettext("A draft has nothing to count."))
    experiment_figures.request(found, staff=staff_of(request))
    return _answer(request, pk, gettext("Counting; the page follows."))


@staff_page
@needs(CHANGES)
@require_POST
def experiment_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """The draft goes; the list of experiments offers to bring it back."""
    try:
        name = experiment_of(pk).name
        kept = experiment_drafts.delete(pk, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    request.session["deleted_experiment"] = {"kept": kept, "name": name}
    return go(request, f"{reverse('experiments')}?deleted=1")


@staff_page
@needs(CHANGES)
@require_POST
def experiment_restore(request: HttpRequest) -> HttpResponse:
    deleted = request.session.pop("deleted_experiment", {})
    try:
        made = experiment_drafts.bring_back(str(deleted.get("kept", "")), staff=staff_of(request))
    except RecsiteError as error:
        messages.error(request, error.message)
        return redirect("experiments")
    messages.success(request, gettext("“%(name)s” is back.") % {"name": made})
    return redirect("experiment", pk=made.pk)


# ---------------------------------------------------------------- answers


def _context(request: HttpRequest, pk: int) -> dict[str, object]:
    found = page_of_experiment(pk, lift=_lift(request))
    results = found.results
    measure = request.GET.get("measure", found.experiment.measure)
    measure = measure if measure in MEASURE_NAMES else found.experiment.measure
    return {
        "page": found,
        "one": found.experiment,
        "results": results,
        "view": view_of(results) if results else None,
        "chart": chart_of(results, measure) if results else None,
        "by_day": day_chart_of(results) if results else None,
        "lifts": [(f"{each:g}", f"{100 * each:.0f}%") for each in LIFTS],
        "lift": f"{_lift(request):g}",
        "may_change": staff_of(request).has_perm(CHANGES),
    }


def _lift(request: HttpRequest) -> float:
    asked = request.GET.get("lift", "")
    return next((each for each in LIFTS if f"{each:g}" == asked), DEFAULT_LIFT)


def _answer(
    request: HttpRequest, pk: int, message: str, *, kind: str = "success", undo: Undo | None = None
) -> HttpResponse:
    """To htmx the page anew with a toast; to a plain form the page."""
    if not wants_fragment(request):
        (messages.error if kind == "danger" else messages.success)(request, message)
        return redirect("experiment", pk=pk)
    response = render(request, "recommender/_experiment.html", _context(request, pk))
    return toast(response, message, kind=kind, undo=undo)


def _refused(request: HttpRequest, pk: int, message: str) -> HttpResponse:
    """Nothing is swapped, so that what was typed stays; without htmx the page says it."""
    if wants_fragment(request):
        return toast(HttpResponse(status=204), message, kind="danger")
    messages.error(request, message)
    there = Experiment.objects.filter(pk=pk).exists()
    return redirect("experiment", pk=pk) if there else redirect("experiments")
