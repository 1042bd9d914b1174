"""Candidates: what each source proposes, and what each source thinks of everything the others proposed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from numpy.typing import NDArray

from catalog.models import Item, ItemLabel
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
    recent_items: Mapping[int, float] = None  # type: ignore[assignment]
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
        return min(own, key=lambda label: (label.taxonomy_id, -label.confidence, label.label_id)).label_id if own else None


def user_state(user_external_id: str, recipe: Recipe) -> UserState:
    """Everything about the user that candidates and explanations need, in a constant number of queries."""
    as_of = min(Event.objects.newest_time() or timezone.now(), timezone.now())
    user = EndUser.objects.filter(external_id=user_external_id).first()
    if user is None:
        return UserState(user=None, as_of=as_of, recent_items={})
    history = list(Event.objects.newest_of(user.pk, recipe.history_events))
    weights = event_weights(history, half_life_days=recipe.history_half_life_days)
    item_ids, places = np.unique(np.array([event.item_id for event in history], dtype=np.int64), return_inverse=True)
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
        events_behind=Event.objects.behind(user),
    )


def gather(state: UserState, recipe: Recipe, *, n: int) -> Pool:
    """The union of what the sources propose, filled up from popular and then from anything until it holds n."""
    votes = dict(Neighbour.objects.votes(dict(state.recent_items), without=state.excluded)) if state.recent_items else {}
    proposed = _proposals(state, recipe, votes, n=n)
    item_ids = sorted(proposed)
    if len(item_ids) < n:
        spare = Item.objects.recommendable().exclude(pk__in=[*item_ids, *state.excluded]).order_by("id")
        item_ids = sorted([*item_ids, *spare.values_list("id", flat=True)[: n - len(item_ids)]])
    return _scored(item_ids, state, recipe, votes)


def _proposals(state: UserState, recipe: Recipe, votes: Mapping[int, float], *, n: int) -> set[int]:
    """Item ids by source; a source whose weight is 0 proposes nothing, except popular, which fills up."""
    k = recipe.candidates_per_source
    user_id = state.user.pk if state.user else None
    found: set[int] = set()
    if recipe.weights.get("neighbours"):
        found.update([item_id for item_id, vote in list(votes.items())[:k] if vote > 0])
    if recipe.weights.get("interest") and state.interests and user_id is not None:
        each = max(10, k // len(state.interests))
        nearest = InterestVector.objects.nearest_items(
            user_id, each, interests=len(state.interests), without=state.excluded
        )
        found.update(item_id for item_id, _, _ in nearest)
    if recipe.weights.get("label_affinity") and state.interest_labels:
        found.update(_best_of_labels(state, k))
    if recipe.weights.get("new") and recipe.new_below_users:
        found.update(
            InterestVector.objects.new_items(
                user_id, k // 3 or 1, below_users=recipe.new_below_users, without=state.excluded
            )
        )
    popular = ItemStatistics.objects.most_popular(max(k, n), without=state.excluded)
    found.update(popular.values_list("item_id", flat=True))
    return found


def _best_of_labels(state: UserState, k: int) -> list[int]:
    """For each of the strongest interest labels its surest items, of equals the popular ones."""
    label_ids = [interest.label_id for interest in state.interest_labels[:LABELS_ASKED]]
    place = Window(
        RowNumber(),
        partition_by=F("effective_label_id"),
        order_by=[F("confidence").desc(), F("item__statistics__popularity").desc(nulls_last=True), F("item_id").asc()],
    )
    rows = (
        ItemLabel.objects.effective()
        .filter(
            effective_label_id__in=label_ids,
            item__is_hidden=False,
            item__is_in_stock=True,
            item__embedding__isnull=False,
        )
        .exclude(item_id__in=state.excluded)
        .annotate(place=place)
        .filter(place__lte=max(5, k // len(label_ids)))
    )
    return list(rows.values_list("item_id", flat=True))


def _scored(item_ids: Sequence[int], state: UserState, recipe: Recipe, votes: Mapping[int, float]) -> Pool:
    ids = np.array(item_ids, dtype=np.int64)
    place_of = {item_id: place for place, item_id in enumerate(item_ids)}
    closeness, closest = _closeness(place_of, state)
    popularity, users, recent_users = _statistics(place_of)
    labels = _labels(place_of)
    affinity = {interest.label_id: interest.weight for interest in state.interest_labels}
    fresh = newness(users, below_users=recipe.new_below_users)
    titles = dict(Item.objects.filter(pk__in=item_ids).values_list("id", "title"))
    raw = {
        "neighbours": np.array([votes.get(item_id, 0.0) for item_id in item_ids]),
        "interest": closeness,
        "label_affinity": np.array(
            [sum(affinity.get(label.label_id, 0.0) * label.confidence for label in own) for own in labels]
        ),
        "popular": np.log1p(popularity),
        "new": fresh * (np.maximum(closeness, 0.0) if state.interests else 1.0),
    }
    return Pool(
        ids=ids,
        titles=tuple(titles[item_id] for item_id in item_ids),
        raw=raw,
        closest_interest=closest,
        users=users,
        recent_users=recent_users,
        labels=labels,
    )


def _closeness(place_of: Mapping[int, int], state: UserState) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Each candidate's similarity to the interest it fits best, an interest counting by the root of its weight."""
    best = np.full(len(place_of), -np.inf)
    closest = np.full(len(place_of), NO_INTEREST, dtype=np.int64)
    if not state.interests or state.user is None:
        return np.zeros(len(place_of)), closest
    share = {interest.position: interest.weight**0.5 for interest in state.interests}
    for item_id, position, similarity in sorted(InterestVector.objects.similarities(state.user.pk, list(place_of))):
        place, closeness = place_of[item_id], similarity * share.get(position, 0.0)
        if closeness > best[place]:
            best[place], closest[place] = closeness, position
    return np.where(np.isfinite(best), best, 0.0), closest


def _statistics(
    place_of: Mapping[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    popularity = np.zeros(len(place_of))
    users, recent_users = np.zeros(len(place_of), dtype=np.int64), np.zeros(len(place_of), dtype=np.int64)
    rows = ItemStatistics.objects.filter(item_id__in=list(place_of))
    for item_id, popular, total, recent in rows.values_list("item_id", "popularity", "users", "recent_users"):
        place = place_of[item_id]
        popularity[place], users[place], recent_users[place] = popular, total, recent
    return popularity, users, recent_users


def _labels(place_of: Mapping[int, int]) -> tuple[tuple[PooledLabel, ...], ...]:
    labels: dict[int, list[PooledLabel]] = defaultdict(list)
    rows = ItemLabel.objects.effective().filter(item_id__in=list(place_of), taxonomy__is_active=True)
    for item_id, label_id, taxonomy_id, confidence, decision in rows.values_list(
        "item_id", "effective_label_id", "taxonomy_id", "confidence", "decision"
    ):
        labels[item_id].append(PooledLabel(label_id, taxonomy_id, 1.0 if decision else confidence))
    return tuple(
        tuple(sorted(labels[item_id], key=lambda label: (-label.confidence, label.label_id))) for item_id in place_of
    )
