"""The pages of review inside the admin: one by one, and progress. Each takes the admin class it stands beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from catalog import review, review_bulk, review_focus, review_progress
from catalog.models import DecisionRecord, ItemLabel, Label, Taxonomy
from catalog.review_filters import ReviewFilter, parse, rows_for
from recsite.operations.access import staff_of
from recsite.operations.errors import InvalidInputError, RecsiteError
from recsite.operations.pages import wants_fragment

PASSED = "review_passed"
PASSED_KEPT = 500
Said = tuple[str, str]  # what is announced, and "success" or "danger"


def review_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Whoever may see item labels; a POST needs the permission to change them."""

    def guarded(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        is_allowed = model_admin.has_view_permission(request)
        if request.method == "POST":
            is_allowed = model_admin.has_change_permission(request)
        if not is_allowed:
            raise PermissionDenied
        return view(model_admin, request)

    return guarded


def page_context(model_admin: ModelAdmin[Any], request: HttpRequest, tab: str, title: str) -> dict[str, Any]:
    return {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.model._meta,
        "title": title,
        "tab": tab,
        "may_decide": model_admin.has_change_permission(request),
    }


def filter_choices(narrowing: ReviewFilter) -> dict[str, Any]:
    """What the form of filters offers."""
    taxonomies = list(Taxonomy.objects.order_by("position", "id"))
    chosen = Label.objects.filter(pk=narrowing.label_id).first() if narrowing.label_id is not None else None
    return {
        "narrowing": narrowing,
        "taxonomies": taxonomies,
        "chosen_label": chosen,
        "sources": ItemLabel.Source.choices,
        "states": [
            ("undecided", gettext("Nobody yet")),
            ("mine", gettext("Me")),
            ("anyone", gettext("Anyone")),
            ("automatic", gettext("Accepted automatically")),
        ],
    }


@review_page
def focus(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    """One suggestion; a POST decides about it and answers with the next."""
    narrowing = parse(request.GET)
    if request.method == "POST":
        shown, said = _act(request, narrowing)
        if not wants_fragment(request):
            messages.add_message(request, messages.SUCCESS if said[1] == "success" else messages.ERROR, said[0])
            return HttpResponseRedirect(_address(narrowing, shown, came_from=request.POST.get("row", "")))
    else:
        shown, said = _asked(request, narrowing), ("", "success")
    context = _focus_context(model_admin, request, narrowing, shown, said)
    if wants_fragment(request):
        return render(request, "admin/catalog/itemlabel/_focus.html", context)
    context |= page_context(model_admin, request, "focus", gettext("Review one by one")) | filter_choices(narrowing)
    return render(request, "admin/catalog/itemlabel/focus.html", context)


def _asked(request: HttpRequest, narrowing: ReviewFilter) -> int | None:
    """The row that the address names, else the first of the queue."""
    asked = request.GET.get("row", "")
    if asked.isascii() and asked.isdigit() and len(asked) <= 18:
        return int(asked)
    return _next(request, narrowing)


def _next(request: HttpRequest, narrowing: ReviewFilter, *, beside: ItemLabel | None = None) -> int | None:
    rows = rows_for(narrowing, staff_of(request))
    passed = request.session.get(PASSED, [])
    return review_focus.next_row(rows, passed=passed, beside=beside, is_whole_queue=not narrowing.is_narrowed)


def _focus_context(
    model_admin: ModelAdmin[Any], request: HttpRequest, narrowing: ReviewFilter, shown: int | None, said: Said
) -> dict[str, Any]:
    found = review_focus.focus_on(shown, staff_of(request)) if shown is not None else None
    came_from = request.GET.get("from", "")
    return {
        "focus": found,
        "is_gone": shown is not None and found is None,
        "passed_count": len(request.session.get(PASSED, [])) if found is None else 0,
        "may_decide": model_admin.has_change_permission(request),
        "narrowing": narrowing,
        "came_from": came_from if came_from.isdigit() else "",
        "said": said[0],
        "said_kind": said[1],
    }


def _address(narrowing: ReviewFilter, row: int | None, *, came_from: str = "") -> str:
    parameters = {**narrowing.parameters, "row": row or "", "from": came_from}
    query = urlencode({name: value for name, value in parameters.items() if value})
    return reverse("admin:catalog_itemlabel_focus") + (f"?{query}" if query else "")


def _act(request: HttpRequest, narrowing: ReviewFilter) -> tuple[int | None, Said]:
    """Do what was posted. Returns the row to show now (the same one where it was refused), and what to say."""
    posted, reviewer = request.POST, staff_of(request)
    act, key = posted.get("act", ""), posted.get("row", "")
    pk = int(key) if key.isascii() and key.isdigit() and len(key) <= 18 else 0
    try:
        if act == "again":
            request.session.pop(PASSED, None)
            return _next(request, narrowing), (gettext("From the beginning."), "success")
        if act == "undo":
            ids = review_bulk.undo_last(reviewer=reviewer)
            return ids[0], (_undone_words(ids), "success")
        row = ItemLabel.objects.select_related("item", "label", "taxonomy").filter(pk=pk).first()
        if row is None:
            return _next(request, narrowing), (gettext("That suggestion no longer exists."), "danger")
        if act == "skip":
            _pass_over(request, row.pk)
            return _next(request, narrowing), (gettext("Skipped: %(item)s.") % {"item": row.item.title}, "success")
        words = _decide(row, act, posted, reviewer)
    except RecsiteError as error:
        return pk or _next(request, narrowing), (error.message, "danger")
    return _next(request, narrowing, beside=row), (words, "success")


def _pass_over(request: HttpRequest, pk: int) -> None:
    passed = [other for other in request.session.get(PASSED, []) if other != pk]
    request.session[PASSED] = [*passed, pk][-PASSED_KEPT:]


def _decide(row: ItemLabel, act: str, posted: Any, reviewer: User) -> str:
    """One decision, over what the page showed as present. Returns it in words."""
    expected, item = posted.get("expected", ""), row.item.title
    if expected not in ItemLabel.Decision.values:
        expected = ""
    if act == "accept":
        review.accept([row.pk], reviewer=reviewer, expected_decision=expected)
        return gettext("Accepted: %(item)s is %(label)s.") % {"item": item, "label": row.label.name}
    if act == "reject":
        review.reject([row.pk], reviewer=reviewer, expected_decision=expected)
        return gettext("Rejected: %(item)s is not %(label)s.") % {"item": item, "label": row.label.name}
    if act.startswith(("choose:", "correct")):
        label = _label_meant(row, act.partition(":")[2], posted.get("label", ""))
        review.correct(row.pk, label.pk, reviewer=reviewer, expected_decision=expected)
        return gettext("Corrected: %(item)s is %(label)s.") % {"item": item, "label": label.name}
    raise InvalidInputError(gettext("Choose accept, reject, an alternative, another label, skip or undo."))


def _label_meant(row: ItemLabel, chosen: str, typed: str) -> Label:
    """By its id (an alternative) or by what was typed: a path, or a name that only one label has."""
    if chosen.isascii() and chosen.isdigit() and len(chosen) <= 18:
        named = Label.objects.filter(pk=int(chosen))
    else:
        typed = typed.replace("\x00", "").strip()[:1000]
        by_path = Label.objects.assignable().filter(taxonomy=row.taxonomy_id, path__iexact=typed)
        named = by_path if by_path.exists() else Label.objects.assignable().filter(Q(name__iexact=typed))
    found = list(named.filter(taxonomy=row.taxonomy_id).order_by("id")[:2])
    if len(found) != 1:
        words = gettext("%(taxonomy)s has no label “%(typed)s”; choose one of the list.")
        raise InvalidInputError(words % {"taxonomy": row.taxonomy.name, "typed": typed or chosen})
    return found[0]


def _undone_words(ids: list[int]) -> str:
    if len(ids) > 1:
        words = ngettext("Taken back: %(n)s decision.", "Taken back: %(n)s decisions.", len(ids))
        return words % {"n": f"{len(ids):,}"}
    row = ItemLabel.objects.select_related("item", "label").get(pk=ids[0])
    return gettext("Taken back: %(label)s for %(item)s.") % {"label": row.label.name, "item": row.item.title}


@review_page
def progress(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    narrowing = parse(request.GET)
    clicks = DecisionRecord.objects.clicks_of(staff_of(request).pk, review_progress.SITTING_ACTS)
    context = {
        **page_context(model_admin, request, "progress", gettext("Progress of review")),
        "narrowing": narrowing,
        "taxonomies": review_progress.by_taxonomy(),
        "reviewers": review_progress.by_reviewer(),
        "labels": review_progress.by_label(narrowing.taxonomy_id),
        "agreement": review_progress.agreement(),
        "per_minute": review_progress.pace_of(clicks),
    }
    return render(request, "admin/catalog/itemlabel/progress.html", context)
