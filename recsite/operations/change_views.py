"""The page of what people changed, the part of it on an object's own page, and taking one change back."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from recsite.operations import change_words, changes, saved_views, tracked
from recsite.operations.access import needs, staff_of, staff_page, words_for
from recsite.operations.errors import NotFoundError, RecsiteError
from recsite.operations.models import ApiKey, Change
from recsite.operations.pages import Undo, toast, wants_fragment

PER_PAGE = 40
ON_AN_OBJECT = 6
MOST_NAMES = 500


@staff_page
@needs("operations.view_change")
@require_GET
def change_list(request: HttpRequest) -> HttpResponse:
    """`after` is the place of the last change seen: pages cost the same however far back they are."""
    asked = _asked(request.GET)
    rows = changes.found(asked)
    if place := _place(request.GET.get("after", "")):
        rows = rows.before(*place)
    found = list(rows[: PER_PAGE + 1])
    has_older = len(found) > PER_PAGE
    found = found[:PER_PAGE]
    context = {
        "changes": change_words.shown(found),
        "asked": asked,
        "since": request.GET.get("since", ""),
        "until": request.GET.get("until", ""),
        "kinds": tracked.groups(),
        "people": _people(),
        "older": _place_words(found[-1]) if has_older else "",
        "is_continued": bool(place),
        "object_words": found[0].object_name if asked.object_ids and found else ", ".join(asked.object_ids),
    }
    if wants_fragment(request):
        return render(request, "operations/_changes.html", context)
    return render(request, "operations/changes.html", {**context, **saved_views.context(request, "changes")})


@staff_page
@require_GET
def changes_of(request: HttpRequest, kind: str) -> HttpResponse:
    """The last ones of one object, for its own page; `object` takes several keys, for all versions of one name."""
    if not staff_of(request).has_perm("operations.view_change"):
        return HttpResponse("")
    asked = changes.Asked(kind=kind, object_ids=_keys(request.GET))
    found = list(changes.found(asked)[:ON_AN_OBJECT]) if asked.object_ids else []
    context = {"changes": change_words.shown(found), "kind": kind, "object": ",".join(asked.object_ids)}
    return render(request, "operations/_changes_of.html", context)


@staff_page
@require_POST
def change_revert(request: HttpRequest, pk: int) -> HttpResponse:
    """To htmx a toast, and a bell that makes lists of changes reload. Each kind has a permission of its own."""
    change = Change.objects.filter(pk=pk).first()
    kind = tracked.kind_of(change.kind) if change else None
    if kind is None:
        raise NotFoundError(f"There is no change {pk}.")
    message, said, undo = "", "success", None
    if not staff_of(request).has_perm(kind.permission):
        return toast(HttpResponse(status=403), words_for(kind.permission), kind="danger")
    try:
        made = changes.revert(pk, staff=staff_of(request))
    except RecsiteError as error:
        message, said = error.message, "danger"
    else:
        message = gettext("Set back to how it was.")
        if made is not None:
            undo = Undo(url=reverse("change-revert", args=[made.pk]), target="#changes", values={})
    if not wants_fragment(request):
        return redirect("changes")
    return toast(HttpResponse(status=204), message, kind=said, undo=undo, events={"changes": True})


def _asked(values: QueryDict) -> changes.Asked:
    """Nonsense narrows nothing."""
    kind = values.get("kind", "")
    return changes.Asked(
        kind=kind if any(one.name == kind for one in tracked.groups()) else "",
        object_ids=_keys(values),
        who=values.get("who", "").replace("\x00", "")[:160],
        since=_midnight(values.get("since", "")),
        until=_midnight(values.get("until", ""), days=1),
    )


def _keys(values: QueryDict) -> tuple[str, ...]:
    given = values.get("object", "").replace("\x00", "")[:2000]
    return tuple(key for key in given.split(",") if key)[:200]


def _midnight(text: str, *, days: int = 0) -> datetime | None:
    """Where the day begins in the reader's zone."""
    try:
        day = parse_date(text)
        return timezone.make_aware(datetime.combine(day + timedelta(days=days), time())) if day else None
    except (ValueError, OverflowError):
        return None


def _place_words(change: Change) -> str:
    return f"{change.at.isoformat()}_{change.pk}"


def _place(text: str) -> tuple[datetime, int] | None:
    moment, _, key = text.partition("_")
    try:
        at = parse_datetime(moment)
    except ValueError:
        return None
    if at is None or timezone.is_naive(at) or not (key.isascii() and key.isdecimal() and len(key) < 18):
        return None
    return at, int(key)


def _people() -> list[tuple[str, str]]:
    """(value of the filter, what it is called): staff, then API keys."""
    staff = User.objects.filter(is_staff=True).order_by("username").values_list("username", flat=True)[:MOST_NAMES]
    keys = ApiKey.objects.order_by("name", "prefix").values_list("prefix", "name")[:MOST_NAMES]
    of_key = gettext("API key %(name)s")
    return [*((name, name) for name in staff), *((f"key:{prefix}", of_key % {"name": name}) for prefix, name in keys)]
