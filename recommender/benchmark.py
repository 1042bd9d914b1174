"""How fast this installation is: each figure beside a peer or a physical limit that was measured in the same run.

Rounds of the two alternate, so that a noisy machine disturbs both alike. Read the ratios, not the milliseconds.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection, transaction

from catalog.models import Item
from catalog.providers import Embedder
from recommender import erasure, events, interests, slates
from recommender.models import EndUser, Event
from recsite.operations.errors import NotFoundError

WAIT_FOR_WORKER_S = 10.0


@dataclass(frozen=True)
class Pair:
    """Seconds of each round, ours and the peer's."""

    ours: Sequence[float]
    peer: Sequence[float]

    def as_json(self, what: str, peer: str) -> dict[str, object]:
        ours, other = np.array(self.ours), np.array(self.peer)
        return {
            "what": what,
            "median_ms": round(float(np.median(ours)) * 1000, 2),
            "p95_ms": round(float(np.percentile(ours, 95)) * 1000, 2),
            "peer": {"what": peer, "median_ms": round(float(np.median(other)) * 1000, 2)},
            "ratio": round(float(np.median(ours / other)), 2),
            "rounds": len(self.ours),
        }


def measure(*, rounds: int, embedder: Embedder, plain_embedder: Embedder) -> dict[str, object]:
    """JSON of everything. Raises NotFoundError where there are no users with interests to make lists for.

    Leaves nothing behind: previews are not recorded, and the user who buys for the benchmark is erased.
    """
    known = list(EndUser.objects.filter(interest_vectors__position=0).order_by("id").values_list("external_id", "id"))
    if not known:
        raise NotFoundError("No user has interests yet; load the demo or import events, then measure.")
    some = [known[place * len(known) // rounds] for place in range(rounds)]
    return {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "data": {"items": Item.objects.count(), "users": len(known), "events": Event.objects.count()},
        "list": _lists(some),
        "interests": _interests(some),
        "event": _events(rounds),
        "event_to_interests": _event_to_interests(max(3, rounds // 10)),
        "embedding": _embedding(embedder, plain_embedder),
    }


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _lists(some: Sequence[tuple[str, int]]) -> dict[str, object]:
    slates.recommend(some[0][0], record=False)
    ours, peer = [], []
    for external_id, user_id in some:
        ours.append(_timed(lambda external_id=external_id: slates.recommend(external_id, record=False)))  # type: ignore[misc]
        peer.append(_timed(lambda user_id=user_id: _nearest_of(user_id)))  # type: ignore[misc]
    return Pair(ours, peer).as_json(
        "recommend() of 12 items, not recorded",
        "one nearest-neighbour query in SQL: 100 items of the strongest interest",
    )


def _nearest_of(user_id: int) -> list[tuple[int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT item_id FROM catalog_itemembedding ORDER BY vector <=> "
            "(SELECT vector FROM recommender_interestvector WHERE user_id = %s AND position = 0) LIMIT 100",
            [user_id],
        )
        return cursor.fetchall()


def _interests(some: Sequence[tuple[str, int]]) -> dict[str, object]:
    ours, peer = [], []
    for _, user_id in some:
        ours.append(_timed(lambda user_id=user_id: interests.rebuild(user_id)))  # type: ignore[misc]
        peer.append(_timed(lambda user_id=user_id: list(Event.objects.latest_of([user_id], 300))))  # type: ignore[misc]
    return Pair(ours, peer).as_json("rebuild one user's interests", "reading the same 300 events")


def _events(rounds: int) -> dict[str, object]:
    name = f"benchmark-{uuid.uuid4()}"
    item = Item.objects.recommendable().order_by("id").first()
    if item is None:
        raise NotFoundError("No item may be recommended; import items, or wait until they are embedded.")
    ours, peer = [], []
    payload = [{"user": name, "item": item.external_id, "type": "view"}]
    events.record_events(payload)
    user = EndUser.objects.get(external_id=name)
    try:
        for _ in range(rounds):
            ours.append(_timed(lambda: events.record_events(payload)))
            peer.append(_timed(lambda: _insert(user, item)))
    finally:
        erasure.erase(name)
    return Pair(ours, peer).as_json(
        "record one event: checked, durable, its bell rung", "INSERT and COMMIT of the same row"
    )


def _insert(user: EndUser, item: Item) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO recommender_event (user_id, item_id, type, value, basket, occurred_at, received_at)"
            " VALUES (%s, %s, 'view', 1, '', now(), now())",
            [user.pk, item.pk],
        )


def _event_to_interests(rounds: int) -> dict[str, object]:
    """Seconds from the call to interests that know the event, rebuilt by a running worker."""
    name = f"benchmark-{uuid.uuid4()}"
    item_ids = list(Item.objects.recommendable().order_by("id").values_list("external_id", flat=True)[:rounds])
    seconds: list[float] = []
    try:
        for external_id in item_ids:
            started = time.perf_counter()
            events.record_events([{"user": name, "item": external_id, "type": "purchase"}])
            while EndUser.objects.stale().filter(external_id=name).exists():
                if time.perf_counter() - started > WAIT_FOR_WORKER_S:
                    return {
                        "what": "event to interests",
                        "error": "No worker rebuilt them; is one running for 'events'?",
                    }
                time.sleep(0.005)
            seconds.append(time.perf_counter() - started)
    finally:
        erasure.erase(name)
    return {
        "what": "from an event to interests that know it, by the worker",
        "median_ms": round(float(np.median(seconds)) * 1000, 1),
        "worst_ms": round(max(seconds) * 1000, 1),
        "limit_ms": 2000,
        "rounds": len(seconds),
    }


def _embedding(embedder: Embedder, plain_embedder: Embedder, *, texts: int = 256, rounds: int = 5) -> dict[str, object]:
    titles = list(Item.objects.order_by("id").values_list("title", flat=True)[:texts])
    embedder.embed(titles[:8])
    plain_embedder.embed(titles[:8])
    ours, peer = [], []
    for _ in range(rounds):
        ours.append(_timed(lambda: embedder.embed(titles)))
        peer.append(_timed(lambda: plain_embedder.embed(titles)))
    return {
        **Pair(ours, peer).as_json(f"embed {len(titles)} titles", "the same model in float32"),
        "texts_per_s": round(len(titles) / float(np.median(ours)), 1),
    }
