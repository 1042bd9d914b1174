"""Auto-accept: it starts only when proven, stops by itself, is audited at random, and a person always wins."""

from __future__ import annotations

from datetime import UTC, timedelta

import numpy as np
import pytest
import structlog
from django.utils import timezone

from catalog import auto_accept, label_metrics, review
from catalog.audits import evidence
from catalog.models import AutoAccept, DecisionRecord, ItemLabel, LabelRequest, Taxonomy
from recsite.operations.errors import InvalidInputError, NotFoundError
from tests.catalog.opinions import decided, rows, running, setting_of, suggested, switch_on
from tests.factories import ItemLabelFactory, LabelFactory, LabelRequestFactory, TaxonomyFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("real_lot")]

State = AutoAccept.State


# ---------------------------------------------------------------- switching on: audits are drawn


def test_switching_on_accepts_nothing_but_draws_the_audits_it_needs(aisle, bread, staff):
    sure = [suggested(bread, confidence=0.95) for _ in range(40)]
    unsure = suggested(bread, confidence=0.5)
    switch_on(aisle, staff)
    # 20 right ones prove .8; a tenth more may stay undecided.
    assert auto_accept.draw_audits(aisle.pk) == 22
    assert auto_accept.draw_audits(aisle.pk) == 0
    assert auto_accept.accept_sure(aisle.pk) == auto_accept.AcceptReport()
    assert setting_of(aisle).state == State.GATHERING
    drawn = set(ItemLabel.objects.filter(is_audit=True).values_list("pk", flat=True))
    expected = sorted((row.pk for row in sure), key=auto_accept.lot)[:22]
    assert drawn == set(expected)
    assert unsure.pk not in drawn
    assert not ItemLabel.objects.exclude(decision="").exists()


def test_the_draw_depends_on_the_sites_secret_and_on_nothing_that_can_be_chosen(settings, real_lot, monkeypatch):
    monkeypatch.setattr(auto_accept, "lot", real_lot)
    before = [auto_accept.lot(pk) for pk in range(2_000)]
    assert before == [auto_accept.lot(pk) for pk in range(2_000)]
    assert all(0.0 <= drawn < 1.0 for drawn in before)
    assert np.mean(np.array(before) < 0.05) == pytest.approx(0.05, abs=0.015)
    settings.SECRET_KEY = "another secret"
    assert [auto_accept.lot(pk) for pk in range(2_000)] != before


def test_an_audit_waits_like_any_other_suggestion(aisle, bread, staff):
    suggested(bread, confidence=0.95)
    switch_on(aisle, staff)
    auto_accept.draw_audits(aisle.pk)
    assert ItemLabel.objects.all().awaiting_review().filter(is_audit=True).count() == 1


def test_switching_on_twice_changes_nothing_and_other_values_begin_afresh(aisle, bread, staff):
    suggested(bread, confidence=0.95)
    first = switch_on(aisle, staff)
    auto_accept.draw_audits(aisle.pk)
    assert switch_on(aisle, staff).changed_at == first.changed_at
    assert ItemLabel.objects.filter(is_audit=True).count() == 1
    assert switch_on(aisle, staff, threshold=0.97).changed_at > first.changed_at
    assert ItemLabel.objects.filter(is_audit=True).count() == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"wanted": 0.4}, "wanted precision"),
        ({"wanted": 1.0}, "wanted precision"),
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"audit_share": 0.0}, "audit share"),
    ],
)
def test_impossible_values_are_refused_and_leave_no_trace(values, words, aisle, staff):
    with pytest.raises(InvalidInputError, match=words):
        switch_on(aisle, staff, **values)
    assert not AutoAccept.objects.exists()
    with pytest.raises(NotFoundError, match="does not exist"):
        auto_accept.switch_on(0, wanted_precision=0.9, threshold=0.9, audit_share=0.1, staff=staff)


# ---------------------------------------------------------------- starting


def test_it_starts_with_the_audit_that_proves_it_and_not_one_before(aisle, bread, staff):
    switch_on(aisle, staff)
    for _ in range(19):
        decided(bread, right=True, confidence=0.95, is_audit=True)
    assert auto_accept.reconsider(aisle.pk) == State.GATHERING
    decided(bread, right=True, confidence=0.95, is_audit=True)
    switched_on_at = setting_of(aisle).changed_at
    assert auto_accept.reconsider(aisle.pk) == State.RUNNING
    assert setting_of(aisle).changed_at == switched_on_at
    assert "20 of 20 audits were right" in setting_of(aisle).reason


def test_only_audits_above_the_threshold_that_people_decided_since_it_was_switched_on_count(aisle, bread, milk, staff):
    decided(bread, right=True, confidence=0.95, is_audit=True)
    setting = switch_on(aisle, staff)
    decided(bread, right=True, confidence=0.95)  # in queue order
    decided(bread, right=True, confidence=0.85, is_audit=True)
    decided(bread, right=True, confidence=0.95, is_audit=True, is_automatic=True, reviewer=None)
    decided(bread, right=True, confidence=0.9, is_audit=True)
    decided(bread, right=False, confidence=0.95, is_audit=True)
    beside = suggested(bread, confidence=0.95, is_audit=True)
    second = ItemLabelFactory(item=beside.item, label=milk, rank=2, confidence=0.02, is_assigned=False)
    found = evidence(setting)
    assert (found.right, found.n, found.waiting) == (1, 2, 1)
    review.accept([second.pk], reviewer=staff)
    found = evidence(setting)
    assert (found.right, found.n, found.waiting) == (1, 3, 0)


def test_leaving_the_doubtful_audits_undecided_does_not_start_it(aisle, bread, staff):
    switch_on(aisle, staff)
    for _ in range(20):
        decided(bread, right=True, confidence=0.95, is_audit=True)
    for _ in range(3):
        waiting = suggested(bread, confidence=0.95, is_audit=True)
    assert auto_accept.reconsider(aisle.pk) == State.GATHERING
    review.accept([waiting.pk], reviewer=staff)
    assert auto_accept.reconsider(aisle.pk) == State.RUNNING  # 2 of 23 wait


def test_a_miss_makes_it_wait_for_more(aisle, bread, staff):
    for _ in range(60):
        suggested(bread, confidence=0.95)
    setting = switch_on(aisle, staff)
    for _ in range(19):
        decided(bread, right=True, confidence=0.95, is_audit=True)
    decided(bread, right=False, confidence=0.95, is_audit=True)
    assert auto_accept.reconsider(aisle.pk) == State.GATHERING
    # One miss of 34 proves .8, so 14 more, and a tenth of 34 may stay undecided.
    assert evidence(setting).still_needed == 14
    assert auto_accept.draw_audits(aisle.pk) == 14 + 3


def test_it_gives_up_where_audits_show_that_too_few_are_right(aisle, bread, staff):
    switch_on(aisle, staff)
    for place in range(20):
        decided(bread, right=place < 8, confidence=0.95, is_audit=True)
    assert auto_accept.reconsider(aisle.pk) == State.STOPPED
    assert "8 of 20 audits were right" in setting_of(aisle).reason
    assert "higher threshold" in setting_of(aisle).reason


# ---------------------------------------------------------------- running


def test_while_running_it_accepts_what_is_sure_and_says_that_nobody_looked(aisle, bread, milk, staff):
    running(aisle, staff, bread)
    sure, unsure = suggested(bread, confidence=0.9), suggested(bread, confidence=0.89)
    report = auto_accept.accept_sure(aisle.pk)
    assert (report.accepted, report.kept_for_audit, report.remaining) == (1, 0, 0)
    assert rows(sure.pk, unsure.pk) == [
        ("accepted", True, True, None, bread.pk),
        ("", False, True, None, None),
    ]
    record = DecisionRecord.objects.get(item_label=sure)
    today = timezone.now().astimezone(UTC).date()
    assert (record.act, record.is_automatic, record.reviewer, record.label) == ("accept", True, None, bread)
    assert record.batch == auto_accept.batch_of(aisle.pk, today)
    assert auto_accept.accept_sure(aisle.pk) == auto_accept.AcceptReport()
    assert DecisionRecord.objects.count() == 1


def test_a_share_drawn_by_lot_stays_for_a_person(aisle, bread, staff, real_lot, monkeypatch):
    monkeypatch.setattr(auto_accept, "lot", real_lot)
    running(aisle, staff, bread, audit_share=0.3)
    new = [suggested(bread, confidence=0.95) for _ in range(100)]
    report = auto_accept.accept_sure(aisle.pk)
    audits = {row.pk for row in new if auto_accept.lot(row.pk) < 0.3}
    assert (report.accepted, report.kept_for_audit) == (100 - len(audits), len(audits))
    assert set(ItemLabel.objects.filter(is_audit=True, decision="").values_list("pk", flat=True)) == audits
    assert 15 <= len(audits) <= 45


def test_of_several_choices_each_sure_one_is_accepted(staff):
    occasions = TaxonomyFactory(choice=Taxonomy.Choice.MULTIPLE)
    one, two = LabelFactory(taxonomy=occasions), LabelFactory(taxonomy=occasions)
    running(occasions, staff, one)
    first = suggested(one, confidence=0.95)
    second = suggested(two, item=first.item, rank=2, confidence=0.92)
    assert auto_accept.accept_sure(occasions.pk).accepted == 2
    assert [row[0] for row in rows(first.pk, second.pk)] == ["accepted", "accepted"]


def test_what_must_not_be_accepted_by_itself_is_left_alone(aisle, bread, milk, staff):
    running(aisle, staff, bread)
    rejected = decided(bread, right=False, confidence=0.95)
    second = ItemLabelFactory(label=milk, rank=2, confidence=0.95, is_assigned=False)
    audit = suggested(bread, confidence=0.95, is_audit=True)
    stale = suggested(bread, confidence=0.95, text_hash="of an earlier text")
    gone = suggested(LabelFactory(taxonomy=aisle, is_deprecated=True), confidence=0.95)
    imported = suggested(bread, confidence=0.95, source=ItemLabel.Source.IMPORT)
    elsewhere = suggested(LabelFactory(), confidence=0.95)
    anew = suggested(bread, confidence=0.95)
    LabelRequestFactory(item=anew.item, taxonomy=aisle, status=LabelRequest.Status.PENDING)
    kept = [row.pk for row in (rejected, second, audit, stale, gone, imported, elsewhere, anew)]
    before = rows(*kept)
    assert auto_accept.accept_sure(aisle.pk) == auto_accept.AcceptReport()
    assert rows(*kept) == before


@pytest.mark.parametrize("state", [State.OFF, State.GATHERING, State.STOPPED])
def test_nothing_is_accepted_unless_it_runs(state, aisle, bread):
    AutoAccept.objects.create(taxonomy=aisle, state=state, threshold=0.5)
    row = suggested(bread, confidence=0.95)
    assert auto_accept.accept_sure(aisle.pk) == auto_accept.AcceptReport()
    assert rows(row.pk) == [("", False, True, None, None)]


def test_switched_off_accepts_nothing_more_and_keeps_what_it_accepted(aisle, bread, staff):
    running(aisle, staff, bread)
    before, audit = suggested(bread, confidence=0.95), suggested(bread, confidence=0.95, is_audit=True)
    auto_accept.accept_sure(aisle.pk)
    auto_accept.switch_off(aisle.pk, staff=staff)
    after = suggested(bread, confidence=0.95)
    auto_accept.settle(aisle.pk)
    assert [row[:2] for row in rows(before.pk, after.pk)] == [("accepted", True), ("", False)]
    audit.refresh_from_db()
    assert audit.is_audit is False
    assert auto_accept.switch_off(aisle.pk, staff=staff).state == State.OFF


def test_audits_that_nobody_decides_bring_it_to_a_halt(aisle, bread, staff, monkeypatch):
    monkeypatch.setattr(auto_accept, "MOST_WAITING", 3)
    running(aisle, staff, bread)
    audits = [suggested(bread, confidence=0.95, is_audit=True) for _ in range(3)]
    sure = suggested(bread, confidence=0.95)
    assert auto_accept.accept_sure(aisle.pk).accepted == 0
    review.accept([audits[0].pk], reviewer=staff)
    assert auto_accept.accept_sure(aisle.pk).accepted == 1
    assert rows(sure.pk)[0][:2] == ("accepted", True)


def test_it_works_through_many_in_bounded_batches(aisle, bread, staff, monkeypatch):
    monkeypatch.setattr(auto_accept, "AT_ONCE", 3)
    monkeypatch.setattr(auto_accept, "BATCHES", 2)
    monkeypatch.setattr(auto_accept, "lot", lambda pk: 1.0)
    running(aisle, staff, bread)
    for _ in range(8):
        suggested(bread, confidence=0.95)
    assert auto_accept.accept_sure(aisle.pk) == auto_accept.AcceptReport(accepted=6, remaining=2)
    assert auto_accept.accept_sure(aisle.pk) == auto_accept.AcceptReport(accepted=2)


# ---------------------------------------------------------------- stopping


def test_it_stops_when_the_newest_audits_no_longer_prove_what_is_wanted(aisle, bread, staff):
    running(aisle, staff, bread)
    waiting = suggested(bread, confidence=0.95, is_audit=True)
    decided(bread, right=False, confidence=0.95, is_audit=True)
    decided(bread, right=False, confidence=0.95, is_audit=True)
    assert label_metrics.wilson(20, 22)[0] < 0.8 < label_metrics.wilson(20, 21)[0] + 0.04
    with structlog.testing.capture_logs() as logs:
        assert auto_accept.reconsider(aisle.pk) == State.STOPPED
    stopped = next(line for line in logs if line["event"] == "auto_accept_stopped")
    assert (stopped["log_level"], stopped["right"], stopped["audits"]) == ("warning", 20, 22)
    assert "20 of 22 audits were right" in setting_of(aisle).reason
    sure = suggested(bread, confidence=0.95)
    assert auto_accept.settle(aisle.pk) == auto_accept.AcceptReport()
    assert rows(sure.pk) == [("", False, True, None, None)]
    waiting.refresh_from_db()
    assert waiting.is_audit is False


def test_only_the_newest_audits_decide_whether_it_goes_on(aisle, bread, staff, monkeypatch):
    monkeypatch.setattr(label_metrics, "most_audits", lambda wanted: 20)
    setting = running(aisle, staff, bread)
    now = timezone.now()
    for place in range(20):
        decided(bread, right=place > 5, confidence=0.95, is_audit=True, decided_at=now + timedelta(seconds=place))
    assert (evidence(setting).right, evidence(setting).n) == (14, 20)
    assert auto_accept.reconsider(aisle.pk) == State.STOPPED


def test_switched_on_again_it_begins_from_nothing(aisle, bread, staff):
    running(aisle, staff, bread)
    for _ in range(4):
        decided(bread, right=False, confidence=0.95, is_audit=True)
    assert auto_accept.reconsider(aisle.pk) == State.STOPPED
    setting = switch_on(aisle, staff)
    assert (setting.state, setting.reason, evidence(setting).n) == (State.GATHERING, "", 0)
    assert auto_accept.reconsider(aisle.pk) == State.GATHERING
