"""Candidates: what each source proposes, and what each source thinks of everything the others proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray
from pgvector import HalfVector

from recommender.algorithms import sources, trees
from recommender.algorithms.factors import factor_scores
from recommender.algorithms.histories import History, history, recent
from recommender.algorithms.interest import event_type_weights
from recommender.algorithms.repeats import repeat_scores
from recommender.interests import interests_at
from recommender.models import EndUser, Event, InterestLabel, InterestVector
from recommender.shelves import PooledLabel, Shelf
from recommender.strategies import Ranker, Recipe

LABELS_ASKED = 8
RECENT_ASKED = 5
NO_INTEREST = -1
REPEATED_STEPS = 1_000.0  # whatever was ever taken may be taken again
NOTHING_DONE = history(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True)
class UserState:
    """What is known of the user at this moment; all empty for a user nobody knows."""

    user: EndUser | None
    as_of: datetime
    past: History = NOTHING_DONE
    interests: tuple[InterestVector, ...] = ()
    interest_labels: tuple[InterestLabel, ...] = ()
    excluded: tuple[int, ...] = ()
    events_behind: int = 0

    def recent_items(self, half_life_steps: float) -> dict[int, float]:
        items, weights = recent(self.past, half_life_steps=half_life_steps)
        return dict(zip(items.tolist(), weights.tolist(), strict=True))

    @cached_property
    def has_history(self) -> bool:
        return bool(self.recent_items(1.0))


@dataclass(frozen=True)
class Pool:
    """The candidates, by id, and each source's raw score of every one of them: raw[source] is (n_candidates,).

    alike: (n_candidates, n_recent) cosines with `recent_ids`, what was done last, which explanations name. by_trees: by
    source the parts of what boosted trees say of them; empty without trees.
    """

    ids: NDArray[np.int64]
    titles: tuple[str, ...]
    raw: Mapping[str, NDArray[np.float64]]
    closest_interest: NDArray[np.int64]
    users: NDArray[np.int64]
    recent_users: NDArray[np.int64]
    trend: NDArray[np.float64]
    labels: tuple[tuple[PooledLabel, ...], ...]
    vectors: NDArray[np.float32]
    recent_ids: NDArray[np.int64]
    alike: NDArray[np.float32]
    by_trees: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def top_label(self, place: int) -> int | None:
        """The label the candidate carries most surely, in the first taxonomy that has one."""
        own = self.labels[place]
        return (
            min(own, key=lambda label: (label.taxonomy_id, -label.confidence, label.label_id)).label_id if own else None
        )


def user_state(user_external_id: str, recipe: Recipe, *, at: datetime | None = None) -> UserState:
    """Everything about the user that candidates and explanations need, in a constant number of queries.

    at: a moment of the past: the user as they were then, from the events up to it, interests built anew from those.
    """
    user = EndUser.objects.filter(external_id=user_external_id).first()
    if at is not None:
        return _state_at(user, recipe, at)
    as_of = min(Event.objects.newest_time() or timezone.now(), timezone.now())
    if user is None:
        return UserState(user=None, as_of=as_of)
    window_days = recipe.repeat_window_days if recipe.repeats == "exclude" else 0
    return UserState(
        user=user,
        as_of=as_of,
        past=past_of(Event.objects.newest_of(user.pk, recipe.history_events), as_of=as_of),
        interests=tuple(InterestVector.objects.filter(user=user).order_by("position")),
        interest_labels=tuple(
            InterestLabel.objects.filter(user=user).select_related("label").order_by("-weight", "label_id")
        ),
        excluded=tuple(Event.objects.settled_items(user.pk, as_of=as_of, window_days=window_days)),
        events_behind=0 if user.interests_are_current else Event.objects.behind(user),
    )


def _state_at(user: EndUser | None, recipe: Recipe, at: datetime) -> UserState:
    if user is None:
        return UserState(user=None, as_of=at)
    then = Event.objects.all().up_to(at)
    window_days = recipe.repeat_window_days if recipe.repeats == "exclude" else 0
    vectors, labels = interests_at(user, at)
    return UserState(
        user=user,
        as_of=at,
        past=past_of(then.newest_of(user.pk, recipe.history_events), as_of=at),
        interests=tuple(vectors),
        interest_labels=tuple(sorted(labels, key=lambda each: (-each.weight, each.label_id))),
        excluded=tuple(then.settled_items(user.pk, as_of=at, window_days=window_days)),
    )


def past_of(rows: Sequence[tuple[int, str, float, datetime]], *, as_of: datetime) -> History:
    """(item, type, value, time) of events as a history."""
    return history(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[3].timestamp() for row in rows]),
        event_type_weights([(row[1], row[2]) for row in rows]),
        as_of_s=as_of.timestamp(),
    )


def gather(
    state: UserState,
    ranker: Ranker,
    shelf: Shelf,
    *,
    n: int,
    only: Sequence[int] | None = None,
    also: Sequence[int] = (),
) -> Pool:
    """The union of what the sources propose, filled up from popular and then from anything until it holds n.

    only: the candidates themselves, where somebody else has chosen them; nothing is proposed then. also: candidates
    that rules bring along; those that may be shown to the user are taken.
    """
    recipe = ranker.recipe
    votes = {
        source: shelf.votes(source, state.recent_items(recipe.memory_steps[source]), state.excluded)
        for source in sources.VOTING
    }
    if only is not None:
        return _scored(sorted(set(only)), state, ranker, shelf, votes)
    proposed = _proposals(state, recipe, shelf, votes, n=n)
    proposed.update(shelf.allowed(also, state.excluded))
    if len(proposed) < n:
        proposed.update(shelf.spare(n - len(proposed), [*proposed, *state.excluded]))
    return _scored(sorted(proposed), state, ranker, shelf, votes)


def remembered(
    state: UserState, memory_steps: Mapping[str, float], shelf: Shelf, pool: Pool
) -> dict[str, NDArray[np.float64]]:
    """Raw scores of the pool by the sources that remember, were they to forget as fast as this."""
    ids = pool.ids.tolist()
    found = {
        source: _votes_of(ids, shelf.votes(source, state.recent_items(memory_steps[source]), state.excluded))
        for source in sources.VOTING
    }
    recents = _recents(state, memory_steps["similar"])
    found["similar"] = sources.similar(pool.vectors, shelf.vectors(list(recents)), _values(recents))
    latent = state.recent_items(memory_steps["latent"])
    found["latent"] = factor_scores(shelf.factors(ids), shelf.factors(list(latent)), _values(latent))
    return found


def _votes_of(ids: Sequence[int], votes: Mapping[int, float]) -> NDArray[np.float64]:
    return np.array([votes.get(item_id, 0.0) for item_id in ids])


def _recents(state: UserState, half_life_steps: float) -> dict[int, float]:
    """What was done last, strongest first: so many that what resembles them is worth asking."""
    recents = state.recent_items(half_life_steps)
    return {item_id: recents[item_id] for item_id in _strongest(recents, sources.RECENT_COMPARED)}


def _values(weights: Mapping[int, float]) -> NDArray[np.float64]:
    return np.array(list(weights.values()), dtype=np.float64)


def _proposals(
    state: UserState, recipe: Recipe, shelf: Shelf, votes: Mapping[str, Mapping[int, float]], *, n: int
) -> set[int]:
    """Item ids; a source whose weight is 0 proposes nothing, except popular, which fills up."""
    k, without = recipe.candidates_per_source, state.excluded
    found: set[int] = set()
    for source in sources.VOTING:
        if recipe.uses(source) and source not in sources.ONLY_SCORES:
            found.update(_highest(votes[source], k))
    if recipe.uses("interest") and state.interests:
        found.update(shelf.nearest(state.interests, max(10, k // len(state.interests)), without))
    if recipe.uses("similar") and state.has_history:
        newest = _strongest(state.recent_items(recipe.memory_steps["similar"]), RECENT_ASKED)
        found.update(shelf.nearest_to_items(newest, max(10, k // len(newest)), without))
    if recipe.uses("label_affinity") and state.interest_labels:
        label_ids = [interest.label_id for interest in state.interest_labels[:LABELS_ASKED]]
        found.update(shelf.carrying(label_ids, max(5, k // len(label_ids)), without))
    if recipe.uses("repeat") and state.has_history:
        found.update(shelf.allowed(_strongest(state.recent_items(REPEATED_STEPS), k), without))
    if recipe.uses("new") and recipe.new_below_users:
        found.update(shelf.new(state.interests, k // 3 or 1, below_users=recipe.new_below_users, without=without))
    if recipe.uses("trending"):
        found.update(shelf.trending(k // 3 or 1, without))
    found.update(shelf.popular(max(k, n), without))
    return found


def _highest(votes: Mapping[int, float], k: int) -> list[int]:
    best = sorted(((vote, item_id) for item_id, vote in votes.items() if vote > 0), key=lambda v: (-v[0], v[1]))
    return [item_id for _, item_id in best[:k]]


def _strongest(weights: Mapping[int, float], k: int) -> list[int]:
    return sorted(weights, key=lambda item_id: (-weights[item_id], item_id))[:k]


def _scored(
    item_ids: Sequence[int],
    state: UserState,
    ranker: Ranker,
    shelf: Shelf,
    votes: Mapping[str, Mapping[int, float]],
) -> Pool:
    recipe = ranker.recipe
    known = shelf.statistics(item_ids)  # without those deleted since they were proposed
    ids = known.ids.tolist()
    recents = _recents(state, recipe.memory_steps["similar"])
    recent_ids = list(recents)
    vectors = shelf.vectors([*ids, *recent_ids])
    latent = state.recent_items(recipe.memory_steps["latent"])
    own, of_recent = np.split(vectors, [len(ids)])
    labels = shelf.labels(ids)
    affinity = {interest.label_id: interest.weight for interest in state.interest_labels}
    evidence = sources.Evidence(
        votes={source: _votes_of(ids, votes[source]) for source in sources.VOTING},
        vectors=own,
        recent=of_recent,
        recent_weights=_values(recents),
        factors=shelf.factors(ids),
        latent_done=shelf.factors(list(latent)),
        latent_weights=_values(latent),
        interests=_interest_rows(state.interests, own.shape[1]),
        interest_shares=np.array([interest.weight for interest in state.interests]),
        label_affinity=np.array(
            [sum(affinity.get(label.label_id, 0.0) * label.confidence for label in labels.get(i, ())) for i in ids]
        ),
        repeat=repeat_scores(state.past, known.ids, known.for_repeats, ranker.repeat_model),
        popularity=known.popularity,
        trend=known.trend,
        users=known.users,
    )
    scored = sources.raw_scores(evidence, new_below_users=recipe.new_below_users)
    alike = own @ of_recent.T
    by_trees: Mapping[str, NDArray[np.float64]] = {}
    if ranker.trees is not None:
        facts = trees.facts(known.ids, state.past, known.for_repeats, known.users, alike)
        by_trees = ranker.trees.parts(np.column_stack([*scored.raw.values(), facts]).astype(np.float32))
    positions = np.array([*(interest.position for interest in state.interests), NO_INTEREST], dtype=np.int64)
    return Pool(
        ids=known.ids,
        titles=known.titles,
        raw=scored.raw,
        closest_interest=positions[scored.closest_interest],
        users=known.users,
        recent_users=known.recent_users,
        trend=known.trend,
        labels=tuple(labels.get(item_id, ()) for item_id in ids),
        vectors=own,
        recent_ids=np.array(recent_ids, dtype=np.int64),
        alike=alike,
        by_trees=by_trees,
    )


def _interest_rows(interests: Sequence[InterestVector], dim: int) -> NDArray[np.float32]:
    """From the database a vector comes as pgvector's own type; one just built is an array already."""
    vectors = [each.vector.to_numpy() if isinstance(each.vector, HalfVector) else each.vector for each in interests]
    rows = [np.asarray(vector, dtype=np.float32) for vector in vectors]
    return np.stack(rows) if rows else np.zeros((0, dim), dtype=np.float32)
