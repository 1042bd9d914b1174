"""How a member of staff wants the console: time zone, language, theme, single keys; and when they were here last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.translation import gettext

from recsite.operations import site_settings, time_zones
from recsite.operations.errors import InvalidInputError
from recsite.operations.models import StaffPreferences

ZONE_COOKIE = "zone"
SEEN_EVERY = timedelta(minutes=5)
NOT_CONSOLE = ("/api/", "/health/", "/static/")


def of(staff: User) -> StaffPreferences:
    """Theirs, or unsaved ones that say nothing. Costs no query for whoever is signed in."""
    try:
        return staff.preferences
    except StaffPreferences.DoesNotExist:
        return StaffPreferences(staff=staff)


def change(staff: User, **wanted: object) -> StaffPreferences:
    """time_zone, language, theme: '' for none; single_keys: True, False or None. Raises InvalidInputError."""
    zone, language, theme = (wanted.get(name) for name in ("time_zone", "language", "theme"))
    if zone and zone not in time_zones.names():
        raise InvalidInputError(
            gettext("There is no time zone “%(zone)s”; write one such as Europe/Berlin.") % {"zone": zone}
        )
    if language and language not in dict(settings.LANGUAGES):
        raise InvalidInputError(gettext("The console does not speak “%(language)s”.") % {"language": language})
    if theme and theme not in StaffPreferences.Theme.values:
        raise InvalidInputError(gettext("Choose light, dark, or as the system."))
    row, _ = StaffPreferences.objects.update_or_create(staff=staff, defaults=wanted)
    return row


def zone_of(request: HttpRequest) -> str:
    """Their own, else the browser's, else the site's."""
    chosen = of(request.user).time_zone  # type: ignore[arg-type]
    if chosen:
        return chosen
    said = request.COOKIES.get(ZONE_COOKIE, "")
    if said in time_zones.names():
        return said
    return str(site_settings.value("console_time_zone"))


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Times in the staff member's zone, words in their language. After the one that signs in."""

    def answered(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(NOT_CONSOLE) or not (request.user.is_authenticated and request.user.is_staff):
            return get_response(request)
        own = of(request.user)
        if own.language and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
            translation.activate(own.language)
            request.LANGUAGE_CODE = own.language
        _note_seen(own)
        with timezone.override(zone_of(request)):
            return get_response(request)

    return answered


def _note_seen(own: StaffPreferences) -> None:
    now = timezone.now()
    if own.last_seen_at is None or now - own.last_seen_at > SEEN_EVERY:
        StaffPreferences.objects.bulk_create(
            [StaffPreferences(staff_id=own.staff_id, last_seen_at=now)],
            update_conflicts=True,
            unique_fields=["staff"],
            update_fields=["last_seen_at"],
        )
