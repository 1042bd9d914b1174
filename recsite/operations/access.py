"""Who may open the console and what they may do there: signed-in members of staff, by the permissions of their roles.

Nobody else learns that a page exists.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext

from recsite.operations import roles
from recsite.operations.errors import InvalidInputError, NotFoundError
from recsite.operations.pages import toast, wants_fragment

View = Callable[..., HttpResponseBase]
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def staff_of(request: HttpRequest) -> User:
    """Who is signed in, inside a view that `staff_page` guards."""
    return cast(User, request.user)


def staff_page(view: View) -> View:
    """Anonymous visitors are sent to sign in (a fragment sends the whole page there); others get 403.

    What the view cannot find, or make sense of, is not found.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            if request.headers.get("HX-Request"):
                return HttpResponse(status=204, headers={"HX-Redirect": resolve_url("login")})
            return redirect_to_login(request.get_full_path())
        if not request.user.is_staff:
            raise PermissionDenied("Your account is not a member of staff; ask an administrator to make it one.")
        if any("\x00" in str(value) for value in kwargs.values()):
            raise Http404("PostgreSQL keeps no NUL, so nothing has an id with one.")
        try:
            return view(request, *args, **kwargs)
        except (NotFoundError, InvalidInputError) as error:
            raise Http404(error.message) from error

    return guarded


def needs(permission: str) -> Callable[[View], View]:
    """Below `staff_page`: only those with the permission may open this or do it; others are told who can give it."""
    return _guarding(permission, only_acts=False)


def needs_to_act(permission: str) -> Callable[[View], View]:
    """Below `staff_page`: every member of staff may look; what changes something needs the permission."""
    return _guarding(permission, only_acts=True)


def _guarding(permission: str, *, only_acts: bool) -> Callable[[View], View]:
    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if only_acts and request.method in READING:
                return view(request, *args, **kwargs)
            if staff_of(request).has_perm(permission):
                return view(request, *args, **kwargs)
            return _refused(request, permission)

        return guarded

    return guard


def _refused(request: HttpRequest, permission: str) -> HttpResponse:
    """403: to a whole page a page, to a part a toast. Both name the role that would do, and who gives it."""
    role = roles.lowest_with(permission)
    admins = roles.admins()
    if wants_fragment(request):
        return toast(HttpResponse(status=403), words_for(permission), kind="danger")
    context = {"role": roles.NAMES.get(role, ""), "own": roles.NAMES.get(roles.role_of(staff_of(request)), "")}
    return render(request, "operations/no_permission.html", {**context, "admins": admins}, status=403)


def words_for(permission: str) -> str:
    """Why somebody may not, in a sentence."""
    role = roles.lowest_with(permission)
    if not role:
        return gettext("Only a superuser may do this.")
    return gettext("This needs the role “%(role)s”; an admin gives it under Settings, Staff.") % {
        "role": roles.NAMES[role]
    }
