"""Parts of a user's page about their list: the list itself as its controls ask for it, and what the controls offer."""

from __future__ import annotations

from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from catalog.models import Label
from recommender.list_controls import FIELDS, brands_like, known_placements, list_controls
from recommender.models import EndUser
from recommender.user_lists import shown_lists, steps_from
from recommender.users import checked_id
from recsite.operations.access import staff_page
from recsite.operations.errors import InvalidInputError

LABEL_OPTIONS = 8


@staff_page
@require_GET
def user_list(request: HttpRequest) -> HttpResponse:
    """The list, and beside it what the controls say of it; the page's own address takes over what was asked."""
    external_id = id_or_404(request.GET.get("user", ""))
    context = list_context(external_id, EndUser.objects.filter(external_id=external_id).first(), request.GET)
    response = render(request, "recommender/_list_answer.html", context)
    if request.headers.get("HX-Trigger") == "list-form":
        query = _query(request.GET)
        response["HX-Push-Url"] = f"{context['list_page']}?{query}" if query else str(context["list_page"])
    return response


@staff_page
@require_GET
def label_options(request: HttpRequest) -> HttpResponse:
    """Labels of any taxonomy that what was typed may mean, best first."""
    q = request.GET.get("label_q", "").replace("\x00", "").strip()[:200]
    labels = Label.objects.select_related("taxonomy").with_every_name()
    found = labels.in_order(labels.found(q, limit=LABEL_OPTIONS)) if q else []
    return render(request, "recommender/_label_options.html", {"labels": found, "q": q})


@staff_page
@require_GET
def brand_options(request: HttpRequest) -> HttpResponse:
    q = request.GET.get("brand", "").replace("\x00", "").strip()[:200]
    return render(request, "recommender/_brand_options.html", {"brands": brands_like(q) if q else []})


def list_context(external_id: str, user: EndUser | None, values: QueryDict) -> dict[str, object]:
    asked = list_controls(values)
    lists = shown_lists(external_id, asked)
    list_page = reverse("user", args=[external_id])
    return {
        "asked": asked,
        "lists": lists,
        "list": lists.first.made,
        "list_user": external_id,
        "list_page": list_page,
        "query_now": _query(values, without="at"),
        "placements": known_placements(),
        "zone": timezone.get_current_timezone_name(),
        "steps": _steps(user, asked.at, values),
        "field_errors": [(name, asked.errors.get(name, "")) for name in FIELDS],
    }


def _steps(user: EndUser | None, at: datetime | None, values: QueryDict) -> list[dict[str, str]]:
    """Links to other moments; each keeps what else was asked for."""
    steps = steps_from(user, at)
    found = [("earlier", steps.earlier, gettext("A week earlier"), "chevron-left", "")]
    if steps.later:
        found.append(("later", steps.later, gettext("A week later"), "chevron-right", ""))
    if steps.before_order and steps.order:
        made = date_format(timezone.localtime(steps.order), gettext("j M Y, H:i"))
        words = gettext("Before the previous order") if at else gettext("Before their last order")
        found.append(("order", steps.before_order, words, "shopping-bag", made))
    links = [
        {"key": key, "words": words, "icon": icon, "title": title, "query": _query(values, at=moment)}
        for key, moment, words, icon, title in found
    ]
    if at:
        words = gettext("Now")
        links.append(
            {"key": "now", "words": words, "icon": "clock", "title": "", "query": _query(values, without="at")}
        )
    return links


def _query(values: QueryDict, *, at: datetime | None = None, without: str = "") -> str:
    """The address's filters, without empty ones and those of other parts of the page."""
    kept = QueryDict(mutable=True)
    for name in values:
        if name not in {"user", "show", "label_q", without}:
            kept.setlist(name, [value for value in values.getlist(name) if value])
    if at is not None:
        kept["at"] = timezone.localtime(at).strftime("%Y-%m-%dT%H:%M:%S")
    return kept.urlencode()


def id_or_404(text: str) -> str:
    try:
        return checked_id(text)
    except InvalidInputError as error:
        raise Http404(error.message) from None
