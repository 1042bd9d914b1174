"""recommend(): who gets what, why, what is kept of it, and what is never shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Item
from recommender import erasure, interests, neighbours, slates
from recommender.algorithms.sources import SOURCES
from recommender.models import Slate, SlateItem, Strategy
from recommender.slates import recommend
from recsite.operations.errors import InvalidInputError
from tests.factories import (
    EndUserFactory,
    EventFactory,
    ExperimentFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    StrategyFactory,
    axis,
    unit_vector,
)

pytestmark = pytest.mark.django_db


def take(user, *items, event_type="purchase", days_ago=1.0):
    moment = timezone.now() - timedelta(days=days_ago)
    return [EventFactory(user=user, item=item, type=event_type, occurred_at=moment) for item in items]


def ids(made):
    return [ranked.item.external_id for ranked in made.items]


@pytest.fixture()
def shop():
    """Thirty items in three labels; twelve users who take a few of one label each; everything rebuilt."""
    labels = [LabelFactory(name=name) for name in ("Baking", "Dairy", "Soap")]
    items = []
    for place in range(30):
        item = ItemFactory(
            external_id=f"i{place}", title=f"Thing {place}", vector=unit_vector(place) + 3 * axis(place % 3)
        )
        ItemLabelFactory(item=item, label=labels[place % 3])
        items.append(item)
    for user in range(12):
        own = [items[(user % 3) + 3 * step] for step in range(user % 3 + 2, user % 3 + 6)]
        take(EndUserFactory(external_id=f"u{user}"), *own, days_ago=user + 1)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    return items


def test_a_list_has_n_items_best_first_none_twice_and_none_that_was_taken(shop):
    made = recommend("u0", n=12)
    assert len(made.items) == 12
    assert [ranked.position for ranked in made.items] == list(range(1, 13))
    assert len(set(ids(made))) == 12
    taken = {event.item.external_id for event in made.user.events.all()}
    assert not taken & set(ids(made))
    assert (made.is_known_user, made.notice) == (True, "")


@pytest.mark.parametrize("user", ["u0", "u5", "a stranger"])
def test_the_parts_add_up_to_the_score_exactly_and_each_is_weight_times_z(shop, user):
    for ranked in recommend(user, n=20).items:
        assert {part.source for part in ranked.parts} == set(SOURCES)
        assert ranked.score == sum(part.contribution for part in ranked.parts)
        assert all(part.contribution == part.weight * part.z for part in ranked.parts)
        assert sum(part.weight for part in ranked.parts) == pytest.approx(1.0)


def test_the_same_question_has_the_same_answer(shop):
    first, second = recommend("u3", n=10), recommend("u3", n=10)
    assert ids(first) == ids(second)
    assert [ranked.parts for ranked in first.items] == [ranked.parts for ranked in second.items]


def test_hidden_out_of_stock_and_unembedded_items_are_never_shown_and_the_list_is_refilled(shop):
    best = [ranked.item for ranked in recommend("u0", n=3).items]
    best[0].is_hidden = True
    best[1].is_in_stock = False
    best[2].embedding.delete()
    for item in best[:2]:
        item.save()
    made = recommend("u0", n=20)
    assert len(made.items) == 20
    assert not {item.external_id for item in best} & set(ids(made))


def test_a_list_shorter_than_asked_for_says_so(shop):
    made = recommend("u0", n=100)
    assert len(made.items) == 26
    assert made.notice == "Only 26 of the 100 asked for: no more items may be shown to this user."


def test_items_taken_may_come_again_where_asked_for(shop):
    taken = {event.item.external_id for event in recommend("u0").user.events.all()}
    assert taken <= set(ids(recommend("u0", n=30, repeats="allow")))
    assert recommend("u0", n=30, repeats="allow").notice == ""
    strategy = StrategyFactory(recipe={"repeats": "allow"})
    assert taken <= set(ids(recommend("u0", n=30, strategy=strategy)))
    assert not taken & set(ids(recommend("u0", n=30, strategy=strategy, repeats="exclude")))


def test_items_taken_long_ago_may_come_again(shop):
    user = EndUserFactory(external_id="returning")
    take(user, shop[0], days_ago=400)
    take(user, shop[1], days_ago=300)
    made = recommend("returning", n=30)
    assert "i0" in ids(made)
    assert "i1" not in ids(made)


def test_where_items_taken_may_come_again_those_of_a_clock_ahead_may_too(shop):
    user = EndUserFactory(external_id="ahead")
    take(user, shop[0], days_ago=-0.01)
    assert "i0" in ids(recommend("ahead", n=30, repeats="allow"))
    assert "i0" not in ids(recommend("ahead", n=30))


def test_an_item_that_reads_the_same_as_one_hidden_is_not_offered(shop):
    twin = ItemFactory(external_id="twin", title=shop[0].title, text_hash=shop[0].text_hash, vector=unit_vector(3))
    user = EndUserFactory(external_id="picky")
    take(user, shop[0], event_type="hide")
    assert not {"i0", twin.external_id} & set(ids(recommend("picky", n=31, repeats="allow")))


def test_a_user_whose_events_speak_for_nothing_is_told_so(shop):
    user = EndUserFactory(external_id="picky")
    take(user, shop[0], event_type="hide")
    interests.rebuild(user.pk)
    made = recommend("picky", n=5)
    assert made.notice == "No event of this user speaks for an item yet: popular and new items, spread over the labels."


def test_an_item_that_the_user_hid_never_comes_back_even_where_repeats_are_allowed(shop):
    user = EndUserFactory(external_id="picky")
    take(user, shop[0], event_type="hide", days_ago=2000)
    assert "i0" not in ids(recommend("picky", n=30, repeats="allow"))


def test_a_user_nobody_knows_gets_a_list_across_the_labels_and_is_told(shop):
    made = recommend("a stranger", n=12)
    assert (made.user, made.is_known_user) == (None, False)
    assert made.notice == "Nobody knows this user yet: popular and new items, spread over the labels."
    names = [ranked.item.effective_labels[0].label.name for ranked in made.items]
    assert len(names) == 12
    assert {name: names[:9].count(name) for name in names} == {"Baking": 3, "Dairy": 3, "Soap": 3}
    active = {part.source for ranked in made.items for part in ranked.parts if part.weight}
    assert active == {"popular", "trending", "new"}


def test_a_user_without_events_is_known_and_told(shop):
    EndUserFactory(external_id="fresh")
    made = recommend("fresh", n=5)
    assert made.is_known_user is True
    assert made.notice == "This user has no events yet: popular and new items, spread over the labels."
    assert len(made.items) == 5


def test_events_that_the_interests_do_not_know_are_counted(shop):
    user = recommend("u0").user
    take(user, shop[29])
    assert recommend("u0").notice == "The interests are 1 event behind; a rebuild is on its way."
    take(user, shop[28], shop[27])
    assert recommend("u0").notice == "The interests are 3 events behind; a rebuild is on its way."
    interests.rebuild(user.pk)
    assert recommend("u0").notice == ""


def test_a_rebuild_after_an_event_changes_the_next_list(shop):
    user = EndUserFactory(external_id="turning")
    strategy = StrategyFactory(recipe={"weights": {"interest": 1.0}, "max_share_per_label": 1.0})
    take(user, shop[0])
    interests.rebuild(user.pk)
    assert {int(each[1:]) % 3 for each in ids(recommend("turning", n=6, strategy=strategy))} == {0}
    take(user, shop[1], shop[4], shop[7], shop[10], days_ago=0)
    interests.rebuild(user.pk)
    assert [int(each[1:]) % 3 for each in ids(recommend("turning", n=6, strategy=strategy))][:2] == [1, 1]


def test_an_item_that_nobody_took_is_found_by_what_it_is(shop):
    ItemFactory(external_id="new", title="Just in", vector=unit_vector(500) + 5 * axis(0))
    user = recommend("u0").user
    first = user.interest_vectors.get(position=0)
    assert int(first.medoid.external_id[1:]) % 3 == 0
    made = recommend("u0", n=5)
    assert "new" in ids(made)
    parts = {part.source: part for part in made.items[ids(made).index("new")].parts}
    assert parts["new"].words == "New here: nobody has taken it yet."
    assert parts["new"].contribution > 0


def test_no_title_comes_more_often_in_a_list_than_it_may(shop):
    for place in (20, 23, 26, 29):
        shop[place].title = "The  SAME thing" if place % 2 else "the same thing"
        shop[place].save()
    once = StrategyFactory(recipe={"max_per_title": 1})
    titles = [" ".join(ranked.item.title.lower().split()) for ranked in recommend("u2", n=15, strategy=once).items]
    assert titles.count("the same thing") == 1
    titles = [" ".join(ranked.item.title.lower().split()) for ranked in recommend("u2", n=20).items]
    assert titles.count("the same thing") == 2


def test_a_slate_keeps_the_list_with_its_parts_and_versions(shop):
    made = recommend("u0", n=7)
    slate = Slate.objects.get(public_id=made.slate_id)
    assert (slate.user, slate.user_external_id, slate.is_known_user, slate.n) == (made.user, "u0", True, 7)
    assert slate.strategy == made.strategy
    kept = list(slate.items.all())
    assert [(each.position, each.item_id, each.score) for each in kept] == [
        (ranked.position, ranked.item.pk, ranked.score) for ranked in made.items
    ]
    assert [each.parts for each in kept] == [[part.as_json() for part in ranked.parts] for ranked in made.items]
    assert sum(part["contribution"] for part in kept[0].parts) == kept[0].score
    assert slate.versions["strategy"] == "default v1"
    assert slate.versions["embedding_model"] == "test-embedder"
    assert set(slate.versions["sources"]) == set(SOURCES)
    assert slate.versions["interests_event_id"] == made.user.last_event_id
    assert slate.versions["interests_built_at"] == made.user.interests_built_at.isoformat()
    assert slate.versions["statistics_built_at"] == shop[6].statistics.built_at.isoformat()


def test_a_preview_leaves_no_slate_behind(shop):
    made = recommend("u0", record=False)
    assert made.slate_id is None
    assert (Slate.objects.count(), SlateItem.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_of_a_user_erased_while_their_list_was_made_nothing_is_kept(monkeypatch):
    item = ItemFactory(vector=True)
    EndUserFactory(external_id="leaving")
    rank = slates._rank
    monkeypatch.setattr(slates, "_rank", lambda *given: (erasure.erase("leaving"), rank(*given))[1])
    made = recommend("leaving", n=1)
    assert [ranked.item for ranked in made.items] == [item]
    assert (made.slate_id, Slate.objects.count(), SlateItem.objects.count()) == (None, 0, 0)


@pytest.mark.parametrize("n", [0, -1, 101])
def test_a_length_out_of_range_is_refused_and_leaves_no_trace(shop, n):
    with pytest.raises(InvalidInputError, match=f"n is {n}; ask for 1 to 100"):
        recommend("u0", n=n)
    assert Slate.objects.count() == 0


@pytest.mark.parametrize("user", ["", "x" * 201, "a\x00b"])
def test_an_impossible_user_id_is_refused(user):
    with pytest.raises(InvalidInputError, match="1 to 200 characters"):
        recommend(user)


def test_where_everything_is_taken_or_hidden_the_list_is_empty_and_says_so(shop):
    user = EndUserFactory(external_id="keen")
    take(user, *shop)
    notice = "Only 0 of the 3 asked for: no more items may be shown to this user."
    interests.rebuild(user.pk)
    assert (recommend("keen", n=3).items, recommend("keen", n=3).notice) == ((), notice)
    assert len(recommend("keen", n=30, repeats="allow").items) == 30
    Item.objects.update(is_hidden=True)
    assert (recommend("keen", n=3, repeats="allow").items, recommend("u0", n=3).items) == ((), ())
    Item.objects.filter(external_id="i7").update(is_hidden=False)
    assert ids(recommend("u0", n=3)) == ids(recommend("a stranger", n=3)) == ["i7"]


def test_an_empty_catalog_gives_an_empty_list():
    made = recommend("anybody", n=5)
    assert made.items == ()
    assert "Only 0 of the 5 asked for" in made.notice


def test_the_number_of_queries_does_not_depend_on_n_or_on_the_history(shop):
    def queries(user, n):
        with CaptureQueriesContext(connection) as captured:
            recommend(user, n=n)
        return len(captured)

    recommend("u0")
    small = queries("u0", 1)
    assert queries("u0", 20) == small
    user = EndUserFactory(external_id="busy")
    for _ in range(10):
        take(user, *shop[:9])
    interests.rebuild(user.pk)
    assert queries("busy", 20) == small
    assert small <= 43


def test_an_item_that_reads_the_same_as_one_taken_is_not_offered(shop):
    taken = recommend("u0", n=12).user.events.first().item
    twin = ItemFactory(external_id="twin", title=taken.title, text_hash=taken.text_hash, vector=unit_vector(3))
    assert "twin" not in ids(recommend("u0", n=31))
    twin.text_hash = "other"
    twin.save()
    assert "twin" in ids(recommend("u0", n=31))


def test_the_last_place_goes_to_a_new_item_close_to_the_interests(shop):
    ItemFactory(external_id="fresh", title="Fresh thing", vector=3 * axis(0) + unit_vector(0))
    strategy = Strategy.objects.create(name="curious", recipe={"explore_share": 0.1})
    made = recommend("u0", n=10, strategy=strategy)
    assert ids(made).count("fresh") == 1
    part = next(part for part in made.items[ids(made).index("fresh")].parts if part.source == "new")
    assert part.words == "New here: nobody has taken it yet."


def test_a_list_by_a_strategy_that_was_named_is_none_of_an_experiment() -> None:
    ItemFactory(vector=True)
    named = StrategyFactory(name="named", recipe={"repeats": "allow"})
    running = ExperimentFactory(state="running")
    for strategy, kept in ((None, running), (named, None)):
        made = recommend("u1", n=1, strategy=strategy)
        assert made.assignment is not None
        slate = Slate.objects.get(public_id=made.slate_id)
        assert (slate.experiment, bool(slate.arm)) == (kept, kept is not None)
