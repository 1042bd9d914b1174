"""The form of an experiment: a new draft, or one that is changed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from recommender import experiment_drafts
from recommender.experiment_form import ExperimentForm, empty_form, form_from, form_of
from recommender.experiment_page import experiment_of
from recommender.models import Experiment, Strategy
from recommender.strategies import live_strategy
from recommender.views.experiments import CHANGES
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import RecsiteError

MOST_STRATEGIES = 200


@staff_page
@needs(CHANGES)
@require_http_methods(["GET", "POST"])
def experiment_new(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _save(request, None)
    return _render(request, None, empty_form())


@staff_page
@needs(CHANGES)
@require_http_methods(["GET", "POST"])
def experiment_edit(request: HttpRequest, pk: int) -> HttpResponse:
    draft = experiment_of(pk)
    if request.method == "POST":
        return _save(request, draft)
    if not draft.is_draft:
        return redirect("experiment", pk=pk)
    return _render(request, draft, form_of(experiment_drafts.plan_of(draft)))


def _save(request: HttpRequest, draft: Experiment | None) -> HttpResponse:
    """What was typed stays in the form where it is refused."""
    form = form_from({key: str(value) for key, value in request.POST.items()})
    if form.plan is None:
        return _render(request, draft, form)
    staff = staff_of(request)
    try:
        if draft is None:
            made = experiment_drafts.create(form.plan, staff=staff)
        else:
            made = experiment_drafts.change(draft.pk, form.plan, staff=staff)
    except RecsiteError as error:
        return _render(request, draft, form, error=error.message)
    messages.success(request, gettext("Saved. It serves nobody until it is started."))
    return redirect("experiment", pk=made.pk)


def _render(request: HttpRequest, draft: Experiment | None, form: ExperimentForm, *, error: str = "") -> HttpResponse:
    live = live_strategy()
    context = {
        "draft": draft,
        "form": form,
        "error": error,
        "live": live,
        "measures": Experiment.Measure.choices,
        "strategies": Strategy.objects.published().order_by("name", "-version", "pk")[:MOST_STRATEGIES],
    }
    return render(request, "recommender/experiment_edit.html", context)
