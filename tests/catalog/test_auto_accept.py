"""Auto-accept: it starts only when proven, stops by itself, is audited at random, and a person always wins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import structlog
from django.utils import timezone

from catalog import auto_accept, auto_accept_bell, label_metrics, review, tasks
from catalog.audits import evidence, suggest_threshold
from catalog.confidence import judged
from catalog.models import AutoAccept, DecisionRecord, ItemLabel, LabelRequest, Taxonomy
from recsite.operations.errors import InvalidInputError, NotFoundError
from tests.catalog.opinions import decided, suggested
from tests.factories import ItemLabelFactory, LabelFactory, LabelRequestFactory, StaffFactory, TaxonomyFactory

pytestmark = pytest.mark.django_db

State = AutoAccept.State


@pytest.fixture(autouse=True)
def real_lot(monkeypatch):
    """No label is drawn as an audit by chance; tests about that put the real lot back."""
    real = auto_accept.lot
    monkeypatch.setattr(auto_accept, "lot", lambda pk: 1.0)
    return real


@pytest.fixture
def staff():
    return StaffFactory()


@pytest.fixture
def aisle() -> Taxonomy:
    return TaxonomyFactory(slug="aisle")


@pytest.fixture
def bread(aisle):
    return LabelFactory(taxonomy=aisle, name="Bread")


@pytest.fixture
def milk(aisle):
    return LabelFactory(taxonomy=aisle, name="Milk")


def switch_on(taxonomy, staff, *, wanted=0.8, threshold=0.9, audit_share=0.01):
    return auto_accept.switch_on(
        taxonomy.pk, wanted_precision=wanted, threshold=threshold, audit_share=audit_share, staff=staff
    )


def running(taxonomy, staff, label, **settings):
    """Switched on and proven by just as many right audits as it takes."""
    setting = switch_on(taxonomy, staff, **settings)
    for _ in range(label_metrics.fewest_audits(setting.wanted_precision)):
        decided(label, right=True, confidence=0.95, is_audit=True, reviewer=staff)
    assert auto_accept.reconsider(taxonomy.pk) == State.RUNNING
    return setting


def rows(*pks):
    return list(
        ItemLabel.objects.filter(pk__in=pks)
        .order_by("pk")
        .values_list("decision", "is_automatic", "is_assigned", "reviewer_id", "final_label_id")
    )


def setting_of(taxonomy):
    return AutoAccept.objects.get(pk=taxonomy.pk)


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


# ---------------------------------------------------------------- taking back


def test_a_day_is_taken_back_as_one_and_is_never_accepted_again(aisle, bread, staff):
    running(aisle, staff, bread)
    old, new = suggested(bread, confidence=0.95), suggested(bread, confidence=0.95)
    auto_accept.accept_sure(aisle.pk)
    ItemLabel.objects.filter(pk=old.pk).update(decided_at=datetime(2026, 3, 1, 23, 59, tzinfo=UTC))
    ItemLabel.objects.filter(pk=new.pk).update(decided_at=datetime(2026, 3, 2, tzinfo=UTC))
    assert auto_accept.take_back(aisle.pk, staff=staff, day=datetime(2026, 3, 1).date()) == 1
    assert rows(old.pk, new.pk) == [("", False, True, None, None), ("accepted", True, True, None, bread.pk)]
    record = DecisionRecord.objects.filter(item_label=old).first()
    assert (record.act, record.reviewer, record.is_automatic) == ("undo", staff, False)
    assert auto_accept.take_back(aisle.pk, staff=staff, day=datetime(2026, 3, 1).date()) == 0
    assert auto_accept.settle(aisle.pk).accepted == 0
    assert rows(old.pk)[0][0] == ""


def test_all_since_a_moment_are_taken_back_but_nothing_that_a_person_decided(aisle, bread, milk, staff):
    running(aisle, staff, bread)
    taken, confirmed, overruled, unsure = (suggested(bread, confidence=0.95) for _ in range(4))
    auto_accept.accept_sure(aisle.pk)
    # As reviewing leaves them: confirmed and corrected by a person.
    ItemLabel.objects.filter(pk=confirmed.pk).update(is_automatic=False, reviewer=staff)
    ItemLabel.objects.filter(pk=overruled.pk).update(
        is_automatic=False, reviewer=staff, decision="corrected", final_label=milk
    )
    ItemLabel.objects.filter(pk=unsure.pk).update(confidence=0.1)  # abstaining was set higher since
    by_people = rows(confirmed.pk, overruled.pk)
    since = timezone.now() - timedelta(hours=1)
    assert auto_accept.take_back(aisle.pk, staff=staff, since=since) == 2
    assert rows(confirmed.pk, overruled.pk) == by_people
    assert rows(taken.pk, unsure.pk) == [("", False, True, None, None), ("", False, False, None, None)]
    unsure.refresh_from_db()
    assert unsure.is_abstained is True
    batches = set(DecisionRecord.objects.filter(act="undo").values_list("batch", flat=True))
    assert len(batches) == 1
    assert auto_accept.take_back(aisle.pk, staff=staff, since=timezone.now() + timedelta(hours=1)) == 0


def test_taking_back_needs_to_know_which(aisle, staff):
    for values in ({}, {"day": datetime(2026, 3, 1).date(), "since": timezone.now()}):
        with pytest.raises(InvalidInputError, match="which day, or since when"):
            auto_accept.take_back(aisle.pk, staff=staff, **values)


# ---------------------------------------------------------------- which threshold


def test_the_suggested_threshold_is_the_lowest_that_looks_good_enough(aisle, bread, staff):
    for _ in range(16):
        decided(bread, right=True, confidence=0.8)
    for _ in range(10):
        decided(bread, right=False, confidence=0.4)
    waiting = [suggested(bread, confidence=sure) for sure in (0.79, 0.8, 0.95)]
    found = suggest_threshold(aisle.pk, 0.8, judged(aisle.pk))
    assert (found.threshold, found.right, found.n, found.would_accept) == (0.8, 16, 16, 2)
    assert suggest_threshold(aisle.pk, 0.95, judged(aisle.pk)).threshold is None
    assert waiting[0].decision == ""


# ---------------------------------------------------------------- bells


class Bell:
    def __init__(self, monkeypatch):
        self.rung = []
        monkeypatch.setattr(tasks.settle_auto_accept, "apply_async", lambda args=(), **options: self.rung.append(args))


def test_a_decision_rings_where_it_is_on(aisle, bread, staff, monkeypatch, django_capture_on_commit_callbacks):
    bell = Bell(monkeypatch)
    first, second, elsewhere = suggested(bread), suggested(bread), suggested(LabelFactory())
    with django_capture_on_commit_callbacks(execute=True):
        review.accept([first.pk], reviewer=staff)
    assert bell.rung == []
    switch_on(aisle, staff)
    with django_capture_on_commit_callbacks(execute=True):
        review.accept([second.pk, elsewhere.pk], reviewer=staff)
    assert bell.rung == [(aisle.pk,)]
    with django_capture_on_commit_callbacks(execute=True):
        auto_accept_bell.ring([aisle.pk, elsewhere.taxonomy_id])
    assert bell.rung == [(aisle.pk,)] * 2


def test_the_sweep_rings_only_where_something_is_on(aisle, staff, monkeypatch, django_assert_max_num_queries):
    bell = Bell(monkeypatch)
    tasks.sweep()
    assert bell.rung == []
    with django_assert_max_num_queries(1):
        tasks.settle_auto_accept()
    switch_on(aisle, staff)
    tasks.sweep()
    assert bell.rung == [(None,)]


def test_the_task_settles_all_that_are_on_and_rings_again_while_any_remains(aisle, bread, staff, monkeypatch):
    bell = Bell(monkeypatch)
    monkeypatch.setattr(auto_accept, "AT_ONCE", 2)
    monkeypatch.setattr(auto_accept, "BATCHES", 2)
    monkeypatch.setattr(auto_accept, "lot", lambda pk: 1.0)
    running(aisle, staff, bread)
    for _ in range(5):
        suggested(bread, confidence=0.95)
    tasks.settle_auto_accept()
    assert bell.rung == [(aisle.pk,)]
    tasks.settle_auto_accept(aisle.pk)
    assert bell.rung == [(aisle.pk,)]
    assert ItemLabel.objects.filter(is_automatic=True).count() == 5
    TaxonomyFactory(slug="aisle")
    Taxonomy.objects.filter(pk=aisle.pk).update(is_active=False)
    suggested(bread, confidence=0.95)
    assert auto_accept.settle_all() == {}
