"""The page of the interest encoder: its versions, train one now, go back to an earlier one or to none."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from recommender import interest_encoders
from recommender.encoder_page import encoder_panel
from recommender.models import InterestEncoder
from recsite.operations.access import needs_to_act, staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import Undo, toast, wants_fragment

PART = "recommender/_interest_encoder.html"


@staff_page
@needs_to_act("recommender.change_interestencoder")
@require_http_methods(["GET", "POST"])
def interest_encoder(request: HttpRequest) -> HttpResponse:
    """GET shows the page, or its part while something is under way; POST trains, rolls back or retires."""
    if request.method == "GET":
        template = PART if wants_fragment(request) else "recommender/interest_encoder.html"
        return render(request, template, {"panel": encoder_panel()})
    message, kind, undo = "", "success", None
    live = InterestEncoder.objects.defer("weights").filter(status=InterestEncoder.Status.LIVE).first()
    try:
        message, undo = _acted(request, live)
    except RecsiteError as error:
        message, kind = error.message, "danger"
    if not wants_fragment(request):
        return redirect("interest-encoder")
    return toast(render(request, PART, {"panel": encoder_panel()}), message, kind=kind, undo=undo)


def _acted(request: HttpRequest, live: InterestEncoder | None) -> tuple[str, Undo | None]:
    """(what to say, how to take it back): back to whatever was live before, a version or none."""
    act, staff = request.POST.get("act", ""), staff_of(request)
    if act == "roll_back":
        encoder = interest_encoders.roll_back(_key(request.POST), staff=staff)
        said = gettext("Version %(version)s is live; interests are being rebuilt.") % {"version": encoder.version}
        if live is None:
            return said, _undo("retire", encoder)
        return said, _undo("roll_back", live) if live.pk != encoder.pk else None
    if act == "retire":
        encoder = interest_encoders.retire(_key(request.POST), staff=staff)
        return gettext("No version is live; interests are being rebuilt as they were."), _undo("roll_back", encoder)
    interest_encoders.request_training(staff=staff)
    return gettext("Training has begun; the version appears here when it is compared."), None


def _undo(act: str, encoder: InterestEncoder) -> Undo:
    values = {"act": act, "encoder": str(encoder.pk)}
    return Undo(url=reverse("interest-encoder"), target="#interest-encoder", values=values)


def _key(values: QueryDict) -> int:
    key = values.get("encoder", "")
    return int(key) if key.isascii() and key.isdecimal() and len(key) < 18 else 0
