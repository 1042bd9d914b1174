"""What follows an item, kept up between rebuilds: the steps that new events add are counted as they come.

Scores stay on the scale of a rebuild, counts over steps with the item + 1, with one difference: of an item only its
events are known, not how many of them were steps beside another, so what is added is never more than a rebuild would
add. `together` waits for the rebuild: EASE weighs all pairs at once, and no single one can be added to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms import interest
from recommender.algorithms.histories import Interactions, interactions
from recommender.algorithms.neighbours import STEPS_APART, transition_counts
from recommender.models import EndUser, Event, ItemStatistics, Neighbour

LEAST_NET = 1e-9
LEAST_CHANGE = 1e-6
MOST_PAIRS = 20_000
"""A chunk of users with more waits for the rebuild: an import rings for one anyway."""

Row = tuple[int, int, float]


@dataclass(frozen=True)
class Changes:
    """By item, ids ascending: events more, users who had none of it before, its newest event. pairs: (item, neighbour,
    count more or less)."""

    item_ids: NDArray[np.int64]
    events: NDArray[np.int64]
    users: NDArray[np.int64]
    newest_s: NDArray[np.float64]
    pairs: tuple[tuple[int, int, float], ...]


def count_new(users: Sequence[EndUser], histories: Mapping[int, Sequence[Event]]) -> int:
    """Count what these users did since their interests were built, unless the statistics know it already; returns the
    number of pairs changed. histories: their newest events. Call it under the lock of their interests, in the
    transaction that moves `interests_event_id`: so an event counts once, whatever is run twice. At most six queries.

    Where there are no statistics, or a rebuild is writing them, nothing is counted: the next rebuild knows all.
    """
    stale = [user for user in users if not user.interests_are_current and histories.get(user.pk)]
    built_at = ItemStatistics.objects.built_at() if stale else None
    if built_at is None or not any(_is_new(event, user, built_at) for user in stale for event in histories[user.pk]):
        return 0
    before, after = [], []
    for place, user in enumerate(stale):
        known = [event for event in histories[user.pk] if not _is_new(event, user, built_at)]
        old, new = _liked(known), _liked(histories[user.pk])
        start_s = _start(old, new)
        before += [(place, item, time_s) for item, time_s in old if time_s >= start_s]
        after += [(place, item, time_s) for item, time_s in new if time_s >= start_s]
    changes = _changes(before, after)
    if not changes.pairs or len(changes.pairs) > MOST_PAIRS or Neighbour.objects.is_rebuilding():
        return 0
    _write(changes, built_at)
    return len(changes.pairs)


def _is_new(event: Event, user: EndUser, built_at: datetime) -> bool:
    return event.pk > (user.interests_event_id or 0) and event.received_at > built_at


def _liked(events: Sequence[Event]) -> list[tuple[int, float]]:
    """(item, seconds) of what speaks for its item, as `Event.objects.liked` reads it."""
    worth = [interest.event_weight(event.type, event.value) for event in events]
    net: dict[int, float] = {}
    for event, weight in zip(events, worth, strict=True):
        net[event.item_id] = net.get(event.item_id, 0.0) + weight
    return [
        (event.item_id, event.occurred_at.timestamp())
        for event, weight in zip(events, worth, strict=True)
        if weight > 0 and net[event.item_id] > LEAST_NET
    ]


def _start(old: Sequence[tuple[int, float]], new: Sequence[tuple[int, float]]) -> float:
    """From when on steps are paired anew: so many steps before the first one that differs."""
    differing = set(old) ^ set(new)
    if not differing:
        return np.inf
    first_s = min(time_s for _, time_s in differing)
    earlier = sorted({time_s for _, time_s in [*old, *new] if time_s < first_s})
    return earlier[-STEPS_APART] if len(earlier) >= STEPS_APART else -np.inf


def _changes(before: Sequence[Row], after: Sequence[Row]) -> Changes:
    item_ids = np.unique(np.array([item for _, item, _ in [*before, *after]], dtype=np.int64))
    old, new = _interactions(before, item_ids), _interactions(after, item_ids)
    n = len(item_ids)
    more = (transition_counts(new)[0] - transition_counts(old)[0]).tocoo()
    changed = np.abs(more.data) > LEAST_CHANGE
    newest_s = np.full(n, -np.inf)
    for rows in (old, new):
        np.maximum.at(newest_s, rows.items, rows.times_s)
    had = {(user, item) for user, item, _ in before}
    first = {(user, item) for user, item, _ in after} - had
    takers = np.searchsorted(item_ids, np.array([item for _, item in first], dtype=np.int64))
    pairs = zip(
        item_ids[more.row[changed]].tolist(),
        item_ids[more.col[changed]].tolist(),
        more.data[changed].tolist(),
        strict=True,
    )
    return Changes(
        item_ids=item_ids,
        events=np.maximum(np.bincount(new.items, minlength=n) - np.bincount(old.items, minlength=n), 0),
        users=np.bincount(takers, minlength=n),
        newest_s=newest_s,
        pairs=tuple(sorted(pairs)),
    )


def _interactions(rows: Sequence[Row], item_ids: NDArray[np.int64]) -> Interactions:
    users = np.array([user for user, _, _ in rows], dtype=np.int64)
    return interactions(
        users,
        np.searchsorted(item_ids, np.array([item for _, item, _ in rows], dtype=np.int64)),
        np.array([time_s for _, _, time_s in rows], dtype=np.float64),
        n_users=int(users.max(initial=-1)) + 1,
        n_items=len(item_ids),
    )


def _write(changes: Changes, built_at: datetime) -> None:
    """Statistics first: who has an item's has its neighbours too, so that two rebuilds never wait for each other."""
    newest = [datetime.fromtimestamp(time_s, tz=built_at.tzinfo) for time_s in changes.newest_s.tolist()]
    rows = list(zip(changes.item_ids.tolist(), changes.events.tolist(), changes.users.tolist(), newest, strict=True))
    now = ItemStatistics.objects.add_events(rows, built_at=built_at)
    more = dict(zip(changes.item_ids.tolist(), changes.events.tolist(), strict=True))
    factors = {item: (now[item] - more[item] + 1) / (now[item] + 1) for item in now if more[item]}
    Neighbour.objects.fade(Neighbour.Kind.NEXT, factors)
    pairs = [
        (item, neighbour, count / (now[item] + 1), max(round(count), 0))
        for item, neighbour, count in changes.pairs
        if item in now
    ]
    if pairs:
        Neighbour.objects.add_to(Neighbour.Kind.NEXT, pairs, built_at=built_at)
