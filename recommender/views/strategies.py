"""Strategies: all of them, and one with its versions, its recipe in words, and what makes which version live."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from recommender import strategy_versions
from recommender.models import Strategy
from recommender.strategies import live_strategy
from recommender.strategy_overview import overview, page_of_strategy
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import Undo, toast, wants_fragment


@staff_page
@require_GET
def strategies(request: HttpRequest) -> HttpResponse:
    live = live_strategy()
    return render(request, "recommender/strategies.html", {"strategies": overview(), "live": live, "source": live})


@staff_page
@require_GET
def strategy(request: HttpRequest, name: str) -> HttpResponse:
    """`version` and `against` are keys of versions, so that a comparison can be shared by its address."""
    page = page_of_strategy(name, version=key_of(request.GET, "version"), against=key_of(request.GET, "against"))
    template = "recommender/_strategy.html" if wants_fragment(request) else "recommender/strategy.html"
    return render(request, template, {"page": page, "source": page.chosen})


@staff_page
@needs("recommender.change_strategy")
@require_POST
def strategy_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """A new draft from this version; its editor opens."""
    try:
        draft = strategy_versions.create_draft(pk, staff=staff_of(request), name=request.POST.get("name", ""))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    return go(request, reverse("strategy-edit", args=[draft.pk]))


@staff_page
@needs("recommender.change_strategy")
@require_POST
def strategy_discard(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        discarded = strategy_versions.discard_draft(pk, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    messages.success(request, gettext("The draft %(strategy)s is discarded.") % {"strategy": discarded})
    is_left = Strategy.objects.filter(name=discarded.name).exists()
    return go(request, reverse("strategy", args=[discarded.name]) if is_left else reverse("strategies"))


@staff_page
@needs("recommender.change_strategy")
@require_POST
def strategy_live(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a version live: the newest one, or an earlier one to go back to. `page` is the version that is looked at."""
    undo, kind = None, "success"
    instead_of = key_of(request.POST, "instead_of") or 0
    shown = get_object_or_404(Strategy, pk=key_of(request.POST, "page") or pk)
    try:
        made = strategy_versions.make_live(pk, staff=staff_of(request), instead_of=instead_of)
    except RecsiteError as error:
        message, kind = error.message, "danger"
    else:
        message = gettext("%(strategy)s is live.") % {"strategy": made}
        if instead_of != pk:
            values = {"instead_of": str(pk), "page": str(shown.pk)}
            undo = Undo(url=reverse("strategy-live", args=[instead_of]), target="#strategy", values=values)
    if not wants_fragment(request):
        return redirect("strategy", name=shown.name)
    page = page_of_strategy(shown.name, version=shown.pk)
    response = render(request, "recommender/_strategy.html", {"page": page, "source": page.chosen})
    return toast(response, message, kind=kind, undo=undo)


def _refused(request: HttpRequest, pk: int, message: str) -> HttpResponse:
    """Nothing is swapped, so that what was typed stays; without htmx the page says it."""
    if wants_fragment(request):
        return toast(HttpResponse(status=204), message, kind="danger")
    messages.error(request, message)
    there = Strategy.objects.filter(pk=pk).first()
    return redirect("strategy", name=there.name) if there else redirect("strategies")


def go(request: HttpRequest, address: str) -> HttpResponse:
    """To another page, from a fragment as from a whole page."""
    if wants_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)


def key_of(values: QueryDict, name: str) -> int | None:
    """A key from an address or a form; None where it names nothing."""
    key = values.get(name, "")
    return int(key) if key.isascii() and key.isdecimal() and len(key) < 18 else None


def version_of(pk: int) -> Strategy:
    """Raises Http404."""
    found = Strategy.objects.select_related("created_by").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such version; somebody may have discarded the draft.")
    return found
