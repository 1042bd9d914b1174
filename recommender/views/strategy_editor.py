"""The editor of a draft: its form, what differs from the live version, and the preview of users' lists."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from recommender import strategy_versions
from recommender.models import Strategy
from recommender.strategies import live_strategy, recipe_from
from recommender.strategy_form import RecipeForm, form_from, form_of
from recommender.strategy_overview import readable_recipe, running_experiments
from recommender.strategy_preview import SAMPLE_USERS, preview
from recommender.strategy_versions import digest_of
from recommender.strategy_words import Change, changes
from recommender.views.strategies import go, key_of, version_of
from recsite.operations.access import needs, staff_of, staff_page
from recsite.operations.errors import ConflictError, NotFoundError, RecsiteError
from recsite.operations.pages import toast, wants_fragment


@staff_page
@needs("recommender.change_strategy")
@require_http_methods(["GET", "POST"])
def strategy_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """GET opens the form; POST saves it, publishes it, or makes a new draft of what was typed (`act`)."""
    if request.method == "POST":
        return _save(request, pk)
    draft = version_of(pk)
    if not draft.is_draft:
        return redirect(f"{reverse('strategy', args=[draft.name])}?version={draft.pk}")
    recipe, problem = readable_recipe(draft)
    context = _context(draft, form_of(recipe), draft.note, error=problem)
    return render(request, "recommender/strategy_edit.html", context)


@staff_page
@needs("recommender.change_strategy")
@require_POST
def strategy_changes(request: HttpRequest, pk: int) -> HttpResponse:
    """What the form as it stands does otherwise than the live version."""
    form = form_from(_typed(request))
    return render(request, "recommender/_strategy_changes.html", _changes_context(form, live_strategy()))


@staff_page
@needs("recommender.change_strategy")
@require_POST
def strategy_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """Users' lists by the live version and by the form as it stands, from `start` on in the sample."""
    draft, live = version_of(pk), live_strategy()
    form = form_from(_typed(request))
    context: dict[str, object] = {"draft": draft, "live": live, "form": form, "sample": SAMPLE_USERS}
    if form.values is not None:
        draft.recipe = form.values  # of this object only: nothing is stored
        context["preview"] = preview(live, draft, start=min(key_of(request.POST, "start") or 0, SAMPLE_USERS))
    return render(request, "recommender/_strategy_preview.html", context)


def _save(request: HttpRequest, pk: int) -> HttpResponse:
    form, note = form_from(_typed(request)), request.POST.get("note", "")
    act, staff = request.POST.get("act", "save"), staff_of(request)
    expected, name = request.POST.get("expected", ""), request.POST.get("name", "")
    if form.values is None:
        return _answer(request, pk, form, note)
    try:
        if act == "new_draft":
            base = Strategy.objects.filter(pk=pk).first() or live_strategy()
            made = strategy_versions.create_draft(base.pk, staff=staff, name=name, recipe=form.values, note=note)
            return go(request, reverse("strategy-edit", args=[made.pk]))
        if act in ("publish", "publish_live"):
            instead_of = key_of(request.POST, "instead_of") or 0 if act == "publish_live" else None
            published = strategy_versions.publish_edited(
                pk, form.values, note=note, expected=expected, staff=staff, instead_of=instead_of
            )
            said = gettext("%(strategy)s is live.") if published.is_live else gettext("%(strategy)s is published.")
            messages.success(request, said % {"strategy": published})
            return go(request, f"{reverse('strategy', args=[published.name])}?version={published.pk}")
        draft = strategy_versions.edit_draft(pk, form.values, note=note, expected=expected, staff=staff)
    except (ConflictError, NotFoundError) as conflict:
        return _answer(request, pk, form, note, error=conflict.message)
    except RecsiteError as refused:
        return _answer(request, pk, form, note, error=refused.message, expected=expected)
    if not wants_fragment(request):
        return redirect("strategy-edit", pk=pk)
    context = _context(draft, form, draft.note)
    return toast(render(request, "recommender/_strategy_editor.html", context), gettext("Saved."))


def _answer(
    request: HttpRequest, pk: int, form: RecipeForm, note: str, *, error: str = "", expected: str = ""
) -> HttpResponse:
    """The form as it was typed, with what is wrong. After a conflict, once it was said, saving again may overwrite."""
    stored = Strategy.objects.select_related("created_by").filter(pk=pk).first()
    is_gone = stored is None or not stored.is_draft
    draft = stored or Strategy(pk=pk, name=request.POST.get("name") or live_strategy().name, is_draft=True)
    seen = request.POST.get("expected", "")
    is_overtaken = bool(error) and not expected and not is_gone and digest_of(draft) != seen
    theirs: list[Change] = []
    if is_overtaken and form.values is not None:
        theirs = changes(recipe_from(form.values), readable_recipe(draft)[0])
    context = _context(draft, form, note, error=error, theirs=theirs, is_gone=is_gone)
    context["their_note"] = draft.note if is_overtaken and draft.note != note else None
    if expected or not error:  # nothing was said of what others stored
        context["expected"] = seen
    is_part = wants_fragment(request)
    template = "recommender/_strategy_editor.html" if is_part else "recommender/strategy_edit.html"
    return render(request, template, context)


def _context(
    draft: Strategy,
    form: RecipeForm,
    note: str,
    *,
    error: str = "",
    theirs: list[Change] | None = None,
    is_gone: bool = False,
) -> dict[str, object]:
    live = live_strategy()
    return {
        "draft": draft,
        "form": form,
        "note": note,
        "error": error,
        "theirs": theirs or [],
        "their_note": None,
        "is_gone": is_gone,
        "expected": digest_of(draft),
        "sample": SAMPLE_USERS,
        "running": running_experiments(),
        **_changes_context(form, live),
    }


def _changes_context(form: RecipeForm, live: Strategy) -> dict[str, object]:
    """No list of changes where something that was typed cannot be read."""
    found = None if form.values is None else changes(readable_recipe(live)[0], recipe_from(form.values))
    return {"live": live, "changes": found, "wrong": form.wrong}


def _typed(request: HttpRequest) -> dict[str, str]:
    return {key: str(value) for key, value in request.POST.items()}
