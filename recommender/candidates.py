"""Candidates: what each source proposes, and what each source thinks of everything the others proposed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from catalog.models import Item
from recommender.algorithms import interest as interest_algorithm
from recommender.algorithms.popularity import newness
from recommender.interests import event_weights
from recommender.models import EndUser, Event, InterestLabel, InterestVector, ItemStatistics, Neighbour
from recommender.strategies import Recipe

LABELS_ASKED = 8
NO_INTEREST = -1


@dataclass(frozen=True)
class UserState:
    """What is known of the user at this moment; all empty for a user nobody knows."""

    user: EndUser | None
    as_of: datetime
    interests: tuple[InterestVector, ...] = ()
    interest_labels: tuple[InterestLabel, ...] = ()
    recent_items: Mapping[int, float] = field(default_factory=dict)
    excluded: tuple[int, ...] = ()
    events_behind: int = 0

    @property
    def has_history(self) -> bool:
        return bool(self.recent_items)


@dataclass(frozen=True)
class PooledLabel:
    label_id: int
    taxonomy_id: int
    confidence: float


@dataclass(frozen=True)
class Pool:
    """The candidates, by id, and each source's raw score of every one of them: raw[source] is (n_candidates,)."""

    ids: NDArray[np.int64]
    titles: tuple[str, ...]
    raw: Mapping[str, NDArray[np.float64]]
    closest_interest: NDArray[np.int64]
    users: NDArray[np.int64]
    recent_users: NDArray[np.int64]
    labels: tuple[tuple[PooledLabel, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def top_label(self, place: int) -> int | None:
        """The label the candidate carries most surely, in the first taxonomy that has one."""
        own = self.labels[place]
        return (
            min(own, key=lambda label: (label.taxonomy_id, -label.confidence, label.label_id)).label_id if own else None
        )


def user_state(user_external_id: str, recipe: Recipe) -> UserState:
    """Everything about the user that candidates and explanations need, in a constant number of queries."""
    as_of = min(Event.objects.newest_time() or timezone.now(), timezone.now())
    user = EndUser.objects.filter(external_id=user_external_id).first()
    if user is None:
        return UserState(user=None, as_of=as_of)
    history = Event.objects.newest_of(user.pk, recipe.history_events)
    weights = event_weights([row[1:] for row in history], half_life_days=recipe.history_half_life_days)
    item_ids, places = np.unique(np.array([row[0] for row in history], dtype=np.int64), return_inverse=True)
    strongest = interest_algorithm.strongest_weights(places, weights, n_items=len(item_ids))
    return UserState(
        user=user,
        as_of=as_of,
        interests=tuple(InterestVector.objects.filter(user=user).defer("vector").order_by("position")),
        interest_labels=tuple(
            InterestLabel.objects.filter(user=user).select_related("label").order_by("-weight", "label_id")
        ),
        recent_items={int(i): float(w) for i, w in zip(item_ids, strongest, strict=True) if w > 0},
        excluded=tuple(
            Event.objects.settled_items(
                user.pk, as_of=as_of, window_days=recipe.repeat_window_days if recipe.repeats == "exclude" else 0
            )
        ),
        events_behind=0 if user.interests_are_current else Event.objects.behind(user),
    )


def gather(state: UserState, recipe: Recipe, *, n: int) -> Pool:
    """The union of what the sources propose, filled up from popular and then from anything until it holds n."""
    votes = (
        dict(Neighbour.objects.votes(dict(state.recent_items), without=state.excluded)) if state.recent_items else {}
    )
    proposed = _proposals(state, recipe, votes, n=n)
    item_ids = sorted(proposed)
    if len(item_ids) < n:
        spare = Item.objects.recommendable().exclude(pk__in=[*item_ids, *state.excluded]).order_by("id")
        item_ids = sorted([*item_ids, *spare.values_list("id", flat=True)[: n - len(item_ids)]])
    return _scored(item_ids, state, recipe, votes)


def _proposals(state: UserState, recipe: Recipe, votes: Mapping[int, float], *, n: int) -> set[int]:
    """Item ids by source; a source whose weight is 0 proposes nothing, except popular, which fills up."""
    k = recipe.candidates_per_source
    found: set[int] = set()
    if recipe.weights.get("neighbours"):
        found.update([item_id for item_id, vote in list(votes.items())[:k] if vote > 0])
    if recipe.weights.get("interest") and state.interests:
        each = max(10, k // len(state.interests))
        nearest = InterestVector.objects.nearest_items(state.interests, each, without=state.excluded)
        found.update(item_id for item_id, _, _ in nearest)
    if recipe.weights.get("label_affinity") and state.interest_labels:
        label_ids = [interest.label_id for interest in state.interest_labels[:LABELS_ASKED]]
        each = max(5, k // len(label_ids))
        found.update(InterestLabel.objects.best_items(label_ids, each, without=state.excluded))
    if recipe.weights.get("new") and recipe.new_below_users:
        found.update(
            InterestVector.objects.new_items(
                state.interests, k // 3 or 1, below_users=recipe.new_below_users, without=state.excluded
            )
        )
    found.update(ItemStatistics.objects.most_popular(max(k, n), without=state.excluded))
    return found


def _scored(item_ids: Sequence[int], state: UserState, recipe: Recipe, votes: Mapping[int, float]) -> Pool:
    rows = ItemStatistics.objects.of_items(item_ids)
    item_ids = [row[0] for row in rows]  # without those deleted since they were proposed
    ids = np.array(item_ids, dtype=np.int64)
    place_of = {item_id: place for place, item_id in enumerate(item_ids)}
    closeness, closest = _closeness(place_of, state)
    users = np.array([row[3] for row in rows], dtype=np.int64)
    labels = _labels(place_of)
    affinity = {interest.label_id: interest.weight for interest in state.interest_labels}
    fresh = newness(users, below_users=recipe.new_below_users)
    raw = {
        "neighbours": np.array([votes.get(item_id, 0.0) for item_id in item_ids]),
        "interest": closeness,
        "label_affinity": np.array(
            [sum(affinity.get(label.label_id, 0.0) * label.confidence for label in own) for own in labels]
        ),
        "popular": np.log1p(np.array([row[2] for row in rows], dtype=np.float64)),
        "new": fresh * (np.maximum(closeness, 0.0) if state.interests else 1.0),
    }
    return Pool(
        ids=ids,
        titles=tuple(row[1] for row in rows),
        raw=raw,
        closest_interest=closest,
        users=users,
        recent_users=np.array([row[4] for row in rows], dtype=np.int64),
        labels=labels,
    )


def _closeness(place_of: Mapping[int, int], state: UserState) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Each candidate's similarity to the interest it fits best, an interest counting by the root of its weight."""
    closeness, closest = np.zeros(len(place_of)), np.full(len(place_of), NO_INTEREST, dtype=np.int64)
    if state.interests:
        for item_id, position, value in InterestVector.objects.closest(state.interests, list(place_of)):
            closeness[place_of[item_id]], closest[place_of[item_id]] = value, position
    return closeness, closest


def _labels(place_of: Mapping[int, int]) -> tuple[tuple[PooledLabel, ...], ...]:
    labels: dict[int, list[PooledLabel]] = defaultdict(list)
    for item_id, taxonomy_id, label_id, confidence in InterestLabel.objects.labels_of_items(list(place_of)):
        labels[item_id].append(PooledLabel(label_id, taxonomy_id, confidence))
    return tuple(tuple(labels[item_id]) for item_id in place_of)
