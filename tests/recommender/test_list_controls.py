"""What a list on a user's page is asked for: read from the address, and what cannot be is told beside its field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.http import QueryDict
from django.utils import timezone

from recommender.list_controls import DEFAULT_N, brands_like, known_placements, list_controls, moment_from
from recommender.models import Experiment, Rule
from recommender.scopes import Scope
from recommender.strategies import live_strategy
from tests.factories import ItemFactory, LabelFactory, StrategyFactory

pytestmark = pytest.mark.django_db


def test_an_address_that_asks_nothing_asks_for_the_list_that_the_site_serves() -> None:
    asked = list_controls(QueryDict("strategy=&compare=&compare=&n=&label=&price_from=&at="))
    assert asked.is_as_served
    assert asked.n == DEFAULT_N
    assert asked.beside == ()
    assert asked.errors == {}
    assert asked.filters_set == 0


def test_everything_that_can_be_asked_for_is_read() -> None:
    live = live_strategy()
    draft, other = StrategyFactory(is_draft=True), StrategyFactory()
    rye, milk = LabelFactory(name="Rye"), LabelFactory(name="Milk")
    ItemFactory(brand="Millstone")
    asked = list_controls(
        QueryDict(
            f"strategy={draft.pk}&compare={live.pk}&compare={other.pk}&n=100&repeats=allow&placement=checkout"
            f"&label={milk.pk}&label={rye.pk}&brand=millSTONE&price_from=1,50&price_to=9.99&stock_from=5&at=2026-03-01T12:30"
        )
    )
    assert asked.errors == {}
    assert (asked.strategy, asked.beside) == (draft, (live, other))
    assert (asked.n, asked.repeats, asked.placement) == (100, "allow", "checkout")
    assert asked.labels == (milk, rye)
    assert asked.within == Scope(
        labels=(milk.pk, rye.pk),
        brands=("millSTONE",),
        price_from=Decimal("1.50"),
        price_to=Decimal("9.99"),
        stock_from=5,
    )
    assert asked.at == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert asked.filters_set == 6


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("strategy=999999", "strategy", "no such strategy"),
        ("strategy=x", "strategy", "no such strategy"),
        ("compare=999999", "compare", "no such strategy"),
        ("n=0", "n", "1 to 100"),
        ("n=101", "n", "1 to 100"),
        ("n=ten", "n", "1 to 100"),
        ("n=²", "n", "1 to 100"),
        ("n=99999999999999999999", "n", "1 to 100"),
        ("repeats=maybe", "repeats", "allowed or excluded"),
        (f"placement={'x' * 101}", "placement", "100 characters"),
        ("label=999999", "label", "does not exist"),
        ("label=soup", "label", "does not exist"),
        ("label=99999999999999999999", "label", "does not exist"),
        ("brand=Nobody", "brand", "“Nobody”"),
        ("price_from=abc", "price", "“abc” is no price"),
        ("price_from=-1", "price", "is no price"),
        ("price_to=NaN", "price", "is no price"),
        ("price_to=1e400", "price", "is no price"),
        ("price_from=9&price_to=1", "price", "swap"),
        ("stock_from=-1", "stock", "whole number"),
        ("stock_from=2.5", "stock", "whole number"),
        ("stock_from=99999999999", "stock", "whole number"),
        ("at=yesterday", "at", "no date"),
        ("at=2026-13-45T00:00", "at", "no date"),
        ("at=2999-01-01T00:00", "at", "lies ahead"),
    ],
)
def test_a_value_that_cannot_be_is_told_at_its_field_and_left_out(query: str, field: str, says: str) -> None:
    asked = list_controls(QueryDict(query))
    assert list(asked.errors) == [field]
    assert says in asked.errors[field]
    assert asked.is_as_served
    assert (asked.n, asked.placement, asked.beside) == (DEFAULT_N, "", ())


def test_what_was_typed_stays_in_its_field() -> None:
    asked = list_controls(QueryDict("n=900&price_from=abc&stock_from=many"))
    assert (asked.typed["n"], asked.typed["price_from"], asked.typed["stock_from"]) == ("900", "abc", "many")


def test_three_columns_at_most_each_strategy_once() -> None:
    one, two, three, four = StrategyFactory.create_batch(4)
    asked = list_controls(QueryDict(f"strategy={one.pk}&compare={one.pk},{two.pk},{two.pk}"))
    assert asked.beside == (two,)
    assert "first column" in asked.errors["compare"]
    many = list_controls(QueryDict(f"compare={one.pk}&compare={two.pk}&compare={three.pk},{four.pk}"))
    assert many.beside == (one, two)
    assert "at most" in many.errors["compare"]


def test_moments_are_read_in_the_zone_of_the_staff_member() -> None:
    with timezone.override("Asia/Shanghai"):
        assert moment_from("2026-03-01T12:00") == datetime(2026, 3, 1, 4, tzinfo=UTC)
        assert moment_from("2026-03-01T12:00:00Z") == datetime(2026, 3, 1, 12, tzinfo=UTC)
        assert moment_from("0001-01-01T00:00") is None


def test_a_moment_just_past_is_no_mistake() -> None:
    at = timezone.now() - timedelta(seconds=1)
    assert list_controls(QueryDict(f"at={at:%Y-%m-%dT%H:%M:%S}Z")).errors == {}


def test_placements_are_those_that_rules_and_experiments_name() -> None:
    for placement in ("", "checkout"):
        Rule.objects.create(name=f"r{placement}", action="pin", placement=placement)
    Experiment.objects.create(name="e", salt="s", placement="home", arms=[], traffic_share=1.0)
    assert known_placements() == ["checkout", "home"]


def test_brands_that_begin_with_what_is_typed_come_before_those_that_hold_it() -> None:
    for brand in ("Millstone", "Mill & Sons", "Windmill", ""):
        ItemFactory(brand=brand)
    assert brands_like("mill") == ["Mill & Sons", "Millstone"]
    assert brands_like("ndm") == ["Windmill"]
    assert brands_like("%") == []
