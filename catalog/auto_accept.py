"""Sure labels are accepted without being looked at, as long as random audits prove that enough of them are right.

OFF -> switched on -> GATHERING (audits are drawn, and decided as part of the queue) -> RUNNING once they prove the
wanted precision -> STOPPED by itself when the newest no longer do. Everything here may be called twice and beside
reviewers at work: rows are locked in the order in which decisions lock them, and a person's decision always wins.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog.audits import Evidence, count_acceptable, evidence
from catalog.models import AutoAccept, DecisionRecord, ItemLabel, Taxonomy
from catalog.models.item_label import ItemLabelQuerySet
from catalog.models.outcome import SETTLED, outcomes
from recsite.operations.errors import InvalidInputError, NotFoundError

log = structlog.get_logger(__name__)

State = AutoAccept.State
ON = (State.GATHERING, State.RUNNING)
AT_ONCE = 200
BATCHES = 10
# While this many audits wait for somebody nothing more is accepted: audits that nobody decides control nothing.
MOST_WAITING = 100
LIMITS = {"wanted_precision": (0.5, 0.999), "threshold": (0.0, 1.0), "audit_share": (0.01, 1.0)}
BATCHES_OF = uuid.UUID("5f0c2b3e-52f4-4a3c-9a0e-6b8f1a2d7c11")


@dataclass(frozen=True)
class AcceptReport:
    accepted: int = 0
    kept_for_audit: int = 0
    remaining: int = 0


# ---------------------------------------------------------------- switching


@transaction.atomic
def switch_on(
    taxonomy_id: int, *, wanted_precision: float, threshold: float, audit_share: float, staff: User
) -> AutoAccept:
    """Begin to gather audits, afresh: only what is decided from now on counts. Left alone where it is on like this."""
    values = {"wanted_precision": wanted_precision, "threshold": threshold, "audit_share": audit_share}
    for name, value in values.items():
        low, high = LIMITS[name]
        if not low <= value <= high:
            said = {
                "wanted_precision": gettext(
                    "A wanted precision of %(value)s is not possible; choose %(low)s to %(high)s."
                ),
                "threshold": gettext("A threshold of %(value)s is not possible; choose %(low)s to %(high)s."),
                "audit_share": gettext("An audit share of %(value)s is not possible; choose %(low)s to %(high)s."),
            }[name]
            raise InvalidInputError(said % {"value": f"{value:.1%}", "low": f"{low:.1%}", "high": f"{high:.1%}"})
    setting = _locked(taxonomy_id)
    now = (setting.wanted_precision, setting.threshold, setting.audit_share)
    if setting.state in ON and now == (wanted_precision, threshold, audit_share):
        return setting
    _forget_waiting_audits(taxonomy_id)
    setting.wanted_precision, setting.threshold, setting.audit_share = wanted_precision, threshold, audit_share
    setting.state, setting.changed_by, setting.reason = State.GATHERING, staff, ""
    setting.save()
    log.info("auto_accept_switched_on", taxonomy=taxonomy_id, staff=staff.pk, wanted=wanted_precision)
    return setting


@transaction.atomic
def switch_off(taxonomy_id: int, *, staff: User) -> AutoAccept:
    """Nothing more is accepted once this returns. What was accepted stays, until it is taken back."""
    setting = _locked(taxonomy_id)
    if setting.state == State.OFF:
        return setting
    _forget_waiting_audits(taxonomy_id)
    setting.state, setting.changed_by, setting.reason = State.OFF, staff, ""
    setting.save()
    log.info("auto_accept_switched_off", taxonomy=taxonomy_id, staff=staff.pk)
    return setting


def reconsider(taxonomy_id: int) -> str:
    """Start or stop by what the audits say now; returns the state."""
    with transaction.atomic():
        setting = _locked(taxonomy_id)
        if setting.state not in ON:
            return setting.state
        found = evidence(setting)
        state, reason = next_state(setting, found)
        if state == setting.state:
            return state
        # `changed_at` stays: it is when somebody switched it on, from which audits count.
        AutoAccept.objects.filter(pk=taxonomy_id).update(state=state, reason=reason[:300])
        if state == State.STOPPED:
            _forget_waiting_audits(taxonomy_id)
    if state == State.STOPPED:
        log.warning("auto_accept_stopped", taxonomy=taxonomy_id, right=found.right, audits=found.n, reason=reason)
    else:
        log.info("auto_accept_running", taxonomy=taxonomy_id, right=found.right, audits=found.n)
    return state


def next_state(setting: AutoAccept, found: Evidence) -> tuple[str, str]:
    today, wanted = f"{timezone.now():%Y-%m-%d %H:%M} UTC", f"{100 * setting.wanted_precision:.4g}%"
    low, high = found.interval
    if setting.state == State.RUNNING:
        if low < setting.wanted_precision:
            return State.STOPPED, (
                f"Stopped on {today}: {found.words}, so {wanted} is no longer sure. "
                "Look at what was wrong, then switch it on with a higher threshold."
            )
        return State.RUNNING, setting.reason
    if found.is_proven and found.is_complete:
        return State.RUNNING, f"Running since {today}: {found.words}."
    if high < setting.wanted_precision or (found.n >= found.most and not found.is_proven):
        return State.STOPPED, (
            f"Not started, {today}: {found.words}, which does not prove {wanted}. "
            "Switch it on with a higher threshold, or want less."
        )
    return State.GATHERING, setting.reason


# ---------------------------------------------------------------- audits and accepting


def lot(item_label_id: int) -> float:
    """0..1, always the same for a row and not to be foreseen without the site's secret: which rows are audited."""
    key = hmac.digest(settings.SECRET_KEY.encode(), b"catalog.auto_accept", "sha256")
    drawn = hmac.digest(key, str(item_label_id).encode(), "sha256")
    return float(int.from_bytes(drawn[:7], "big") / 2**56)


def draw_audits(taxonomy_id: int) -> int:
    """While gathering, have as many random audits wait as it takes to start. Returns how many were added."""
    with transaction.atomic():
        setting = _locked(taxonomy_id)
        if setting.state != State.GATHERING:
            return 0
        found = evidence(setting)
        missing = found.to_wait - found.waiting
        if missing <= 0:
            return 0
        pool = outcomes(taxonomy_id).acceptable_from(setting.threshold)
        drawn = sorted(pool.values_list("pk", flat=True), key=lambda pk: (lot(pk), pk))[:missing]
        list(ItemLabel.objects.filter(pk__in=drawn).locked().values_list("pk", flat=True))
        added = outcomes(taxonomy_id).acceptable_from(setting.threshold).filter(pk__in=drawn).update(is_audit=True)
    if added:
        log.info("audits_drawn", taxonomy=taxonomy_id, count=added)
    return added


def accept_sure(taxonomy_id: int) -> AcceptReport:
    """While running, accept what is surer than the threshold, but for the share that is audited. Bounded: call again
    while anything remains."""
    accepted = kept = remaining = 0
    for _ in range(BATCHES):
        done = _accept_batch(taxonomy_id)
        if done is None:
            break
        accepted, kept = accepted + done[0], kept + done[1]
    else:
        setting = AutoAccept.objects.get(pk=taxonomy_id)
        remaining = count_acceptable(taxonomy_id, setting.threshold)
    if accepted or kept:
        log.info("labels_accepted_automatically", taxonomy=taxonomy_id, count=accepted, audits=kept)
    return AcceptReport(accepted, kept, remaining)


def would_accept(taxonomy_id: int, threshold: float, audit_share: float) -> ItemLabelQuerySet:
    """Of what waits now, what would be accepted with these values once audits have proven them: all but the audits."""
    pool = outcomes(taxonomy_id).acceptable_from(threshold).order_by("pk").values_list("pk", flat=True)
    return ItemLabel.objects.all().numbered([pk for pk in pool if lot(pk) >= audit_share])


@transaction.atomic
def _accept_batch(taxonomy_id: int) -> tuple[int, int] | None:
    """How many were accepted and how many kept for a person; None where there is nothing to do."""
    setting = _locked(taxonomy_id)
    if setting.state != State.RUNNING or outcomes(taxonomy_id).waiting_audits().count() >= MOST_WAITING:
        return None
    pool = outcomes(taxonomy_id).acceptable_from(setting.threshold)
    ids = list(pool.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    rows = {row.pk: row for row in _with_siblings(ids)}
    # Asked again now that they are locked: somebody may have decided in between.
    free = [rows[pk] for pk in pool.filter(pk__in=ids).order_by("pk").values_list("pk", flat=True) if pk in rows]
    if not free:
        return None
    audits = [row.pk for row in free if lot(row.pk) < setting.audit_share]
    sure = [row for row in free if row.pk not in set(audits)]
    now = timezone.now()
    for row in sure:
        row.decision, row.final_label_id, row.reviewer, row.decided_at = _ACCEPTED, row.label_id, None, now
        row.is_assigned, row.is_abstained, row.is_automatic = True, False, True
    ItemLabel.objects.bulk_update(sure, _FIELDS)
    ItemLabel.objects.filter(pk__in=audits).update(is_audit=True)
    batch = batch_of(taxonomy_id, now.astimezone(UTC).date())
    _record(sure, DecisionRecord.Act.ACCEPT, batch, staff=None)
    return len(sure), len(audits)


_ACCEPTED = ItemLabel.Decision.ACCEPTED
_FIELDS = ["decision", "final_label", "reviewer", "decided_at", "is_assigned", "is_abstained", "is_automatic"]


def batch_of(taxonomy_id: int, day: date) -> uuid.UUID:
    """What all automatic acts of a day (UTC) share, so that one undo takes them."""
    return uuid.uuid5(BATCHES_OF, f"{taxonomy_id} {day.isoformat()}")


def settle(taxonomy_id: int) -> AcceptReport:
    """Everything there is to do now for one taxonomy."""
    reconsider(taxonomy_id)
    draw_audits(taxonomy_id)
    return accept_sure(taxonomy_id)


def settle_all() -> dict[int, AcceptReport]:
    """Every active taxonomy that has it on. One query where none has."""
    on = AutoAccept.objects.filter(state__in=ON, taxonomy__is_active=True).order_by("pk")
    return {taxonomy_id: settle(taxonomy_id) for taxonomy_id in on.values_list("pk", flat=True)}


# ---------------------------------------------------------------- taking back


def take_back(taxonomy_id: int, *, staff: User, day: date | None = None, since: datetime | None = None) -> int:
    """Automatic labels of one day (UTC), or all since a moment, wait for review again. Returns how many.

    What a person decided, confirmed or overruled is left alone, and what is taken back is never accepted by itself
    again, so that the next round does not undo the undoing.
    """
    if (day is None) == (since is None):
        raise InvalidInputError(gettext("Say either of which day, or since when, automatic labels are taken back."))
    begin = since or datetime.combine(day or date.min, time.min, UTC)
    wanted = outcomes(taxonomy_id).automatic().filter(decided_at__gte=begin)
    if day is not None:
        wanted = wanted.filter(decided_at__lt=begin + timedelta(days=1))
    ids, batch, taken = list(wanted.order_by("pk").values_list("pk", flat=True)), uuid.uuid4(), 0
    for start in range(0, len(ids), AT_ONCE):
        taken += _take_back(ids[start : start + AT_ONCE], batch, staff)
    log.info("automatic_labels_taken_back", taxonomy=taxonomy_id, staff=staff.pk, count=taken)
    return taken


@transaction.atomic
def _take_back(ids: list[int], batch: uuid.UUID, staff: User) -> int:
    rows = _with_siblings(ids)
    settled = {row.item_id for row in rows if row.decision in SETTLED and not row.is_automatic}
    wanted = set(ids)
    free = [row for row in rows if row.pk in wanted and row.is_automatic and row.decision == _ACCEPTED]
    for row in free:
        is_single = row.taxonomy.choice == Taxonomy.Choice.SINGLE
        is_open = row.was_suggested and not (is_single and row.item_id in settled)
        row.decision, row.final_label_id, row.reviewer, row.decided_at = "", None, None, None
        row.is_automatic = False
        row.is_abstained = is_open and is_single and row.confidence < row.taxonomy.abstain_below
        row.is_assigned = is_open and not row.is_abstained
    ItemLabel.objects.bulk_update(free, _FIELDS)
    _record(free, DecisionRecord.Act.UNDO, batch, staff=staff)
    return len(free)


# ---------------------------------------------------------------- rows


def _locked(taxonomy_id: int) -> AutoAccept:
    """Its setting, made where there is none, locked until the transaction ends."""
    if not Taxonomy.objects.filter(pk=taxonomy_id).exists():
        raise NotFoundError(
            gettext("Taxonomy %(key)s does not exist; reload the list of taxonomies.") % {"key": taxonomy_id}
        )
    AutoAccept.objects.bulk_create([AutoAccept(taxonomy_id=taxonomy_id)], ignore_conflicts=True)
    return AutoAccept.objects.select_for_update().get(pk=taxonomy_id)


def _with_siblings(ids: Iterable[int]) -> list[ItemLabel]:
    """These rows' taxonomy's current rows of the same items, locked in the order in which decisions lock them."""
    keys = list(ItemLabel.objects.filter(pk__in=list(ids)).values_list("item_id", "taxonomy_id"))
    taxonomies = {taxonomy_id for _, taxonomy_id in keys}
    rows = ItemLabel.objects.of_items({item_id for item_id, _ in keys}).current().locked()
    return list(rows.filter(taxonomy_id__in=taxonomies))


def _forget_waiting_audits(taxonomy_id: int) -> None:
    """Undecided audits become ordinary suggestions: another threshold would need another sample."""
    waiting = outcomes(taxonomy_id).current().filter(is_audit=True, decision="")
    ids = list(waiting.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    ItemLabel.objects.filter(pk__in=ids, decision="").update(is_audit=False)


def _record(rows: Iterable[ItemLabel], act: DecisionRecord.Act, batch: uuid.UUID, *, staff: User | None) -> None:
    DecisionRecord.objects.bulk_create(
        [
            DecisionRecord(
                item_label=row,
                act=act,
                label_id=row.label_id,
                reviewer=staff,
                is_automatic=staff is None,
                batch=batch,
            )
            for row in rows
        ],
        batch_size=1_000,
    )
