"""A slate asked again: the same where nothing changed, otherwise a difference that names its cause."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Item, ItemEmbedding, ItemLabel
from recommender import interests, neighbours
from recommender.audit import find_slate
from recommender.models import EndUser, Event, InterestEncoder, RankerFit, Rule, Slate, SlateItem, Strategy
from recommender.scopes import Scope
from recommender.slate_causes import Recorded, causes_between, recorded
from recommender.slate_differences import Entry, difference
from recommender.slate_replay import Compared, compare, replay
from recommender.slates import recommend
from recommender.strategies import live_strategy
from tests.factories import EndUserFactory, LabelFactory, StrategyFactory
from tests.recommender.audited_shop import never_exploring, open_shop, publish, take

pytestmark = pytest.mark.django_db


@pytest.fixture()
def shop() -> list[Item]:
    never_exploring()
    return open_shop()


def serve(user: str = "u0", n: int = 6, **asked: object) -> Slate:
    made = recommend(user, n=n, **asked)  # type: ignore[arg-type]
    assert made.slate_id is not None
    return find_slate(made.slate_id)


def kinds(compared: Compared) -> set[str]:
    return {cause.kind for cause in compared.causes}


def words(compared: Compared) -> str:
    return " ".join(cause.words for cause in compared.causes)


def lost(compared: Compared) -> dict[str, str]:
    return {line.item.external_id if line.item else "": line.reason for line in compared.lines if line.reason}


@pytest.mark.parametrize("when", ["then", "now"])
@pytest.mark.parametrize("user", ["u0", "u5", "a stranger"])
def test_where_nothing_changed_the_list_is_the_same_and_nothing_is_stored(
    shop: list[Item], when: str, user: str
) -> None:
    slate = serve(user)
    compared = replay(slate, when=when)  # type: ignore[arg-type]
    assert compared.difference.is_same
    assert compared.causes == ()
    assert Slate.objects.count() == 1


def test_events_since_change_now_and_not_then(shop: list[Item]) -> None:
    slate = serve()
    first = slate.items.all()[0].item
    take(slate.user, first, days_ago=0)
    interests.rebuild_all()
    now, then = replay(slate, when="now"), replay(slate, when="then")
    assert not now.difference.is_same
    assert "1 event of the user since." in words(now)
    assert lost(now)[first.external_id] == "bought or hidden by the user"
    assert then.difference.is_same
    assert "events" not in kinds(then)


def test_an_event_that_arrived_late_is_the_cause_then(shop: list[Item]) -> None:
    slate = serve()
    take(slate.user, slate.items.all()[0].item, days_ago=3)
    then = replay(slate, when="then")
    assert not then.difference.is_same
    assert "1 event that had happened by then arrived only afterwards." in words(then)


def test_a_list_served_while_interests_were_behind_says_so(shop: list[Item]) -> None:
    take(EndUser.objects.get(external_id="u1"), shop[9], days_ago=0.5)
    then = replay(serve("u1"), when="then")
    assert "The interests were 1 event behind when the list was served." in words(then)


@pytest.mark.parametrize(
    ("values", "reason"), [({"is_hidden": True}, "hidden by staff"), ({"is_in_stock": False}, "sold out")]
)
def test_items_hidden_or_sold_out_since_are_named(shop: list[Item], values: dict[str, bool], reason: str) -> None:
    slate = serve()
    first = slate.items.all()[0].item
    Item.objects.filter(pk=first.pk).update(**values)
    assert lost(replay(slate, when="now")) == {first.external_id: reason}


def test_an_item_deleted_for_good_is_counted(shop: list[Item]) -> None:
    slate = serve()
    slate.items.all()[5].item.delete()
    slate = find_slate(slate.public_id)
    assert "1 item of the slate was deleted for good since." in words(replay(slate, when="now"))


def test_a_rule_published_since_is_named_now_and_not_in_force_then(shop: list[Item]) -> None:
    slate = serve()
    last = slate.items.all()[5].item
    publish("pin", "Up", scope={"items": [last.external_id]}, position=1)
    now, then = replay(slate, when="now"), replay(slate, when="then")
    assert now.difference.changes[0].item_id == last.pk
    assert "The rule “Up” version 1 came into force." in words(now)
    assert then.difference.is_same


def test_a_rule_retired_since_still_holds_then_even_for_an_arm(shop: list[Item]) -> None:
    target = serve(n=8).items.all()[7].item
    rule = publish("pin", "Up", scope={"items": [target.external_id]}, position=1, audience={"users": ["u0"]})
    slate = serve()
    Rule.objects.filter(pk=rule.pk).update(
        state="retired", retired_at=timezone.now(), audience={"arm": "a test/b", "users": ["u0"]}
    )
    now, then = replay(slate, when="now"), replay(slate, when="then")
    assert then.difference.is_same
    assert not now.difference.is_same
    assert "The rule “Up” version 1 was retired at" in words(now)


def test_another_live_strategy_is_named_with_the_sources_it_configures_anew(shop: list[Item]) -> None:
    slate = serve()
    Strategy.objects.update(is_live=False)
    StrategyFactory(name="other", recipe={"weights": {"popular": 1.0}}, is_live=True)
    now, then = replay(slate, when="now"), replay(slate, when="then")
    assert {"strategy", "sources"} <= kinds(now)
    assert "The strategy was default v1, then other v1." in words(now)
    assert then.difference.is_same


def test_a_strategy_asked_for_by_name_is_asked_for_again(shop: list[Item]) -> None:
    named = StrategyFactory(name="by name", recipe={"weights": {"popular": 1.0}})
    slate = serve(strategy=named)
    assert slate.request == {"strategy": "by name"}
    assert replay(slate, when="now").difference.is_same
    StrategyFactory(name="by name", version=2, recipe={"weights": {"new": 1.0}})
    assert "The strategy was by name v1, then by name v2." in words(replay(slate, when="now"))


def test_a_fit_since_is_named_both_times(shop: list[Item]) -> None:
    slate = serve()
    weights = {bucket: {"popular": 1.0} for bucket in ("none", "one", "few", "many")}
    parameters = {"memory_steps": {}, "spreads": {}, "repeat_model": {}, "weights": weights}
    fit = RankerFit.objects.create(strategy=live_strategy(), parameters=parameters, is_in_use=True)
    for when in ("now", "then"):
        compared = replay(slate, when=when)  # type: ignore[arg-type]
        assert f"The weights were those of the recipe's own weights, then of fit {fit.pk}." in words(compared)


def test_statistics_embeddings_encoder_and_labels_that_changed_are_named(shop: list[Item]) -> None:
    slate = serve()
    take(EndUserFactory(), *shop[:4])
    neighbours.rebuild_statistics()
    ItemEmbedding.objects.update(model="another-model")
    InterestEncoder.objects.create(version=3, status="live", weights=b"", model="unused", histories=1)
    item = slate.items.all()[0].item
    ItemLabel.objects.filter(item=item).update(
        decision="corrected", final_label=LabelFactory(), decided_at=timezone.now()
    )
    said = causes_between(recorded(slate), recorded(serve("u0")))
    assert {"statistics", "embedding_model", "encoder"} <= {cause.kind for cause in said}
    assert "1 of these items was given or lost labels since." in words(replay(slate, when="now"))


def test_another_draw_of_what_explores_is_named() -> None:
    own = Recorded("u", 5, "", {}, "", {}, explored=frozenset({1}))
    other = Recorded("u", 5, "", {}, "", {}, explored=frozenset({2}))
    assert [cause.kind for cause in causes_between(own, other)] == ["exploring"]


def test_the_filter_and_repeats_are_asked_for_again(shop: list[Item]) -> None:
    within = Scope(items=tuple(f"i{place}" for place in range(0, 30, 2)))
    slate = serve(within=within, repeats="allow")
    assert replay(slate, when="now").difference.is_same
    assert replay(slate, when="then").difference.is_same


def test_two_slates_are_compared_in_the_same_words(shop: list[Item]) -> None:
    a, b = serve("u0", n=6), serve("u1", n=4, placement="home")
    said = compare(a, b)
    assert {"user", "n", "placement"} <= kinds(said)
    assert compare(a, a).difference.is_same
    assert compare(a, a).causes == ()


def test_a_slate_never_changes_after_it_was_served(shop: list[Item]) -> None:
    slate = serve()
    rows = list(SlateItem.objects.order_by("pk").values())
    before = Slate.objects.filter(pk=slate.pk).values().get()
    take(slate.user, shop[0], days_ago=0)
    publish("exclude", scope={"items": ["i1"]})
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    Item.objects.update(title="Renamed", is_hidden=True)
    for when in ("then", "now"):
        replay(slate, when=when)  # type: ignore[arg-type]
    assert Slate.objects.filter(pk=slate.pk).values().get() == before
    assert list(SlateItem.objects.order_by("pk").values()) == rows
    assert Event.objects.filter(user=slate.user, occurred_at__gt=timezone.now() - timedelta(hours=1)).exists()


def test_differences_are_counted_by_hand() -> None:
    before = [Entry(1, 1, 2.0, {"a": 2.0}), Entry(2, 2, 1.0, {"a": 1.0}), Entry(3, 3, 0.5, {"a": 0.5})]
    after = [Entry(2, 1, 1.5, {"a": 0.5, "b": 1.0}), Entry(1, 2, 1.4, {"a": 1.4}), Entry(4, 3, 0.1, {"a": 0.1})]
    found = difference(before, after)
    assert (found.kept, found.moved, found.gained, found.lost, found.is_same) == (0, 2, 1, 1, False)
    assert [(each.item_id, each.state, each.moved_by) for each in found.changes] == [
        (2, "moved", 1),
        (1, "moved", -1),
        (4, "gained", 0),
        (3, "lost", 0),
    ]
    assert [(part.source, round(part.by, 2)) for part in found.changes[0].parts] == [("b", 1.0), ("a", -0.5)]
