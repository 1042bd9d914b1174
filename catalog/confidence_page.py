"""What the page of a taxonomy's confidence shows: its charts with their sentences, and the state of each setting."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext, gettext_lazy

from catalog import label_metrics, learning
from catalog.audits import Evidence, SuggestedThreshold, count_acceptable, evidence, suggest_threshold
from catalog.auto_accept import MOST_WAITING
from catalog.confidence import ConfidenceReport, Judged, LabelPrecision, Measured
from catalog.models import AutoAccept, LabelHead, OpinionFit, Taxonomy
from catalog.models.outcome import outcomes
from recsite.operations.models import Job
from recsite.operations.templatetags.console import signed

DAYS_SHOWN = 7
HEADS_SHOWN = 8
OPINION_NAMES = {
    "embedding": gettext_lazy("Embeddings"),
    "head": gettext_lazy("Label head, trained on decisions"),
    "language_model": gettext_lazy("Language model"),
}


@dataclass(frozen=True)
class OpinionWeight:
    name: str
    weight: float
    share: float


@dataclass(frozen=True)
class AutoAcceptPanel:
    """Auto-accept as it stands, and what the values in its form would mean."""

    setting: AutoAccept
    evidence: Evidence
    acceptable: int
    above: Measured
    suggested: SuggestedThreshold
    days: tuple[tuple[date, int], ...]

    @property
    def is_on(self) -> bool:
        return self.setting.state in (AutoAccept.State.GATHERING, AutoAccept.State.RUNNING)

    @property
    def is_halted(self) -> bool:
        return self.setting.state == AutoAccept.State.RUNNING and self.evidence.waiting >= MOST_WAITING

    @property
    def form(self) -> dict[str, str]:
        """Percentages for the form's fields, the same in every language."""
        names = ("wanted_precision", "threshold", "audit_share")
        return {name: f"{100 * getattr(self.setting, name):.10g}" for name in names}

    @property
    def suggested_percent(self) -> str:
        """Rounded down to the field's step, so that it leaves none of them out."""
        threshold = self.suggested.threshold or 0.0
        return f"{math.floor(1000 * threshold + 1e-9) / 10:.10g}"

    @property
    def progress(self) -> float:
        total = self.evidence.n + (self.evidence.still_needed or 0)
        return self.evidence.n / total if total else 0.0

    @property
    def fewest(self) -> int:
        return label_metrics.fewest_audits(self.setting.wanted_precision)

    @property
    def audits_expected(self) -> int:
        """Of the labels that wait above the threshold now, how many stay for a person while it runs."""
        return round(self.acceptable * self.setting.audit_share)

    @property
    def lacks(self) -> int:
        """How many more labels above the threshold it takes before the audits could be complete."""
        needed = self.evidence.still_needed
        return 0 if needed is None else max(0, needed - self.evidence.waiting - self.acceptable)


def auto_accept_panel(taxonomy: Taxonomy, rows: Sequence[Judged], setting: AutoAccept | None = None) -> AutoAcceptPanel:
    """`setting` with other values shows what they would mean; without one, the taxonomy's own. At most five queries."""
    stored = AutoAccept.objects.filter(pk=taxonomy.pk).select_related("changed_by")
    setting = setting or stored.first() or AutoAccept(taxonomy=taxonomy)
    above = [row.is_right for row in rows if row.confidence >= setting.threshold]
    right = sum(above)
    return AutoAcceptPanel(
        setting=setting,
        evidence=evidence(setting, rows if setting.changed_at else ()),
        acceptable=count_acceptable(taxonomy.pk, setting.threshold),
        above=Measured(len(above), right, label_metrics.wilson(right, len(above))),
        suggested=suggest_threshold(taxonomy.pk, setting.wanted_precision, rows),
        days=tuple(outcomes(taxonomy.pk).automatic_days(DAYS_SHOWN)),
    )


def learning_panel(taxonomy: Taxonomy) -> dict[str, object]:
    """How the opinions are weighed, and the newest versions of the label head. Three queries."""
    fit, heads = OpinionFit.objects.filter(pk=taxonomy.pk).first(), LabelHead.objects.filter(taxonomy=taxonomy)
    weights = dict(fit.parameters.get("weights", {})) if fit else {}
    total = sum(abs(weight) for weight in weights.values()) or 1.0
    jobs = Job.objects.active().filter(kind=learning.KIND, parameters__taxonomy=taxonomy.pk)
    return {
        "training": jobs.newest_first().first(),
        "fit": fit,
        "weights": [
            OpinionWeight(str(name), float(weights[key]), abs(weights[key]) / total)
            for key, name in OPINION_NAMES.items()
            if key in weights
        ],
        "heads": [_with_points(head) for head in heads.defer("weights").order_by("-version")[:HEADS_SHOWN]],
    }


def _with_points(head: LabelHead) -> LabelHead:
    """With the difference to the version that was live, in percentage points as the page writes them."""
    low, high = head.report.get("ci95") or (0.0, 0.0)
    for name, value in (("points", head.report.get("difference", 0.0)), ("points_low", low), ("points_high", high)):
        setattr(head, name, signed(100 * value, 1))
    return head


# ---------------------------------------------------------------- charts and sentences


def curve_data(report: ConfidenceReport) -> list[dict[str, object]]:
    """What the chart draws: a series for audits and one for the queue's decisions, where there are any."""
    series: list[dict[str, object]] = []
    named = (
        ("audit", gettext("Audits, at random"), report.audits),
        ("queue", gettext("Queue order"), report.queue),
    )
    for kind, name, measured in named:
        if points := [[one.confidence, one.accuracy, *one.interval, one.n] for one in measured.curve]:
            series.append({"kind": kind, "name": name, "points": points})
    return series


def curve_summary(report: ConfidenceReport) -> str:
    found = report.all
    if found.accuracy is None or found.confidence is None:
        return gettext("Nobody has decided about a suggestion yet, so nothing is known about how right they are.")
    words = {**_words(found), "said": f"{found.confidence:.0%}"}
    low, high = found.interval
    if low <= found.confidence <= high:
        sentence = gettext(
            "Of %(n)s decided suggestions %(right)s were right (95%% interval %(low)s to %(high)s); "
            "they claimed %(said)s on average, which fits."
        )
    elif found.accuracy > found.confidence:
        sentence = gettext(
            "Of %(n)s decided suggestions %(right)s were right (95%% interval %(low)s to %(high)s); "
            "they claimed %(said)s on average: too modest."
        )
    else:
        sentence = gettext(
            "Of %(n)s decided suggestions %(right)s were right (95%% interval %(low)s to %(high)s); "
            "they claimed %(said)s on average: too sure."
        )
    return sentence % words


def _words(measured: Measured) -> dict[str, str]:
    low, high = measured.interval
    return {
        "n": f"{measured.n:,}",
        "right": f"{measured.accuracy or 0:.0%}",
        "low": f"{low:.0%}",
        "high": f"{high:.0%}",
    }


def curve_note(report: ConfidenceReport) -> str:
    """In which way the sample misleads, in one sentence."""
    if report.audits.n and report.queue.n:
        return gettext(
            "Of the %(n)s audits among them, drawn at random from sure labels, %(right)s were right; the rest were "
            "decided in the queue's order, the hard ones first, so that their curve lies below the truth."
        ) % _words(report.audits)
    if report.queue.n:
        return gettext(
            "All of these decisions were made in the queue's order, which puts the hard ones first: "
            "the curve underestimates how often suggestions are right."
        )
    if report.audits.n:
        return gettext("All of these were drawn at random above auto-accept's threshold, so the curve starts there.")
    return ""


def histogram_summary(report: ConfidenceReport) -> str:
    if not report.suggested:
        return gettext("No suggestions yet.")
    sure = sum(bar.n for bar in report.histogram if bar.low >= 0.895) / report.suggested
    return gettext(
        "%(n)s current first suggestions: %(sure)s of them are sure of at least 90%%, %(abstained)s are withheld."
    ) % {"n": f"{report.suggested:,}", "sure": f"{sure:.0%}", "abstained": f"{report.abstained:,}"}


# ---------------------------------------------------------------- files


def curve_csv(report: ConfidenceReport) -> str:
    lines: list[Sequence[object]] = [("decided", "from", "to", "confidence", "right", "n", "accuracy", "low", "high")]
    for name, measured in (("audit", report.audits), ("queue", report.queue)):
        lines += [
            (
                name,
                one.low,
                one.high,
                *_rounded(one.confidence),
                one.right,
                one.n,
                *_rounded(one.accuracy, *one.interval),
            )
            for one in measured.curve
        ]
    return _csv(lines)


def histogram_csv(report: ConfidenceReport) -> str:
    head = ("from", "to", "suggestions", "withheld", "accepted_automatically")
    return _csv([head, *((bar.low, bar.high, bar.n, bar.abstained, bar.automatic) for bar in report.histogram)])


def labels_csv(precisions: Sequence[LabelPrecision]) -> str:
    lines: list[Sequence[object]] = [
        ("label", "suggestions", "decided", "right", "precision", "low", "high", "often_really", "times")
    ]
    for one in precisions:
        share = _rounded(one.precision) if one.precision is not None else [""]
        really = (one.really.path, one.really_times) if one.really else ("", 0)
        lines.append((one.label.path, one.suggested, one.decided, one.right, *share, *_rounded(*one.interval), *really))
    return _csv(lines)


def _rounded(*values: float) -> list[float]:
    return [round(value, 4) for value in values]


def _csv(lines: Sequence[Sequence[object]]) -> str:
    """Words that a spreadsheet would run as a formula are quoted."""
    written = io.StringIO()
    writer = csv.writer(written)
    for line in lines:
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t" else cell for cell in line])
    return written.getvalue()
