"""What events say about items: rebuilds Neighbour and ItemStatistics, all at once, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray

from catalog.embedding import item_text
from catalog.models import Item, ItemEmbedding
from recommender.algorithms.histories import Interactions, interactions
from recommender.algorithms.interest import EVENT_WEIGHTS, NEUTRAL_RATING, centre
from recommender.algorithms.learned import Learned, Learning, learn
from recommender.models import Event, ItemFactors, ItemStatistics, Neighbour, RankerFit
from recsite.operations.errors import NotFoundError

log = structlog.get_logger(__name__)

OnProgress = Callable[[int, int, str], None]


def rebuild_statistics(*, on_progress: OnProgress | None = None) -> int:
    """Replace every item's statistics and neighbours. Readers see the old ones until the new ones are complete.

    `on_progress(done, total, message)` is told of three steps. Returns the number of neighbour rows.
    """
    report = on_progress or (lambda done, total, message: None)
    started = time.monotonic()
    read_at = timezone.now()
    report(0, 3, "Reading events")
    item_ids, titles = titles_of_items()
    rows, user_ids = read_interactions(item_ids)
    as_of = Event.objects.newest_time() or timezone.now()
    report(1, 3, f"Comparing {len(item_ids):,} items")
    learned = learn(rows, titles, live_learning(), vectors=vectors_of_items(item_ids), as_of_s=as_of.timestamp())
    found = [*_neighbour_rows(learned, item_ids)]
    report(2, 3, f"Writing {len(found):,} neighbours")
    with transaction.atomic():
        Neighbour.objects.lock_rebuild()
        ItemStatistics.objects.replace_all(_statistics(learned, item_ids), built_at=read_at)
        ItemStatistics.objects.tell_catalog()
        ItemFactors.objects.replace_all(item_ids, learned.factors)
        Neighbour.objects.replace_all(found, built_at=read_at)
    report(3, 3, "Statistics and neighbours are current")
    log.info(
        "statistics_rebuilt",
        items=len(item_ids),
        users=len(user_ids),
        neighbours=len(found),
        seconds=round(time.monotonic() - started, 1),
    )
    return len(found)


def titles_of_items() -> tuple[NDArray[np.int64], list[str]]:
    """The ids of all items, ascending, and what each is called, its brand with it."""
    rows = list(Item.objects.order_by("pk").values_list("pk", "title", "brand"))
    return np.array([pk for pk, _, _ in rows], dtype=np.int64), [
        item_text(title, brand, "") for _, title, brand in rows
    ]


def vectors_of_items(item_ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, dim): the centred unit vector of each of these items, ids ascending; zeros where it has none yet."""
    vectors = np.zeros((len(item_ids), settings.EMBEDDING_DIM), dtype=np.float32)
    known, stored = ItemEmbedding.objects.all().matrix()
    among = np.isin(known, item_ids)  # an item may have come since the ids were read
    vectors[np.searchsorted(item_ids, known[among])] = centre(stored[among], ItemEmbedding.objects.mean())
    return vectors


def read_interactions(
    item_ids: NDArray[np.int64], *, before: datetime | None = None
) -> tuple[Interactions, NDArray[np.int64]]:
    """What users liked or took, items as places among `item_ids`, and the users' ids in the order of their indexes."""
    liked = Event.objects.liked(EVENT_WEIGHTS, neutral_rating=NEUTRAL_RATING, before=before)
    liked = liked[np.isin(liked["item"], item_ids)]  # an item may have come since the ids were read
    user_ids, users = np.unique(liked["user"].astype(np.int64), return_inverse=True)
    items = np.searchsorted(item_ids, liked["item"].astype(np.int64))
    times_s = liked["time_s"].astype(np.float64)
    return interactions(users, items, times_s, n_users=len(user_ids), n_items=len(item_ids)), user_ids


def live_learning() -> Learning:
    """As validation chose for the live strategy."""
    fit = RankerFit.objects.filter(strategy__is_live=True, is_in_use=True).order_by("-pk").first()
    return Learning(**fit.parameters["learning"]) if fit else Learning()


def neighbours_of(external_id: str, *, n: int) -> list[Neighbour]:
    """The n strongest neighbours of the item that may be shown. Raises NotFoundError where there is no such item."""
    item = None if "\x00" in external_id else Item.objects.filter(external_id=external_id).only("id").first()
    if item is None:
        raise NotFoundError(f"There is no item {external_id!r}.")
    return list(Neighbour.objects.strongest_of(item.pk, n))


def _statistics(learned: Learned, item_ids: NDArray[np.int64]) -> Iterable[tuple[float, ...]]:
    """Rows of ItemStatistics, of the items that somebody took."""
    taken = np.flatnonzero(learned.users)
    columns = (
        item_ids,
        learned.events,
        learned.users,
        learned.recent_users,
        learned.popularity,
        learned.trend,
        learned.repeat_rates,
        learned.repeat_shares,
        learned.cycles_days,
        learned.first_s,
        learned.last_s,
    )
    return zip(*(column[taken].tolist() for column in columns), strict=True)


def _neighbour_rows(learned: Learned, item_ids: NDArray[np.int64]) -> Iterable[tuple[str, int, int, float, int]]:
    for kind, found in (
        (Neighbour.Kind.TOGETHER, learned.together),
        (Neighbour.Kind.NEXT, learned.next),
        (Neighbour.Kind.WORDS, learned.words),
        (Neighbour.Kind.CARRIED, learned.carried),
    ):
        columns = (item_ids[found.items], item_ids[found.neighbours], found.scores, found.users)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            yield (kind.value, *row)
