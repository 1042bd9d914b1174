"""Review of many at once: suggestions grouped by label, and the page that counts before all of them are accepted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext

from catalog import review, review_bulk
from catalog.models import Item, ItemLabel, Label
from catalog.review_bulk import AT_ONCE, UNSURE_BELOW, Outcome
from catalog.review_filters import ReviewFilter, parse, rows_for
from catalog.review_views import filter_choices, page_context, review_page
from recsite.operations.access import staff_of
from recsite.operations.errors import InvalidInputError, RecsiteError
from recsite.operations.model_admin import EstimatedPaginator
from recsite.operations.stored_words import shown

PER_PAGE = 60
LAST_PAGE = 200
SELECTED_AT_MOST = PER_PAGE


@dataclass(frozen=True)
class Group:
    """Suggestions of one label on this page, and how many match on all pages."""

    label: Label
    matching: int
    rows: tuple[ItemLabel, ...]
    address: str  # of the page that counts before all of the group are accepted


@review_page
def bulk(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    narrowing = parse(request.GET)
    if request.method == "POST":
        _decide(request)
        return HttpResponseRedirect(request.get_full_path())
    rows = rows_for(narrowing, staff_of(request))
    ordered = rows.order_by("label__path", "label_id", "-confidence", "id")
    paginator = EstimatedPaginator(ordered.values_list("pk", flat=True), PER_PAGE)
    number = request.GET.get("page", "")
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) <= 6 else 1
    page = paginator.page(max(1, min(wanted, paginator.num_pages, LAST_PAGE)))
    context = {
        **page_context(model_admin, request, "bulk", gettext("Review many at once")),
        **filter_choices(narrowing),
        "page": page,
        "is_last_shown": page.number >= LAST_PAGE,
        "groups": _groups(narrowing, request, _shown(page.object_list)),
        "total": paginator.count,
        "unsure_below": UNSURE_BELOW,
    }
    return render(request, "admin/catalog/itemlabel/bulk.html", context)


def _shown(ids: Iterable[int]) -> list[ItemLabel]:
    """The rows of a page by themselves, so that only their ids are sorted among all."""
    names = ("item", "label", "final_label", "taxonomy", "reviewer")
    wanted = list(ids)
    rows = ItemLabel.objects.select_related(*names).in_every_language()
    by_id = rows.defer("item__search_vector").in_bulk(wanted)
    return [by_id[pk] for pk in wanted if pk in by_id]


def _groups(narrowing: ReviewFilter, request: HttpRequest, shown: list[ItemLabel]) -> list[Group]:
    grouped = [(label_id, tuple(rows)) for label_id, rows in groupby(shown, key=lambda row: row.label_id)]
    counted = rows_for(narrowing, staff_of(request)).filter(label__in=[label_id for label_id, _ in grouped])
    matching = dict(counted.order_by().values_list("label").annotate(n=Count("pk")))
    accept = reverse("admin:catalog_itemlabel_accept_all")
    return [
        Group(rows[0].label, matching[label_id], rows, f"{accept}?{narrowing.with_label(label_id)}")
        for label_id, rows in grouped
        if label_id in matching
    ]


def _decide(request: HttpRequest) -> None:
    """What the bar at the foot of the page posts: accept, reject or undo."""
    reviewer, act = staff_of(request), request.POST.get("act", "")
    keys = [key for key in request.POST.getlist("row") if key.isascii() and key.isdigit() and len(key) <= 18]
    ids = [int(key) for key in keys[:SELECTED_AT_MOST]]
    try:
        if act == "undo":
            batch = request.POST.get("batch", "")
            if batch:
                _tell(request, review_bulk.undo_at_once(_batch(batch), reviewer=reviewer), is_undo=True)
                return
            n = len(review_bulk.undo_last(reviewer=reviewer))
            words = ngettext("Taken back: %(n)s decision.", "Taken back: %(n)s decisions.", n)
        elif not ids:
            raise InvalidInputError(gettext("Select suggestions first."))
        elif act == "accept":
            n = review.accept(ids, reviewer=reviewer)
            words = ngettext("%(n)s accepted. z takes it back.", "%(n)s accepted. z takes them back.", n)
        elif act == "reject":
            n = review.reject(ids, reviewer=reviewer)
            words = ngettext("%(n)s rejected. z takes it back.", "%(n)s rejected. z takes them back.", n)
        else:
            raise InvalidInputError(gettext("Choose accept, reject or undo."))
    except RecsiteError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, words % {"n": f"{n:,}"})


def _batch(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInputError(gettext("That is no batch of decisions; open it from the history.")) from None


@review_page
def accept_all(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    """Counts, shows the least sure, and accepts on POST what was there when it counted."""
    narrowing, reviewer = parse(request.GET), staff_of(request)
    back = f"{reverse('admin:catalog_itemlabel_bulk')}?{_without_similar(narrowing)}"
    if request.method == "POST":
        try:
            outcome = review_bulk.accept_matching(
                narrowing,
                as_of=_moment(request.POST.get("as_of", "")),
                include_unsure=request.POST.get("include_unsure") == "1",
                reviewer=reviewer,
            )
        except RecsiteError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(request.get_full_path())
        _tell(request, outcome)
        return HttpResponseRedirect(back)
    like = None
    if narrowing.similar_to is not None:
        like = ItemLabel.objects.select_related("item", "label").filter(pk=narrowing.similar_to).first()
    context = {
        **page_context(model_admin, request, "bulk", gettext("Accept all")),
        "narrowing": narrowing,
        "as_of": timezone.now().isoformat(),
        "preview": review_bulk.preview(narrowing, reviewer),
        "like": like,
        "like_is_embedded": like is not None and Item.objects.filter(pk=like.item_id, embedding__isnull=False).exists(),
        "back": back,
        "unsure_below": UNSURE_BELOW,
        "at_once": AT_ONCE,
    }
    return render(request, "admin/catalog/itemlabel/accept_all.html", context)


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or timezone.is_naive(moment):
        raise InvalidInputError(gettext("The page did not say when it counted; it has counted anew."))
    return moment


def _without_similar(narrowing: ReviewFilter) -> str:
    parameters = {name: value for name, value in narrowing.parameters.items() if name != "similar"}
    return parse(parameters).query


def _tell(request: HttpRequest, outcome: Outcome, *, is_undo: bool = False) -> None:
    history = reverse("admin:catalog_decisionrecord_changelist") + f"?batch={outcome.batch}"
    if outcome.job is not None:
        follow = gettext("Queued: %(title)s.") % {"title": shown(outcome.job.title)}
        page = reverse("job", args=[outcome.job.pk])
        messages.success(
            request, format_html('{} <a class="rs-link" href="{}">{}</a>', follow, page, gettext("See its progress"))
        )
        return
    words = gettext("%(n)s taken back.") if is_undo else gettext("%(n)s accepted. z takes them back.")
    said = words % {"n": f"{outcome.done:,}"}
    if outcome.left_out:
        left = gettext("%(n)s left out: somebody decided about them meanwhile.")
        said = f"{said} {left % {'n': f'{outcome.left_out:,}'}}"
    messages.success(
        request,
        format_html('{} <a class="rs-link" href="{}">{}</a>', said, history, gettext("See them in the history")),
    )
