"""Parts of pages that belong to the catalog: what an edit of labels, a bulk review or auto-accept means for lists."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from catalog import auto_accept, label_changes, review_bulk
from catalog.label_changes import LabelChanges
from catalog.models import Taxonomy
from catalog.models.item_label import ItemLabelQuerySet
from catalog.review_filters import parse
from recommender.label_impact import EXAMPLES, SAMPLE_USERS, SoFar, label_impact
from recsite.operations.access import staff_of, staff_page
from recsite.operations.errors import InvalidInputError, RecsiteError

PROGRESS = ("users", "drawn", "start", "changed", "examples")
MOST_SELECTED = 200


@staff_page
@require_GET
def edit_impact(request: HttpRequest) -> HttpResponse:
    """Of an edit of a taxonomy: ?edit=merge&label=1&label=2&into=3; split; deprecate; move, `into` its parent."""
    values = request.GET
    return _part(request, lambda: _edited(values))


def _edited(values: QueryDict) -> LabelChanges:
    labels = [key for key in map(_key, values.getlist("label")) if key]
    edit, into = values.get("edit", ""), _key(values.get("into", ""))
    if not labels:
        raise InvalidInputError(gettext("The label is not named; reload the page."))
    if edit == "merge":
        return label_changes.of_merging(labels, into)
    if edit == "move":
        return label_changes.of_moving(labels[0], into or None)
    if edit == "deprecate":
        return label_changes.of_deprecating(labels[0])
    if edit == "split":
        return label_changes.of_splitting(labels[0])
    return LabelChanges(label_ids=tuple(labels))


@staff_page
@require_GET
def review_impact(request: HttpRequest) -> HttpResponse:
    """Of accepting, or with act=reject of rejecting, the rows that are named, or all suggestions that a review page's
    filter matches: that page says when it counted."""
    values = request.GET
    of = label_changes.of_rejecting if values.get("act") == "reject" else label_changes.of_accepting
    ids = [key for key in map(_key, values.getlist("row")) if key][:MOST_SELECTED]
    if not ids and "as_of" not in values:
        return _part(request, _nothing_selected)
    return _part(request, lambda: of(review_bulk.selected(ids) if ids else _matching(values, staff_of(request))))


def _nothing_selected() -> LabelChanges:
    raise InvalidInputError(gettext("Nothing is selected, so no list changes."))


def _matching(values: QueryDict, reviewer: User) -> ItemLabelQuerySet:
    return review_bulk.chosen(
        parse(values),
        as_of=_moment(values.get("as_of", "")),
        include_unsure=values.get("include_unsure") == "1",
        reviewer=reviewer,
    )


@staff_page
@require_GET
def auto_accept_impact(request: HttpRequest, slug: str) -> HttpResponse:
    """Of everything that auto-accept would accept of what waits now, above the threshold in the form."""
    taxonomy = get_object_or_404(Taxonomy, slug=slug)
    threshold = _percent(request.GET.get("threshold", ""), default=100.0)
    share = _percent(request.GET.get("audit_share", ""), default=0.0)
    return _part(request, lambda: label_changes.of_accepting(auto_accept.would_accept(taxonomy.pk, threshold, share)))


def _part(request: HttpRequest, planned: Callable[[], LabelChanges]) -> HttpResponse:
    """All of it, or the sentence alone where a part of the sample was looked at before."""
    began, so_far = time.monotonic(), _so_far(request.GET)
    impact, error = None, ""
    try:
        impact = label_impact(planned(), so_far=so_far, began=began)
    except RecsiteError as refused:
        error = refused.message
    asked = request.GET.copy()
    if impact is not None:
        shown = len(impact.examples) + (so_far.examples if so_far else 0)
        drawn = ",".join(str(pk) for pk in impact.drawn)
        told = (impact.users, drawn, impact.looked_at, impact.changed, shown)
        for name, value in zip(PROGRESS, told, strict=True):
            asked[name] = str(value)
    context = {
        "impact": impact,
        "error": error,
        "is_first": so_far is None,
        "is_rename": request.GET.get("edit") in ("rename", "describe", "names"),
        "next": f"{request.path}?{asked.urlencode()}",
    }
    return render(request, "recommender/_label_impact.html", context)


def _so_far(values: QueryDict) -> SoFar | None:
    """What the part before this one handed on; None for the first."""
    drawn = tuple(key for key in map(_key, values.get("drawn", "").split(",")) if key)[:SAMPLE_USERS]
    if not drawn:
        return None
    users, start, changed, shown = (_key(values.get(name, "")) for name in ("users", "start", "changed", "examples"))
    return SoFar(users, drawn, start, min(changed, start), min(shown, EXAMPLES))


def _key(written: str) -> int:
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 18 else 0


def _percent(written: str, *, default: float) -> float:
    try:
        value = float(written)
    except ValueError:
        return default / 100
    return min(100.0, max(0.0, value)) / 100 if value == value else default / 100


def _moment(written: str) -> datetime:
    try:
        moment = parse_datetime(written)
    except ValueError:
        moment = None
    return moment if moment is not None and not timezone.is_naive(moment) else timezone.now()
