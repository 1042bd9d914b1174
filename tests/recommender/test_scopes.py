"""Scopes and audiences: checked as they come in, and the same in the database as in memory."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import Item, Label
from recommender.models import InterestLabel
from recommender.models.neighbour import in_scope
from recommender.scopes import Audience, ItemFacts, Scope, audience_from, holds, scope_from
from recsite.operations.errors import InvalidInputError
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory

texts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20), max_size=4)
named = texts.map(lambda found: tuple(dict.fromkeys(each.strip() for each in found if each.strip())))
ids = st.lists(st.integers(1, 2**40), max_size=4, unique=True).map(tuple)
prices = st.none() | st.decimals(0, 999, places=2)
counts = st.none() | st.integers(0, 999)


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    price, stock = draw(st.tuples(prices, prices)), draw(st.tuples(counts, counts))
    low_price, high_price = sorted(price) if None not in price else price
    low_stock, high_stock = sorted(stock) if None not in stock else stock
    return Scope(draw(named), draw(ids), draw(named), low_price, high_price, low_stock, high_stock)


@given(scopes())
def test_a_scope_comes_back_as_it_was_stored(scope: Scope) -> None:
    assert scope_from(scope.as_json()) == scope
    assert scope.is_everything == (scope.as_json() == {})


@given(named, ids, st.sampled_from(["", "prices/b", "a/b/c"]))
def test_an_audience_comes_back_as_it_was_stored(users: tuple[str, ...], labels: tuple[int, ...], arm: str) -> None:
    audience = Audience(users, ("none", "few"), labels, {"country": "DE"}, arm)
    assert audience_from(audience.as_json()) == audience


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"colour": "red"}, "no field 'colour'"),
        ({"items": "a1"}, "scope.items must be a list"),
        ({"items": [""]}, "1 to 200 characters"),
        ({"items": [f"a{n}" for n in range(201)]}, "200 at most"),
        ({"labels": ["1"]}, "whole numbers above 0"),
        ({"labels": [True]}, "whole numbers above 0"),
        ({"price_from": "cheap"}, "an amount like 12.99"),
        ({"price_from": "NaN"}, "an amount like 12.99"),
        ({"price_from": "9", "price_to": "1"}, "swap the two"),
        ({"stock_to": -1}, "a whole number from 0 on"),
        ([], "must be an object"),
    ],
)
def test_a_scope_that_cannot_be_meant_is_refused_with_its_field(values: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        scope_from(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"histories": ["long"]}, "no history 'long'"),
        ({"attributes": {"age": 7}}, "must be texts"),
        ({"arm": "prices"}, "write the experiment and its arm"),
        ({"users": 3}, "must be a list"),
    ],
)
def test_an_audience_that_cannot_be_meant_is_refused_with_its_field(values: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        audience_from(values)


@pytest.mark.django_db
def test_the_database_and_the_list_agree_on_what_is_in_a_scope() -> None:
    drinks = LabelFactory(name="Drinks")
    beer = LabelFactory(name="Beer", parent=drinks, taxonomy=drinks.taxonomy)
    rows = [
        ("a", "Mill", "1.00", 0, beer),
        ("b", "MILL", None, 5, drinks),
        ("c", "", "9.99", None, None),
        ("d", "Dairy", "3.00", 2, None),
    ]
    for external_id, brand, price, stock, label in rows:
        item = ItemFactory(external_id=external_id, brand=brand, price=price, stock_quantity=stock)
        if label:
            ItemLabelFactory(item=item, label=label)
    ItemLabelFactory(item=Item.objects.get(external_id="c"), label=beer, decision="rejected", is_assigned=False)
    ItemLabelFactory(
        item=Item.objects.get(external_id="d"), label=LabelFactory(), decision="corrected", final_label=beer
    )
    within = Label.objects.all().branches([drinks.pk, beer.pk])
    facts = Item.objects.all().facts(Item.objects.values_list("pk", flat=True))
    labels: dict[int, set[int]] = {}
    for item_id, _, label_id, _ in InterestLabel.objects.labels_of_items(list(facts)):
        labels.setdefault(item_id, set()).add(label_id)
    expected = {
        Scope(): "abcd",
        Scope(items=("a", "zz")): "a",
        Scope(labels=(drinks.pk,)): "abd",
        Scope(labels=(beer.pk,)): "ad",
        Scope(brands=("mill", "dairy")): "abd",
        Scope(price_from=Decimal(1), price_to=Decimal(3)): "ad",
        Scope(stock_from=2): "bd",
        Scope(stock_to=0): "a",
        Scope(labels=(drinks.pk,), brands=("Mill",), stock_from=1): "b",
    }
    for scope, there in expected.items():
        in_database = Item.objects.filter(in_scope(scope, within)).order_by("external_id")
        in_memory = [
            row[0] for pk, row in facts.items() if holds(scope, ItemFacts(*row, frozenset(labels.get(pk, ()))), within)
        ]
        assert "".join(in_database.values_list("external_id", flat=True)) == there, scope
        assert "".join(sorted(in_memory)) == there, scope
