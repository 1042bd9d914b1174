"""Statistics and neighbours rebuilt from events, replaced all at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import ItemPopularity
from recommender import neighbours
from recommender.algorithms.learned import Learning
from recommender.models import Event, ItemStatistics, Neighbour
from recsite.operations.errors import NotFoundError
from tests.factories import EndUserFactory, EventFactory, ItemFactory

pytestmark = pytest.mark.django_db


def take(user, *items, event_type="purchase", days_ago=0.0):
    moment = timezone.now() - timedelta(days=days_ago)
    return [EventFactory(user=user, item=item, type=event_type, occurred_at=moment) for item in items]


def test_items_that_the_same_users_took_are_neighbours_with_their_count():
    tortilla, salsa, soap = ItemFactory(), ItemFactory(), ItemFactory()
    for _ in range(3):
        take(EndUserFactory(), tortilla, salsa)
    for _ in range(2):
        take(EndUserFactory(), soap)
    written = neighbours.rebuild_statistics()
    liked = {(n.item_id, n.neighbour_id): n.users for n in Neighbour.objects.liked()}
    assert liked == {(tortilla.pk, salsa.pk): 3, (salsa.pk, tortilla.pk): 3}
    assert written == Neighbour.objects.count()
    assert max(Neighbour.objects.values_list("score", flat=True)) == 1.0


def test_statistics_count_each_user_once_and_fade_with_time():
    item, other = ItemFactory(), ItemFactory()
    loyal, former = EndUserFactory(), EndUserFactory()
    take(loyal, item, item, item)
    take(former, item, days_ago=Learning().popularity_half_life_days * 2)
    take(loyal, other, days_ago=Learning().popularity_half_life_days)
    neighbours.rebuild_statistics()
    found = ItemStatistics.objects.get(item=item)
    assert (found.events, found.users, found.recent_users) == (4, 2, 1)
    assert found.popularity == pytest.approx(1.25, abs=1e-4)
    assert ItemStatistics.objects.get(item=other).popularity == pytest.approx(0.5, abs=1e-4)
    assert found.last_event_at == Event.objects.filter(item=item).order_by("-occurred_at").first().occurred_at


def test_the_review_queue_is_told_how_popular_items_are():
    much, little, never = ItemFactory(), ItemFactory(), ItemFactory()
    for _ in range(3):
        take(EndUserFactory(), much)
    take(EndUserFactory(), little)
    neighbours.rebuild_statistics()
    told = dict(ItemPopularity.objects.values_list("item_id", "share"))
    assert told == {much.pk: pytest.approx(1.0), little.pk: pytest.approx(0.5, abs=1e-3)}
    Event.objects.all().delete()
    neighbours.rebuild_statistics()
    assert not ItemPopularity.objects.exists()
    assert never.pk not in told


def test_what_was_given_back_or_only_shown_counts_for_nothing():
    refunded, hidden, shown, kept = (ItemFactory() for _ in range(4))
    user = EndUserFactory()
    take(user, refunded, hidden, kept, days_ago=1)
    take(user, refunded, event_type="refund")
    take(user, hidden, event_type="hide")
    take(user, shown, event_type="impression")
    neighbours.rebuild_statistics()
    assert list(ItemStatistics.objects.values_list("item_id", flat=True)) == [kept.pk]


def test_a_pair_counts_where_likes_outweigh_dislikes_in_whatever_order():
    """A purchase outlives a later change of mind at the cart; a low rating is no liking; a look undoes no hide."""
    kept, panned, praised, hidden, left, looked = (ItemFactory() for _ in range(6))
    user = EndUserFactory()
    take(user, kept, left, days_ago=3)
    take(user, kept, event_type="add_to_cart", days_ago=2)
    take(user, kept, event_type="remove_from_cart", days_ago=1)
    moment = timezone.now()
    for item, stars in ((panned, 1), (praised, 5), (left, 1)):
        EventFactory(user=user, item=item, type="rate", value=stars, occurred_at=moment)
    take(user, hidden, event_type="hide", days_ago=2)
    take(user, hidden, looked, event_type="view")
    neighbours.rebuild_statistics()
    counted = set(ItemStatistics.objects.values_list("item_id", flat=True))
    assert counted == {kept.pk, praised.pk, looked.pk}


def test_recently_is_measured_from_the_newest_event():
    item, user = ItemFactory(), EndUserFactory()
    take(user, item, days_ago=3000)
    neighbours.rebuild_statistics()
    assert ItemStatistics.objects.get().recent_users == 1
    assert ItemStatistics.objects.get().popularity == 1.0


def test_a_rebuild_replaces_what_was_there_and_without_events_leaves_nothing():
    first, second = ItemFactory(), ItemFactory()
    user = EndUserFactory()
    take(user, first, second)
    neighbours.rebuild_statistics()
    neighbours.rebuild_statistics()
    assert ItemStatistics.objects.count() == 2
    Event.objects.all().delete()
    assert neighbours.rebuild_statistics() == 0
    assert (ItemStatistics.objects.count(), Neighbour.objects.count()) == (0, 0)


def test_progress_is_told_before_and_after_each_step():
    reports = []
    neighbours.rebuild_statistics(on_progress=lambda done, total, message: reports.append((done, total)))
    assert reports == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_neighbours_of_an_item_leave_out_what_may_not_be_shown():
    item, shown, hidden, gone = (
        ItemFactory(),
        ItemFactory(),
        ItemFactory(is_hidden=True),
        ItemFactory(is_in_stock=False),
    )
    for _ in range(2):
        take(EndUserFactory(), item, shown, hidden, gone)
    take(EndUserFactory(), ItemFactory())
    neighbours.rebuild_statistics()
    found = neighbours.neighbours_of(item.external_id, n=5)
    assert [(each.neighbour, each.users) for each in found] == [(shown, 2)]


def test_neighbours_of_an_item_nobody_knows_are_an_error():
    with pytest.raises(NotFoundError, match="no item 'sku-x'"):
        neighbours.neighbours_of("sku-x", n=5)
