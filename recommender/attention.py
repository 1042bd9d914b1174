"""What needs somebody's attention, worst first, each with the page where something can be done about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from django.urls import reverse
from django.utils.translation import gettext, gettext_noop, ngettext

from catalog import confidence
from catalog.confidence import Miscalibrated
from catalog.labelling import LabellingCounts, ModelStatus
from catalog.models import AutoAccept, Item, ItemLabel
from recommender.models import EndUser
from recsite.operations.models import Job

CALIBRATION_KEPT_S = 60.0

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
        _absent_model(status),
        _failed_labels(counts.failed),
        *_stopped_auto_accept(),
        *_badly_calibrated(),
        _waiting_for_review(),
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


def _waiting_for_review() -> Attention | None:
    n = ItemLabel.objects.awaiting_review().count()
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
            one.reason,
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
