"""The page of a taxonomy's confidence, and what staff set there: abstaining, auto-accept, the label head's version."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from catalog import abstaining, auto_accept, auto_accept_bell, confidence, confidence_page, learning
from catalog.confidence import LabelPrecision, worst_first
from catalog.models import AutoAccept, ItemLabel, LabelHead, Taxonomy
from recsite.operations.access import needs, needs_to_act, staff_of, staff_page
from recsite.operations.errors import RecsiteError
from recsite.operations.pages import Undo, page_of, toast, wants_fragment

LABELS_PER_PAGE = 25
# What is asked for again by itself, by the element that its answer replaces.
PARTS = {
    "confidence-labels": "labels",
    "confidence-figures": "figures",
    "confidence-histogram": "histogram",
    "confidence-learning": "learning",
}
CHANGED = {"confidence-changed": True}
SORTS: Mapping[str, Callable[[LabelPrecision], Any]] = {
    "worst": worst_first,
    "label": lambda one: (one.label.path.lower(), one.label.pk),
    "suggested": lambda one: (-one.suggested, one.label.path, one.label.pk),
    "decided": lambda one: (-one.decided, one.label.path, one.label.pk),
    "best": lambda one: (one.decided == 0, -one.interval[0], one.label.path, one.label.pk),
}


@staff_page
@require_GET
def taxonomy_confidence(request: HttpRequest, slug: str) -> HttpResponse:
    taxonomy = get_object_or_404(Taxonomy, slug=slug)
    part = PARTS.get(request.headers.get("HX-Target", "")) if wants_fragment(request) else None
    if part == "learning":
        return _learning_part(request, taxonomy)
    rows = confidence.judged(taxonomy.pk)
    if request.GET.get("format") == "csv":
        return _csv(request, taxonomy, rows)
    context: dict[str, object] = {"taxonomy": taxonomy}
    if part != "labels":
        report = confidence.report(taxonomy, rows)
        context |= {"report": report, **_histogram(report)}
    if part in (None, "labels"):
        context |= _labels(request, taxonomy, rows)
    if part is not None:
        return render(request, f"catalog/_confidence_{part}.html", context)
    context |= {
        "curve": confidence_page.curve_data(report),
        "curve_summary": confidence_page.curve_summary(report),
        "curve_note": confidence_page.curve_note(report),
        "waiting": ItemLabel.objects.awaiting_review().filter(taxonomy=taxonomy).count(),
        "review_address": f"{reverse('admin:catalog_itemlabel_focus')}?taxonomy={taxonomy.pk}",
        "preview": abstaining.preview(taxonomy, taxonomy.abstain_below, rows),
        "panel": confidence_page.auto_accept_panel(taxonomy, rows),
        **confidence_page.learning_panel(taxonomy),
    }
    return render(request, "catalog/confidence.html", context)


def _learning_part(request: HttpRequest, taxonomy: Taxonomy) -> HttpResponse:
    """Asked for while something trains; once it is done, the figures beside it are read anew."""
    panel = confidence_page.learning_panel(taxonomy)
    response = render(request, "catalog/_confidence_learning.html", {"taxonomy": taxonomy, **panel})
    return response if panel["training"] else trigger_client_event(response, "confidence-changed")


def _histogram(report: confidence.ConfidenceReport) -> dict[str, object]:
    return {
        "histogram": [[bar.low, bar.n, bar.abstained] for bar in report.histogram],
        "histogram_summary": confidence_page.histogram_summary(report),
    }


def _labels(request: HttpRequest, taxonomy: Taxonomy, rows: Sequence[confidence.Judged]) -> dict[str, object]:
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else "worst"
    found = sorted(confidence.label_precisions(taxonomy, rows), key=SORTS[sort])
    return {"labels": page_of(found, request.GET.get("page"), per_page=LABELS_PER_PAGE), "sort": sort}


def _csv(request: HttpRequest, taxonomy: Taxonomy, rows: Sequence[confidence.Judged]) -> HttpResponse:
    what = request.GET.get("what", "curve")
    if what == "labels":
        text = confidence_page.labels_csv(confidence.label_precisions(taxonomy, rows))
    elif what == "histogram":
        text = confidence_page.histogram_csv(confidence.report(taxonomy, rows))
    else:
        what, text = "curve", confidence_page.curve_csv(confidence.report(taxonomy, rows))
    name = f'attachment; filename="{taxonomy.slug}-confidence-{what}.csv"'
    return HttpResponse(text, content_type="text/csv", headers={"Content-Disposition": name})


# ---------------------------------------------------------------- abstaining


@staff_page
@needs_to_act("catalog.change_taxonomy")
@require_http_methods(["GET", "POST"])
def taxonomy_abstaining(request: HttpRequest, slug: str) -> HttpResponse:
    """GET shows what another value would change; POST sets it."""
    taxonomy = get_object_or_404(Taxonomy, slug=slug)
    if request.method == "GET":
        value = _within(_share(request.GET, "value", default=taxonomy.abstain_below), 0.0, 1.0)
        found = abstaining.preview(taxonomy, value, confidence.judged(taxonomy.pk))
        return render(request, "catalog/_confidence_abstain_preview.html", {"preview": found})
    before, message, kind, undo = taxonomy.abstain_below, "", "success", None
    try:
        value = _share(request.POST, "value", default=float("nan"))
        changed = abstaining.set_abstain_below(taxonomy.pk, value, staff=staff_of(request))
    except RecsiteError as error:
        message, kind = error.message, "danger"
    else:
        taxonomy.abstain_below = value
        words = ngettext("Saved; %(n)s label changed.", "Saved; %(n)s labels changed.", changed)
        message = words % {"n": f"{changed:,}"}
        undo = Undo(
            url=reverse("taxonomy-abstaining", args=[slug]),
            target="#confidence-abstain",
            values={"value": f"{100 * before:.10g}"},
        )
    if not wants_fragment(request):
        return redirect("taxonomy-confidence", slug=slug)
    preview = abstaining.preview(taxonomy, taxonomy.abstain_below, confidence.judged(taxonomy.pk))
    context = {"taxonomy": taxonomy, "preview": preview}
    response = render(request, "catalog/_confidence_abstain.html", context)
    return toast(response, message, kind=kind, undo=undo, events=CHANGED)


def _share(values: QueryDict, name: str, *, default: float) -> float:
    """A percentage of a form as 0..1; nonsense gives the default."""
    try:
        return float(values.get(name, "").replace(",", ".").removesuffix("%")) / 100
    except ValueError:
        return default


def _within(value: float, low: float, high: float) -> float:
    """Kept within, for a preview; what is no number gives the lowest."""
    return min(high, max(low, value)) if math.isfinite(value) else low


# ---------------------------------------------------------------- auto-accept


@staff_page
@needs_to_act("catalog.change_autoaccept")
@require_http_methods(["GET", "POST"])
def taxonomy_auto_accept(request: HttpRequest, slug: str) -> HttpResponse:
    """GET shows what the form's values would mean; POST switches on or off."""
    taxonomy = get_object_or_404(Taxonomy, slug=slug)
    if request.method == "GET":
        rows = confidence.judged(taxonomy.pk)
        asked = _asked(request.GET, AutoAccept.objects.filter(pk=taxonomy.pk).first() or AutoAccept(taxonomy=taxonomy))
        for name, (low, high) in auto_accept.LIMITS.items():
            setattr(asked, name, _within(getattr(asked, name), low, high))
        panel = confidence_page.auto_accept_panel(taxonomy, rows, asked)
        return render(request, "catalog/_confidence_auto_preview.html", {"panel": panel})
    message, kind = "", "success"
    try:
        if request.POST.get("act") == "off":
            auto_accept.switch_off(taxonomy.pk, staff=staff_of(request))
            message = gettext("Switched off. What was accepted stays.")
        else:
            wanted = _asked(request.POST, AutoAccept(taxonomy=taxonomy))
            auto_accept.switch_on(
                taxonomy.pk,
                wanted_precision=wanted.wanted_precision,
                threshold=wanted.threshold,
                audit_share=wanted.audit_share,
                staff=staff_of(request),
            )
            drawn = auto_accept.draw_audits(taxonomy.pk)
            words = ngettext(
                "Switched on: %(n)s label was put among the review queue at random.",
                "Switched on: %(n)s labels were put among the review queue at random.",
                drawn,
            )
            message = words % {"n": f"{drawn:,}"}
            auto_accept_bell.ring([taxonomy.pk])
    except RecsiteError as error:
        message, kind = error.message, "danger"
    return _auto_accept_answer(request, taxonomy, message, kind)


def _asked(values: QueryDict, setting: AutoAccept) -> AutoAccept:
    """The setting with a form's values, not stored."""
    for name in ("wanted_precision", "threshold", "audit_share"):
        setattr(setting, name, _share(values, name, default=getattr(setting, name)))
    return setting


@staff_page
@needs("catalog.change_autoaccept")
@require_POST
def taxonomy_take_back(request: HttpRequest, slug: str) -> HttpResponse:
    """Automatic labels of a day, or all since a moment, wait for review again."""
    taxonomy = get_object_or_404(Taxonomy, slug=slug)
    message, kind = "", "success"
    try:
        taken = auto_accept.take_back(taxonomy.pk, staff=staff_of(request), **_which(request.POST))
    except RecsiteError as error:
        message, kind = error.message, "danger"
    else:
        words = ngettext("%(n)s label waits for review again.", "%(n)s labels wait for review again.", taken)
        message = words % {"n": f"{taken:,}"}
    return _auto_accept_answer(request, taxonomy, message, kind)


def _which(values: QueryDict) -> dict[str, Any]:
    """The day or the moment that a form names; nonsense names neither, which the service refuses."""
    try:
        day: date | None = parse_date(values.get("day", ""))
        since = parse_datetime(values.get("since", ""))
    except ValueError:
        return {}
    if since is not None and timezone.is_naive(since):
        since = timezone.make_aware(since)
    return {"day": day, "since": since}


def _auto_accept_answer(request: HttpRequest, taxonomy: Taxonomy, message: str, kind: str) -> HttpResponse:
    if not wants_fragment(request):
        return redirect("taxonomy-confidence", slug=taxonomy.slug)
    panel = confidence_page.auto_accept_panel(taxonomy, confidence.judged(taxonomy.pk))
    context = {"taxonomy": taxonomy, "panel": panel}
    return toast(render(request, "catalog/_confidence_auto.html", context), message, kind=kind, events=CHANGED)


# ---------------------------------------------------------------- the label head


@staff_page
@needs("catalog.change_labelhead")
@require_POST
def taxonomy_heads(request: HttpRequest, slug: str) -> HttpResponse:
    """Train a new version now, or make an earlier one live."""
    taxonomy = get_object_or_404(Taxonomy, slug=slug)
    live = LabelHead.objects.filter(taxonomy=taxonomy, status=LabelHead.Status.LIVE).defer("weights").first()
    message, kind, undo = "", "success", None
    try:
        if request.POST.get("act") == "roll_back":
            wanted = get_object_or_404(LabelHead.objects.defer("weights"), taxonomy=taxonomy, pk=_key(request.POST))
            head = learning.roll_back(wanted.pk, staff=staff_of(request))
            message = gettext("Version %(version)s is live.") % {"version": head.version}
        else:
            head = None
            learning.request_training(taxonomy.pk, staff=staff_of(request))
            message = gettext("Training has begun; its job is in the tray above, and the version appears here.")
        if live is not None and head is not None and head.pk != live.pk:
            address = reverse("taxonomy-heads", args=[slug])
            undo = Undo(url=address, target="#confidence-learning", values={"act": "roll_back", "head": str(live.pk)})
    except RecsiteError as error:
        message, kind = error.message, "danger"
    if not wants_fragment(request):
        return redirect("taxonomy-confidence", slug=slug)
    context = {"taxonomy": taxonomy, **confidence_page.learning_panel(taxonomy)}
    return toast(render(request, "catalog/_confidence_learning.html", context), message, kind=kind, undo=undo)


def _key(values: QueryDict) -> int:
    key = values.get("head", "")
    return int(key) if key.isascii() and key.isdecimal() and len(key) < 18 else 0
