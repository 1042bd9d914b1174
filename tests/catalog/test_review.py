from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from catalog.models import ItemLabel, Taxonomy
from catalog.review import accept, correct, reject, undo
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
