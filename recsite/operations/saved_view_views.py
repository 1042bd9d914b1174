"""Save, rename, share and delete the views of any page; each answers with the part of the page that asked."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from recsite.operations import saved_views
from recsite.operations.access import staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.models import SavedView
from recsite.operations.pages import Undo, toast, wants_fragment


@staff_page
@require_GET
def saved_view_list(request: HttpRequest) -> HttpResponse:
    """Asked for where the filters of the page changed without loading it anew."""
    page = request.GET.get("page", "")
    return _part(request, _known(page), "")


@staff_page
@require_POST
def saved_view_new(request: HttpRequest) -> HttpResponse:
    """`page` is a page's name in urls.py, `query` its filters now."""
    page, query = _known(request.POST.get("page", "")), request.POST.get("query", "")
    is_shared = request.POST.get("is_shared") == "on"
    try:
        view = saved_views.save(page, request.POST.get("name", ""), query, is_shared=is_shared, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, page, query, error.message)
    return _answer(request, page, gettext("Saved as “%(name)s”.") % {"name": view.name}, query=view.query)


@staff_page
@require_POST
def saved_view_change(request: HttpRequest, pk: int) -> HttpResponse:
    """`act` is rename or delete; a deleted one can be had back from the toast."""
    query = request.POST.get("query", "")
    try:
        if request.POST.get("act") == "delete":
            view = saved_views.delete(pk, staff=staff_of(request))
            values = {"page": view.page, "name": view.name, "query": view.query}
            if view.is_shared:
                values["is_shared"] = "on"
            undo = Undo(url=reverse("saved-view-new"), target="#saved-views", values=values)
            return _answer(request, view.page, gettext("“%(name)s” is deleted.") % {"name": view.name}, query, undo)
        is_shared = request.POST.get("is_shared") == "on"
        view = saved_views.change(pk, name=request.POST.get("name", ""), is_shared=is_shared, staff=staff_of(request))
    except RecsiteError as error:
        mine = SavedView.objects.filter(pk=pk).first()
        return _refused(request, mine.page if mine else "", query, error.message)
    return _answer(request, view.page, gettext("It is called “%(name)s”.") % {"name": view.name}, query)


def _answer(request: HttpRequest, page: str, message: str, query: str = "", undo: Undo | None = None) -> HttpResponse:
    if not wants_fragment(request):
        return redirect(_address(page, query))
    return toast(_part(request, page, query), message, undo=undo)


def _part(request: HttpRequest, page: str, query: str) -> HttpResponse:
    """As it is on the page that asked, whose filters are in its address."""
    shown = urlsplit(request.headers.get("HX-Current-URL", "")).query or query
    request.GET = QueryDict(shown)
    return render(request, "pieces/_saved_views.html", saved_views.context(request, page))


def _known(page: str) -> str:
    """Raises Http404 where the console has no page of this name."""
    try:
        reverse(page)
    except NoReverseMatch:
        raise Http404(f"There is no page {page!r}.") from None
    return page


def _refused(request: HttpRequest, page: str, query: str, message: str) -> HttpResponse:
    """What was typed stays."""
    if not wants_fragment(request):
        return redirect(_address(page, query))
    return toast(HttpResponse(status=204), message, kind="danger")


def _address(page: str, query: str) -> str:
    return f"{reverse(page)}?{query}" if page else reverse("home")
