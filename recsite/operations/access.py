"""Who may open the console: signed-in members of staff. Nobody else learns that a page exists."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url

from recsite.operations.errors import InvalidInputError, NotFoundError

View = Callable[..., HttpResponseBase]


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
