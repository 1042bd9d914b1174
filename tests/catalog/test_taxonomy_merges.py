"""Merging and splitting: what items have, and who decided it, goes with the labels and comes back with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from catalog import taxonomy_merges as merges
from catalog.models import DecisionRecord, Item, ItemLabel, Label, LabelRequest
from recsite.operations.errors import ConflictError, InvalidInputError
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, StaffFactory, TaxonomyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsite.operations.jobs.ring", lambda job: None)


def tags(choice: str = "single", *names: str) -> list[Label]:
    taxonomy = TaxonomyFactory(choice=choice)
    return [LabelFactory(taxonomy=taxonomy, name=name) for name in names or ("Cola", "Soda", "Juice")]


def decided(label: Label, who: User, *, item: Item | None = None, by: str = "accepted", final: Label | None = None):
    """A decision with its record, as review makes it."""
    row = ItemLabelFactory(
        item=item or ItemFactory(),
        label=label,
        decision=by,
        final_label=None if by == "rejected" else final or label,
        reviewer=who,
        decided_at=timezone.now(),
        is_assigned=by != "rejected",
    )
    DecisionRecord.objects.create(
        item_label=row, act=by[:-2] if by != "accepted" else "accept", label=row.final_label, reviewer=who
    )
    return row


def merge(sources: list[Label], target: Label, staff: User):
    expected = {label.pk: label.path for label in [*sources, target]}
    return merges.merge_labels([label.pk for label in sources], target.pk, expected_paths=expected, staff=staff)


def has(item: Item) -> list[tuple[str, str]]:
    """(label, decision) of what the item counts as having."""
    rows = ItemLabel.objects.filter(item=item).effective().select_related("label", "final_label")
    return sorted((row.shown_label.name, row.decision) for row in rows)


def everything() -> list[tuple[Any, ...]]:
    fields = ("pk", "label_id", "final_label_id", "decision", "reviewer_id", "superseded_at", "is_assigned")
    return list(ItemLabel.objects.order_by("pk").values_list(*fields))


def test_decisions_of_two_people_go_to_the_target_with_who_made_them_and_come_back(staff: User) -> None:
    cola, soda, _ = tags()
    ann, bob = StaffFactory(username="ann"), StaffFactory(username="bob")
    by_ann = decided(cola, ann)
    by_bob = decided(soda, bob, by="corrected", final=cola)
    kept = decided(soda, bob)
    preview = merges.preview_merge_labels([cola.pk], soda.pk)
    assert (preview.labels, preview.items, preview.decisions, preview.moved_decisions, preview.asked_anew) == (
        1,
        2,
        2,
        2,
        0,
    )
    assert merge([cola], soda, staff).job_id is None
    cola.refresh_from_db()
    assert (cola.is_deprecated, cola.merged_into) == (True, soda)
    for row, who, decision, said in (
        (by_ann, ann, "accepted", cola),
        (by_bob, bob, "corrected", soda),
        (kept, bob, "accepted", soda),
    ):
        row.refresh_from_db()
        assert (row.final_label, row.reviewer, row.decision, row.superseded_at) == (soda, who, decision, None)
        assert row.label == said  # what the model said is never changed
    assert set(DecisionRecord.objects.values_list("reviewer__username", "label__name")) == {
        ("ann", "Cola"),
        ("bob", "Cola"),
        ("bob", "Soda"),
    }
    merges.restore_label(cola.pk, expected_path="Cola", staff=staff)
    cola.refresh_from_db()
    for row, label in ((by_ann, cola), (by_bob, cola), (kept, soda)):
        row.refresh_from_db()
        assert row.final_label == label
    assert (cola.is_deprecated, cola.merged_into) == (False, None)


def test_of_two_people_who_gave_one_item_both_labels_the_earlier_counts_and_both_are_kept(staff: User) -> None:
    cola, soda, _ = tags("multiple")
    ann, bob = StaffFactory(), StaffFactory()
    item = ItemFactory()
    first = decided(cola, ann, item=item)
    ItemLabel.objects.filter(pk=first.pk).update(decided_at=timezone.now() - timedelta(days=1))
    second = decided(soda, bob, item=item)
    merge([cola], soda, staff)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.final_label, first.reviewer, first.superseded_at) == (soda, ann, None)
    assert (second.final_label, second.reviewer, second.decision) == (soda, bob, "accepted")
    assert second.superseded_at is not None
    assert has(item) == [("Soda", "accepted")]
    merges.restore_label(cola.pk, expected_path="Cola", staff=staff)
    assert ("Cola", "accepted") in has(item)


def test_what_a_person_decided_goes_before_what_was_accepted_by_itself(staff: User) -> None:
    cola, soda, _ = tags("multiple")
    item = ItemFactory()
    automatic = decided(cola, staff, item=item)
    ItemLabel.objects.filter(pk=automatic.pk).update(
        is_automatic=True, reviewer=None, decided_at=timezone.now() - timedelta(days=9)
    )
    by_person = decided(soda, staff, item=item)
    merge([cola], soda, staff)
    automatic.refresh_from_db()
    by_person.refresh_from_db()
    assert (automatic.superseded_at is None, by_person.superseded_at) == (False, None)


def test_suggestions_become_one_of_the_target_and_are_asked_anew(staff: User) -> None:
    cola, soda, juice = tags()
    item = ItemFactory()
    opinions = {"embedding": [[cola.pk, 0.5], [soda.pk, 0.25], [juice.pk, 0.1]]}
    ItemLabelFactory(item=item, label=cola, confidence=0.6, rank=1, opinions=opinions, evidence="cola", is_audit=True)
    ItemLabelFactory(item=item, label=soda, confidence=0.3, rank=2, is_assigned=False)
    other = ItemLabelFactory(item=item, label=juice, confidence=0.1, rank=3, is_assigned=False)
    edited = merge([cola], soda, staff)
    assert edited.items == 1
    rows = ItemLabel.objects.filter(item=item).current().order_by("rank")
    assert [(row.label.name, row.rank, row.confidence, row.is_assigned, row.decision) for row in rows] == [
        ("Soda", 1, 0.6, True, ""),
        ("Juice", 3, 0.1, False, ""),
    ]
    assert (rows[0].opinions, rows[0].evidence, rows[0].is_audit) == (
        {"embedding": [[soda.pk, 0.75], [juice.pk, 0.1]]},
        "cola",
        True,
    )
    assert rows[1] == other
    assert ItemLabel.objects.filter(item=item, superseded_at__isnull=False).count() == 2
    assert list(LabelRequest.objects.values_list("item_id", "status")) == [(item.pk, "pending")]


def test_a_label_that_a_person_rejected_is_not_suggested_again_by_a_merge(staff: User) -> None:
    cola, soda, _ = tags()
    item = ItemFactory()
    rejected = decided(soda, staff, item=item, by="rejected")
    ItemLabelFactory(item=item, label=cola)
    merge([cola], soda, staff)
    assert has(item) == []
    assert list(ItemLabel.objects.filter(item=item).current()) == [rejected]


def test_a_rejection_of_a_merged_label_stays_what_it_was(staff: User) -> None:
    cola, soda, _ = tags()
    row = decided(cola, staff, by="rejected")
    merge([cola], soda, staff)
    row.refresh_from_db()
    assert (row.decision, row.label, row.final_label, row.superseded_at) == ("rejected", cola, None, None)


def test_an_unsure_suggestion_stays_unsure(staff: User) -> None:
    cola, soda, _ = tags()
    row = ItemLabelFactory(label=cola, confidence=0.1, is_assigned=False, is_abstained=True)
    merge([cola], soda, staff)
    carried = ItemLabel.objects.filter(item=row.item).current().get()
    assert (carried.label, carried.is_assigned, carried.is_abstained) == (soda, False, True)


def test_several_become_one_with_what_lies_below_them(staff: User) -> None:
    drinks, cans, bottles = tags("single", "Drinks", "Cans", "Bottles")
    big = LabelFactory(taxonomy=drinks.taxonomy, parent=cans, name="Big cans")
    LabelFactory(taxonomy=drinks.taxonomy, parent=bottles, name="Big bottles")
    LabelFactory(taxonomy=drinks.taxonomy, parent=drinks, name="Water")
    merge([cans, bottles], drinks, staff)
    assert list(Label.objects.filter(parent=drinks).order_by("name").values_list("path", flat=True)) == [
        "Drinks > Big bottles",
        "Drinks > Big cans",
        "Drinks > Water",
    ]
    big.refresh_from_db()
    assert big.is_deprecated is False


def test_a_leaf_is_merged_into_the_label_above_it_once_nothing_else_lies_there(staff: User) -> None:
    (drinks,) = tags("single", "Drinks")
    cola, soda = (LabelFactory(taxonomy=drinks.taxonomy, parent=drinks, name=name) for name in ("Cola", "Soda"))
    row = ItemLabelFactory(label=cola)
    with pytest.raises(InvalidInputError, match="Drinks has labels below it, which items get instead of it"):
        merges.preview_merge_labels([cola.pk], drinks.pk)
    merge([cola, soda], drinks, staff)
    assert has(row.item) == [("Drinks", "")]
    assert drinks in Label.objects.assignable()


def test_labels_merged_earlier_lead_to_the_last_target_in_one_step(staff: User) -> None:
    cola, soda, juice = tags()
    row = decided(cola, staff)
    merge([cola], soda, staff)
    merge([soda], juice, staff)
    cola.refresh_from_db()
    row.refresh_from_db()
    assert (cola.merged_into, row.final_label) == (juice, juice)


def test_a_merge_that_cannot_be_leaves_no_trace(staff: User) -> None:
    cola, soda, juice = tags()
    below = LabelFactory(taxonomy=cola.taxonomy, parent=juice, name="Orange")
    elsewhere = LabelFactory(name="Elsewhere")
    ItemLabelFactory(label=cola)
    before = (everything(), list(Label.objects.order_by("pk").values_list("path", "is_deprecated", "merged_into")))
    for sources, target, message in (
        ([juice], below, "lies below Juice; merge the other way round"),
        ([elsewhere], cola, "is in another taxonomy"),
        ([], cola, "Choose the labels that become Cola"),
        ([cola], cola, "Choose the labels that become Cola"),
        ([cola], juice, "Juice has labels below it"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            merge(sources, target, staff)
    with pytest.raises(ConflictError):
        merges.merge_labels([cola.pk], soda.pk, expected_paths={cola.pk: "Cola", soda.pk: "Pop"}, staff=staff)
    with pytest.raises(ConflictError, match="Kola is Cola by now"):
        merges.merge_labels([cola.pk], soda.pk, expected_paths={cola.pk: "Kola", soda.pk: "Soda"}, staff=staff)
    assert before == (
        everything(),
        list(Label.objects.order_by("pk").values_list("path", "is_deprecated", "merged_into")),
    )
    assert not LabelRequest.objects.exists()


def test_two_labels_of_one_name_below_the_target_are_refused(staff: User) -> None:
    cans, bottles, _ = tags("single", "Cans", "Bottles", "x")
    for parent in (cans, bottles):
        LabelFactory(taxonomy=cans.taxonomy, parent=parent, name="Big")
    with pytest.raises(InvalidInputError, match="There would be two labels Big below Bottles"):
        merge([cans], bottles, staff)


# ---------------------------------------------------------------- split


def test_a_label_is_split_below_itself_and_its_undecided_items_are_asked_anew(staff: User) -> None:
    bread, *_ = tags("single", "Bread")
    undecided = ItemLabelFactory(label=bread)
    settled = decided(bread, staff)
    preview = merges.preview_split_label(bread.pk, ["Rye", "Wheat"])
    assert (preview.labels, preview.items, preview.decisions, preview.asked_anew) == (2, 2, 1, 1)
    merges.split_label(bread.pk, {"Rye": "Dark.", "小麦": ""}, expected_path="Bread", staff=staff)
    assert list(Label.objects.filter(parent=bread).values_list("path", "description", "description_source")) == [
        ("Bread > Rye", "Dark.", "person"),
        ("Bread > 小麦", "", ""),
    ]
    assert list(LabelRequest.objects.values_list("item_id", flat=True)) == [undecided.item_id]
    assert has(settled.item) == [("Bread", "accepted")]
    assert bread not in Label.objects.assignable()


def test_a_label_is_split_beside_itself_and_stays_one_that_items_get(staff: User) -> None:
    bread, *_ = tags("single", "Bread")
    merges.split_label(bread.pk, {"Rye": ""}, expected_path="Bread", staff=staff, is_beside=True)
    assert set(Label.objects.assignable().values_list("path", flat=True)) == {"Bread", "Rye"}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "Name the labels that Bread is split into"),
        ({"Rye": "", " Rye ": ""}, "Two of the new labels have the same name"),
        ({f"Part {n}": "" for n in range(21)}, "21 new labels are too many at once"),
        ({"n" * 300: ""}, "The name has 300 characters"),
    ],
)
def test_a_split_that_cannot_be_leaves_no_trace(staff: User, parts: dict[str, str], message: str) -> None:
    bread, *_ = tags("single", "Bread")
    with pytest.raises(InvalidInputError, match=message):
        merges.split_label(bread.pk, parts, expected_path="Bread", staff=staff)
    assert Label.objects.count() == 1
