"""Which suggestions a review page is about, and in which order."""

from __future__ import annotations

import pytest
from django.utils import timezone

from catalog.models import ItemLabel
from catalog.review_filters import ReviewFilter, parse, rows_for
from catalog.review_focus import next_row
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, StaffFactory, TaxonomyFactory, axis

pytestmark = pytest.mark.django_db


def found(staff, **address):
    return set(
        rows_for(parse({name: str(value) for name, value in address.items()}), staff).values_list("pk", flat=True)
    )


def test_the_queue_is_ordered_by_gain_then_least_sure_then_id():
    rows = [
        ItemLabelFactory(gain=gain, confidence=confidence)
        for gain, confidence in ((0.1, 0.2), (0.9, 0.8), (0.9, 0.3), (0.9, 0.3))
    ]
    queue = ItemLabel.objects.awaiting_review().in_queue_order()
    assert list(queue) == [rows[2], rows[3], rows[1], rows[0]]
    for whole in (True, False):
        assert next_row(queue, is_whole_queue=whole) == rows[2].pk
        assert next_row(queue, passed=[rows[2].pk, rows[3].pk], is_whole_queue=whole) == rows[1].pk
        assert next_row(queue, passed=[row.pk for row in rows], is_whole_queue=whole) is None


def test_the_address_narrows_by_each_filter_and_says_itself_again(staff):
    top = LabelFactory(name="Bread", path="Bread")
    rolls = LabelFactory(taxonomy=top.taxonomy, parent=top, name="Rolls", path="Bread > Rolls")
    one = ItemLabelFactory(label=rolls, confidence=0.3, source="embedding", item=ItemFactory(title="Soft rolls"))
    other = ItemLabelFactory(confidence=0.9)
    assert found(staff) == {one.pk, other.pk}
    assert found(staff, taxonomy=top.taxonomy_id) == {one.pk}
    assert found(staff, label=top.pk) == found(staff, label="bread", taxonomy=top.taxonomy_id) == {one.pk}
    assert found(staff, label="Bread > Nothing") == found(staff, label=0) == set()
    assert found(staff, source="embedding") == {one.pk}
    assert found(staff, **{"from": 0.2, "to": 0.5}) == {one.pk}
    assert found(staff, q="soft ROLLS") == found(staff, q=one.item.external_id) == {one.pk}
    narrowing = parse({"taxonomy": "3", "label": "7", "from": "0.2", "disputed": "1", "state": "mine", "q": "a b"})
    assert parse(narrowing.parameters) == narrowing
    assert narrowing.query == "taxonomy=3&label=7&disputed=1&from=0.2&q=a+b&state=mine"


def test_nonsense_in_the_address_narrows_nothing():
    nonsense = {
        "taxonomy": "x",
        "source": "aliens",
        "from": "1.5",
        "to": "nan",
        "state": "?",
        "similar": "-1",
        "q": "\x00",
    }
    assert parse(nonsense) == ReviewFilter()


def test_only_where_opinions_differ(staff):
    bread, rolls = LabelFactory(), LabelFactory()

    def suggested(**opinions):
        named = {who: [[label.pk, 0.6], [rolls.pk, 0.1]] for who, label in opinions.items()}
        return ItemLabelFactory(label=bread, item=ItemFactory(), opinions=named).pk

    suggested(embedding=bread, head=bread, language_model=bread)
    suggested(embedding=bread)
    suggested()
    differ = {suggested(embedding=bread, language_model=rolls), suggested(embedding=rolls, head=bread)}
    assert found(staff, disputed=1) == differ


def test_states_tell_what_waits_from_what_people_and_auto_accept_decided(staff):
    waiting = ItemLabelFactory()
    abstained = ItemLabelFactory(is_assigned=False, is_abstained=True)
    ItemLabelFactory(is_assigned=False)
    ItemLabelFactory(superseded_at=timezone.now())
    mine = ItemLabelFactory(decision="accepted", reviewer=staff)
    theirs = ItemLabelFactory(decision="rejected", reviewer=StaffFactory(), is_assigned=False)
    automatic = ItemLabelFactory(decision="accepted", is_automatic=True)
    assert found(staff) == {waiting.pk, abstained.pk}
    assert found(staff, state="mine") == {mine.pk}
    assert found(staff, state="anyone") == {mine.pk, theirs.pk}
    assert found(staff, state="automatic") == {automatic.pk}


def test_similar_are_the_nearest_items_with_the_same_suggestion(staff, monkeypatch):
    monkeypatch.setattr("catalog.review_filters.SIMILAR_AMONG", 3)
    bread, rolls = LabelFactory(), LabelFactory()
    near = [axis(0), axis(0) + 0.1 * axis(1), axis(0) + 0.2 * axis(1), axis(0) + 3 * axis(1)]
    rows = [
        ItemLabelFactory(label=label, item=ItemFactory(vector=vector))
        for label, vector in zip((bread, bread, rolls, bread), near, strict=True)
    ]
    assert found(staff, similar=rows[0].pk) == {rows[0].pk, rows[1].pk}
    assert found(staff, similar=0) == set()


def test_an_item_of_several_labels_is_finished_before_the_next_comes():
    taxonomy = TaxonomyFactory(choice="multiple")
    one, two = ItemFactory(), ItemFactory()
    first = ItemLabelFactory(item=one, label=LabelFactory(taxonomy=taxonomy), gain=0.9)
    second = ItemLabelFactory(item=one, label=LabelFactory(taxonomy=taxonomy), gain=0.1, rank=2)
    ItemLabelFactory(item=two, label=LabelFactory(taxonomy=taxonomy), gain=0.5)
    queue = ItemLabel.objects.awaiting_review()
    assert next_row(queue) == first.pk
    assert next_row(queue, beside=first) == second.pk
