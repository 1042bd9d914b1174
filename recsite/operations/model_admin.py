"""What the admin pages of all apps share: read-only pages, lists that stay fast on large tables, chips and meters."""

from __future__ import annotations

import json
import zlib
from datetime import datetime, timedelta
from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.paginator import Paginator
from django.db import connections, models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.admin import ModelAdmin

from recsite.operations.templatetags.console import day

COUNTED_EXACTLY = 100_000


class EstimatedPaginator(Paginator):
    """Counts small lists exactly; a large one by PostgreSQL's own estimate, or up to a bound where it is filtered."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        bounded: int = rows.order_by()[: COUNTED_EXACTLY + 1].count()
        if bounded <= COUNTED_EXACTLY or rows.query.where:
            return bounded
        with connections[rows.db].cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [rows.model._meta.db_table]
            )
            (estimate,) = cursor.fetchone()
        return max(bounded, int(estimate))


class PageAdmin(ModelAdmin):
    """Lists of the admin: bounded pages, no count of the whole table, filters in a sheet."""

    paginator: type[Paginator[Any]] = EstimatedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 200
    list_filter_submit = True
    warn_unsaved_form = True

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The head says how many were found, and offers all of them, only where something narrows the list."""
        found = super().get_changelist_instance(request)
        if not found.query and not found.has_active_filters:
            found.full_result_count = found.result_count
        return found


class ReadOnlyAdmin(PageAdmin):
    """Rows that are written elsewhere, or never again."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


def chip(text: object, kind: str = "") -> SafeString:
    """kind: good, bad, warn, quiet, suggested, rejected, or '' for an outline."""
    return format_html('<span class="rs-chip{}"><span>{}</span></span>', f" is-{kind}" if kind else "", text)


def meter(share: float) -> SafeString:
    return format_html(
        '<span class="rs-meter"><i style="--share:{}%" aria-hidden="true"></i>{}</span>',
        round(100 * share),
        f"{share:.2f}",
    )


def number(text: object) -> SafeString:
    return format_html('<span class="rs-number">{}</span>', text)


def when(moment: datetime | None) -> SafeString:
    """How long ago, with the exact time on hover."""
    if moment is None:
        return format_html('<span class="rs-sub">{}</span>', gettext("never"))
    exact = timezone.localtime(moment)
    return format_html(
        '<time class="rs-when" datetime="{}" title="{}">{}</time>',
        exact.isoformat(),
        f"{exact:%Y-%m-%d %H:%M:%S %Z}",
        naturaltime(moment) if timezone.now() - moment < timedelta(days=1) else day(moment),
    )


def link(address: str, text: object) -> SafeString:
    return format_html('<a class="rs-link" href="{}">{}</a>', address, text)


def titled(title: str, subtitle: str = "", *, image_url: str = "") -> SafeString:
    """A picture, or two letters on a quiet colour, beside a title and a line under it."""
    if image_url:
        picture = format_html('<img src="{}" alt="" loading="lazy" referrerpolicy="no-referrer">', image_url)
    else:
        letters = "".join([word[0] for word in title.split() if word[0].isalnum()][:2]).upper() or "–"
        picture = format_html(
            '<b style="--hue:{}" aria-hidden="true">{}</b>', zlib.crc32(title.encode()) % 360, letters
        )
    return format_html(
        '<span class="rs-item">{}<span><span class="rs-title" title="{}">{}</span>'
        '<span class="rs-sub">{}</span></span></span>',
        picture,
        title,
        title,
        subtitle,
    )


def chips(entries: list[SafeString]) -> SafeString:
    return format_html('<span class="rs-chips">{}</span>', format_html_join("", "{}", ((entry,) for entry in entries)))


def readable_json(value: object) -> SafeString:
    return format_html('<pre class="rs-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True))
