"""The dialogs that create a taxonomy and change its settings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods

from catalog.models import Taxonomy
from catalog.taxonomy_settings import (
    DEFAULT_QUESTION,
    Settings,
    change_taxonomy,
    create_taxonomy,
    preview_settings,
    settings_of,
)
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import InvalidInputError, RecsiteError


@staff_page
@needs("catalog.add_taxonomy")
@require_http_methods(["GET", "POST"])
def taxonomy_new(request: HttpRequest) -> HttpResponse:
    error = ""
    wanted = Settings(name="")
    if request.method == "POST":
        try:
            wanted = _settings(request.POST)
            created = create_taxonomy(wanted, staff=staff_of(request), slug=request.POST.get("slug", ""))
        except RecsiteError as refused:
            error = refused.message
        else:
            messages.success(request, gettext("%(name)s is there; add its labels.") % {"name": created.name})
            return HttpResponse(status=204, headers={"HX-Redirect": reverse("taxonomy", args=[created.slug])})
    return render(request, "catalog/_taxonomy_settings.html", _context(request, wanted, error))


@staff_page
@needs("catalog.change_taxonomy")
@require_http_methods(["GET", "POST"])
def taxonomy_settings(request: HttpRequest, pk: int) -> HttpResponse:
    """`preview=1` tells what the form as it stands would change."""
    taxonomy = get_object_or_404(Taxonomy, pk=pk)
    error = ""
    wanted = settings_of(taxonomy)
    is_preview = bool(request.GET.get("preview"))
    if request.method == "POST":
        try:
            wanted = _settings(request.POST)
            if is_preview:
                preview = preview_settings(taxonomy, wanted)
                return render(request, "catalog/_settings_preview.html", {"preview": preview})
            changed = change_taxonomy(
                pk, wanted, expected=_settings(request.POST, prefix="expected_"), staff=staff_of(request)
            )
        except RecsiteError as refused:
            error = refused.message
            if is_preview:
                return render(request, "catalog/_settings_preview.html", {"error": error})
        else:
            words = gettext("Saved.")
            if changed.items:
                anew = ngettext("%(n)s item is labelled anew.", "%(n)s items are labelled anew.", changed.items)
                words = f"{words} {anew % {'n': f'{changed.items:,}'}}"
            messages.success(request, words)
            return HttpResponse(status=204, headers={"HX-Redirect": reverse("taxonomy", args=[taxonomy.slug])})
    return render(request, "catalog/_taxonomy_settings.html", _context(request, wanted, error, taxonomy))


def _context(request: HttpRequest, wanted: Settings, error: str, taxonomy: Taxonomy | None = None) -> dict[str, object]:
    seen = None
    if taxonomy is not None:
        # What the editor saw at first, not what is there now: else a second try would overwrite without a word.
        seen = _settings(request.POST, prefix="expected_") if request.method == "POST" else settings_of(taxonomy)
    return {
        "taxonomy": taxonomy,
        "wanted": wanted,
        "seen": seen,
        "error": error,
        "slug": request.POST.get("slug", ""),
        "choices": Taxonomy.Choice.choices,
        "default_question": DEFAULT_QUESTION,
    }


def _settings(values: QueryDict, *, prefix: str = "") -> Settings:
    def text(name: str) -> str:
        return values.get(f"{prefix}{name}", "").replace("\x00", "").replace("\r\n", "\n")

    written = text("abstain_below").strip().replace(",", ".").rstrip("%").strip()
    try:
        share = float(written) / 100
    except ValueError:
        raise InvalidInputError(
            gettext("“%(written)s” is no number; write a percentage such as 20.") % {"written": written}
        ) from None
    return Settings(
        name=text("name"),
        description=text("description"),
        question=text("question"),
        choice=text("choice"),
        is_active=text("is_active") == "on",
        abstain_below=round(share, 6),
    )
