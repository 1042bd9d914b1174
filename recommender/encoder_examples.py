"""What the interest encoder learns from: moments at which a user took something new to them, read from the events.

A user's interests at such a moment are built from the events before it by the functions that build those we serve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms import interest as algorithm
from recommender.algorithms.interest_encoder import Examples
from recommender.interests import HALF_LIFE_DAYS, HISTORY_EVENTS, MAX_INTERESTS, OnProgress, Vectors, event_weights
from recommender.models import EndUser, Event

MOST_USERS = 3_000
MOMENTS_A_USER = 4
# Beside the history of a moment, so many events of a user are looked through for moments.
EVENTS_LOOKED_THROUGH = 100
# The newest moments, by time over everybody, are kept for validation.
VALIDATION_SHARE = 0.2
# Among how many items a target is ranked; a larger catalog is drawn from.
MOST_ITEMS = 20_000
USERS_AT_ONCE = 200
TOLD_EVERY = 100

Row = tuple[int, int, str, float, datetime, str]


@dataclass(frozen=True)
class Moment:
    """`before` are the events that were known, oldest first; `target` is the item that was taken next."""

    user_id: int
    at: datetime
    before: tuple[Row, ...]
    target: int
    weight: float


@dataclass(frozen=True)
class Lesson:
    """Examples before `split_at` to train on; after it some to tune on and, of other users, some that none saw."""

    train: Examples
    tune: Examples
    held_out: Examples
    item_vectors: NDArray[np.float32]
    split_at: datetime | None
    users: int


def lesson(*, seed: int = 0, on_progress: OnProgress | None = None) -> Lesson:
    """The newest moments of the most recently seen users. Validation has one moment of a user, the newest."""
    vectors = Vectors.load()
    random = np.random.default_rng(seed)
    recent = EndUser.objects.filter(last_event_id__isnull=False).most_recent_first()
    user_ids = list(recent.values_list("pk", flat=True)[:MOST_USERS])
    found = list(_moments(user_ids, vectors, random, on_progress))
    split_at = _split(found)
    train = [moment for moment in found if split_at is not None and moment.at < split_at]
    newest = {moment.user_id: moment for moment in found if split_at is not None and moment.at >= split_at}
    validation = [newest[user_id] for user_id in random.permutation(sorted(newest)).tolist()]
    rows = _ranked_rows(found, vectors, random)
    place_of = {row: place for place, row in enumerate(rows.tolist())}
    return Lesson(
        train=_examples(train, vectors, place_of, on_progress),
        tune=_examples(validation[::2], vectors, place_of, on_progress),
        held_out=_examples(validation[1::2], vectors, place_of, on_progress),
        item_vectors=vectors.centred[rows],
        split_at=split_at,
        users=len({moment.user_id for moment in train}),
    )


def _moments(
    user_ids: Sequence[int], vectors: Vectors, random: np.random.Generator, on_progress: OnProgress | None
) -> Iterator[Moment]:
    for start in range(0, len(user_ids), USERS_AT_ONCE):
        chunk = user_ids[start : start + USERS_AT_ONCE]
        rows = Event.objects.histories_of(chunk, HISTORY_EVENTS + EVENTS_LOOKED_THROUGH)
        for _, history in groupby(rows, key=lambda row: row[0]):
            yield from moments_of([row for row in history if row[1] in vectors.row_of], random)
        if on_progress is not None:
            on_progress(min(start + USERS_AT_ONCE, len(user_ids)), len(user_ids), "Reading histories")


def moments_of(history: Sequence[Row], random: np.random.Generator) -> list[Moment]:
    """The newest moments of one user, oldest first: what was liked that they had no event with before.

    What was taken in one basket, or at one time, is one moment, of which one item is drawn: its items say little of
    each other's being next, and one moment is one case where two encoders are compared.
    """
    found: list[Moment] = []
    start = 0
    known: set[int] = set()
    for _, group in groupby(history, key=lambda row: row[5] or row[4]):
        together = list(group)
        new = [row for row in together if row[1] not in known and algorithm.event_weight(row[2], row[3]) > 0]
        if new and start:
            taken = new[int(random.integers(len(new)))]
            before = tuple(history[max(0, start - HISTORY_EVENTS) : start])
            weight = algorithm.event_weight(taken[2], taken[3])
            found.append(Moment(taken[0], together[0][4], before, taken[1], weight))
        known.update(row[1] for row in together)
        start += len(together)
    return found[-MOMENTS_A_USER:]


def _split(moments: Sequence[Moment]) -> datetime | None:
    """The time from which on the newest VALIDATION_SHARE of them happened; None where all happened at once."""
    times = sorted(moment.at for moment in moments)
    if not times or times[0] == times[-1]:
        return None
    return times[min(len(times) - 1, int(len(times) * (1.0 - VALIDATION_SHARE)))]


def _ranked_rows(moments: Sequence[Moment], vectors: Vectors, random: np.random.Generator) -> NDArray[np.int64]:
    targets = np.unique(np.array([vectors.row_of[moment.target] for moment in moments], dtype=np.int64))
    others = np.setdiff1d(np.arange(len(vectors.centred)), targets)
    room = max(0, MOST_ITEMS - len(targets))
    if len(others) > room:
        others = random.choice(others, size=room, replace=False)
    return np.sort(np.concatenate([targets, others])).astype(np.int64)


def _examples(
    moments: Sequence[Moment], vectors: Vectors, place_of: dict[int, int], on_progress: OnProgress | None
) -> Examples:
    """Of moments whose history says anything."""
    usable = []
    for done, moment in enumerate(moments, start=1):
        if found := _interests(moment, vectors):
            usable.append((moment, found))
        if on_progress is not None and (done % TOLD_EVERY == 0 or done == len(moments)):
            on_progress(done, len(moments), "Building interests as they were")
    n, dim = len(usable), vectors.centred.shape[1]
    longest = max((len(moment.before) for moment, _ in usable), default=0)
    inputs = np.zeros((n, MAX_INTERESTS, dim), dtype=np.float32)
    shares = np.zeros((n, MAX_INTERESTS), dtype=np.float32)
    known = np.full((n, longest), -1, dtype=np.int64)
    for place, (moment, found) in enumerate(usable):
        for position, interest in enumerate(found):
            inputs[place, position], shares[place, position] = interest.vector, interest.weight
        rows = [place_of.get(vectors.row_of[row[1]], -1) for row in moment.before]
        known[place, : len(rows)] = rows
    return Examples(
        inputs=inputs,
        shares=shares,
        targets=np.array([place_of[vectors.row_of[moment.target]] for moment, _ in usable], dtype=np.int64),
        weights=np.array([moment.weight for moment, _ in usable], dtype=np.float32),
        known=known,
    )


def _interests(moment: Moment, vectors: Vectors) -> tuple[algorithm.Interest, ...]:
    weights = event_weights([row[2:5] for row in moment.before], half_life_days=HALF_LIFE_DAYS)
    items, places = np.unique(np.array([row[1] for row in moment.before], dtype=np.int64), return_inverse=True)
    net = algorithm.net_weights(places, weights, n_items=len(items))
    rows = [vectors.row_of[item_id] for item_id in items.tolist()]
    return algorithm.interests(vectors.centred[rows], net, max_interests=MAX_INTERESTS)
