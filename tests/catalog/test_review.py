from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from catalog.models import DecisionRecord, ItemLabel, Taxonomy
from catalog.review import accept, correct, reject, restore, undo, undo_batch
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from tests.catalog.shelves import make_item, make_taxonomy

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return User.objects.create_user("ann", is_staff=True)


@pytest.fixture
def bob():
    return User.objects.create_user("bob", is_staff=True)


def suggest(item, taxonomy, *confidences):
    labels = list(taxonomy.labels.order_by("position"))
    single = taxonomy.choice == Taxonomy.Choice.SINGLE
    return [
        ItemLabel.objects.create(
            item=item,
            taxonomy=taxonomy,
            label=label,
            rank=rank,
            confidence=confidence,
            source=ItemLabel.Source.EMBEDDING,
            model="m",
            text_hash=item.text_hash,
            is_assigned=rank == 1 if single else confidence >= 0.5,
        )
        for rank, (label, confidence) in enumerate(zip(labels, confidences, strict=False), start=1)
    ]


def state(*rows):
    for row in rows:
        row.refresh_from_db()
    return [(row.decision, row.final_label_id, row.is_assigned, row.reviewer_id) for row in rows]


def effective(item):
    return set(ItemLabel.objects.of_items([item.pk]).effective().values_list("effective_label_id", flat=True))


@pytest.fixture
def single():
    taxonomy = make_taxonomy()
    item = make_item("milk", "Milk")
    return item, *suggest(item, taxonomy, 0.7, 0.2, 0.1)


def test_accepting_the_second_choice_takes_the_first_away_and_undo_brings_it_back(single, ann):
    item, first, second, third = single
    assert accept([second.pk], reviewer=ann) == 1
    assert state(first, second, third) == [
        ("", None, False, None),
        ("accepted", second.label_id, True, ann.pk),
        ("", None, False, None),
    ]
    assert effective(item) == {second.label_id}
    undo(second.pk, reviewer=ann)
    assert state(first, second) == [("", None, True, None), ("", None, False, None)]
    assert second.decided_at is None
    assert effective(item) == {first.label_id}


def test_a_rejection_takes_the_label_away_and_undo_brings_it_back(single, ann):
    item, first, *_ = single
    reject([first.pk], reviewer=ann)
    assert state(first) == [("rejected", None, False, ann.pk)]
    assert effective(item) == set()
    undo(first.pk, reviewer=ann)
    assert effective(item) == {first.label_id}


def test_a_correction_keeps_the_suggestion_and_adds_the_final_label(single, ann):
    item, first, _, third = single
    before = (first.label_id, first.confidence, first.model, first.suggested_at)
    correct(first.pk, third.label_id, reviewer=ann)
    assert state(first) == [("corrected", third.label_id, True, ann.pk)]
    assert (first.label_id, first.confidence, first.model, first.suggested_at) == before
    assert effective(item) == {third.label_id}


def test_correcting_to_the_suggested_label_accepts_it(single, ann):
    _, first, *_ = single
    correct(first.pk, first.label_id, reviewer=ann)
    assert state(first) == [("accepted", first.label_id, True, ann.pk)]


def test_a_label_of_another_taxonomy_or_a_deprecated_one_is_refused(single, ann):
    _, first, second, _ = single
    other = make_taxonomy("other").labels.first()
    second.label.is_deprecated = True
    second.label.save()
    for label_id in (other.pk, second.label_id, 0):
        with pytest.raises(InvalidInputError, match="not a usable label"):
            correct(first.pk, label_id, reviewer=ann)
    assert state(first) == [("", None, True, None)]


def test_a_decision_of_somebody_else_is_a_conflict_and_leaves_no_trace(single, ann, bob):
    _, first, second, _ = single
    reject([first.pk], reviewer=ann)
    before = state(first, second)
    for attempt in (
        lambda: accept([second.pk, first.pk], reviewer=bob),
        lambda: reject([first.pk], reviewer=bob),
        lambda: correct(first.pk, second.label_id, reviewer=bob),
    ):
        with pytest.raises(ConflictError, match="already rejected by ann"):
            attempt()
    assert state(first, second) == before


def test_who_saw_the_decision_may_change_it(single, ann, bob):
    item, first, *_ = single
    reject([first.pk], reviewer=ann)
    accept([first.pk], reviewer=bob, expected_decision="rejected")
    assert state(first) == [("accepted", first.label_id, True, bob.pk)]
    with pytest.raises(ConflictError):
        reject([first.pk], reviewer=ann, expected_decision="rejected")
    undo(first.pk, reviewer=ann)
    with pytest.raises(ConflictError, match="was undone"):
        reject([first.pk], reviewer=ann, expected_decision="accepted")
    assert effective(item) == {first.label_id}


def test_a_second_click_by_the_same_person_changes_nothing(single, ann):
    _, first, *_ = single
    accept([first.pk], reviewer=ann)
    first.refresh_from_db()
    decided_at = first.decided_at
    assert accept([first.pk, first.pk], reviewer=ann) == 0
    first.refresh_from_db()
    assert first.decided_at == decided_at


def test_two_accepted_labels_of_a_single_choice_are_refused(single, ann):
    _, first, second, _ = single
    accept([first.pk], reviewer=ann)
    with pytest.raises(ConflictError, match="settled"):
        accept([second.pk], reviewer=ann)
    assert state(second) == [("", None, False, None)]


def test_a_superseded_or_missing_suggestion_cannot_be_decided(single, ann):
    _, first, *_ = single
    ItemLabel.objects.filter(pk=first.pk).update(superseded_at=first.suggested_at)
    with pytest.raises(ConflictError, match="replaced by a newer suggestion"):
        accept([first.pk], reviewer=ann)
    with pytest.raises(NotFoundError, match="does not exist"):
        accept([0], reviewer=ann)


def test_nothing_to_undo_is_a_conflict(single, ann):
    with pytest.raises(ConflictError, match="no decision to undo"):
        undo(single[1].pk, reviewer=ann)


def test_several_choices_are_decided_one_by_one(ann):
    taxonomy = make_taxonomy(choice=Taxonomy.Choice.MULTIPLE)
    item = make_item("milk", "Milk")
    likely, likely_too, unlikely = suggest(item, taxonomy, 0.8, 0.6, 0.1)
    accept([unlikely.pk], reviewer=ann)
    reject([likely_too.pk], reviewer=ann)
    assert effective(item) == {likely.label_id, unlikely.label_id}
    undo(unlikely.pk, reviewer=ann)
    undo(likely_too.pk, reviewer=ann)
    assert effective(item) == {likely.label_id, likely_too.label_id}


def test_a_correction_does_not_give_an_item_one_label_twice(ann):
    taxonomy = make_taxonomy(choice=Taxonomy.Choice.MULTIPLE)
    item = make_item("milk", "Milk")
    first, second, third = suggest(item, taxonomy, 0.8, 0.6, 0.1)
    accept([second.pk], reviewer=ann)
    with pytest.raises(ConflictError, match="already accepted"):
        correct(first.pk, second.label_id, reviewer=ann)
    assert effective(item) == {first.label_id, second.label_id}
    correct(third.pk, first.label_id, reviewer=ann)
    rows = ItemLabel.objects.of_items([item.pk]).effective()
    assert sorted(row.effective_label_id for row in rows) == sorted([first.label_id, second.label_id])


def records(*rows):
    found = DecisionRecord.objects.filter(item_label__in=rows).order_by("id")
    return [(record.item_label_id, record.act, record.label_id, record.reviewer_id) for record in found]


def accept_automatically(row):
    ItemLabel.objects.filter(pk=row.pk).update(
        decision="accepted", final_label=row.label_id, is_automatic=True, is_assigned=True, decided_at=timezone.now()
    )


def test_every_act_leaves_a_record_and_one_click_is_one_batch(single, ann, bob):
    _, first, second, third = single
    reject([second.pk, third.pk], reviewer=ann)
    accept([first.pk], reviewer=ann)
    correct(first.pk, third.label_id, reviewer=bob, expected_decision="accepted")
    undo(first.pk, reviewer=bob)
    assert records(first, second, third) == [
        (second.pk, "reject", None, ann.pk),
        (third.pk, "reject", None, ann.pk),
        (first.pk, "accept", first.label_id, ann.pk),
        (first.pk, "correct", third.label_id, bob.pk),
        (first.pk, "undo", None, bob.pk),
    ]
    batches = [record.batch for record in DecisionRecord.objects.order_by("id")]
    assert batches[0] == batches[1]
    assert len(set(batches)) == 4


def test_a_refused_or_repeated_act_leaves_no_record(single, ann, bob):
    _, first, second, _ = single
    accept([first.pk], reviewer=ann)
    accept([first.pk], reviewer=ann)
    for attempt in (
        lambda: reject([first.pk], reviewer=bob),
        lambda: accept([second.pk], reviewer=bob),
        lambda: correct(first.pk, 0, reviewer=bob),
        lambda: undo(second.pk, reviewer=bob),
    ):
        with pytest.raises((ConflictError, InvalidInputError)):
            attempt()
    assert records(first, second) == [(first.pk, "accept", first.label_id, ann.pk)]


def test_an_automatic_acceptance_is_overruled_without_a_conflict(single, ann, bob):
    _, first, _, third = single
    for overrule, expected in (
        (lambda: accept([first.pk], reviewer=ann), ("accepted", first.label_id, True, ann.pk)),
        (lambda: reject([first.pk], reviewer=ann), ("rejected", None, False, ann.pk)),
        (lambda: correct(first.pk, third.label_id, reviewer=ann), ("corrected", third.label_id, True, ann.pk)),
    ):
        accept_automatically(first)
        overrule()
        assert state(first) == [expected]
        assert first.is_automatic is False
        with pytest.raises(ConflictError):
            reject([first.pk], reviewer=bob)
        undo(first.pk, reviewer=ann)


def test_the_automatic_acceptance_of_another_label_gives_way_and_counts_as_wrong(single, ann):
    item, first, second, _ = single
    accept_automatically(first)
    accept([second.pk], reviewer=ann)
    assert state(first, second) == [
        ("rejected", None, False, ann.pk),
        ("accepted", second.label_id, True, ann.pk),
    ]
    assert effective(item) == {second.label_id}
    batch = DecisionRecord.objects.filter(item_label=second).latest("id").batch
    assert undo_batch(batch, reviewer=ann) == 2
    assert state(first, second) == [("accepted", first.label_id, True, None), ("", None, False, None)]
    assert first.is_automatic is True


def test_an_abstained_suggestion_is_decided_and_undo_lets_it_abstain_again(ann):
    item = make_item("milk", "Milk")
    first, second = suggest(item, make_taxonomy(abstain_below=0.3), 0.25, 0.2)
    ItemLabel.objects.filter(pk=first.pk).update(is_assigned=False, is_abstained=True)
    for act in (
        lambda: accept([first.pk], reviewer=ann),
        lambda: accept([second.pk], reviewer=ann),
        lambda: correct(first.pk, second.label_id, reviewer=ann),
        lambda: reject([first.pk], reviewer=ann),
    ):
        act()
        first.refresh_from_db()
        assert first.is_abstained is False
        undo(ItemLabel.objects.exclude(decision="").get().pk, reviewer=ann)
        first.refresh_from_db()
        assert (first.is_abstained, first.is_assigned) == (True, False)
        assert effective(item) == set()
    assert list(ItemLabel.objects.awaiting_review()) == [first]


def test_a_batch_is_taken_back_as_one_but_not_what_was_decided_again_since(ann, bob):
    taxonomy = make_taxonomy()
    rows = [suggest(make_item(name, name), taxonomy, 0.7, 0.2)[0] for name in ("a", "b", "c")]
    accept([row.pk for row in rows], reviewer=ann)
    reject([rows[1].pk], reviewer=bob, expected_decision="accepted")
    batch = DecisionRecord.objects.filter(item_label=rows[0]).get().batch
    assert undo_batch(batch, reviewer=bob) == 2
    assert state(*rows) == [("", None, True, None), ("rejected", None, False, bob.pk), ("", None, True, None)]
    before = DecisionRecord.objects.count()
    with pytest.raises(ConflictError, match="Nothing of that is left"):
        undo_batch(batch, reviewer=ann)
    assert DecisionRecord.objects.count() == before


def test_taking_a_batch_back_restores_the_decision_before_it(single, ann, bob):
    item, first, _, third = single
    correct(first.pk, third.label_id, reviewer=ann)
    first.refresh_from_db()
    decided_at = first.decided_at
    reject([first.pk], reviewer=bob, expected_decision="corrected")
    undo_batch(DecisionRecord.objects.latest("id").batch, reviewer=bob)
    assert state(first) == [("corrected", third.label_id, True, ann.pk)]
    assert abs(first.decided_at - decided_at) < timedelta(seconds=1)
    assert effective(item) == {third.label_id}


def test_a_decision_from_before_there_were_records_is_kept_in_the_history(single, ann, bob):
    _, first, *_ = single
    long_ago = timezone.now() - timedelta(days=90)
    ItemLabel.objects.filter(pk=first.pk).update(
        decision="accepted", final_label=first.label_id, reviewer=ann, decided_at=long_ago
    )
    reject([first.pk], reviewer=bob, expected_decision="accepted")
    assert records(first) == [(first.pk, "accept", first.label_id, ann.pk), (first.pk, "reject", None, bob.pk)]
    assert DecisionRecord.objects.earliest("id").at == long_ago
    undo_batch(DecisionRecord.objects.latest("id").batch, reviewer=bob)
    assert state(first) == [("accepted", first.label_id, True, ann.pk)]


def test_an_earlier_decision_is_restored_as_an_act_of_whoever_restores_it(single, ann, bob):
    _, first, _, third = single
    correct(first.pk, third.label_id, reviewer=ann)
    corrected = DecisionRecord.objects.latest("id")
    undo(first.pk, reviewer=ann)
    restore(corrected.pk, reviewer=bob, expected_decision="")
    assert state(first) == [("corrected", third.label_id, True, bob.pk)]
    undone = DecisionRecord.objects.get(act="undo")
    restore(undone.pk, reviewer=bob, expected_decision="corrected")
    assert state(first) == [("", None, True, None)]
    assert len(records(first)) == 4


def test_restoring_over_a_decision_that_was_not_seen_is_a_conflict(single, ann, bob):
    _, first, *_ = single
    accept([first.pk], reviewer=ann)
    accepted = DecisionRecord.objects.latest("id")
    undo(first.pk, reviewer=ann)
    reject([first.pk], reviewer=bob)
    with pytest.raises(ConflictError, match="already rejected by bob"):
        restore(accepted.pk, reviewer=ann, expected_decision="")
    assert state(first) == [("rejected", None, False, bob.pk)]
    with pytest.raises(NotFoundError):
        restore(0, reviewer=ann)


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_decide_at_the_same_moment_one_wins_and_the_other_is_told():
    """Two connections: both have read the row as free before either writes."""
    taxonomy, people = make_taxonomy(), [User.objects.create_user(name, is_staff=True) for name in ("ann", "bob")]
    rows = [suggest(make_item(f"item-{n}", f"Item {n}"), taxonomy, 0.7, 0.2)[0] for n in range(8)]
    gate, outcomes = Barrier(2, timeout=20), {}

    def decide(person, act):
        try:
            for row in rows:
                gate.wait()
                try:
                    act([row.pk], reviewer=person)
                    outcomes[row.pk, person.pk] = "won"
                except ConflictError as error:
                    outcomes[row.pk, person.pk] = error.message
        finally:
            connection.close()

    threads = [Thread(target=decide, args=pair) for pair in zip(people, (accept, reject), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for row in rows:
        row.refresh_from_db()
        winner = row.reviewer
        loser = next(person for person in people if person != winner)
        assert row.decision == ("accepted" if winner == people[0] else "rejected")
        assert outcomes[row.pk, winner.pk] == "won"
        assert f"already {row.decision} by {winner.username}" in outcomes[row.pk, loser.pk]
        assert [record.reviewer_id for record in DecisionRecord.objects.filter(item_label=row)] == [winner.pk]
