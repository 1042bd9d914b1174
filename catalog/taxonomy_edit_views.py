"""Dialogs in which a taxonomy is edited: each shows what it would change before it is confirmed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from catalog import taxonomy_edits, taxonomy_merges
from catalog.models import Label, Taxonomy
from catalog.taxonomy_edits import Edited
from catalog.taxonomy_previews import EditPreview
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import RecsiteError


@dataclass(frozen=True)
class Act:
    """One kind of edit: what its dialog and button are called, its preview, and the service that does it."""

    title: str | Promise
    button: str | Promise
    told: str | Promise
    preview: Callable[[Label, QueryDict], EditPreview | None]
    apply: Callable[[Label, QueryDict, User], Edited]


def _key(values: QueryDict, name: str) -> int | None:
    written = values.get(name, "")
    return int(written) if written.isdecimal() and len(written) < 18 else None


def _keys(values: QueryDict, name: str) -> list[int]:
    return [int(written) for written in values.getlist(name) if written.isdecimal() and len(written) < 18]


def _text(values: QueryDict, name: str) -> str:
    return values.get(name, "").replace("\x00", "")


def _parts(values: QueryDict) -> dict[str, str]:
    """One label a line, and what belongs to it after the first colon."""
    lines = [line for line in _text(values, "parts").splitlines() if line.strip()]
    pairs = [line.partition(":") for line in lines]
    return {name.strip(): about.strip() for name, _, about in pairs}


def _merge(label: Label, values: QueryDict) -> tuple[list[int], int]:
    """The labels that go, and the one that stays: this one, or the one that was chosen."""
    chosen = _keys(values, "chosen")
    if values.get("stays") == "chosen" and chosen:
        return [label.pk, *chosen[1:]], chosen[0]
    return chosen, label.pk


def _merge_apply(label: Label, values: QueryDict, staff: User) -> Edited:
    sources, target = _merge(label, values)
    expected = dict(zip(_keys(values, "chosen"), values.getlist("chosen_path"), strict=False))
    expected[label.pk] = _text(values, "expected_path")
    return taxonomy_merges.merge_labels(sources, target, expected_paths=expected, staff=staff)


def _names(values: QueryDict) -> Mapping[str, str]:
    return {name.removeprefix("name:"): _text(values, name) for name in values if name.startswith("name:")}


ACTS: dict[str, Act] = {
    "add": Act(
        gettext_lazy("Add a label below “%(label)s”"),
        gettext_lazy("Add"),
        gettext_lazy("%(label)s was added."),
        lambda label, values: taxonomy_edits.preview_add_label(
            label.taxonomy_id, _text(values, "name"), parent_id=label.pk
        ),
        lambda label, values, staff: taxonomy_edits.add_label(
            label.taxonomy_id,
            _text(values, "name"),
            staff=staff,
            parent_id=label.pk,
            description=_text(values, "description"),
            icon=_text(values, "icon"),
            expected_path=_text(values, "expected_path"),
        ),
    ),
    "rename": Act(
        gettext_lazy("Rename “%(label)s”"),
        gettext_lazy("Rename"),
        gettext_lazy("It is called %(label)s now."),
        lambda label, values: taxonomy_edits.preview_rename_label(label.pk, _text(values, "name")),
        lambda label, values, staff: taxonomy_edits.rename_label(
            label.pk, _text(values, "name"), expected_path=_text(values, "expected_path"), staff=staff
        ),
    ),
    "move": Act(
        gettext_lazy("Move “%(label)s”"),
        gettext_lazy("Move"),
        gettext_lazy("%(label)s has its new place."),
        lambda label, values: taxonomy_edits.preview_move_label(label.pk, _key(values, "chosen")),
        lambda label, values, staff: taxonomy_edits.move_label(
            label.pk, _key(values, "chosen"), expected_path=_text(values, "expected_path"), staff=staff
        ),
    ),
    "describe": Act(
        gettext_lazy("Describe “%(label)s”"),
        gettext_lazy("Save"),
        gettext_lazy("%(label)s is described anew."),
        lambda label, values: taxonomy_edits.preview_describe_label(label.pk),
        lambda label, values, staff: taxonomy_edits.describe_label(
            label.pk,
            _text(values, "description"),
            expected_path=_text(values, "expected_path"),
            expected_description=_text(values, "expected_description"),
            staff=staff,
            icon=_text(values, "icon"),
        ),
    ),
    "names": Act(
        gettext_lazy("“%(label)s” in other languages"),
        gettext_lazy("Save"),
        gettext_lazy("The names of %(label)s are saved."),
        lambda label, values: None,
        lambda label, values, staff: taxonomy_edits.name_label(
            label.pk, _names(values), expected_path=_text(values, "expected_path"), staff=staff
        ),
    ),
    "merge": Act(
        gettext_lazy("Merge with “%(label)s”"),
        gettext_lazy("Merge"),
        gettext_lazy("They are one now: %(label)s."),
        lambda label, values: taxonomy_merges.preview_merge_labels(*_merge(label, values)),
        _merge_apply,
    ),
    "split": Act(
        gettext_lazy("Split “%(label)s”"),
        gettext_lazy("Split"),
        gettext_lazy("%(label)s is split."),
        lambda label, values: taxonomy_merges.preview_split_label(
            label.pk, list(_parts(values)), is_beside=values.get("place") == "beside"
        ),
        lambda label, values, staff: taxonomy_merges.split_label(
            label.pk,
            _parts(values),
            expected_path=_text(values, "expected_path"),
            staff=staff,
            is_beside=values.get("place") == "beside",
        ),
    ),
    "deprecate": Act(
        gettext_lazy("Deprecate “%(label)s”"),
        gettext_lazy("Deprecate"),
        gettext_lazy("%(label)s is suggested no more."),
        lambda label, values: taxonomy_edits.preview_deprecate_label(label.pk),
        lambda label, values, staff: taxonomy_edits.deprecate_label(
            label.pk, expected_path=_text(values, "expected_path"), staff=staff
        ),
    ),
    "restore": Act(
        gettext_lazy("Restore “%(label)s”"),
        gettext_lazy("Restore"),
        gettext_lazy("%(label)s is in use again."),
        lambda label, values: taxonomy_merges.preview_restore_label(label.pk),
        lambda label, values, staff: taxonomy_merges.restore_label(
            label.pk, expected_path=_text(values, "expected_path"), staff=staff
        ),
    ),
}


def _label(pk: int) -> Label:
    return get_object_or_404(Label.objects.select_related("taxonomy", "parent").with_every_name(), pk=pk)


def _act(name: str) -> Act:
    if name not in ACTS:
        raise Http404(f"There is no edit {name!r}.")
    return ACTS[name]


@staff_page
@needs("catalog.change_label")
@require_http_methods(["GET", "POST"])
def label_edit(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """The dialog of one edit; confirmed, it leads back to the label. Where it is refused, what was typed stays."""
    label, chosen = _label(pk), _act(act)
    error = ""
    if request.method == "POST":
        try:
            edited = chosen.apply(label, request.POST, staff_of(request))
        except RecsiteError as refused:
            error = refused.message
        else:
            return done(request, Label.objects.select_related("taxonomy").get(pk=edited.label_id), chosen.told, edited)
    values = request.POST
    context = {
        "label": label,
        "taxonomy": label.taxonomy,
        "act": act,
        "title": str(chosen.title) % {"label": label.shown_name()},
        "button": chosen.button,
        "error": error,
        "is_first": request.method == "GET",
        "typed": values,
        "chosen": list(Label.objects.filter(pk__in=_keys(values, "chosen"), taxonomy=label.taxonomy)),
        "languages": _languages(label, values),
        "address": reverse("label-edit", args=[pk, act]),
        "preview_address": reverse("label-preview", args=[pk, act]),
        "has_preview": act != "names",
    }
    return render(request, "catalog/_label_edit.html", context)


def _languages(label: Label, values: QueryDict) -> list[tuple[str, str, str]]:
    """(code, what the language is called, the name there), those of the site and those that the label has."""
    spelled = {name.language: name.name for name in label.names.all()}
    offered = {code: str(name) for code, name in settings.LANGUAGES}
    return [
        (code, offered.get(code, code), values.get(f"name:{code}", spelled.get(code, "")))
        for code in dict.fromkeys([*offered, *spelled])
    ]


@staff_page
@needs("catalog.change_label")
@require_POST
def label_preview(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """What the edit would change as the form stands now, or why it cannot be done."""
    label, chosen = _label(pk), _act(act)
    preview, error = None, ""
    try:
        preview = chosen.preview(label, request.POST)
    except RecsiteError as refused:
        error = refused.message
    context = {"preview": preview, "error": error, "act": act, "impact": _impact_query(label, act, request.POST)}
    return render(request, "catalog/_edit_preview.html", context)


def _impact_query(label: Label, act: str, values: QueryDict) -> str:
    """How the part that tells what becomes of users' lists is asked; '' for edits that say so themselves."""
    if act == "merge":
        going, into = _merge(label, values)
        return urlencode({"edit": act, "label": going, "into": into}, doseq=True)
    if act == "move":
        return urlencode({"edit": act, "label": label.pk, "into": _key(values, "chosen") or ""})
    return urlencode({"edit": act, "label": label.pk}) if act in ("split", "deprecate") else ""


@staff_page
@needs("catalog.add_label")
@require_http_methods(["GET", "POST"])
def label_add(request: HttpRequest, pk: int) -> HttpResponse:
    """A label at the root of a taxonomy."""
    taxonomy = get_object_or_404(Taxonomy, pk=pk)
    error = ""
    if request.method == "POST":
        values = request.POST
        name, description, icon = (_text(values, field) for field in ("name", "description", "icon"))
        try:
            if request.GET.get("preview"):
                preview = taxonomy_edits.preview_add_label(pk, name)
                return render(request, "catalog/_edit_preview.html", {"preview": preview, "act": "add"})
            edited = taxonomy_edits.add_label(pk, name, staff=staff_of(request), description=description, icon=icon)
        except RecsiteError as refused:
            error = refused.message
            if request.GET.get("preview"):
                return render(request, "catalog/_edit_preview.html", {"error": error, "act": "add"})
        else:
            label = Label.objects.select_related("taxonomy").get(pk=edited.label_id)
            return done(request, label, ACTS["add"].told, edited)
    context = {
        "taxonomy": taxonomy,
        "act": "add",
        "title": gettext("Add a label to “%(taxonomy)s”") % {"taxonomy": taxonomy.name},
        "button": gettext("Add"),
        "error": error,
        "is_first": request.method == "GET",
        "typed": request.POST,
        "address": reverse("label-add", args=[pk]),
        "preview_address": reverse("label-add", args=[pk]) + "?preview=1",
        "has_preview": True,
    }
    return render(request, "catalog/_label_edit.html", context)


def done(request: HttpRequest, label: Label, told: str | Promise, edited: Edited) -> HttpResponse:
    """Say it, say what is labelled anew, and show the label where it stands now."""
    words = str(told) % {"label": label.shown_name()}
    if edited.items:
        anew = ngettext("%(n)s item is labelled anew.", "%(n)s items are labelled anew.", edited.items)
        words = f"{words} {anew % {'n': f'{edited.items:,}'}}"
    messages.success(request, words)
    address = f"{reverse('taxonomy', args=[label.taxonomy.slug])}?label={label.pk}"
    return HttpResponse(status=204, headers={"HX-Redirect": address})
