"""Why an item is not on a list: each step by hand-made data, and remedies that do what they say."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.models import Item
from recommender.models import ItemStatistics, Rule, Slate
from recommender.scopes import Scope
from recommender.slates import Question, compute, recommend
from recommender.why_not import WhyNot, find_item, why_not
from recommender.why_not_sources import source_ranks
from recsite.operations.errors import NotFoundError
from recsite.operations.templatetags.console import day
from tests.factories import EndUserFactory, ItemFactory, StrategyFactory, unit_vector
from tests.recommender.audited_shop import open_shop, publish, take

pytestmark = pytest.mark.django_db


@pytest.fixture()
def shop() -> list[Item]:
    return open_shop()


def ask(item: Item, *, user: str = "u0", n: int = 5, **question: object) -> WhyNot:
    return why_not(Question(user, n, **question), item)  # type: ignore[arg-type]


def listed(user: str = "u0", n: int = 5) -> list[Item]:
    return [each.item for each in recommend(user, n=n, record=False).items]


def next_after(n: int, user: str = "u0") -> Item:
    """The best item that a list of n leaves out."""
    return listed(user, n + 1)[n]


def live(**recipe: object) -> None:
    StrategyFactory(name="plain", recipe={"explore_share": 0, **recipe}, is_live=True)


def popularity_of(item: Item) -> float:
    found = ItemStatistics.objects.filter(item=item).first()
    return found.popularity if found else 0.0


def test_no_such_item(shop: list[Item]) -> None:
    with pytest.raises(NotFoundError, match="no item “i99” in the catalog"):
        find_item("i99")


def test_an_item_on_the_list_says_where_and_its_score(shop: list[Item]) -> None:
    third = listed()[2]
    found = ask(third)
    assert (found.position, found.dropped, found.cause) == (3, None, "It is on the list, at place 3.")
    assert {step.state for step in found.steps} == {"passed"}
    assert found.score is not None
    assert found.score.own == pytest.approx(recommend("u0", n=5, record=False).items[2].score)


@pytest.mark.parametrize(
    ("values", "step", "cause"),
    [({"is_hidden": True}, "shown", "Staff hid it"), ({"is_in_stock": False}, "stock", "It is sold out")],
)
def test_hidden_and_sold_out(shop: list[Item], values: dict[str, bool], step: str, cause: str) -> None:
    first = listed()[0]
    Item.objects.filter(pk=first.pk).update(**values)
    first.refresh_from_db()
    found = ask(first)
    assert found.dropped is not None
    assert found.dropped.step == step
    assert cause in found.cause
    states = {each.key: each.state for each in found.steps}
    assert (states["exists"], states[step], states["place"]) == ("passed", "failed", "open")


def test_not_embedded_yet(shop: list[Item]) -> None:
    found = ask(ItemFactory())
    assert found.dropped is not None
    assert found.dropped.step == "embedded"


def test_bought_within_the_window_says_when_and_from_when_on_it_is_free(shop: list[Item]) -> None:
    live(repeat_window_days=30)
    user = EndUserFactory(external_id="buyer")
    (older, newer) = (*take(user, shop[0], days_ago=12), *take(user, shop[0], days_ago=4))
    found = ask(shop[0], user="buyer")
    assert found.dropped is not None
    assert found.dropped.step == "free"
    assert f"Bought on {day(newer.occurred_at)}" in found.cause
    assert found.remedies[0].words == f"Free again on {day(newer.occurred_at + timedelta(days=30))}."
    again = ask(shop[0], user="buyer", repeats="allow")
    assert again.dropped is None or again.dropped.step != "free"
    then = ask(shop[0], user="buyer", at=newer.occurred_at - timedelta(days=1))
    assert f"Bought on {day(older.occurred_at)}" in then.cause


def test_hidden_by_the_user_and_what_reads_the_same_names_the_item(shop: list[Item]) -> None:
    twin = ItemFactory(external_id="twin", title="Thing twin", vector=unit_vector(77), text_hash=shop[0].text_hash)
    take(EndUserFactory(external_id="hider"), shop[0], kind="hide", days_ago=3)
    assert "The user hid it on" in ask(shop[0], user="hider").cause
    found = ask(twin, user="hider")
    assert "reads the same as “Thing 0”, which the user hid" in found.cause
    assert found.remedies[0].words == "Only the user can take that back."


def test_outside_the_filter_says_which_part(shop: list[Item]) -> None:
    found = ask(listed()[0], within=Scope(price_from=Decimal("5.00"), brands=("millstone",)))
    assert found.dropped is not None
    assert found.dropped.step == "filter"
    assert found.cause == "Outside the filter asked for: its price is 3.49, the filter takes 5.00 to any."


def test_no_candidate_has_its_place_in_each_source_and_is_scored_as_if(shop: list[Item]) -> None:
    live(candidates_per_source=1, weights={"popular": 1.0, "new": 0.1})
    order = [each for each in shop if each.pk not in compute(Question("u0", 1)).state.excluded]
    popular = sorted(order, key=lambda each: (-popularity_of(each), each.pk))
    second = popular[1]
    found = ask(second, n=1)
    assert found.dropped is not None
    assert (found.dropped.step, found.as_if) == ("candidate", True)
    rank = {each.source: each for each in found.sources}
    with_events = sum(popularity_of(each) > 0 for each in order)
    assert (rank["popular"].rank, rank["popular"].of, rank["popular"].taken) == (2, with_events, 1)
    assert rank["neighbours"].words == "Not used by this strategy."
    assert found.score is not None
    with_it = compute(Question("u0", 1), only=[*compute(Question("u0", 1)).pool.ids.tolist(), second.pk])
    row = with_it.pool.ids.tolist().index(second.pk)
    assert found.score.own == pytest.approx(float(with_it.fused.scores[row]))


def test_places_in_sources_agree_with_what_is_proposed(shop: list[Item]) -> None:
    live(candidates_per_source=3)
    computed = compute(Question("u1", 5))
    for item in shop:
        if item.pk in computed.state.excluded:
            continue
        taken = [rank.source for rank in source_ranks(computed, item.pk) if rank.is_taken]
        if taken:
            assert item.pk in computed.pool.ids, taken


def test_left_out_by_a_rule_names_it(shop: list[Item]) -> None:
    first = listed()[0]
    publish("exclude", "No thing", scope={"items": [first.external_id]})
    found = ask(first)
    assert found.dropped is not None
    assert (found.dropped.step, found.cause) == ("rules", "The rule “No thing” leaves it out.")
    assert found.remedies[0].words == "Change or retire the rule “No thing”."


def test_outscored_says_by_how_much_which_parts_and_the_boost_that_works(shop: list[Item]) -> None:
    live(max_share_per_label=1.0)
    item = next_after(5)
    found = ask(item)
    assert found.dropped is not None
    assert found.dropped.step == "score"
    score = found.score
    assert score is not None
    assert score.last == listed()[4]
    assert score.behind == pytest.approx(sum(part.difference for part in score.compared))
    assert [part.difference for part in score.compared] == sorted((p.difference for p in score.compared), reverse=True)
    (boost,) = found.remedies
    assert boost.strength is not None
    publish("boost", scope={"items": [item.external_id]}, strength=boost.strength)
    assert [each.external_id for each in listed()].index(item.external_id) + 1 == boost.position


def test_a_weaker_boost_than_the_one_named_does_not_do(shop: list[Item]) -> None:
    live(max_share_per_label=1.0)
    item = listed(n=9)[8]
    strength = ask(item).remedies[0].strength
    assert strength is not None
    publish("boost", scope={"items": [item.external_id]}, strength=round(strength - 0.1, 1))
    assert item not in listed()


def test_buried_by_a_rule(shop: list[Item]) -> None:
    first = listed()[0]
    publish("bury", "Down", scope={"items": [first.external_id]}, strength=5.0)
    found = ask(first)
    assert found.dropped is not None
    assert (found.dropped.step, found.cause) == ("score", "Buried by the rule “Down”.")
    assert found.remedies[0].words == "Without the rule “Down” it would be at place 1."


def test_the_cap_on_titles_names_who_holds_the_place_and_the_limit_that_would_do(shop: list[Item]) -> None:
    live(max_per_title=1, max_share_per_label=1.0)
    first, second = listed()[:2]
    Item.objects.filter(pk=second.pk).update(title=first.title)
    second.refresh_from_db()
    found = ask(second)
    assert found.dropped is not None
    assert found.dropped.step == "place"
    assert found.holders == (first,)
    assert found.remedies[0].words == "Raise max_per_title to 2 in a draft of plain v1."
    assert found.remedies[0].position == 2


def test_the_cap_on_labels_names_the_share_that_would_do(shop: list[Item]) -> None:
    live(max_share_per_label=0.2)
    user = EndUserFactory(external_id="baker")
    take(user, shop[0], shop[3])
    asked = [ask(item, user="baker", n=3) for item in shop]
    full = [found for found in asked if "of its label" in found.cause]
    capped = next(found for found in full if found.remedies[0].words.startswith("Raise max_share_per_label"))
    remedy = capped.remedies[0]
    share = float(remedy.words.split(" to ")[1].split(" ")[0])
    wider = StrategyFactory(name="wider", recipe={"explore_share": 0, "max_share_per_label": share})
    made = recommend("baker", n=3, strategy=wider, record=False)
    assert capped.item in [each.item for each in made.items]
    assert len(capped.holders) == 1


def test_the_cap_of_a_rule_and_the_limit_that_would_do(shop: list[Item]) -> None:
    live(max_share_per_label=1.0)
    own = listed()
    rule = publish("cap", "One of two", scope={"items": [each.external_id for each in own[:2]]}, limit=1)
    found = ask(own[1])
    assert found.dropped is not None
    assert found.dropped.step == "place"
    assert found.cause.startswith("The cap of the rule “One of two” is reached: 1 on the list")
    assert found.remedies[0].words == "Raise the limit of the rule “One of two” to 2."
    Rule.objects.filter(pk=rule.pk).update(limit=2)
    assert own[1] in listed()


def test_displaced_by_a_pin(shop: list[Item]) -> None:
    live(max_share_per_label=1.0)
    fifth, other = listed()[4], listed(n=12)[11]
    publish("pin", "Up", scope={"items": [other.external_id]}, position=1)
    found = ask(fifth)
    assert found.dropped is not None
    assert (found.dropped.step, found.holders) == ("place", (other,))
    assert found.cause == f"Displaced by what the rule “Up” pins: “{other.title}”."


def test_displaced_by_an_item_that_explores(shop: list[Item]) -> None:
    ItemFactory(external_id="fresh", title="Fresh", vector=unit_vector(0) + unit_vector(3))
    StrategyFactory(name="plain", recipe={"explore_share": 0.5, "max_share_per_label": 1.0}, is_live=True)
    made = recommend("u0", n=5, record=False)
    explored = [each.item for each in made.items if each.propensity is not None]
    assert explored
    strategy = StrategyFactory(name="no exploring", recipe={"explore_share": 0, "max_share_per_label": 1.0})
    without = [each.item for each in recommend("u0", n=5, strategy=strategy, record=False).items]
    displaced = next(item for item in without if item not in [each.item for each in made.items])
    found = ask(displaced)
    assert "shown to explore" in found.cause
    assert set(found.holders) == set(explored)


def test_asking_leaves_no_trace(shop: list[Item]) -> None:
    ask(next_after(5))
    assert (Slate.objects.count(), Rule.objects.count()) == (0, 0)


def test_the_moment_asked_for_is_the_one_answered(shop: list[Item]) -> None:
    user = EndUserFactory(external_id="late")
    (event,) = take(user, shop[0], days_ago=2)
    assert "Bought on" in ask(shop[0], user="late").cause
    before = ask(shop[0], user="late", at=event.occurred_at - timedelta(hours=1))
    assert "Bought on" not in before.cause
    assert timezone.now() > event.occurred_at
