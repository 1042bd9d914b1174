"""The interest encoder of an evaluation: learned from what came before all that is tuned on, in use where validation
says so.

Half of the validation users choose the pull and the epoch, the other half compare, as for the site's own versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender import replay, tuning
from recommender.algorithms import interest_encoder as algorithm
from recommender.algorithms import metrics
from recommender.algorithms.histories import History, Interactions, history
from recommender.algorithms.interest_encoder import Examples
from recommender.algorithms.interest_transform import InterestTransform
from recommender.evaluation_rows import Case, Dataset
from recommender.interests import HISTORY_EVENTS, MAX_INTERESTS
from recommender.memory_shelf import MemoryShelf
from recommender.models import InterestVector

MOST_MOMENTS = 4_000
MOMENTS_A_USER = 4
MOST_CASES = 1_200
MIN_EXAMPLES = 300
MIN_HELD_OUT = 50
# One less than the site tries: the weakest pull was never the best one.
PULLS = (0.1, 0.01)
CERTAIN = 0.05


@dataclass(frozen=True)
class Encoder:
    """transform: None where interests stay as they are; report: what an evaluation says of it."""

    transform: InterestTransform | None
    report: dict[str, Any]


@dataclass(frozen=True)
class _Moment:
    """among: the items to rank, None for all that the past does not have."""

    user: str
    interests: tuple[InterestVector, ...]
    past: History
    target: int
    among: tuple[int, ...] | None = None
    worth: float = 1.0


def train(data: Dataset, *, seed: int = 0, on_step: Callable[[str], None] | None = None) -> Encoder:
    """Better on validation means: NDCG@10 of the item taken next by the interests alone, paired by user, p < .05."""
    say = on_step or (lambda words: None)
    fold = data.validation
    say("Building interests as they were")
    shelf = tuning.shelf_of(data, tuning.learn_of(data, fold))
    random = np.random.default_rng(seed)
    with threadpool_limits(1):
        lessons = list(_lessons((fold, *data.earlier)[-1].learned_from, shelf, random))
        asked = [each for case in tuning.sample(fold.cases, MOST_CASES) for each in _asked(case, shelf)]
    is_tuned_on = np.array([_is_first_half(each.user) for each in asked], dtype=bool)
    tune = [each for each, own in zip(asked, is_tuned_on, strict=True) if own]
    held_out = [each for each, own in zip(asked, is_tuned_on, strict=True) if not own]
    if len(lessons) < MIN_EXAMPLES or min(len(tune), len(held_out)) < MIN_HELD_OUT:
        reason = f"{len(lessons)} moments to learn from and {len(held_out)} to compare on are too few."
        return Encoder(None, {"used": False, "before": None, "after": None, "p_value": None, "reason": reason})
    say(f"Training the interest encoder on {len(lessons):,} moments")
    trained = algorithm.train(
        _examples(lessons, shelf), shelf.centred, validation=_examples(tune, shelf), seed=seed, pulls=PULLS
    )
    gains = {
        name: _gains(algorithm.ranks(transform, _examples(held_out, shelf), shelf.centred))
        for name, transform in (
            ("before", InterestTransform.identity(shelf.centred.shape[1])),
            ("after", trained.transform),
        )
    }
    users = np.unique([each.user for each in held_out], return_inverse=True)[1]
    compared = metrics.compare(gains["after"], gains["before"], users)
    is_used = compared.difference > 0 and compared.p_value < CERTAIN
    report = {
        "used": is_used,
        **{name: round(float(own.mean()), 5) for name, own in gains.items()},
        "difference": round(compared.difference, 5),
        "ci95_difference": [round(end, 5) for end in compared.ci95],
        "p_value": round(compared.p_value, 5),
        "n": len(held_out),
        "moments": len(lessons),
        "pull": trained.report.pull,
        "epochs": trained.report.epochs,
    }
    return Encoder(trained.transform if is_used else None, report)


def _lessons(rows: Interactions, shelf: MemoryShelf, random: np.random.Generator) -> Iterator[_Moment]:
    """Of the newest steps of each user those with something new to them, of which one item is drawn; all of them, or
    MOST_MOMENTS drawn from them."""
    bounds = np.searchsorted(rows.users, np.arange(rows.n_users + 1))
    found: list[tuple[int, int, int]] = []
    for user in range(rows.n_users):
        own = slice(bounds[user], bounds[user + 1])
        items, steps = rows.items[own], rows.steps[own]
        is_first = np.zeros(len(items), dtype=bool)
        is_first[np.unique(items, return_index=True)[1]] = True
        is_new = is_first & shelf.has_vector[items] & (steps > 0)
        for step in np.unique(steps[is_new])[-MOMENTS_A_USER:]:
            choices = items[is_new & (steps == step)]
            start = int(bounds[user]) + int(np.searchsorted(steps, step))
            found.append((user, start, int(choices[random.integers(len(choices))])))
    drawn = random.permutation(len(found))[:MOST_MOMENTS]
    for place in np.sort(drawn).tolist():
        user, end, target = found[place]
        start = max(int(bounds[user]), end - HISTORY_EVENTS)
        past = history(rows.items[start:end], rows.times_s[start:end], as_of_s=float(rows.times_s[end]))
        if interests := replay.interests_of(past, shelf):
            yield _Moment(str(user), interests, past, target)


def _asked(case: Case, shelf: MemoryShelf) -> Iterator[_Moment]:
    """What validation asks: of a basket some items, those that were new to the user. Candidates that a case has for
    itself are too many to hold for all cases, unless all have the same."""
    interests = case.interests if case.interests is not None else replay.interests_of(case.past, shelf)
    known = set(case.past.items.tolist())
    targets = [item for item in tuning.drawn_targets(case) if item not in known and shelf.has_vector[item]]
    for target in targets if interests else ():
        yield _Moment(case.user, interests, case.past, target, case.candidates, 1.0 / len(targets))


def _examples(moments: Sequence[_Moment], shelf: MemoryShelf) -> Examples:
    n, dim = len(moments), shelf.centred.shape[1]
    inputs = np.zeros((n, MAX_INTERESTS, dim), dtype=np.float32)
    shares = np.zeros((n, MAX_INTERESTS), dtype=np.float32)
    for place, moment in enumerate(moments):
        for position, interest in enumerate(moment.interests):
            inputs[place, position], shares[place, position] = np.asarray(interest.vector), interest.weight
    among = [moment.among for moment in moments]
    return Examples(
        inputs=inputs,
        shares=shares,
        targets=np.array([moment.target for moment in moments], dtype=np.int64),
        weights=np.array([moment.worth for moment in moments], dtype=np.float32),
        known=_padded([np.unique(moment.past.items).tolist() for moment in moments]),
        among=_padded([own for own in among if own is not None]) if moments and None not in among else None,
    )


def _padded(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    table = np.full((len(rows), max(map(len, rows), default=0)), -1, dtype=np.int64)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table


def _gains(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(ranks <= 10, 1.0 / np.log2(1.0 + ranks), 0.0)


def _is_first_half(user: str) -> bool:
    """Salted, for the weekly fit halves users too, and half of a half would be all of it or nothing."""
    return bool(hashlib.blake2b(user.encode(), digest_size=1, salt=b"encoder").digest()[0] % 2)
