"""The page of staff: who they are, what they may do, when they were here; add one, change a role, let one go."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from recsite.operations import preferences, roles, staff_accounts
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import Undo, page_of, toast, wants_fragment

PER_PAGE = 50


@staff_page
@needs("auth.view_user")
@require_GET
def staff_list(request: HttpRequest) -> HttpResponse:
    template = "operations/_staff.html" if wants_fragment(request) else "operations/staff.html"
    return render(request, template, _context(request))


def _rows() -> QuerySet[User]:
    rows = User.objects.filter(is_staff=True).select_related("preferences").prefetch_related("groups")
    return rows.order_by("-is_active", "username", "pk")


def _context(request: HttpRequest, **more: object) -> dict[str, object]:
    q = request.GET.get("q", "").replace("\x00", "").strip()[:150]
    rows = _rows().filter(Q(username__icontains=q) | Q(email__icontains=q)) if q else _rows()
    page = page_of(rows, request.GET.get("page"), per_page=PER_PAGE)
    people = [
        {"account": one, "role": roles.role_of(one), "seen_at": preferences.of(one).last_seen_at or one.last_login}
        for one in page.object_list
    ]
    return {
        "tab": "staff",
        "page": page,
        "people": people,
        "q": q,
        "roles": [(role, roles.NAMES[role], roles.WORDS[role]) for role in roles.ROLES],
        "typed": request.POST,
        **more,
    }


@staff_page
@needs("auth.add_user")
@require_POST
def staff_new(request: HttpRequest) -> HttpResponse:
    """What was typed stays where it is refused, but for the password."""
    try:
        made = staff_accounts.create(
            request.POST.get("username", "").replace("\x00", ""),
            request.POST.get("password", ""),
            role=request.POST.get("role", ""),
            email=request.POST.get("email", "").replace("\x00", ""),
            staff=staff_of(request),
        )
    except RecsiteError as error:
        return render(request, "operations/staff.html", _context(request, error=error.message), status=400)
    messages.success(request, gettext("“%(name)s” may sign in now.") % {"name": made.get_username()})
    return redirect("staff")


@staff_page
@needs("auth.change_user")
@require_POST
def staff_role(request: HttpRequest, pk: int) -> HttpResponse:
    account = get_object_or_404(_rows(), pk=pk)
    before, wanted = roles.role_of(account), request.POST.get("role", "")
    try:
        staff_accounts.set_role(account, wanted, staff=staff_of(request))
    except RecsiteError as error:
        return _answer(request, error.message, kind="danger")
    name = roles.NAMES[wanted] if wanted else gettext("no role")
    message = gettext("“%(name)s”: %(role)s.") % {"name": account.get_username(), "role": name}
    undo = Undo(url=reverse("staff-role", args=[pk]), target="#staff", values={"role": before})
    return _answer(request, message, undo=undo)


@staff_page
@needs("auth.change_user")
@require_POST
def staff_active(request: HttpRequest, pk: int) -> HttpResponse:
    account = get_object_or_404(_rows(), pk=pk)
    is_active = request.POST.get("is_active") == "true"
    try:
        staff_accounts.set_active(account, is_active=is_active, staff=staff_of(request))
    except RecsiteError as error:
        return _answer(request, error.message, kind="danger")
    said = gettext("“%(name)s” may sign in again.") if is_active else gettext("“%(name)s” cannot sign in any more.")
    values = {"is_active": "false" if is_active else "true"}
    undo = Undo(url=reverse("staff-active", args=[pk]), target="#staff", values=values)
    return _answer(request, said % {"name": account.get_username()}, undo=undo)


def _answer(request: HttpRequest, message: str, *, kind: str = "success", undo: Undo | None = None) -> HttpResponse:
    if not wants_fragment(request):
        (messages.error if kind == "danger" else messages.success)(request, message)
        return redirect("staff")
    return toast(render(request, "operations/_staff.html", _context(request)), message, kind=kind, undo=undo)
