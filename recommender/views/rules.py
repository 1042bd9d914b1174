"""Rules: all of them in their order, one with its versions, and what publishes, stops and brings back."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from catalog.models import Item
from recommender import rule_versions
from recommender.models import Rule
from recommender.rule_overview import overview, page_of_rule, rules_about
from recommender.rule_words import STATES
from recommender.views.strategies import go
from recsite.operations import saved_views
from recsite.operations.access import View, needs, staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import Undo, positive, toast, wants_fragment

RULES_A_PAGE = 100
CHANGES = "recommender.change_rule"


def may_change_rules(request: HttpRequest) -> bool:
    return request.user.has_perm(CHANGES)


def changes_rules(view: View) -> View:
    """A staff page that changes rules or golden users."""
    return staff_page(needs(CHANGES)(view))


@staff_page
@require_GET
def rules(request: HttpRequest) -> HttpResponse:
    context = _list_context(request)
    if wants_fragment(request):
        return render(request, "recommender/_rules.html", context)
    return render(request, "recommender/rules.html", {**context, **saved_views.context(request, "rules")})


@staff_page
@require_GET
def rule(request: HttpRequest, name: str) -> HttpResponse:
    template = "recommender/_rule.html" if wants_fragment(request) else "recommender/rule.html"
    return render(request, template, {"page": page_of_rule(name), "may_change": may_change_rules(request)})


@changes_rules
@require_POST
def rule_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a rule at `place`; `was` is where it stood, for the undo. Filters of the list stay as they are."""
    moved = get_object_or_404(Rule, pk=pk)
    place, was = (positive(request.POST, name, default=1, most=100_000) for name in ("place", "was"))
    made: list[Rule] = []
    undo, kind = None, "success"
    try:
        made = rule_versions.move(pk, place, staff=staff_of(request))
        message = gettext("“%(rule)s” is at place %(place)s.") % {"rule": moved.name, "place": place}
    except RecsiteError as error:
        message, kind = error.message, "danger"
    now = Rule.objects.published().filter(name=moved.name).first() or moved
    if made:
        address = f"{reverse('rule-move', args=[now.pk])}?{request.GET.urlencode()}"
        undo = Undo(url=address, target="#rules", values={"place": str(was), "was": str(place)})
    if not wants_fragment(request):
        messages.add_message(request, messages.SUCCESS if kind == "success" else messages.ERROR, message)
        return redirect("rules")
    response = render(request, "recommender/_rules.html", {**_list_context(request), "moved": now.pk})
    return toast(response, message, kind=kind, undo=undo)


@changes_rules
@require_POST
def rule_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """A draft of the next version that says what this one says; its editor opens."""
    try:
        draft = rule_versions.draft_version(pk, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    return go(request, reverse("rule-edit", args=[draft.pk]))


@changes_rules
@require_POST
def rule_discard(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        discarded = rule_versions.discard(pk, staff=staff_of(request))
    except RecsiteError as error:
        return _refused(request, pk, error.message)
    messages.success(request, gettext("The draft %(rule)s is discarded.") % {"rule": discarded})
    is_left = Rule.objects.filter(name=discarded.name).exists()
    return go(request, reverse("rule", args=[discarded.name]) if is_left else reverse("rules"))


@changes_rules
@require_POST
def rule_act(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """stop, revert (to this version) or undo (the publish of it); the toast takes it back."""
    acts = {"stop": rule_versions.stop, "revert": rule_versions.revert, "undo": rule_versions.undo_publish}
    said = {
        "stop": gettext("%(rule)s is stopped: no list obeys it from now on."),
        "revert": gettext("%(rule)s is published: it says what the earlier version said."),
        "undo": gettext("The publish is taken back."),
    }
    if act not in acts:
        raise Http404(f"There is no act {act!r}; use stop, revert or undo.")
    undo, kind = None, "success"
    try:
        made = acts[act](pk, staff=staff_of(request))
    except RecsiteError as error:
        if not Rule.objects.filter(pk=pk).exists():
            return _refused(request, pk, error.message)
        message, kind = error.message, "danger"
    else:
        message = said[act] % {"rule": made}
        back = "revert" if made.state == Rule.State.RETIRED else "undo"
        undo = Undo(url=reverse("rule-act", args=[made.pk, back]), target="#rule", values={})
    shown = get_object_or_404(Rule, pk=pk)
    if not wants_fragment(request):
        messages.add_message(request, messages.SUCCESS if kind == "success" else messages.ERROR, message)
        return redirect("rule", name=shown.name)
    response = render(request, "recommender/_rule.html", {"page": page_of_rule(shown.name), "may_change": True})
    return toast(response, message, kind=kind, undo=undo)


@staff_page
@require_GET
def item_rules(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of an item's page about rules that touch it."""
    item = get_object_or_404(Item, pk=pk)
    context = {"item": item, "rows": rules_about(item), "may_change": may_change_rules(request)}
    return render(request, "recommender/_item_rules.html", context)


def _list_context(request: HttpRequest) -> dict[str, object]:
    asked = {
        name: request.GET.get(name, "").replace("\x00", "").strip()[:100]
        for name in ("state", "action", "placement", "q")
    }
    found = overview(**asked)
    first = RULES_A_PAGE * (positive(request.GET, "page", default=1, most=10_000) - 1)
    return {
        "list": found,
        "rows": found.rows[first : first + RULES_A_PAGE],
        "number": first // RULES_A_PAGE + 1,
        "has_next": len(found.rows) > first + RULES_A_PAGE,
        "asked": asked,
        "is_filtered": any(asked.values()),
        "states": [(key, words, icon, found.counts[key]) for key, (words, icon, _) in STATES.items()],
        "actions": Rule.Action.choices,
        "may_change": may_change_rules(request),
        "query": request.GET.urlencode(),
    }


def _refused(request: HttpRequest, pk: int, message: str) -> HttpResponse:
    """Nothing is swapped; without htmx the page says it."""
    if wants_fragment(request):
        return toast(HttpResponse(status=204), message, kind="danger")
    messages.error(request, message)
    there = Rule.objects.filter(pk=pk).first()
    return redirect("rule", name=there.name) if there else redirect("rules")
