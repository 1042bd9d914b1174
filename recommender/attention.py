"""What needs somebody's attention, worst first, each with the page where something can be done about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, ngettext

from catalog import confidence
from catalog.confidence import Miscalibrated
from catalog.labelling import LabellingCounts, ModelStatus
from catalog.models import AutoAccept, Item, ItemLabel
from recommender import findings
from recommender.models import EndUser, Experiment, GoldenExpectation, Rule
from recommender.stored_checks import in_words
from recsite.operations.models import Job
from recsite.operations.stored_words import shown

CALIBRATION_KEPT_S = 60.0
WAITING_KEPT_S = 15.0
MANY_WAIT = 1_000
RULE_ENDS_WITHIN = timedelta(days=3)
RULES_NAMED = 3
BROKEN_COUNTED = 1_000

# Sentences of the labelling service that are shown here, for the translators to find.
gettext_noop("The language model is switched off (RECSITE_LLM=off); labels come from embeddings alone.")
gettext_noop("No language model is configured (LLM_BASE_URL); labels come from embeddings alone.")


@dataclass(frozen=True)
class Attention:
    """One thing that somebody should look at, and where to do so."""

    icon: str
    kind: Literal["danger", "warning", "info"]
    title: str
    detail: str
    address: str
    action: str


def needs_attention(counts: LabellingCounts, status: ModelStatus) -> tuple[Attention, ...]:
    """Worst first; empty where all is well."""
    found = (
        _failed_jobs(),
        *_broken_expectations(),
        *_troubled_experiments(),
        _failed_checks(),
        _absent_model(status),
        _failed_labels(counts.failed),
        *_stopped_auto_accept(),
        *_badly_calibrated(),
        _waiting_for_review(),
        _ending_rules(),
        _without_vector(),
        _unfinished_labels(counts.pending, 0 if status.state == "off" else counts.provisional),
        _users_behind(),
    )
    return tuple(one for one in found if one is not None)


def review_address() -> str:
    """Review one by one, in the admin: what waits, the most telling first."""
    return reverse("admin:catalog_itemlabel_focus")


def _failed_jobs() -> Attention | None:
    n = Job.objects.failed().count()
    if not n:
        return None
    title = ngettext("%(n)s job failed", "%(n)s jobs failed", n) % {"n": f"{n:,}"}
    detail = gettext("Read the error, then retry.")
    return Attention("alert-triangle", "danger", title, detail, reverse("jobs") + "?status=failed", gettext("See jobs"))


def _broken_expectations() -> list[Attention]:
    broken = list(GoldenExpectation.objects.active().filter(is_met=False)[: BROKEN_COUNTED + 1])
    n = len(broken)
    if not n:
        return []
    title = ngettext("%(n)s golden expectation is broken", "%(n)s golden expectations are broken", n) % {"n": f"{n:,}"}
    first = broken[0]
    detail = shown(first.finding) or gettext("The list of %(user)s.") % {"user": first.user_external_id}
    address = _address_of("golden-users", fallback=reverse("user", args=[first.user_external_id]))
    return [Attention("star", "danger", title, detail, address, gettext("See which"))]


def _troubled_experiments() -> list[Attention]:
    """Running ones whose users are not split as asked for, and those that run past their end."""
    found = findings.kept("skewed_experiments")
    skewed = set(found.value) if found else set()
    running = Experiment.objects.running().filter(Q(pk__in=skewed) | Q(ends_at__lt=timezone.now())).order_by("name")
    address, action = _address_of("experiments", fallback=reverse("strategies")), gettext("See experiments")
    troubled = []
    for one in running:
        if one.pk in skewed:
            title = gettext("Users of %(experiment)s are not split as asked") % {"experiment": one.name}
            detail = gettext("Its result cannot be trusted; stop it and find out why.")
            troubled.append(Attention("flask", "danger", title, detail, address, action))
        else:
            title = gettext("%(experiment)s is past its end") % {"experiment": one.name}
            detail = gettext("It still decides lists; stop it, or give it more time.")
            troubled.append(Attention("flask", "warning", title, detail, address, action))
    return troubled


def _ending_rules() -> Attention | None:
    now = timezone.now()
    ending = Rule.objects.published().filter(ends_at__gt=now, ends_at__lte=now + RULE_ENDS_WITHIN).order_by("ends_at")
    names = list(ending.values_list("name", flat=True))
    if not names:
        return None
    title = ngettext("%(n)s rule ends within 3 days", "%(n)s rules end within 3 days", len(names)) % {
        "n": f"{len(names):,}"
    }
    address = _address_of("rules", fallback=reverse("strategies"))
    return Attention("calendar-event", "info", title, ", ".join(names[:RULES_NAMED]), address, gettext("See rules"))


def _failed_checks() -> Attention | None:
    """As the worker found them last."""
    found = findings.kept("checks")
    failing = [check for check in in_words(findings.checks_of(found)) if check.kind == "warn"] if found else []
    if not failing:
        return None
    n = len(failing)
    title = ngettext("%(n)s data check fails", "%(n)s data checks fail", n) % {"n": f"{n:,}"}
    detail = ", ".join(check.title for check in failing[:RULES_NAMED])
    return Attention("stethoscope", "warning", title, detail, reverse("data-quality"), gettext("See the rows"))


def _address_of(page: str, *, fallback: str) -> str:
    """The page of that name where this installation has one."""
    try:
        return reverse(page)
    except NoReverseMatch:
        return fallback


def _absent_model(status: ModelStatus) -> Attention | None:
    address, action = reverse("models"), gettext("See models")
    if status.state == "unreachable":
        title = gettext("The language model cannot be reached")
        return Attention("robot", "danger", title, status.detail, address, action)
    if status.state == "off":
        detail = gettext(status.detail) if status.detail else ""
        return Attention("robot", "info", gettext("No language model is set up"), detail, address, action)
    return None


def _failed_labels(n: int) -> Attention | None:
    if not n:
        return None
    title = ngettext("%(n)s item could not be labelled", "%(n)s items could not be labelled", n) % {"n": f"{n:,}"}
    detail = gettext("They are tried again when their text changes.")
    return Attention("tag", "warning", title, detail, reverse("catalog") + "?review=unlabelled", gettext("See items"))


_waiting: tuple[float, int] | None = None


def count_waiting_for_review() -> int:
    """Every page shows it and it reads every suggestion; where a thousand wait, a few seconds ago is soon enough."""
    global _waiting
    if _waiting is None or _waiting[1] < MANY_WAIT or time.monotonic() - _waiting[0] > WAITING_KEPT_S:
        _waiting = (time.monotonic(), ItemLabel.objects.awaiting_review().count())
    return _waiting[1]


def _waiting_for_review() -> Attention | None:
    n = count_waiting_for_review()
    if not n:
        return None
    title = ngettext("%(n)s label waits for review", "%(n)s labels wait for review", n) % {"n": f"{n:,}"}
    detail = gettext("The most telling comes first; a decision is never overwritten.")
    return Attention("checklist", "warning", title, detail, review_address(), gettext("Review"))


def _stopped_auto_accept() -> list[Attention]:
    stopped = AutoAccept.objects.filter(state=AutoAccept.State.STOPPED, taxonomy__is_active=True)
    return [
        Attention(
            "shield-check",
            "warning",
            gettext("Auto-accept of %(taxonomy)s has stopped") % {"taxonomy": one.taxonomy.name},
            shown(one.reason),
            reverse("taxonomy-confidence", args=[one.taxonomy.slug]),
            gettext("See why"),
        )
        for one in stopped.select_related("taxonomy").order_by("taxonomy__position", "pk")
    ]


_calibration: tuple[float, list[Miscalibrated]] | None = None


def _miscalibrated() -> list[Miscalibrated]:
    """Kept for a minute: it reads every decision, and the home page may ask every ten seconds."""
    global _calibration
    if _calibration is None or time.monotonic() - _calibration[0] > CALIBRATION_KEPT_S:
        _calibration = (time.monotonic(), confidence.badly_calibrated())
    return _calibration[1]


def _badly_calibrated() -> list[Attention]:
    return [
        Attention(
            "target",
            "info",
            gettext("Confidence of %(taxonomy)s is off") % {"taxonomy": one.taxonomy.name},
            gettext("Claim and truth lie %(points)s points apart on average, over %(n)s decisions.")
            % {"points": f"{100 * one.calibration_error:.0f}", "n": f"{one.decisions:,}"},
            reverse("taxonomy-confidence", args=[one.taxonomy.slug]),
            gettext("See the curve"),
        )
        for one in _miscalibrated()
    ]


def _without_vector() -> Attention | None:
    n = Item.objects.without_current_embedding().count()
    if not n:
        return None
    title = ngettext("%(n)s item has no current vector", "%(n)s items have no current vector", n) % {"n": f"{n:,}"}
    detail = gettext("In no list until a background worker embeds them.")
    return Attention("cpu", "info", title, detail, reverse("jobs"), gettext("See jobs"))


def _unfinished_labels(pending: int, provisional: int) -> Attention | None:
    n = pending + provisional
    if not n:
        return None
    title = ngettext("%(n)s labelling is not final", "%(n)s labellings are not final", n) % {"n": f"{n:,}"}
    detail = gettext("%(pending)s waiting, %(provisional)s by embeddings alone so far.") % {
        "pending": f"{pending:,}",
        "provisional": f"{provisional:,}",
    }
    return Attention("sparkles", "info", title, detail, reverse("catalog") + "?sort=unsure", gettext("See items"))


def _users_behind() -> Attention | None:
    n = EndUser.objects.stale().count()
    if not n:
        return None
    title = ngettext("%(n)s user's interests are behind", "%(n)s users' interests are behind", n) % {"n": f"{n:,}"}
    detail = gettext("A running worker catches up within seconds.")
    return Attention("users", "info", title, detail, reverse("users") + "?behind=1", gettext("See users"))
