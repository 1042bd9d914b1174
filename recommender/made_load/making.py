"""The order in which a generated shop is made: catalog, users, events, slates, statistics, interests, rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from django.utils import timezone

from catalog.models import Item, ItemEmbedding, ItemLabel, LabelRequest
from recommender.made_load import people, shop, steering
from recommender.made_load.copying import analyse
from recommender.models import (
    EndUser,
    Event,
    InterestLabel,
    InterestVector,
    ItemStatistics,
    Neighbour,
    Slate,
    SlateItem,
)
from recsite.operations.errors import ConflictError, InvalidInputError


@dataclass(frozen=True)
class Size:
    """How much to make; `neighbours` is how many an item has of each kind."""

    items: int = 100_000
    events: int = 5_000_000
    users: int = 50_000
    slates: int = 50_000
    neighbours: int = 20


def make(size: Size, *, seed: int = 1, into_filled: bool = False, say: Callable[[str], None] = lambda _: None) -> None:
    """Write a shop of that size; the same seed gives the same rows but for times, which count back from now.

    Raises ConflictError where the database holds items, users or events already, unless `into_filled`.
    """
    if min(size.items, size.events, size.users, size.slates, size.neighbours) < 1:
        raise InvalidInputError("Every number must be at least 1.")
    is_filled = Item.objects.exists() or Event.objects.exists() or EndUser.objects.exists()
    if is_filled and not into_filled:
        raise ConflictError(
            "This database already holds items, users or events, and generated ones cannot be told from them "
            "afterwards. Use an empty database, or add --yes-i-mean-it."
        )
    random, now = np.random.default_rng(seed), timezone.now()
    say(f"{size.items:,} items with vectors and labels …")
    made = shop.make_shop(size.items, random, now)
    say(f"{size.users:,} users and {size.events:,} events …")
    user_ids = people.make_users(size.users, now)
    deeds = people.make_events(size.events, user_ids, made, random, now)
    say(f"{size.slates:,} lists and what came of them …")
    people.make_slates(size.slates, user_ids, made, random, now)
    say("Statistics and neighbours …")
    people.make_statistics(made, deeds, random, now, neighbours=size.neighbours)
    say("Interests …")
    people.make_interests(user_ids, made, deeds, random, now)
    say("Rules and golden users …")
    steering.make_rules(made, now)
    steering.make_golden_users([f"load-user-{user_id}" for user_id in user_ids.tolist()], made)
    analyse(Item, ItemEmbedding, ItemLabel, LabelRequest, EndUser, Event, Slate, SlateItem)
    analyse(ItemStatistics, Neighbour, InterestVector, InterestLabel)
