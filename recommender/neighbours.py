"""What events say about items: rebuilds Neighbour and ItemStatistics, all at once, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import structlog
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray

from catalog.models import Item
from recommender.algorithms import neighbours as algorithm
from recommender.algorithms.interest import EVENT_WEIGHTS, NEUTRAL_RATING, decay
from recommender.algorithms.popularity import popularity
from recommender.models import Event, ItemStatistics, Neighbour
from recsite.operations.errors import NotFoundError

log = structlog.get_logger(__name__)

NEIGHBOURS_PER_ITEM = 100
TOGETHER_HALF_LIFE_DAYS = 180.0
POPULARITY_HALF_LIFE_DAYS = 28.0
RECENT_DAYS = 28
DAY_S = 86_400.0

OnProgress = Callable[[int, int, str], None]


def rebuild_statistics(*, on_progress: OnProgress | None = None) -> int:
    """Replace every item's statistics and neighbours. Readers see the old ones until the new ones are complete.

    `on_progress(done, total, message)` is told of three steps. Returns the number of neighbour rows.
    """
    report = on_progress or (lambda done, total, message: None)
    started = time.monotonic()
    read_at = timezone.now()
    report(0, 3, "Reading events")
    pairs = Event.objects.pairs(EVENT_WEIGHTS, neutral_rating=NEUTRAL_RATING)
    as_of = Event.objects.newest_time() or timezone.now()
    user_ids, users = _indexed(row[0] for row in pairs)
    item_ids, items = _indexed(row[1] for row in pairs)
    ages_days = (as_of.timestamp() - np.array([row[3] for row in pairs], dtype=np.float64)) / DAY_S
    report(1, 3, f"Comparing {len(item_ids):,} items")
    found = algorithm.neighbours(
        users,
        items,
        decay(ages_days, half_life_days=TOGETHER_HALF_LIFE_DAYS),
        n_items=len(item_ids),
        k=NEIGHBOURS_PER_ITEM,
    )
    report(2, 3, f"Writing {len(found):,} neighbours")
    with transaction.atomic():
        Neighbour.objects.lock_rebuild()
        ItemStatistics.objects.replace_all(_statistics(pairs, item_ids, items, ages_days), built_at=read_at)
        ItemStatistics.objects.tell_catalog()
        Neighbour.objects.replace_all(_neighbour_rows(found, item_ids), built_at=read_at)
    report(3, 3, "Statistics and neighbours are current")
    log.info(
        "statistics_rebuilt",
        items=len(item_ids),
        users=len(user_ids),
        neighbours=len(found),
        seconds=round(time.monotonic() - started, 1),
    )
    return len(found)


def neighbours_of(external_id: str, *, n: int) -> list[Neighbour]:
    """The n strongest neighbours of the item that may be shown. Raises NotFoundError where there is no such item."""
    item = None if "\x00" in external_id else Item.objects.filter(external_id=external_id).only("id").first()
    if item is None:
        raise NotFoundError(f"There is no item {external_id!r}.")
    return list(Neighbour.objects.strongest_of(item.pk, n))


def _indexed(ids: Iterable[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct ids, ascending, and for each given id its place among them."""
    distinct, places = np.unique(np.fromiter(ids, dtype=np.int64), return_inverse=True)
    return distinct, places.astype(np.int64)


def _statistics(
    pairs: Sequence[tuple[int, int, float, float, int]],
    item_ids: NDArray[np.int64],
    items: NDArray[np.int64],
    ages_days: NDArray[np.float64],
) -> Iterable[tuple[int, int, int, int, float, float, float]]:
    """(item, events, users, recent users, popularity, first and last event as seconds since 1970)."""
    n_items = len(item_ids)
    events = np.bincount(items, weights=[row[4] for row in pairs], minlength=n_items)
    users = np.bincount(items, minlength=n_items)
    recent = np.bincount(items[ages_days < RECENT_DAYS], minlength=n_items)
    popular = popularity(items, ages_days, n_items=n_items, half_life_days=POPULARITY_HALF_LIFE_DAYS)
    first, last = np.full(n_items, np.inf), np.full(n_items, -np.inf)
    np.minimum.at(first, items, np.array([row[2] for row in pairs], dtype=np.float64))
    np.maximum.at(last, items, np.array([row[3] for row in pairs], dtype=np.float64))
    columns = (item_ids, events.astype(int), users, recent, popular, first, last)
    return zip(*(column.tolist() for column in columns), strict=True)


def _neighbour_rows(
    found: algorithm.NeighbourPairs, item_ids: NDArray[np.int64]
) -> Iterable[tuple[int, int, float, int]]:
    columns = (item_ids[found.items], item_ids[found.neighbours], found.scores, found.users)
    return zip(*(column.tolist() for column in columns), strict=True)
