"""What was accepted automatically is taken back; which threshold is suggested; who rings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from catalog import auto_accept, auto_accept_bell, review, tasks
from catalog.audits import suggest_threshold
from catalog.confidence import judged
from catalog.models import AutoAccept, DecisionRecord, ItemLabel, Taxonomy
from recsite.operations.errors import InvalidInputError
from tests.catalog.opinions import decided, rows, running, suggested, switch_on
from tests.factories import LabelFactory, TaxonomyFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("real_lot")]

State = AutoAccept.State


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
