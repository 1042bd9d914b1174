"""Rebuild what users are interested in, from their latest events: vectors, labels, and the events behind each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
import structlog
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone
from numpy.typing import NDArray

from catalog import vector_labels
from catalog.models import ItemEmbedding
from recommender import encoding, neighbour_updates
from recommender.algorithms import interest as algorithm
from recommender.algorithms.interest_transform import InterestTransform
from recommender.models import EndUser, Event, InterestLabel, InterestVector

log = structlog.get_logger(__name__)

HISTORY_EVENTS = 300
HALF_LIFE_DAYS = 60.0
MAX_INTERESTS = 6
MAX_LABELS_PER_TAXONOMY = 20
MAX_EVENTS_BEHIND = 20
# An interest that is a label by less than this says nothing of it.
MIN_SHARE = 0.1
MAX_ITEMS_BEHIND = 10
USERS_PER_TRANSACTION = 100
DAY_S = 86_400.0

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Vectors:
    """The catalog's vectors, centred. `row_of` maps an item id to its row."""

    row_of: dict[int, int]
    centred: NDArray[np.float32]

    @classmethod
    def load(cls, item_ids: Sequence[int] | None = None) -> Vectors:
        chosen = ItemEmbedding.objects.all() if item_ids is None else ItemEmbedding.objects.filter(pk__in=item_ids)
        ids, vectors = chosen.matrix()
        mean = ItemEmbedding.objects.mean()
        return cls({int(item_id): row for row, item_id in enumerate(ids)}, algorithm.centre(vectors, mean))


@dataclass(frozen=True)
class ItemLabelShare:
    taxonomy_id: int
    label_id: int
    confidence: float


LabelsByItem = dict[int, list[ItemLabelShare]]


def rebuild(user_id: int, *, only_if_stale: bool = False) -> bool:
    """Rebuild one user. False where there is no such user, or nothing new and `only_if_stale`."""
    return rebuild_many([user_id], only_if_stale=only_if_stale) == 1


def rebuild_many(user_ids: Sequence[int], *, only_if_stale: bool = False) -> int:
    """Rebuild these users, a transaction each hundred; returns how many there were. Safe to run twice, or at once."""
    built = 0
    for chunk in _chunks(sorted(set(user_ids))):
        built += _rebuild_chunk(chunk, vectors=None, only_if_stale=only_if_stale)
    return built


def rebuild_all(*, only_stale: bool = False, on_progress: OnProgress | None = None) -> int:
    """Rebuild every user who has events, or those of them with new ones; vectors are read once.

    on_progress(done, total, message) is told after each chunk of users.
    """
    started = time.monotonic()
    wanted = EndUser.objects.stale() if only_stale else EndUser.objects.filter(last_event_id__isnull=False)
    user_ids = list(wanted.order_by("id").values_list("id", flat=True))
    vectors = Vectors.load()
    built = done = 0
    for chunk in _chunks(user_ids):
        built += _rebuild_chunk(chunk, vectors=vectors, only_if_stale=only_stale)
        done += len(chunk)
        if on_progress is not None:
            on_progress(done, len(user_ids), "Building interests")
    log.info("interests_rebuilt_for_all", users=built, seconds=round(time.monotonic() - started, 1))
    return built


def _chunks(user_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(user_ids), USERS_PER_TRANSACTION):
        yield user_ids[start : start + USERS_PER_TRANSACTION]


@transaction.atomic
def _rebuild_chunk(user_ids: Sequence[int], *, vectors: Vectors | None, only_if_stale: bool) -> int:
    """The lock comes first: what is read after it includes all that the rebuild before this one knew."""
    EndUser.objects.lock_interests(user_ids)
    wanted = EndUser.objects.filter(pk__in=user_ids).order_by("id")
    users = list(wanted.stale() if only_if_stale else wanted)
    if not users:
        return 0
    events = list(Event.objects.latest_of([user.pk for user in users], HISTORY_EVENTS))
    item_ids = sorted({event.item_id for event in events})
    loaded = vectors if vectors is not None else Vectors.load(item_ids)
    labels = labels_of(item_ids)
    histories = {user_id: list(own) for user_id, own in groupby(events, key=lambda event: event.user_id)}
    new_vectors, new_labels = interests_of(users, histories, loaded, labels, transform=encoding.live_transform())
    neighbour_updates.count_new(users, histories)
    _replace(users, new_vectors, new_labels)
    log.info("interests_rebuilt", users=len(users), first_user=users[0].pk, vectors=len(new_vectors))
    return len(users)


def interests_at(user: EndUser, moment: datetime) -> tuple[list[InterestVector], list[InterestLabel]]:
    """Unsaved rows of one user as events up to this moment give them, with the labels and encoder of today."""
    events = list(Event.objects.all().up_to(moment).latest_of([user.pk], HISTORY_EVENTS))
    item_ids = sorted({event.item_id for event in events})
    transform = encoding.live_transform()
    loaded, carried = Vectors.load(item_ids), labels_of(item_ids)
    vectors, labels = interests_of([user], {user.pk: events}, loaded, carried, transform=transform)
    for interest in vectors:  # as exact as the database would keep it, so that a list of then can be repeated
        interest.vector = interest.vector.astype(np.float16).astype(np.float32)
    prefetch_related_objects(labels, "label")
    return vectors, labels


def labels_with(
    user: EndUser, history: Sequence[Event], vectors: Sequence[InterestVector], labels: LabelsByItem
) -> list[InterestLabel]:
    """Unsaved interest labels of one user, strongest first, were the items to have these labels."""
    known = {each.taxonomy_id for event in history for each in labels.get(event.item_id, [])}
    found = [*_interest_labels_of(user, history, labels), *_labels_by_head(user, vectors, known)]
    prefetch_related_objects(found, "label")
    return sorted(found, key=lambda each: (-each.weight, each.label_id))


def interests_of(
    users: Sequence[EndUser],
    histories: Mapping[int, Sequence[Event]],
    loaded: Vectors,
    labels: LabelsByItem,
    *,
    transform: InterestTransform | None,
) -> tuple[list[InterestVector], list[InterestLabel]]:
    """Unsaved rows for these users, from their newest events by user id; by user, strongest first. transform: None
    leaves the vectors in the items' own space."""
    new_vectors: list[InterestVector] = []
    new_labels: list[InterestLabel] = []
    for user in users:
        history = histories.get(user.pk, [])
        new_vectors += _vectors_of(user, history, loaded)
        new_labels += _interest_labels_of(user, history, labels)
    _name(new_vectors)
    _encode(new_vectors, transform)
    for user in users:
        own = [interest for interest in new_vectors if interest.user_id == user.pk]
        known = {each.taxonomy_id for event in histories.get(user.pk, []) for each in labels.get(event.item_id, [])}
        new_labels += _labels_by_head(user, own, known)
    return new_vectors, new_labels


def _replace(users: Sequence[EndUser], vectors: list[InterestVector], labels: list[InterestLabel]) -> None:
    built_at = timezone.now()
    InterestVector.objects.filter(user__in=users).delete()
    InterestLabel.objects.filter(user__in=users).delete()
    InterestVector.objects.bulk_create(vectors, batch_size=500)
    InterestLabel.objects.bulk_create(labels, batch_size=2_000)
    for user in users:
        user.interests_event_id = user.last_event_id
        user.interests_built_at = built_at
    EndUser.objects.bulk_update(users, ["interests_event_id", "interests_built_at"])


def event_weights(history: Sequence[tuple[str, float, datetime]], *, half_life_days: float) -> NDArray[np.float64]:
    """(n_events,) weight of each (type, value, time): the type's, halved every `half_life_days` before the newest, or
    sooner where the type is forgotten sooner."""
    if not history:
        return np.zeros(0)
    times_s = np.array([occurred_at.timestamp() for _, _, occurred_at in history])
    by_type = np.array([algorithm.event_weight(event_type, value) for event_type, value, _ in history])
    each = algorithm.half_lives([event_type for event_type, _, _ in history], half_life_days=half_life_days)
    return by_type * algorithm.decay((times_s.max() - times_s) / DAY_S, half_life_days=each)


def _weights_of(events: Sequence[Event]) -> NDArray[np.float64]:
    return event_weights(
        [(event.type, event.value, event.occurred_at) for event in events], half_life_days=HALF_LIFE_DAYS
    )


def _vectors_of(user: EndUser, history: Sequence[Event], vectors: Vectors) -> list[InterestVector]:
    """Events of items that have no vector yet are left out; a sweep rebuilds the user when they get one."""
    known = [event for event in history if event.item_id in vectors.row_of]
    weights = _weights_of(known)
    item_ids, places = np.unique(np.array([event.item_id for event in known], dtype=np.int64), return_inverse=True)
    net = algorithm.net_weights(places, weights, n_items=len(item_ids))
    rows = [vectors.row_of[item_id] for item_id in item_ids.tolist()]
    found = algorithm.interests(vectors.centred[rows], net, max_interests=MAX_INTERESTS)
    return [
        InterestVector(
            user=user,
            position=position,
            vector=interest.vector,
            weight=interest.weight,
            medoid_id=int(item_ids[interest.medoid]),
            events=_events_behind(known, weights, {int(item_ids[row]) for row in interest.members}),
        )
        for position, interest in enumerate(found)
    ]


def _events_behind(
    history: Sequence[Event], weights: NDArray[np.float64], item_ids: set[int]
) -> list[dict[str, int | float]]:
    """The strongest event of each of these items, strongest first; of equals the newest."""
    behind: list[dict[str, int | float]] = []
    seen: set[int] = set()
    for place in np.argsort(-weights, kind="stable"):
        event = history[place]
        if event.item_id in item_ids and event.item_id not in seen and len(behind) < MAX_EVENTS_BEHIND:
            seen.add(event.item_id)
            behind.append({"event": event.pk, "item": event.item_id, "weight": round(float(weights[place]), 4)})
    return behind


def labels_of(item_ids: Sequence[int]) -> LabelsByItem:
    labels: LabelsByItem = defaultdict(list)
    for item_id, taxonomy_id, label_id, confidence in InterestLabel.objects.labels_of_items(item_ids):
        labels[item_id].append(ItemLabelShare(taxonomy_id, label_id, confidence))
    return labels


def _interest_labels_of(user: EndUser, history: Sequence[Event], labels: LabelsByItem) -> list[InterestLabel]:
    weights = _weights_of(history)
    net: dict[int, float] = defaultdict(float)
    for event, weight in zip(history, weights.tolist(), strict=True):
        net[event.item_id] += weight
    behind: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for item_id, weight in net.items():
        for share in labels.get(item_id, []) if weight > 0 else []:
            behind[share.taxonomy_id, share.label_id][item_id] += weight * share.confidence
    by_taxonomy: dict[int, list[tuple[float, int, dict[int, float]]]] = defaultdict(list)
    for (taxonomy_id, label_id), items in behind.items():
        by_taxonomy[taxonomy_id].append((sum(items.values()), label_id, items))
    return [
        interest_label
        for taxonomy_id in sorted(by_taxonomy)
        for interest_label in _strongest_labels(user, by_taxonomy[taxonomy_id])
    ]


def _name(vectors: Sequence[InterestVector]) -> None:
    """Y = softmax(W2 x + b2) of each interest vector: what it is about. The head knows the items' own space, so it is
    asked before the vectors are encoded."""
    rows = np.stack([each.vector for each in vectors]) if vectors else np.zeros((0, 0), dtype=np.float32)
    for interest, found in zip(vectors, vector_labels.labels_of(rows), strict=True):
        interest.labels = [
            {"taxonomy": each.taxonomy_id, "label": each.label_id, "share": each.share} for each in found
        ]


def _encode(vectors: Sequence[InterestVector], transform: InterestTransform | None) -> None:
    """U = f(W1 x + b1)."""
    if transform is None or not vectors:
        return
    for interest, encoded in zip(vectors, transform.apply(np.stack([each.vector for each in vectors])), strict=True):
        interest.vector = encoded


def _labels_by_head(user: EndUser, vectors: Sequence[InterestVector], known: set[int]) -> list[InterestLabel]:
    """The labels of the user's interests by their weights, for taxonomies that are not `known`: of which none of the
    user's items carries a label yet. What items carry is the better evidence, so it is not mixed with this."""
    weights: dict[int, dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
    for interest in vectors:
        for said in interest.labels:
            if said["taxonomy"] not in known and said["share"] >= MIN_SHARE:
                weights[said["taxonomy"]][said["label"]][interest.medoid_id] += interest.weight * said["share"]
    return [
        interest_label
        for taxonomy_id in sorted(weights)
        for interest_label in _strongest_labels(
            user, [(sum(items.values()), label_id, items) for label_id, items in weights[taxonomy_id].items()]
        )
    ]


def _strongest_labels(user: EndUser, found: list[tuple[float, int, dict[int, float]]]) -> list[InterestLabel]:
    strongest = sorted(found, key=lambda each: (-each[0], each[1]))[:MAX_LABELS_PER_TAXONOMY]
    total = sum(weight for weight, _, _ in strongest)
    if total <= 0:
        return []
    return [
        InterestLabel(
            user=user,
            label_id=label_id,
            weight=weight / total,
            items=sorted(items, key=lambda item_id: (-items[item_id], item_id))[:MAX_ITEMS_BEHIND],
        )
        for weight, label_id, items in strongest
    ]
