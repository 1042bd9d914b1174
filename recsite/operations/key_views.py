"""The page of API keys: who calls the API, with which scopes; make one, revoke one."""

from __future__ import annotations

from datetime import datetime, time

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from recsite.operations import api_keys
from recsite.operations.access import needs, staff_page
from recsite.operations.errors import InvalidInputError, RecsiteError
from recsite.operations.models import ApiKey, Change
from recsite.operations.pages import page_of, toast, wants_fragment

PER_PAGE = 50
SCOPES = (
    (ApiKey.Scope.READ, gettext_lazy("Read"), gettext_lazy("Items, labels, users and the lists made for them.")),
    (ApiKey.Scope.WRITE, gettext_lazy("Write"), gettext_lazy("Send items, users and events; hide items; erase users.")),
)


@staff_page
@needs("operations.view_apikey")
@require_GET
def key_list(request: HttpRequest) -> HttpResponse:
    return render(request, "operations/api_keys.html", _context(request))


def _rows() -> QuerySet[ApiKey]:
    """Adds `made_by`, where that is known."""
    made = Change.objects.filter(kind="api_key", act=Change.Act.CREATED, object_id=OuterRef("prefix"))
    return ApiKey.objects.annotate(made_by=Subquery(made.order_by("pk").values("by_name")[:1])).order_by(
        "revoked", "-created", "prefix"
    )


def _context(request: HttpRequest, **more: object) -> dict[str, object]:
    page = page_of(_rows(), request.GET.get("page"), per_page=PER_PAGE)
    return {"tab": "keys", "page": page, "scopes": SCOPES, "now": timezone.now(), "typed": request.POST, **more}


@staff_page
@needs("operations.add_apikey")
@require_POST
def key_new(request: HttpRequest) -> HttpResponse:
    """The answer alone knows the secret: the database keeps a hash, and a message would keep it in a cookie."""
    chosen = request.POST.getlist("scopes")
    try:
        key, secret = api_keys.create(
            _name(request.POST.get("name", "")), chosen, expires_at=_expiry(request.POST.get("expires", ""))
        )
    except RecsiteError as error:
        context = _context(request, error=error.message, chosen=chosen)
        return render(request, "operations/api_keys.html", context, status=400)
    response = render(request, "operations/api_keys.html", _context(request, made=key, secret=secret))
    response["Cache-Control"] = "no-store"
    return response


def _name(text: str) -> str:
    name = " ".join(text.replace("\x00", "").split())
    if not name or len(name) > 50:
        raise InvalidInputError(gettext("A key needs a name of at most 50 characters, such as “shop backend”."))
    return name


def _expiry(text: str) -> datetime | None:
    """The end of that day in the reader's zone; None for never."""
    if not text:
        return None
    try:
        day = parse_date(text)
        moment = timezone.make_aware(datetime.combine(day, time(23, 59, 59))) if day else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment <= timezone.now():
        raise InvalidInputError(gettext("Choose a day from today on for its end, or leave it empty."))
    return moment


@staff_page
@needs("operations.change_apikey")
@require_POST
def key_revoke(request: HttpRequest, prefix: str) -> HttpResponse:
    """For good, so the name of the key has to be typed."""
    key = get_object_or_404(_rows(), prefix=prefix)
    message, kind = gettext("“%(name)s” is revoked; calls with it are refused from now on.") % {"name": key.name}, ""
    try:
        api_keys.revoke(key, confirmed=request.POST.get("confirm", ""))
    except (RecsiteError, ValidationError) as error:
        message, kind = str(getattr(error, "message", error)), "danger"
    if not wants_fragment(request):
        (messages.error if kind else messages.success)(request, message)
        return redirect("api-keys")
    if kind:
        return toast(HttpResponse(status=204), message, kind=kind)
    return toast(render(request, "operations/_api_keys.html", _context(request)), message)
