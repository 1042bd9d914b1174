"""How review goes: what is decided and left, at what pace, how often labels are right and people agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from catalog.models import DecisionRecord, ItemLabel, Taxonomy

COUNTED_TO = 10_000
PAUSE = timedelta(minutes=10)  # a longer one ends a sitting
SITTING_ACTS = 100
LABELS_SHOWN = 50

Decision = ItemLabel.Decision
PEOPLES = Q(is_automatic=False) & ~Q(decision="")


@dataclass(frozen=True)
class Precision:
    """Of `n` decisions people made about suggestions of a label, `right` accepted it."""

    right: int
    n: int

    @property
    def share(self) -> float | None:
        return self.right / self.n if self.n else None


@dataclass(frozen=True)
class Standing:
    """Where the queue of a taxonomy stands; `left` is counted up to COUNTED_TO."""

    decided_today: int  # by this reviewer
    left: int
    is_left_exact: bool
    per_minute: float | None


@dataclass(frozen=True)
class TaxonomyProgress:
    taxonomy: Taxonomy
    today: int
    decided: int
    automatic: int
    left: int

    @property
    def share(self) -> float | None:
        done = self.decided + self.automatic
        return done / (done + self.left) if done + self.left else None


@dataclass(frozen=True)
class ReviewerCount:
    username: str
    today: int
    accepted: int
    corrected: int
    rejected: int
    last_at: datetime

    @property
    def total(self) -> int:
        return self.accepted + self.corrected + self.rejected


@dataclass(frozen=True)
class LabelCount:
    label_id: int
    path: str
    precision: Precision


@dataclass(frozen=True)
class Agreement:
    """Item labels that two people or more decided about, one after the other, and how many ended the same."""

    same: int
    n: int

    @property
    def share(self) -> float | None:
        return self.same / self.n if self.n else None


def day_start() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def precision_of(label_id: int) -> Precision:
    counted = ItemLabel.objects.filter(PEOPLES, label=label_id).aggregate(
        n=Count("pk"), right=Count("pk", filter=Q(decision=Decision.ACCEPTED))
    )
    return Precision(counted["right"], counted["n"])


def standing_of(taxonomy_id: int, reviewer: User) -> Standing:
    """What the reviewer decided today, at what pace, and what is left of the taxonomy."""
    today = ItemLabel.objects.decided_by_people().filter(reviewer=reviewer, decided_at__gte=day_start()).count()
    left = ItemLabel.objects.awaiting_review().filter(taxonomy=taxonomy_id).order_by()[: COUNTED_TO + 1].count()
    pace = pace_of(DecisionRecord.objects.clicks_of(reviewer.pk, SITTING_ACTS))
    return Standing(today, min(left, COUNTED_TO), left <= COUNTED_TO, pace)


def pace_of(clicks: Sequence[datetime], *, now: datetime | None = None) -> float | None:
    """Clicks a minute of the present sitting; `clicks` newest first. None while it has fewer than five."""
    sitting: list[datetime] = []
    for at in clicks:
        if (sitting[-1] if sitting else now or timezone.now()) - at > PAUSE:
            break
        sitting.append(at)
    minutes = (sitting[0] - sitting[-1]).total_seconds() / 60 if len(sitting) >= 5 else 0.0
    return (len(sitting) - 1) / minutes if minutes > 0 else None


def by_taxonomy() -> tuple[TaxonomyProgress, ...]:
    """Every active taxonomy: decided by people, accepted automatically, and left."""
    waiting = Q(decision="") & (Q(is_assigned=True) | Q(is_abstained=True))
    counted = {
        row["taxonomy"]: row
        for row in ItemLabel.objects.current()
        .order_by()
        .values("taxonomy")
        .annotate(
            decided=Count("pk", filter=PEOPLES),
            automatic=Count("pk", filter=Q(is_automatic=True)),
            today=Count("pk", filter=PEOPLES & Q(decided_at__gte=day_start())),
            left=Count("pk", filter=waiting),
        )
    }
    nothing = {"decided": 0, "automatic": 0, "today": 0, "left": 0}
    return tuple(
        TaxonomyProgress(
            taxonomy,
            **{name: counted.get(taxonomy.pk, nothing)[name] for name in ("today", "decided", "automatic", "left")},
        )
        for taxonomy in Taxonomy.objects.filter(is_active=True).order_by("position", "id")
    )


def by_reviewer() -> tuple[ReviewerCount, ...]:
    """Everybody whose decisions still stand, who decided most first."""
    acts = DecisionRecord.Act
    rows = (
        DecisionRecord.objects.by_people()
        .standing()
        .order_by()
        .values("reviewer", "reviewer__username")
        .annotate(
            today=Count("pk", filter=Q(at__gte=day_start())),
            accepted=Count("pk", filter=Q(act=acts.ACCEPT)),
            corrected=Count("pk", filter=Q(act=acts.CORRECT)),
            rejected=Count("pk", filter=Q(act=acts.REJECT)),
            total=Count("pk"),
            last_at=Max("at"),
        )
        .order_by("-total", "reviewer")
    )
    return tuple(
        ReviewerCount(
            row["reviewer__username"], row["today"], row["accepted"], row["corrected"], row["rejected"], row["last_at"]
        )
        for row in rows
    )


def by_label(taxonomy_id: int | None = None) -> tuple[LabelCount, ...]:
    """The labels with most decisions by people, and how often the suggestion was right."""
    rows: QuerySet[ItemLabel] = ItemLabel.objects.filter(PEOPLES)
    if taxonomy_id is not None:
        rows = rows.filter(taxonomy=taxonomy_id)
    counted = (
        rows.order_by()
        .values("label", "label__path")
        .annotate(n=Count("pk"), right=Count("pk", filter=Q(decision=Decision.ACCEPTED)))
        .order_by("-n", "label")
    )
    return tuple(
        LabelCount(row["label"], row["label__path"], Precision(row["right"], row["n"]))
        for row in counted[:LABELS_SHOWN]
    )


def agreement() -> Agreement:
    """Each person's last word about an item label is compared; a rejection is a word like a label."""
    return Agreement(*DecisionRecord.objects.agreement())
