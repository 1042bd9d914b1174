"""A decision about a label is in the next list: nothing of an item's labels is cached on the way."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from catalog import review
from catalog.models import ItemLabel
from recommender import interests, neighbours
from recommender.models import InterestLabel
from recommender.slates import recommend
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    StaffFactory,
    TaxonomyFactory,
    axis,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> User:
    return StaffFactory()


@pytest.fixture
def shop():
    """A user who bought a cake, and another item that is suggested as a cake, or rather as soap."""
    taxonomy = TaxonomyFactory(slug="groceries")
    cake, soap = LabelFactory(taxonomy=taxonomy, name="Cakes"), LabelFactory(taxonomy=taxonomy, name="Soap")
    bought = ItemFactory(vector=axis(0))
    ItemLabelFactory(item=bought, label=cake, confidence=0.9)
    candidate = ItemFactory(vector=axis(1))
    suggestion = ItemLabelFactory(item=candidate, label=cake, confidence=0.6)
    for place in range(2, 6):
        ItemLabelFactory(item=ItemFactory(vector=axis(place)), label=soap, confidence=0.6)
    user = EndUserFactory(external_id="ada")
    EventFactory(user=user, item=bought)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    return suggestion, cake, soap


def affinity(suggestion):
    """What the candidate's labels are worth to the user in the list made now."""
    ranked = {one.item.pk: one for one in recommend("ada", n=10).items}
    parts = {part.source: part.raw for part in ranked[suggestion.item_id].parts}
    return parts["label_affinity"]


def test_accept_reject_correct_and_undo_are_in_the_next_list(shop, staff):
    suggestion, cake, soap = shop
    weight = InterestLabel.objects.get(label=cake).weight
    assert affinity(suggestion) == pytest.approx(0.6 * weight)
    review.accept([suggestion.pk], reviewer=staff)
    assert affinity(suggestion) == pytest.approx(weight)  # what a person says is certain
    review.correct(suggestion.pk, soap.pk, reviewer=staff, expected_decision="accepted")
    assert affinity(suggestion) == 0.0
    review.reject([suggestion.pk], reviewer=staff, expected_decision="corrected")
    assert affinity(suggestion) == 0.0
    review.undo(suggestion.pk, reviewer=staff)
    assert affinity(suggestion) == pytest.approx(0.6 * weight)


def test_an_item_becomes_a_candidate_by_a_correction(shop, staff):
    _, cake, soap = shop
    other = ItemLabel.objects.filter(label=soap).earliest("id")
    assert other.item_id not in InterestLabel.objects.best_items([cake.pk], 10)
    review.correct(other.pk, cake.pk, reviewer=staff)
    assert other.item_id in InterestLabel.objects.best_items([cake.pk], 10)
    assert affinity(other) == pytest.approx(InterestLabel.objects.get(label=cake).weight)


def test_what_a_user_is_after_follows_with_their_next_rebuild(shop, staff):
    """The one thing that is stored: a decision about an item that somebody took moves their interest labels later."""
    _, cake, soap = shop
    bought = ItemLabel.objects.filter(label=cake).earliest("id")
    review.correct(bought.pk, soap.pk, reviewer=staff)
    assert [interest.label for interest in InterestLabel.objects.all()] == [cake]
    interests.rebuild_all()
    assert [interest.label for interest in InterestLabel.objects.all()] == [soap]
