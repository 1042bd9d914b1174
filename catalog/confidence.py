"""How right suggestions are, and how honestly they say how sure they are: measured on what people decided.

Audits are a random sample; what was decided in the review queue's order is not, because the queue begins with the hard
ones. The two are therefore never mixed into one curve.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog import label_metrics
from catalog.label_metrics import CurveBin
from catalog.models import ItemLabel, Label, Taxonomy
from catalog.models.outcome import HISTOGRAM_BINS, outcomes

COVERAGE_SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
BADLY_CALIBRATED_FROM = 0.1
DECISIONS_TO_JUDGE_BY = 200
NEWEST_JUDGED = 500


@dataclass(frozen=True)
class Judged:
    """A first suggestion and what people said of it. `truth_id` is None where it was rejected and nothing chosen."""

    taxonomy_id: int
    label_id: int
    truth_id: int | None
    confidence: float
    is_right: bool
    is_audit: bool
    at: datetime


@dataclass(frozen=True)
class Measured:
    """Figures of one group of decided suggestions; `n` may be 0, and then there are none."""

    n: int
    right: int
    interval: tuple[float, float]
    confidence: float | None = None
    calibration_error: float | None = None
    brier: float | None = None
    curve: tuple[CurveBin, ...] = ()
    coverage: tuple[tuple[float, float], ...] = ()

    @property
    def accuracy(self) -> float | None:
        return self.right / self.n if self.n else None


@dataclass(frozen=True)
class HistogramBar:
    low: float
    high: float
    n: int
    abstained: int
    automatic: int


@dataclass(frozen=True)
class LabelPrecision:
    """How often suggesting this label was right, and what its items often really were."""

    label: Label
    suggested: int
    decided: int
    right: int
    interval: tuple[float, float]
    really: Label | None
    really_times: int

    @property
    def precision(self) -> float | None:
        return self.right / self.decided if self.decided else None


@dataclass(frozen=True)
class ConfidenceReport:
    """`taxonomy` is None where it is about several."""

    taxonomy: Taxonomy | None
    all: Measured
    audits: Measured
    queue: Measured
    histogram: tuple[HistogramBar, ...]

    @property
    def suggested(self) -> int:
        return sum(bar.n for bar in self.histogram)

    @property
    def abstained(self) -> int:
        return sum(bar.abstained for bar in self.histogram)

    @property
    def automatic(self) -> int:
        return sum(bar.automatic for bar in self.histogram)


def judged(*taxonomy_ids: int, only_audits: bool = False) -> list[Judged]:
    """Which suggestions of these taxonomies people decided about, oldest decision first. Three queries at most.

    A first choice is wrong where another row of its item was accepted, or corrected to another label. Rows that were
    accepted automatically count only once a person has looked at them.
    """
    ours = outcomes(*taxonomy_ids)
    decided = ours.settled_labels()
    settled = {(item_id, taxonomy_id): (label_id, at) for item_id, taxonomy_id, _, label_id, at in decided}
    beside = {item_id for item_id, _, rank, _, _ in decided if rank > 1}
    of_items = ("item_id", "taxonomy_id", "label_id", "final_label_id", "decision", "is_automatic", "confidence")
    fields = (*of_items, "is_audit", "decided_at")
    rows: list[tuple[Any, ...]] = []
    for group in (ours.decided_first(), ours.beside_a_decision(beside) if beside else ours.none()):
        rows += (group.filter(is_audit=True) if only_audits else group).values_list(*fields)
    found = []
    for row in rows:
        item_id, taxonomy_id, label_id, final_id, decision, is_automatic, confidence, is_audit, at = row
        settled_id, settled_at = settled.get((item_id, taxonomy_id), (None, None))
        if decision and not is_automatic:
            truth_id = final_id if decision == ItemLabel.Decision.CORRECTED else settled_id
            is_right = decision == ItemLabel.Decision.ACCEPTED
        elif settled_id is not None:
            truth_id, is_right, at = settled_id, settled_id == label_id, settled_at
        else:
            continue
        if at is None:  # decided in a time before decisions were dated
            continue
        found.append(
            Judged(taxonomy_id, label_id, label_id if is_right else truth_id, confidence, is_right, is_audit, at)
        )
    return sorted(found, key=lambda one: one.at)


def arrays(rows: Sequence[Judged]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence (n,) and whether right (n,)."""
    return (
        np.array([row.confidence for row in rows], dtype=np.float64),
        np.array([row.is_right for row in rows], dtype=np.bool_),
    )


def measure(rows: Sequence[Judged]) -> Measured:
    confidence, is_right = arrays(rows)
    n, right = len(rows), int(is_right.sum())
    if not n:
        return Measured(0, 0, label_metrics.wilson(0, 0))
    shares = label_metrics.coverage(confidence, is_right, COVERAGE_SHARES)
    return Measured(
        n=n,
        right=right,
        interval=label_metrics.wilson(right, n),
        confidence=float(confidence.mean()),
        calibration_error=label_metrics.expected_calibration_error(confidence, is_right),
        brier=label_metrics.brier(confidence, is_right),
        curve=tuple(label_metrics.reliability(confidence, is_right)),
        coverage=tuple((one["share"], one["accuracy"]) for one in shares),
    )


def report(taxonomy: Taxonomy, rows: Sequence[Judged]) -> ConfidenceReport:
    """`rows` are the taxonomy's `judged` suggestions. One query."""
    return _reported(taxonomy, rows, [taxonomy.pk])


def report_of_all() -> ConfidenceReport:
    """Over all active taxonomies together. Four queries, which read every decision and count every suggestion."""
    ids = list(Taxonomy.objects.filter(is_active=True).order_by("pk").values_list("pk", flat=True))
    return _reported(None, judged(*ids) if ids else [], ids)


def _reported(taxonomy: Taxonomy | None, rows: Sequence[Judged], taxonomy_ids: Sequence[int]) -> ConfidenceReport:
    return ConfidenceReport(
        taxonomy=taxonomy,
        all=measure(rows),
        audits=measure([row for row in rows if row.is_audit]),
        queue=measure([row for row in rows if not row.is_audit]),
        histogram=_bars(outcomes(*taxonomy_ids).histogram() if taxonomy_ids else []),
    )


def report_as_json(found: ConfidenceReport) -> dict[str, object]:
    """A report over all taxonomies, to be kept and read back by `report_from`."""
    return {name: value for name, value in asdict(found).items() if name != "taxonomy"}


def report_from(told: Mapping[str, Any]) -> ConfidenceReport:
    groups = {name: _measured_from(told[name]) for name in ("all", "audits", "queue")}
    return ConfidenceReport(taxonomy=None, histogram=tuple(HistogramBar(**bar) for bar in told["histogram"]), **groups)


def _measured_from(told: Mapping[str, Any]) -> Measured:
    curve = tuple(CurveBin(**{**one, "interval": tuple(one["interval"])}) for one in told["curve"])
    lists = {"interval": tuple(told["interval"]), "coverage": tuple(tuple(pair) for pair in told["coverage"])}
    return Measured(**{**told, **lists, "curve": curve})


def _bars(counted: Sequence[tuple[int, int, int, int]]) -> tuple[HistogramBar, ...]:
    """Every bar, empty ones too; a confidence of exactly 1 belongs to the last."""
    bars = [[0, 0, 0] for _ in range(HISTOGRAM_BINS)]
    for place, *counts in counted:
        bar = bars[min(place, HISTOGRAM_BINS - 1)]
        for which, count in enumerate(counts):
            bar[which] += count
    return tuple(
        HistogramBar(place / HISTOGRAM_BINS, (place + 1) / HISTOGRAM_BINS, *bar) for place, bar in enumerate(bars)
    )


def label_precisions(taxonomy: Taxonomy, rows: Sequence[Judged]) -> list[LabelPrecision]:
    """Labels that are or were suggested, worst first: by the interval's upper end, so that one miss of one does not
    lead; those that nobody decided about last. Two queries."""
    suggested = outcomes(taxonomy.pk).count_suggested_by_label()
    decided: Counter[int] = Counter(row.label_id for row in rows)
    right: Counter[int] = Counter(row.label_id for row in rows if row.is_right)
    really: Mapping[int, Counter[int]] = defaultdict(Counter)
    for row in rows:
        if not row.is_right and row.truth_id is not None:
            really[row.label_id][row.truth_id] += 1
    labels = Label.objects.in_bulk({*suggested, *decided, *(truth for counts in really.values() for truth in counts)})
    found = []
    for label_id in {*suggested, *decided}:
        # The commonest; of equally common ones always the same.
        truth = min(really[label_id].items(), key=lambda one: (-one[1], one[0]), default=None)
        found.append(
            LabelPrecision(
                label=labels[label_id],
                suggested=suggested.get(label_id, 0),
                decided=decided[label_id],
                right=right[label_id],
                interval=label_metrics.wilson(right[label_id], decided[label_id]),
                really=labels.get(truth[0]) if truth else None,
                really_times=truth[1] if truth else 0,
            )
        )
    return sorted(found, key=worst_first)


def worst_first(one: LabelPrecision) -> tuple[bool, float, float, str, int]:
    return (one.decided == 0, one.interval[1], one.precision or 0.0, one.label.path, one.label.pk)


@dataclass(frozen=True)
class Miscalibrated:
    taxonomy: Taxonomy
    calibration_error: float
    decisions: int


def badly_calibrated() -> list[Miscalibrated]:
    """Active taxonomies whose confidence is off by more than .1 on average, over enough decisions; worst first.

    Of the newest decisions only, so that it is over once new suggestions have become honest. One query where nothing
    has that many decisions, else four.
    """
    counts = outcomes().decided_by_people().filter(taxonomy__is_active=True).count_by_taxonomy()
    known = [taxonomy_id for taxonomy_id, n in counts.items() if n >= DECISIONS_TO_JUDGE_BY]
    if not known:
        return []
    by_taxonomy: dict[int, list[Judged]] = defaultdict(list)
    for row in judged(*known):
        by_taxonomy[row.taxonomy_id].append(row)
    taxonomies = Taxonomy.objects.in_bulk(known)
    found = []
    for taxonomy_id, all_rows in by_taxonomy.items():
        rows = all_rows[-NEWEST_JUDGED:]
        error = label_metrics.expected_calibration_error(*arrays(rows))
        if len(rows) >= DECISIONS_TO_JUDGE_BY and error > BADLY_CALIBRATED_FROM:
            found.append(Miscalibrated(taxonomies[taxonomy_id], error, len(rows)))
    return sorted(found, key=lambda one: (-one.calibration_error, one.taxonomy.pk))
