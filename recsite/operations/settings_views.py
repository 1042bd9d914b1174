"""The page of settings: how I want the console, and what holds for the whole site."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from recsite.operations import preferences, site_settings, time_zones
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.models import Change, StaffPreferences
from recsite.operations.pages import Undo, toast, wants_fragment

YES_OR_NO = {"on": True, "off": False}


@staff_page
@require_GET
def settings_page(request: HttpRequest) -> HttpResponse:
    return render(request, "operations/settings.html", _context(request))


def _context(request: HttpRequest, refused: str = "", typed: str = "", error: str = "") -> dict[str, object]:
    """refused: the key whose new value was not taken, with what was typed and why."""
    own = preferences.of(staff_of(request))
    return {
        "tab": "settings",
        "own": own,
        "zone_now": preferences.zone_of(request),
        "zones": time_zones.offered(),
        "languages": settings.LANGUAGES,
        "themes": StaffPreferences.Theme.choices,
        "settings": site_settings.shown(),
        "refused": refused,
        "typed": typed,
        "error": error,
    }


@staff_page
@require_POST
def preferences_change(request: HttpRequest) -> HttpResponse:
    """Only what the form names: the theme menu and the list of shortcuts send theirs alone."""
    sent = request.POST
    wanted: dict[str, object] = {name: sent[name] for name in ("time_zone", "language", "theme") if name in sent}
    if "single_keys" in sent:
        wanted["single_keys"] = YES_OR_NO.get(sent["single_keys"])
    try:
        preferences.change(staff_of(request), **wanted)
    except RecsiteError as error:
        if wants_fragment(request):
            return toast(HttpResponse(status=204), error.message, kind="danger")
        messages.error(request, error.message)
        return redirect("settings")
    if wants_fragment(request):
        return HttpResponse(status=204)
    messages.success(request, gettext("Saved."))
    response = redirect("settings")
    if "language" in wanted:
        if wanted["language"]:
            response.set_cookie(settings.LANGUAGE_COOKIE_NAME, str(wanted["language"]), samesite="Lax")
        else:
            response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return response


@staff_page
@needs("operations.change_setting")
@require_POST
def setting_change(request: HttpRequest, key: str) -> HttpResponse:
    """`act=reset` puts it back to its default. A value that is refused stays in its field, with the reason."""
    definition = site_settings.definition_of(key)
    written = request.POST.get("value", "off" if isinstance(definition, site_settings.Switch) else "")
    try:
        if request.POST.get("act") == "reset":
            site_settings.reset(key, staff=staff_of(request))
        else:
            site_settings.change(key, written, staff=staff_of(request))
    except RecsiteError as error:
        if wants_fragment(request):
            return render(request, "operations/_site_settings.html", _context(request, key, written, error.message))
        messages.error(request, error.message)
        return redirect("settings")
    if not wants_fragment(request):
        messages.success(request, gettext("Saved."))
        return redirect("settings")
    last = Change.objects.of_object("setting", key).newest_first().values_list("pk", flat=True).first()
    undo = Undo(url=f"/changes/{last}/revert/", target="#site-settings", values={}) if last else None
    response = render(request, "operations/_site_settings.html", _context(request))
    return toast(response, gettext("%(name)s: saved.") % {"name": definition.name}, undo=undo)


@staff_page
@require_GET
def site_settings_part(request: HttpRequest) -> HttpResponse:
    """Asked for again where a change was taken back."""
    return render(request, "operations/_site_settings.html", _context(request))
