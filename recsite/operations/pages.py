"""Pages of a list without counting it all, and the small answers that htmx understands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import EmptyPage, Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict


@dataclass(frozen=True)
class Undo:
    """The request that takes an action back, and the part of the page that its answer replaces."""

    url: str
    target: str
    values: Mapping[str, str]


def page_of(rows: QuerySet[Any] | Sequence[Any], number: str | None, *, per_page: int) -> Page[Any]:
    """The page asked for; nonsense gives the first, and a page past the end gives the last."""
    paginator = Paginator(rows, per_page)
    try:
        wanted = max(1, int(number or 1))
    except ValueError:
        wanted = 1
    try:
        return paginator.page(wanted)
    except EmptyPage:
        return paginator.page(paginator.num_pages)


def positive(values: QueryDict, name: str, *, default: int, most: int) -> int:
    """A whole number from the address, kept within 1..most; nonsense gives the default."""
    try:
        return min(most, max(1, int(values.get(name, default))))
    except ValueError:
        return default


def wants_fragment(request: HttpRequest) -> bool:
    """True where htmx asks for a part of the page; going back in history needs the whole of it."""
    headers = request.headers
    return bool(headers.get("HX-Request")) and not headers.get("HX-History-Restore-Request")


def toast(
    response: HttpResponse,
    message: str,
    *,
    kind: str = "success",
    undo: Undo | None = None,
    events: Mapping[str, object] | None = None,
) -> HttpResponse:
    """Have the page say `message` in a toast, offer to undo, and fire further events on its body."""
    said: dict[str, object] = {"message": message, "kind": kind}
    if undo is not None:
        said["undo"] = {"url": undo.url, "target": undo.target, "values": dict(undo.values)}
    response["HX-Trigger"] = json.dumps({"toast": said, **(events or {})})
    return response
