"""Who may open the console: signed-in members of staff. Nobody else learns that a page exists."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url

View = Callable[..., HttpResponse]


def staff_of(request: HttpRequest) -> User:
    """Who is signed in, inside a view that `staff_page` guards."""
    return cast(User, request.user)


def staff_page(view: View) -> View:
    """Anonymous visitors are sent to sign in (a fragment sends the whole page there); others get 403."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            if request.headers.get("HX-Request"):
                return HttpResponse(status=204, headers={"HX-Redirect": resolve_url("login")})
            return redirect_to_login(request.get_full_path())
        if not request.user.is_staff:
            raise PermissionDenied("Your account is not a member of staff; ask an administrator to make it one.")
        return view(request, *args, **kwargs)

    return guarded
