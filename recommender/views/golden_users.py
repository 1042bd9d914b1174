"""Golden users: what their lists must always satisfy, whether it does, and the form for one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from recommender import golden, golden_expectations
from recommender.models import GoldenExpectation
from recommender.rule_content import RuleContent
from recommender.rule_form import RuleForm, form_of, golden_values, scope_form
from recommender.scopes import scope_from
from recommender.slates import recommend
from recommender.views.rules import changes_rules, may_change_rules
from recommender.views.strategies import go
from recsite.operations.access import staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.models import Job
from recsite.operations.pages import Undo, toast, wants_fragment
from recsite.operations.stored_words import shown

TEXTS = ("user_external_id", "kind", "least", "n", "placement", "note")


@staff_page
@require_GET
def golden_users(request: HttpRequest) -> HttpResponse:
    template = "recommender/_golden.html" if wants_fragment(request) else "recommender/golden.html"
    return render(request, template, _context(request))


@changes_rules
@require_http_methods(["GET", "POST"])
def golden_edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form of an expectation, and what is stored of it. pk: None for a new one."""
    expectation = get_object_or_404(GoldenExpectation, pk=pk) if pk is not None else GoldenExpectation()
    if request.method == "POST":
        return _store(request, pk)
    if pk is None:
        expectation.user_external_id = request.GET.get("user", "").replace("\x00", "")[:200]
        expectation.kind = "never"
    texts = {name: str(getattr(expectation, name)) for name in TEXTS}
    form = form_of(RuleContent(scope=scope_from(expectation.scope)), "")
    return render(request, "recommender/golden_edit.html", _form_context(expectation, texts, form))


@staff_page
@require_POST
def golden_preview(request: HttpRequest) -> HttpResponse:
    """The list that this user gets now, and whether it satisfies the form as it stands. Nothing is stored."""
    context: dict[str, object] = {}
    try:
        values = golden_values(request.POST)
        expectation = golden.checked(GoldenExpectation(**values))
        found = golden.check([expectation])[0]
        placement = str(values["placement"])
        listed = recommend(expectation.user_external_id, n=expectation.n, placement=placement, record=False)
        context = {"finding": found, "list": listed, "about": {each.position for each in found.shown}}
        context["words"] = golden_expectations.words_of(expectation)
    except RecsiteError as error:
        context["error"] = error.message
    return render(request, "recommender/_golden_preview.html", context)


@changes_rules
@require_POST
def golden_act(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """on, off or delete; the toast takes it back."""
    if act not in ("on", "off", "delete"):
        raise Http404(f"There is no act {act!r}; use on, off or delete.")
    undo, kind = None, "success"
    try:
        if act == "delete":
            values = golden_expectations.delete(pk, staff=staff_of(request))
            message = gettext("The expectation is deleted.")
            undo = Undo(url=reverse("golden-restore"), target="#golden", values={"values": json.dumps(values)})
        else:
            golden_expectations.switch(pk, is_active=act == "on", staff=staff_of(request))
            message = (
                gettext("It is checked again.")
                if act == "on"
                else gettext("It is switched off: nothing is refused for it.")
            )
            back = reverse("golden-act", args=[pk, "off" if act == "on" else "on"])
            undo = Undo(url=back, target="#golden", values={})
    except RecsiteError as error:
        message, kind = error.message, "danger"
    return _list_with(request, message, kind=kind, undo=undo)


@changes_rules
@require_POST
def golden_restore(request: HttpRequest) -> HttpResponse:
    """What was deleted a moment ago comes back."""
    message, kind = gettext("The expectation is back."), "success"
    try:
        golden_expectations.store(_restored(request.POST.get("values", "")), staff=staff_of(request))
    except (RecsiteError, ValueError, TypeError) as error:
        message, kind = getattr(error, "message", gettext("It cannot be brought back.")), "danger"
    return _list_with(request, message, kind=kind)


@changes_rules
@require_POST
def golden_check(request: HttpRequest) -> HttpResponse:
    """Check all active ones: at once where they are few, else by a job."""
    active = list(GoldenExpectation.objects.active())
    if len(active) > golden.CHECKED_AT_ONCE:
        job = (
            golden.request_check(staff=staff_of(request))
            or Job.objects.active().filter(kind="check_golden_users").first()
        )
        return go(request, reverse("job", args=[job.pk]) if job else reverse("golden-users"))
    found = golden.check_and_note(active)
    broken = sum(not each.is_met for each in found)
    message = gettext("%(n)s checked, %(broken)s broken.") % {"n": len(found), "broken": broken}
    return _list_with(request, message, kind="danger" if broken else "success")


def _store(request: HttpRequest, pk: int | None) -> HttpResponse:
    try:
        values = golden_values(request.POST)
        stored = golden_expectations.store(values, pk=pk, staff=staff_of(request))
    except RecsiteError as error:
        expectation = get_object_or_404(GoldenExpectation, pk=pk) if pk is not None else GoldenExpectation()
        texts = {name: request.POST.get(name, "") for name in TEXTS}
        context = {**_form_context(expectation, texts, scope_form(request.POST)), "error": error.message}
        template = "recommender/_golden_form.html" if wants_fragment(request) else "recommender/golden_edit.html"
        return render(request, template, context)
    messages.success(request, golden_expectations.words_of(stored) + " " + shown(stored.finding))
    return go(request, reverse("golden-users"))


def _restored(text: str) -> dict[str, object]:
    """Of what `delete` gave out; only its columns are taken."""
    values = json.loads(text)
    if not isinstance(values, Mapping):
        raise TypeError("no object")
    kinds: dict[str, type] = {"scope": dict, "least": int, "n": int, "is_active": bool}
    for name in golden_expectations.COLUMNS:
        if not isinstance(values.get(name), kinds.get(name, str)):
            raise TypeError(name)
    return {name: values[name] for name in golden_expectations.COLUMNS}


def _list_with(request: HttpRequest, message: str, *, kind: str = "success", undo: Undo | None = None) -> HttpResponse:
    if not wants_fragment(request):
        messages.add_message(request, messages.SUCCESS if kind == "success" else messages.ERROR, message)
        return redirect("golden-users")
    return toast(render(request, "recommender/_golden.html", _context(request)), message, kind=kind, undo=undo)


def _context(request: HttpRequest) -> dict[str, object]:
    found = golden_expectations.rows()
    return {
        "rows": found,
        "broken": sum(row.state == "broken" for row in found),
        "active": sum(row.state != "off" for row in found),
        "may_change": may_change_rules(request),
    }


def _form_context(expectation: GoldenExpectation, texts: Mapping[str, str], form: RuleForm) -> dict[str, object]:
    return {
        "expectation": expectation,
        "texts": texts,
        "form": form,
        "kinds": GoldenExpectation.Kind.choices,
        "error": "",
    }
