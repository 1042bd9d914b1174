"""Saved views: a page's filters under a name, one's own or shared with the rest of the staff."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext

from recsite.operations.access import staff_of
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import SavedView

log = structlog.get_logger(__name__)

LONGEST_NAME = 100
LONGEST_QUERY = 2000
# Where in a list somebody was is no part of a view.
PLACES = frozenset({"page", "after"})


def context(request: HttpRequest, page: str) -> dict[str, object]:
    """What `pieces/_saved_views.html` shows on this page, by one query. page: its name in urls.py."""
    views = list(SavedView.objects.of_page(page, staff_of(request).pk).select_related("owner"))
    present = canonical(request.GET.urlencode())
    return {
        "saved_views": views,
        "saved_views_page": page,
        "saved_views_query": present,
        "saved_view": next((view for view in views if view.query == present), None) if present else None,
    }


def canonical(query: str) -> str:
    """The filters of an address, always in the same order, without empty ones and without the place in the list."""
    pairs = [(name, value) for name, value in parse_qsl(query) if name not in PLACES]
    return urlencode(sorted(pairs))


@transaction.atomic
def save(page: str, name: str, query: str, *, is_shared: bool, staff: User) -> SavedView:
    """A new one, or the same name's filters anew. Raises InvalidInputError."""
    called = _name(name)
    filters = canonical(query)
    if len(filters) > LONGEST_QUERY or len(page) > 60:
        raise InvalidInputError(gettext("These are too many filters to keep; take some away."))
    view, _ = SavedView.objects.update_or_create(
        page=page, owner=staff, name=called, defaults={"query": filters, "is_shared": is_shared}
    )
    log.info("view_saved", view=view.pk, page=page, staff=staff.pk)
    return view


@transaction.atomic
def change(view_id: int, *, name: str, is_shared: bool, staff: User) -> SavedView:
    """Raises NotFoundError where it is not theirs, ConflictError where another of theirs is called so."""
    view, called = own(view_id, staff), _name(name)
    same = SavedView.objects.filter(page=view.page, owner=staff, name=called).exclude(pk=view.pk)
    if same.exists():
        raise ConflictError(gettext("You have a view “%(name)s” here already; choose another name.") % {"name": called})
    view.name, view.is_shared = called, is_shared
    view.save(update_fields=["name", "is_shared"])
    return view


@transaction.atomic
def delete(view_id: int, *, staff: User) -> SavedView:
    """Returns what it was, so that it can be saved again."""
    view = own(view_id, staff)
    view.delete()
    log.info("view_deleted", view=view_id, staff=staff.pk)
    return view


def own(view_id: int, staff: User) -> SavedView:
    view = SavedView.objects.filter(pk=view_id, owner=staff).first()
    if view is None:
        raise NotFoundError(gettext("You have no such view; it may be somebody else's, or deleted already."))
    return view


def _name(name: str) -> str:
    called = " ".join(name.replace("\x00", "").split())
    if not called or len(called) > LONGEST_NAME:
        raise InvalidInputError(gettext("A view needs a name of at most 100 characters."))
    return called
