"""The list on a user's page: as of a moment of the past, side by side, in words, and at what cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from catalog.models import Item
from recommender import interests, neighbour_updates
from recommender.list_controls import list_controls
from recommender.models import EndUser, Experiment, Rule, Slate
from recommender.slates import recommend
from recommender.strategies import live_strategy
from recommender.user_lists import shown_lists, steps_from
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    StrategyFactory,
    axis,
)
from tests.pages import queries_of, staff_client, text_of
from tests.recommender import served_shop

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def shop(n: int = 6) -> EndUser:
    """Items that may be recommended, and a user who bought the first."""
    items = [
        ItemFactory(external_id=f"i{place}", title=f"Item number {place}", price=place + 1, vector=axis(place))
        for place in range(n)
    ]
    user = EndUserFactory(external_id="u1")
    EventFactory(user=user, item=items[0], occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
    return user


def read(address: str) -> tuple[list[str], str]:
    """(titles of the list, words of the page)"""
    response = staff_client().get(address)
    assert response.status_code == 200
    return [row.item.title for row in response.context["lists"].first.rows], text_of(response)


# ---------------------------------------------------------------- the past
def test_the_list_as_of_a_moment_is_the_one_that_was_recorded_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where statistics are as they were: what follows what is counted with each rebuild, and is held still here."""
    monkeypatch.setattr(neighbour_updates, "count_new", lambda users, histories: None)
    served_shop.build()
    made = recommend("u1", n=12, record=True)
    kept = Slate.objects.get(public_id=made.slate_id)
    moment = datetime.fromisoformat(kept.versions["as_of"])
    before = [(row.item_id, round(row.score, 9)) for row in kept.items.order_by("position")]
    user = EndUser.objects.get(external_id="u1")
    for item, _ in before[:3]:
        bought = Item.objects.get(pk=item)
        EventFactory(user=user, item=bought, occurred_at=moment + timedelta(hours=1))
    interests.rebuild(user.pk)

    now = shown_lists("u1", list_controls(QueryDict("n=12"))).first
    then = shown_lists("u1", list_controls(QueryDict(f"n=12&at={moment:%Y-%m-%dT%H:%M:%S}Z"))).first
    assert [(row.item.pk, round(row.ranked.score, 9)) for row in then.rows] == before
    assert [row.item.pk for row in now.rows] != [item for item, _ in before]
    assert Slate.objects.count() == 1


def test_the_page_says_plainly_what_is_as_it_was_and_what_is_as_today() -> None:
    shop()
    titles, words = read("/users/u1/?at=2026-02-01T12:00")
    assert "As of 1 Feb 2026, 12:00." in words
    assert "The user as they were then; other users, items and labels as they are today." in words
    assert "Item number 0" in titles  # bought a month later, so not yet left out
    assert "As of" not in read("/users/u1/")[1]


def test_steps_lead_a_week_back_and_before_the_last_order() -> None:
    user, item = EndUserFactory(), ItemFactory()
    for hour, basket in ((9, "a"), (10, "b"), (11, "b")):
        EventFactory(user=user, item=item, occurred_at=datetime(2026, 3, 1, hour, tzinfo=UTC), basket=basket)
    EventFactory(user=user, item=item, occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC), type="view")
    steps = steps_from(user, None)
    assert steps.earlier == datetime(2026, 2, 22, 12, tzinfo=UTC)
    assert steps.later is None
    assert steps.order == datetime(2026, 3, 1, 10, tzinfo=UTC)
    again = steps_from(user, steps.before_order)
    assert again.order == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert steps_from(user, again.before_order).before_order is None
    assert steps_from(None, None).earlier < timezone.now()


def test_a_basket_whose_name_is_used_again_years_later_is_another_order() -> None:
    user, item = EndUserFactory(), ItemFactory()
    for year in (2024, 2026):
        EventFactory(user=user, item=item, occurred_at=datetime(year, 3, 1, tzinfo=UTC), basket="cart")
    assert steps_from(user, None).order == datetime(2026, 3, 1, tzinfo=UTC)


def test_steps_keep_what_else_is_asked_for() -> None:
    shop()
    response = staff_client().get("/users/u1/?n=5&repeats=allow&show=list")
    queries = {step["key"]: QueryDict(step["query"]) for step in response.context["steps"]}
    assert queries["order"].dict() == {"n": "5", "repeats": "allow", "at": "2026-03-01T11:59:59"}


# ---------------------------------------------------------------- filters
def test_a_label_a_price_and_a_brand_narrow_the_list() -> None:
    shop()
    label = LabelFactory(name="Rye")
    for item_id in ("i2", "i4"):
        ItemLabelFactory(item=Item.objects.get(external_id=item_id), label=label)
    assert sorted(read(f"/users/u1/?label={label.pk}")[0]) == ["Item number 2", "Item number 4"]
    assert read(f"/users/u1/?label={label.pk}&price_to=4")[0] == ["Item number 2"]
    assert sorted(read("/users/u1/?price_from=5")[0]) == ["Item number 4", "Item number 5"]
    assert len(read("/users/u1/?brand=millstone")[0]) == 5
    titles, words = read("/users/u1/?stock_from=1")
    assert titles == []
    assert "No item that may be recommended has all of what is asked for here." in words


def test_a_mistake_is_told_beside_its_field_and_the_rest_holds() -> None:
    shop()
    response = staff_client().get("/users/u1/?n=900&price_from=5&stock_from=lots")
    page = response.content.decode()
    assert "Ask for a whole number of items, 1 to 100." in page.partition('id="error-n"')[2][:400]
    assert "“lots” is no number of pieces" in page.partition('id="error-stock"')[2][:400]
    assert len(response.context["lists"].first.rows) == 2


def test_the_part_alone_takes_its_messages_along_and_moves_the_address() -> None:
    shop()
    client = staff_client()
    form = {"HX-Request": "true", "HX-Trigger": "list-form"}
    response = client.get("/user-parts/list/?user=u1&n=900&repeats=allow&brand=&label_q=soup", headers=form)
    assert response["HX-Push-Url"] == "/users/u1/?n=900&repeats=allow"
    page = response.content.decode()
    assert 'id="error-n" hx-swap-oob="true"' in page
    assert "Ask for a whole number" in page
    assert client.get("/user-parts/list/?user=u1", headers=form)["HX-Push-Url"] == "/users/u1/"
    refreshed = client.get("/user-parts/list/?user=u1&n=5", headers={"HX-Request": "true", "HX-Trigger": "list"})
    assert "HX-Push-Url" not in refreshed


def test_labels_of_any_taxonomy_and_brands_are_found_as_they_are_typed() -> None:
    shop()
    LabelFactory(name="Rye bread", taxonomy__slug="shelf")
    client = staff_client()
    assert "Rye bread Shelf · Rye bread" in text_of(client.get("/user-parts/labels/?label_q=rye"))
    assert "No label is like “zzz”." in text_of(client.get("/user-parts/labels/?label_q=zzz"))
    assert client.get("/user-parts/labels/?label_q=%00").content.strip() == b""
    assert 'value="Millstone"' in client.get("/user-parts/brands/?brand=mill").content.decode()


# ---------------------------------------------------------------- side by side
def test_columns_tell_what_was_kept_moved_gained_and_lost() -> None:
    served_shop.build()
    cheap = StrategyFactory(name="best sellers", recipe={"weights": {"popular": 1.0}})
    lists = shown_lists("u1", list_controls(QueryDict(f"n=4&compare={cheap.pk}")))
    first, other = lists.columns
    assert all(row.place is None for row in first.rows)
    here, there = [row.item.pk for row in first.rows], [row.item.pk for row in other.rows]
    assert (other.kept, other.moved, other.gained, len(other.lost)) == (
        sum(pk == here[place] for place, pk in enumerate(there)),
        sum(pk in here and here.index(pk) != place for place, pk in enumerate(there)),
        len(set(there) - set(here)),
        len(set(here) - set(there)),
    )
    assert here != there
    for row in other.rows:
        moved = here.index(row.item.pk) + 1 - row.ranked.position if row.item.pk in here else None
        assert row.place is not None
        assert row.place.moved_by == moved
    _, words = read(f"/users/u1/?n=4&compare={cheap.pk}")
    assert f"{other.kept} in the same place, {other.moved} moved, {other.gained} gained" in words


def test_each_column_takes_as_many_queries_as_the_one_before() -> None:
    shop()
    one, two = StrategyFactory.create_batch(2)
    client = staff_client()
    single = queries_of(client, "/users/u1/")
    pair = queries_of(client, f"/users/u1/?compare={one.pk}")
    three = queries_of(client, f"/users/u1/?compare={one.pk}&compare={two.pk}")
    assert three - pair <= pair - single + 1
    for _ in range(15):
        StrategyFactory()
        EventFactory(user=EndUser.objects.get(), item__vector=True)
    assert abs(queries_of(client, f"/users/u1/?compare={one.pk}&compare={two.pk}") - three) <= 4


def test_a_strategy_that_cannot_be_used_any_more_has_a_problem_instead_of_a_list() -> None:
    shop()
    broken = StrategyFactory(name="broken", recipe={"weights": {"teleport": 1.0}})
    response = staff_client().get(f"/users/u1/?compare={broken.pk}")
    first, other = response.context["lists"].columns
    assert len(first.rows) == 5
    assert other.made is None
    assert other.problem
    assert other.problem.split()[0] in text_of(response)
    assert staff_client().get(f"/users/u1/?strategy={broken.pk}").status_code == 200


# ---------------------------------------------------------------- rules and experiments
def test_a_rule_that_touched_an_item_is_named_with_what_it_did() -> None:
    shop()
    Rule.objects.create(
        name="Christmas",
        action="pin",
        scope={"items": ["i5"]},
        position=1,
        state="published",
        published_at=LONG_AGO,
    )
    titles, words = read("/users/u1/")
    assert titles[0] == "Item number 5"
    assert "Christmas v1 pins it to place 1" in words


def test_the_arm_of_an_experiment_is_told() -> None:
    shop()
    live_strategy()
    Experiment.objects.create(
        name="colours",
        salt="s",
        traffic_share=1.0,
        arms=[{"name": "b", "share": 1.0, "strategy": None}],
        state="running",
        started_at=LONG_AGO,
    )
    words = read("/users/u1/")[1]
    assert "This user is in arm “b” of the experiment “colours”. The arm keeps the live strategy." in words
    assert "in arm" not in read("/users/u1/?at=2026-02-01T12:00")[1]


# ---------------------------------------------------------------- whatever users are called
@pytest.mark.parametrize("external_id", ["shop/7/é", "😀 שלום", "a?b#c%20d", "<b>&amp;"])
def test_any_id_has_a_page_with_controls_that_lead_to_it(external_id: str) -> None:
    shop()
    EventFactory(user=EndUserFactory(external_id=external_id))
    address = reverse("user", args=[external_id])
    response = staff_client().get(address)
    assert response.status_code == 200
    assert response.context["external_id"] == external_id
    part = staff_client().get("/user-parts/list/", {"user": external_id, "n": 3}, headers={"HX-Trigger": "list-form"})
    assert part["HX-Push-Url"] == f"{address}?n=3"
    assert "<b>" not in response.content.decode().partition("<h1>")[2].partition("</h1>")[0]


def test_a_user_without_events_has_every_part() -> None:
    shop()
    EndUserFactory(external_id="idle")
    for show in ("", "?show=events", "?show=map"):
        assert staff_client().get(f"/users/idle/{show}").status_code == 200
    assert "No events yet" in text_of(staff_client().get("/users/idle/?show=events"))
