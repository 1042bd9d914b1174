"""The generated users: what they did, what they are after, the lists they got, and the statistics of it all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from recommender.algorithms.experiments import arm_of
from recommender.algorithms.factors import FACTORS
from recommender.made_load.copying import NULL, continue_ids, copy_rows, halves, indexes_afterwards, next_id
from recommender.made_load.shop import Shop
from recommender.made_load.steering import make_experiment
from recommender.models import (
    EndUser,
    Event,
    InterestLabel,
    InterestVector,
    ItemFactors,
    ItemStatistics,
    Neighbour,
    Slate,
    SlateItem,
)
from recommender.strategies import live_strategy

DAYS = 365
TYPES = ("view", "click", "add_to_cart", "purchase", "favourite", "remove_from_cart", "impression")
TYPE_SHARES = (0.55, 0.13, 0.10, 0.14, 0.02, 0.01, 0.05)
INTERESTS = 3
LABELS_OF_USER = 6
LIST_LENGTH = 12
SLATE_DAYS = 28
# After a list was served, what the user did with one of its items: with what chance, how many minutes later.
AFTERWARDS = (("impression", 0.7, 0.1), ("click", 0.08, 1.0), ("add_to_cart", 0.03, 4.0), ("purchase", 0.015, 30.0))
PARTS = json.dumps(
    [
        {
            "source": source,
            "raw": 1.0,
            "z": 1.0,
            "weight": weight,
            "contribution": weight,
            "evidence": {"users": 12},
            "words": "12 users took it in the last 28 days",
        }
        for source, weight in (("neighbours", 0.6), ("next", 0.2), ("similar", 0.2), ("popular", 0.1))
    ]
).replace("\\", "\\\\")


@dataclass(frozen=True)
class Deeds:
    """One entry an event, oldest first: places of user and item, seconds since 1970."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    times_s: NDArray[np.float64]


def make_users(users: int, now: datetime) -> NDArray[np.int64]:
    first = next_id(EndUser)
    user_ids = np.arange(first, first + users, dtype=np.int64)
    rows = ((user_id, f"load-user-{user_id}", "{}", now.isoformat()) for user_id in user_ids.tolist())
    copy_rows(EndUser, ("id", "external_id", "attributes", "created_at"), rows)
    continue_ids(EndUser)
    return user_ids


def make_events(
    events: int, user_ids: NDArray[np.int64], shop: Shop, random: np.random.Generator, now: datetime
) -> Deeds:
    """Few users do much, few items are popular; a user mostly stays with the labels near their own."""
    n_items = len(shop.item_ids)
    activity = random.pareto(1.5, len(user_ids)) + 0.2
    users = random.choice(len(user_ids), size=events, p=activity / activity.sum())
    ranks = np.minimum((random.pareto(0.8, events) * n_items / 200).astype(np.int64), n_items - 1)
    items = random.permutation(n_items)[ranks]
    times_s = np.sort(now.timestamp() - random.random(events) * DAYS * 86_400)
    types = random.choice(len(TYPES), size=events, p=TYPE_SHARES)
    first = next_id(Event)
    received = now.isoformat()

    def rows() -> Iterator[tuple[object, ...]]:
        for place in range(events):
            at = datetime.fromtimestamp(times_s[place], now.tzinfo).isoformat()
            user, item = int(user_ids[users[place]]), int(shop.item_ids[items[place]])
            basket = f"b{user}-{int(times_s[place]) // 86_400}" if types[place] in (2, 3) else ""
            yield (first + place, user, item, TYPES[types[place]], 1.0, basket, at, received)

    columns = ("id", "user_id", "item_id", "type", "value", "basket", "occurred_at", "received_at")
    with indexes_afterwards(Event):
        copy_rows(Event, columns, rows())
        continue_ids(Event)
    return Deeds(users, items, times_s)


def make_statistics(shop: Shop, deeds: Deeds, random: np.random.Generator, now: datetime, *, neighbours: int) -> None:
    """Counts are true, neighbours are items with like labels: enough to measure on, not to learn from."""
    n_items = len(shop.item_ids)
    counts = np.bincount(deeds.items, minlength=n_items)
    recent = np.bincount(deeds.items[deeds.times_s > now.timestamp() - 28 * 86_400], minlength=n_items)
    columns: tuple[str, ...] = (
        "item_id",
        "events",
        "users",
        "recent_users",
        "popularity",
        "trend",
        "repeat_rate",
        "repeat_share",
    )
    columns += ("cycle_days", "first_event_at", "last_event_at", "built_at")
    at = now.isoformat()
    copy_rows(
        ItemStatistics,
        columns,
        (
            (
                *(item_id, events, max(1, events // 3), fresh, f"{fresh + events / 50:.3f}", f"{trend:.3f}"),
                *(0.1, 0.1, 21, at, at, at),
            )
            for item_id, events, fresh, trend in zip(
                shop.item_ids.tolist(), counts.tolist(), recent.tolist(), random.random(n_items), strict=True
            )
            if events
        ),
    )
    ItemStatistics.objects.all().tell_catalog()
    by_label = np.argsort(shop.label_of, kind="stable")

    def rows() -> Iterator[tuple[object, ...]]:
        shares = {Neighbour.Kind.TOGETHER: 1.0, Neighbour.Kind.NEXT: 1.0, Neighbour.Kind.WORDS: 0.5}
        for kind, share in shares.items():
            wanted = max(1, int(neighbours * share))
            for place, item in enumerate(by_label.tolist()):
                for step in range(1, wanted + 1):
                    other = int(by_label[(place + step) % n_items])
                    yield kind.value, shop.item_ids[item], shop.item_ids[other], f"{1 / (1 + step):.4f}", step, at

    with indexes_afterwards(Neighbour):
        copy_rows(Neighbour, ("kind", "item_id", "neighbour_id", "score", "users", "built_at"), rows())
    factors = random.standard_normal((n_items, FACTORS)).astype(np.float32) / np.sqrt(FACTORS)
    copy_rows(ItemFactors, ("item_id", "vector"), zip(shop.item_ids.tolist(), halves(factors), strict=True))


def make_interests(
    user_ids: NDArray[np.int64], shop: Shop, deeds: Deeds, random: np.random.Generator, now: datetime
) -> None:
    """Of the newest items of each user who did anything; they know every event."""
    newest_of: dict[int, list[int]] = {}
    for user, item in zip(deeds.users[::-1].tolist(), deeds.items[::-1].tolist(), strict=True):
        taken = newest_of.setdefault(user, [])
        if len(taken) < LABELS_OF_USER and item not in taken:
            taken.append(item)
    at = now.isoformat()

    def vectors() -> Iterator[tuple[object, ...]]:
        written = list(halves(shop.vectors))
        for user, taken in newest_of.items():
            for place, item in enumerate(taken[:INTERESTS]):
                known = (int(user_ids[user]), place, written[item], 1 / min(INTERESTS, len(taken)))
                yield (*known, int(shop.item_ids[item]), "[]", "[]", at)

    columns = ("user_id", "position", "vector", "weight", "medoid_id", "events", "labels", "built_at")
    copy_rows(InterestVector, columns, vectors())

    def labels() -> Iterator[tuple[object, ...]]:
        for user, taken in newest_of.items():
            for label in sorted({int(shop.label_ids[shop.label_of[item]]) for item in taken}):
                items = json.dumps([int(shop.item_ids[item]) for item in taken[:3]])
                yield int(user_ids[user]), label, f"{1 / len(taken):.3f}", items, at

    copy_rows(InterestLabel, ("user_id", "label_id", "weight", "items", "built_at"), labels())
    EndUser.objects.all().note_all_events()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE recommender_enduser SET interests_event_id = last_event_id, interests_built_at = now()")


def make_slates(
    slates: int, user_ids: NDArray[np.int64], shop: Shop, random: np.random.Generator, now: datetime
) -> None:
    """Lists of the last four weeks, those since its start by the experiment's arms; what users did within the hour."""
    strategy, first = live_strategy().pk, next_id(Slate)
    experiment = make_experiment(now)
    users = random.integers(0, len(user_ids), slates)
    ages_s = np.sort(random.random(slates) * SLATE_DAYS * 86_400 + 3_600)[::-1]
    took_ms = random.gamma(4.0, 12.0, slates)
    ranks = np.minimum((random.pareto(1.0, (slates, LIST_LENGTH)) * 400).astype(np.int64), len(shop.item_ids) - 1)
    served = [now - timedelta(seconds=float(age)) for age in ages_s]
    columns: tuple[str, ...] = (
        "id",
        "public_id",
        "user_id",
        "user_external_id",
        "is_known_user",
        "n",
        "strategy_id",
        "placement",
    )
    columns += ("experiment_id", "arm", "request", "versions", "details", "took_ms", "served_at")

    def lists() -> Iterator[tuple[object, ...]]:
        for place, user in enumerate(users.tolist()):
            name = f"load-user-{user_ids[user]}"
            shares = [arm["share"] for arm in experiment.arms]
            arm = arm_of(name, salt=experiment.salt, traffic_share=experiment.traffic_share, shares=shares)
            by = strategy
            counted: tuple[object, str] = (NULL, "")
            if arm is not None and experiment.started_at and served[place] >= experiment.started_at:
                by = experiment.arms[arm]["strategy"] or strategy
                counted = (experiment.pk, experiment.arms[arm]["name"])
            yield (
                *(first + place, uuid.UUID(bytes=random.bytes(16)), int(user_ids[user]), name),
                *(True, LIST_LENGTH, by, "", *counted, "{}", "{}", "{}", f"{took_ms[place]:.2f}"),
                served[place].isoformat(),
            )

    copy_rows(Slate, columns, lists())
    copy_rows(
        SlateItem,
        ("slate_id", "position", "item_id", "score", "rules", "parts"),
        (
            (first + place, position, int(shop.item_ids[ranks[place, position - 1]]), 1.1 - position / 100, "[]", PARTS)
            for place in range(slates)
            for position in range(1, LIST_LENGTH + 1)
        ),
    )

    def events() -> Iterator[tuple[object, ...]]:
        for place, user in enumerate(users.tolist()):
            for column in range(LIST_LENGTH):
                for kind, chance, minutes in AFTERWARDS:
                    if random.random() < chance:
                        at = (served[place] + timedelta(minutes=minutes)).isoformat()
                        item = int(shop.item_ids[ranks[place, column]])
                        yield int(user_ids[user]), item, kind, 1.0, "", at, at

    copy_rows(Event, ("user_id", "item_id", "type", "value", "basket", "occurred_at", "received_at"), events())
    continue_ids(Slate)
