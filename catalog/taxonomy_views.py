"""Pages of taxonomies: their list, the tree of one, a label's panel, search, export and import."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from catalog import taxonomy_tree
from catalog.models import Label, Taxonomy
from catalog.taxonomy_exports import export_taxonomy
from catalog.taxonomy_files import FORMATS
from catalog.taxonomy_import_jobs import ImportWanted, request_import
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import InvalidInputError

LARGEST_UPLOAD = 48 * 1024 * 1024


@staff_page
@require_GET
def taxonomy_list(request: HttpRequest) -> HttpResponse:
    return render(request, "catalog/taxonomies.html", {"taxonomies": list(Taxonomy.objects.with_figures())})


@staff_page
@require_GET
def taxonomy(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Taxonomy.objects.with_figures(), slug=slug)
    chosen = _chosen(request, found)
    open_ids = [label.pk for label in taxonomy_tree.ancestors(chosen)] if chosen else []
    context = {
        "taxonomy": found,
        "branch": taxonomy_tree.branch(
            found,
            open_ids=[*open_ids, chosen.pk] if chosen else (),
            chosen_id=chosen.pk if chosen else None,
        ),
        "panel": taxonomy_tree.panel(chosen) if chosen else None,
        "running": taxonomy_tree.jobs_of(found),
        "pending": taxonomy_tree.waiting_for_labels(found),
    }
    return render(request, "catalog/taxonomy.html", context)


def _chosen(request: HttpRequest, taxonomy: Taxonomy) -> Label | None:
    value = request.GET.get("label", "")
    if not value.isdecimal() or len(value) > 17:
        return None
    labels = Label.objects.filter(taxonomy=taxonomy, pk=int(value))
    return labels.select_related("parent", "taxonomy", "merged_into").with_every_name().first()


@staff_page
@require_GET
def taxonomy_branch(request: HttpRequest, pk: int) -> HttpResponse:
    """The labels below one label, for a tree that is opened as somebody goes through it."""
    found = get_object_or_404(Taxonomy, pk=pk)
    parent_id, offset = request.GET.get("parent", ""), request.GET.get("offset", "0")
    parent = get_object_or_404(Label, pk=int(parent_id), taxonomy=found) if parent_id.isdecimal() else None
    start = int(offset) if offset.isdecimal() and len(offset) < 9 else 0
    context = {"taxonomy": found, "branch": taxonomy_tree.branch(found, parent, offset=start)}
    return render(request, "catalog/_branch.html", context)


@staff_page
@require_GET
def taxonomy_search(request: HttpRequest, pk: int) -> HttpResponse:
    """Labels that what was typed may mean, best first. `only=assignable`: such as items can get."""
    found = get_object_or_404(Taxonomy, pk=pk)
    q = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    labels = taxonomy_tree.search(found, q, only_assignable=request.GET.get("only") == "assignable")
    return render(request, "catalog/_label_choices.html", {"taxonomy": found, "labels": labels, "q": q})


@staff_page
@require_GET
def label_panel(request: HttpRequest, pk: int) -> HttpResponse:
    labels = Label.objects.select_related("parent", "taxonomy", "merged_into").with_every_name()
    found = get_object_or_404(labels, pk=pk)
    return render(request, "catalog/_label_panel.html", {"panel": taxonomy_tree.panel(found)})


@staff_page
@require_GET
def taxonomy_export(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Taxonomy, pk=pk)
    name = f'attachment; filename="{found.slug}.csv"'
    lines = "".join(export_taxonomy(found.slug))
    return HttpResponse(lines, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})


@staff_page
@needs("catalog.change_taxonomy")
@require_http_methods(["GET", "POST"])
def taxonomy_import(request: HttpRequest) -> HttpResponse:
    """The dialog for a file; once the file could be read, a job imports it."""
    wanted = ImportWanted(
        taxonomy=request.POST.get("taxonomy", ""),
        name=request.POST.get("name", "").strip(),
        language=request.POST.get("language", "").strip(),
        choice=request.POST.get("choice", ""),
        format=request.POST.get("format", ""),
    )
    error = ""
    if request.method == "POST":
        try:
            job = _import_upload(request, wanted)
        except InvalidInputError as refused:
            error = refused.message
        else:
            address = reverse("job", args=[job])
            messages.success(request, gettext("The file was read; its labels are being imported."))
            return HttpResponse(status=204, headers={"HX-Redirect": address})
    context = {
        "wanted": wanted,
        "error": error,
        "taxonomies": list(Taxonomy.objects.order_by("position", "id")),
        "formats": [(name, one.TITLE) for name, one in FORMATS.items()],
        "choices": Taxonomy.Choice.choices,
    }
    page = "catalog/_taxonomy_import.html"
    return render(request, page, context)


def _import_upload(request: HttpRequest, wanted: ImportWanted) -> int:
    upload = request.FILES.get("file")
    if not isinstance(upload, UploadedFile):
        raise InvalidInputError(gettext("Choose a file."))
    if (upload.size or 0) > LARGEST_UPLOAD:
        raise InvalidInputError(gettext("The file is larger than 48 MB; import it with manage.py import_taxonomy."))
    name = Path(upload.name or "file").name[:120]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{Path(name).suffix[:10]}"
        with path.open("wb") as file:
            for chunk in upload.chunks():
                file.write(chunk)
        return request_import(path, shown_name=name, wanted=wanted, staff=staff_of(request)).pk
