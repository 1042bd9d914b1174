"""The editor of a rule: a new one or a draft, what it says and matches while it is typed, and its preview on users."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from catalog.models import Item, Label
from recommender import rule_versions
from recommender.golden import GoldenBrokenError
from recommender.models import EndUser, Experiment, Rule
from recommender.rule_conflicts import conflicts
from recommender.rule_content import BOOST, PIN, InvalidRuleError, RuleContent, checked, content_of
from recommender.rule_form import RuleForm, form_from, form_of
from recommender.rule_overview import matching
from recommender.rule_preview import golden_outlook, preview
from recommender.rule_versions import digest_of
from recommender.rule_words import HISTORY_WORDS, ICONS, does, for_whom, names_of, readable, when, where
from recommender.scopes import Audience, Scope
from recommender.strategy_preview import SAMPLE_USERS
from recommender.views.rules import changes_rules
from recommender.views.strategies import go, key_of
from recsite.operations.access import staff_of, staff_page
from recsite.operations.errors import ConflictError, NotFoundError, RecsiteError
from recsite.operations.pages import toast, wants_fragment

CHOICES_SHOWN = 12
USUAL_STRENGTH, USUAL_LIMIT = 0.6, 2


@changes_rules
@require_http_methods(["GET", "POST"])
def rule_new(request: HttpRequest) -> HttpResponse:
    """The form of a rule that is not stored yet; its address may fill it in (action, item, label, brand, user, …)."""
    if request.method == "POST":
        return _save(request, None)
    content, name = _asked_for(request.GET)
    context = _context(request, None, form_of(content, name))
    return render(request, "recommender/rule_edit.html", {**context, "is_filled_in": bool(name)})


@changes_rules
@require_http_methods(["GET", "POST"])
def rule_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """GET opens the form of a draft; POST saves it, publishes it, or makes a new draft of what was typed (`act`)."""
    if request.method == "POST":
        return _save(request, pk)
    draft = Rule.objects.filter(pk=pk).first()
    if draft is None:
        raise Http404("There is no such version; somebody may have discarded the draft.")
    if draft.state != Rule.State.DRAFT:
        return redirect("rule", name=draft.name)
    content = readable(draft) or RuleContent(action=draft.action)
    return render(request, "recommender/rule_edit.html", _context(request, draft, form_of(content, draft.name)))


@staff_page
@require_POST
def rule_check(request: HttpRequest) -> HttpResponse:
    """What the form as it stands says, which items it matches, and what it runs into."""
    return render(request, "recommender/_rule_check.html", _check_context(form_from(request.POST), _draft(request)))


@staff_page
@require_POST
def rule_preview(request: HttpRequest) -> HttpResponse:
    """Users' lists without and with the form as it stands, from `start` on in the sample; golden users at the start."""
    form, draft = form_from(request.POST), _draft(request)
    start = min(key_of(request.POST, "start") or 0, SAMPLE_USERS)
    context: dict[str, object] = {"form": form, "sample": SAMPLE_USERS}
    if form.content is not None:
        rule = _as_rule(form, draft)
        found = preview(rule, start=start)
        so_far = {name: key_of(request.POST, f"so_far_{name}") or 0 for name in ("changed", "gained", "lost", "moved")}
        totals = {name: so_far[name] + getattr(found.compared, name) for name in so_far}
        context |= {"preview": found, "totals": totals}
        if not start:
            context |= {"golden": golden_outlook(rule), "conflicts": conflicts(rule)}
    return render(request, "recommender/_rule_preview.html", context)


@staff_page
@require_GET
def rule_choices(request: HttpRequest) -> HttpResponse:
    """What was typed may mean: items, labels, brands or users (`kind`), best first."""
    kind, q = request.GET.get("kind", ""), request.GET.get("q", "").replace("\x00", "").strip()[:200]
    found: list[tuple[str, str, str]] = []  # value, words, small words
    if not q:
        pass
    elif kind == "items":
        items = Item.objects.search(q)[:CHOICES_SHOWN]
        found = [(item.external_id, item.title, item.external_id) for item in items]
    elif kind in ("labels", "interests"):
        ids = Label.objects.all().found(q, limit=CHOICES_SHOWN)
        labels = Label.objects.select_related("taxonomy").with_every_name().in_order(ids)
        found = [(str(label.pk), label.shown_name(), f"{label.taxonomy.name}: {label.path}") for label in labels]
    elif kind == "brands":
        rows = Item.objects.brands_like(q, CHOICES_SHOWN)
        found = [(brand, brand, gettext("%(n)s items") % {"n": f"{n:,}"}) for brand, n in rows]
    elif kind == "users":
        users = EndUser.objects.search(q).most_recent_first()[:CHOICES_SHOWN]
        found = [(user.external_id, user.external_id, "") for user in users]
        if q not in [value for value, _, _ in found]:
            found.append((q, q, gettext("as it is typed; nobody knows this user yet")))
    return render(request, "recommender/_rule_choices.html", {"found": found, "q": q, "kind": kind})


def _asked_for(asked: QueryDict) -> tuple[RuleContent, str]:
    """What the address fills in, and a name for it: '' where it names nothing."""

    def several(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each[:200] for each in asked.getlist(name) if each.strip() and "\x00" not in each))

    items, users = several("item"), several("user")
    action = asked.get("action", "")
    action = action if action in Rule.Action.values else (PIN.value if items else BOOST.value)
    labels = tuple(int(each) for each in several("label") if each.isascii() and each.isdecimal() and len(each) < 18)
    content = RuleContent(
        action=action,
        scope=Scope(items=items, labels=labels, brands=several("brand")),
        audience=Audience(users=users),
        placement=asked.get("placement", "").replace("\x00", "")[:100],
        position=min(100, key_of(asked, "position") or 1),
        strength=USUAL_STRENGTH,
        limit=USUAL_LIMIT,
    )
    if content.scope.is_everything:
        return content, ""
    names = names_of([content.scope])
    about = [*map(names.item, items), *map(names.label, labels), *content.scope.brands]
    name = " ".join(f"{Rule.Action(action).label} {about[0]}".replace("/", " ").replace("\\", " ").split())[:90]
    return content, _free_name(name)


def _free_name(name: str) -> str:
    taken = set(Rule.objects.filter(name__startswith=name).values_list("name", flat=True))
    return next(each for each in (name, *(f"{name} {n}" for n in range(2, len(taken) + 3))) if each not in taken)


def _save(request: HttpRequest, pk: int | None) -> HttpResponse:
    form, act, staff = form_from(request.POST), request.POST.get("act", "save"), staff_of(request)
    expected = request.POST.get("expected", "")
    if form.content is None:
        return _answer(request, pk, form)
    try:
        if act == "publish":
            made = rule_versions.publish_edited(pk, form.name, form.content, expected=expected, staff=staff)
            messages.success(request, gettext("%(rule)s is published.") % {"rule": made})
            return go(request, reverse("rule", args=[made.name]))
        if pk is None or act == "new_draft":
            made = _new_draft(form, request)
            messages.success(request, gettext("%(rule)s is saved as a draft.") % {"rule": made})
            return go(request, reverse("rule-edit", args=[made.pk]))
        draft = rule_versions.change(pk, form.content, expected=expected, staff=staff)
    except GoldenBrokenError as broken:
        return _answer(request, pk, form, error=broken.message, golden=broken)
    except (ConflictError, NotFoundError) as conflict:
        return _answer(request, pk, form, error=conflict.message)
    except RecsiteError as refused:
        return _answer(request, pk, form, error=refused.message)
    if not wants_fragment(request):
        return redirect("rule-edit", pk=pk)
    context = _context(request, draft, form_of(content_of(draft), draft.name))
    return toast(render(request, "recommender/_rule_editor.html", context), gettext("Saved."))


def _new_draft(form: RuleForm, request: HttpRequest) -> Rule:
    """Of what was typed: of the rule's next version where there is one of this name that was published."""
    staff, content = staff_of(request), form.content or RuleContent()
    newest = Rule.objects.filter(name=form.name).order_by("-version").first()
    if newest is None or request.POST.get("act") != "new_draft":
        return rule_versions.draft_new(form.name, content, staff=staff)
    draft = rule_versions.draft_version(newest.pk, staff=staff)
    return rule_versions.change(draft.pk, content, expected=digest_of(draft), staff=staff)


def _answer(
    request: HttpRequest, pk: int | None, form: RuleForm, *, error: str = "", golden: GoldenBrokenError | None = None
) -> HttpResponse:
    """The form as it was typed, with what is wrong. After a conflict, once it was said, saving again may overwrite."""
    stored = Rule.objects.filter(pk=pk).first() if pk is not None else None
    is_gone = pk is not None and (stored is None or stored.state != Rule.State.DRAFT)
    draft = stored or (Rule(pk=pk, name=form.name) if pk is not None else None)
    context = _context(request, draft, form, is_gone=is_gone)
    seen = request.POST.get("expected", "")
    is_overtaken = bool(error) and draft is not None and not is_gone and context["expected"] != seen
    context |= {"error": error, "golden_broken": golden, "is_overtaken": is_overtaken}
    if not error:
        context["expected"] = seen
    template = "recommender/_rule_editor.html" if wants_fragment(request) else "recommender/rule_edit.html"
    return render(request, template, context)


def _context(request: HttpRequest, draft: Rule | None, form: RuleForm, *, is_gone: bool = False) -> dict[str, object]:
    """draft: None where it is not stored yet."""
    running = Experiment.objects.newest_first()[:20]
    placements = Rule.objects.exclude(placement="").order_by("placement").values_list("placement", flat=True).distinct()
    return {
        "draft": draft,
        "form": form,
        "expected": digest_of(draft) if draft is not None and not is_gone and readable(draft) else "",
        "is_gone": is_gone,
        "error": "",
        "sample": SAMPLE_USERS,
        "actions": [(value, label, ICONS[value]) for value, label in Rule.Action.choices],
        "cap_choices": Rule.CapBy.choices,
        "history_choices": list(HISTORY_WORDS.items()),
        "arms": [f"{each.name}/{arm['name']}" for each in running for arm in each.arms],
        "placements": list(placements[:50]),
        **_check_context(form, draft),
    }


def _check_context(form: RuleForm, draft: Rule | None) -> dict[str, object]:
    """`problems` says by field what cannot work yet; of a form that was only opened nothing else complains."""
    content = form.content
    if content is None:
        return {"says": None, "problems": form.errors}
    try:
        content = checked(content)
    except InvalidRuleError as refused:
        return {"says": None, "problems": refused.errors}
    names = names_of([content.scope], [content.audience])
    says = (
        does(content, names),
        for_whom(content.audience, names),
        where(content.placement),
        when(content.starts_at, content.ends_at),
    )
    against = conflicts(_as_rule(form, draft))
    return {"says": says, "matching": matching(content.scope), "conflicts": against}


def _as_rule(form: RuleForm, draft: Rule | None) -> Rule:
    """What the form says, not stored."""
    content = form.content or RuleContent()
    version = draft.version if draft else 1
    return content.as_rule(form.name or gettext("New rule"), pk=draft.pk if draft else None, version=version)


def _draft(request: HttpRequest) -> Rule | None:
    pk = key_of(request.POST, "draft")
    return Rule.objects.filter(pk=pk).first() if pk else None
