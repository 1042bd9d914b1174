"""What random audits say about labels surer than a threshold, and which threshold looks good enough to try."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from catalog import label_metrics
from catalog.confidence import Judged, arrays, judged
from catalog.models import AutoAccept
from catalog.models.outcome import outcomes

# Of the audits drawn, how many may be undecided when it starts, so that leaving out the doubtful ones proves nothing.
MOST_UNDECIDED_SHARE = 0.1


@dataclass(frozen=True)
class Evidence:
    """Audits above the threshold that were decided since it was switched on; of many, the newest."""

    right: int
    n: int
    waiting: int
    wanted: float

    @property
    def interval(self) -> tuple[float, float]:
        return label_metrics.wilson(self.right, self.n)

    @property
    def most(self) -> int:
        return label_metrics.most_audits(self.wanted)

    @property
    def is_proven(self) -> bool:
        return label_metrics.is_proven(self.right, self.n, wanted=self.wanted)

    @property
    def is_complete(self) -> bool:
        """Whether so few audits are undecided that they cannot have been passed over for being doubtful."""
        return self.waiting <= MOST_UNDECIDED_SHARE * (self.waiting + self.n)

    @property
    def still_needed(self) -> int | None:
        """How many more it takes if all are right; None where no number will do."""
        return label_metrics.audits_until_proven(self.right, self.n, wanted=self.wanted, most=self.most)

    @property
    def to_wait(self) -> int:
        """How many audits should wait for somebody: those still needed, and a few that may stay undecided."""
        needed = self.still_needed
        return 0 if needed is None else needed + int((self.n + needed) * MOST_UNDECIDED_SHARE)

    @property
    def words(self) -> str:
        low, high = self.interval
        return f"{self.right:,} of {self.n:,} audits were right (95% interval {low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class SuggestedThreshold:
    """The lowest confidence that looks good enough, and what it would mean; `threshold` is None where none does."""

    threshold: float | None
    right: int
    n: int
    would_accept: int

    @property
    def interval(self) -> tuple[float, float]:
        return label_metrics.wilson(self.right, self.n)


def evidence(setting: AutoAccept, rows: Iterable[Judged] | None = None) -> Evidence:
    """`rows` are the taxonomy's judged suggestions where the caller has them. One query then, else three."""
    if rows is None:
        rows = judged(setting.taxonomy_id, only_audits=True)
    counted = [
        row.is_right
        for row in rows
        if row.is_audit and row.confidence >= setting.threshold and row.at >= setting.changed_at
    ][-label_metrics.most_audits(setting.wanted_precision) :]
    waiting = outcomes(setting.taxonomy_id).waiting_audits().count()
    return Evidence(sum(counted), len(counted), waiting, setting.wanted_precision)


def suggest_threshold(taxonomy_id: int, wanted_precision: float, rows: Iterable[Judged]) -> SuggestedThreshold:
    """From the taxonomy's judged suggestions, those in queue order too: they err on the safe side. One query."""
    known = list(rows)
    threshold = label_metrics.lowest_threshold(*arrays(known), wanted=wanted_precision)
    above = [row.is_right for row in known if threshold is not None and row.confidence >= threshold]
    would_accept = 0 if threshold is None else count_acceptable(taxonomy_id, threshold)
    return SuggestedThreshold(threshold, sum(above), len(above), would_accept)


def count_acceptable(taxonomy_id: int, threshold: float) -> int:
    """How many labels that wait for review would be accepted (or drawn for an audit) at this threshold."""
    return outcomes(taxonomy_id).acceptable_from(threshold).count()
