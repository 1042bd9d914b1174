"""What adapts, adapts here, on validation: how things are learned, how fast sources forget, what each counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender import candidates, replay
from recommender.algorithms import neighbours as ties
from recommender.algorithms import trees
from recommender.algorithms.fusion import TREES
from recommender.algorithms.histories import DAY_S, Interactions
from recommender.algorithms.interest import decay
from recommender.algorithms.learned import NEIGHBOURS_PER_ITEM, RECENT_DAYS, Learned, Learning, last_of_pairs, learn
from recommender.algorithms.popularity import popularity, trend
from recommender.algorithms.repeats import Known, RepeatModel, repeat_features, repeats
from recommender.algorithms.repeats import fit as fit_repeats
from recommender.algorithms.sources import REMEMBERING, SOURCES
from recommender.algorithms.weights import NOT_PROPOSED, Pools, bucket_of, choose_columns, fit, joined, pools_of
from recommender.evaluation_rows import Case, Dataset, Fold, held_out_steps
from recommender.memory_shelf import MemoryShelf
from recommender.strategies import Ranker, Recipe

MOST_CASES = 4_000
MOST_TARGETS = 4
FOLDS = 3
"""In the fit of the weights, trees speak of a user's list only where they were grown on other users of its moment."""
HALF_LIVES_STEPS = (0.4, 1.0, 3.0, 8.0, 20.0)
REGULARISATIONS = (20.0, 60.0, 200.0, 600.0)
POPULARITY_HALF_LIVES_DAYS = (7.0, 28.0, 120.0)


@dataclass(frozen=True)
class Tuned:
    """`parameters` as RankerFit keeps them; `learning` is part of them."""

    learning: Learning
    parameters: dict[str, Any]
    n: int
    ndcg_before: float
    ndcg_after: float


def learn_of(data: Dataset, fold: Fold, learning: Learning | None = None) -> Learned:
    """What the site's worker would have learned at that moment."""
    return learn(fold.learned_from, data.titles, learning, vectors=data.centred, as_of_s=fold.as_of_s)


def shelf_of(data: Dataset, learned: Learned) -> MemoryShelf:
    """Items nobody took yet stay on the shelf: a catalog has them before anybody takes them."""
    return MemoryShelf(
        learned,
        data.titles,
        data.vectors,
        data.middle,
        newest_first=data.newest_first,
        is_allowed=data.is_allowed,
        labels=data.labels,
    )


def tune(data: Dataset, recipe: Recipe, *, on_step: Callable[[str], None] | None = None) -> Tuned:
    """The parameters that make the best lists of `data.validation`; its defaults where it has no case.

    `on_step` is told in words what is next; no step takes more than a minute or two.
    """
    say = on_step or (lambda words: None)
    fold = Fold(data.validation.learned_from, sample(data.validation.cases, MOST_CASES))
    learned = learn_of(data, fold)
    shelf = shelf_of(data, learned)
    states = _states(data, fold, recipe, shelf)
    say("Choosing how neighbours are learned")
    learning = _learning(data, fold, learned, states)
    say("Fitting what is taken again")
    model = repeat_model(fold, learning)
    made = []
    for moment in (fold, *data.earlier):
        say(f"Making {len(moment.cases):,} lists of validation")
        shelf = shelf_of(data, learn_of(data, moment, learning))
        if moment is not fold:
            states = _states(data, moment, recipe, shelf)
        own = Ranker(recipe, repeat_model=model if moment is fold else repeat_model(moment, learning))
        made.append(_lists(moment.cases, own, shelf, states))
    lists = _Lists.joined(made)
    say("Choosing how fast the sources forget")
    columns = choose_columns(lists.pools, _columns(), recipe.weights)
    memory = dict(recipe.memory_steps)
    for source in REMEMBERING:
        if columns[source] >= len(SOURCES):
            memory[source] = HALF_LIVES_STEPS[(columns[source] - len(SOURCES)) // len(REMEMBERING)]
    pools = lists.pools.with_columns(only=list(columns.values()))
    grown, voices = None, list(SOURCES)
    if recipe.uses(TREES):
        say("Growing trees over what the sources say")
        rows = np.column_stack([pools.raw, lists.facts])
        unseen = trees.cross_fitted(rows, pools.is_target, np.repeat(lists.folds, pools.sizes))
        if unseen is not None:
            grown = trees.fit(rows, pools.is_target)
            pools = pools.with_columns(unseen, only=range(len(voices)))
            voices.append(TREES)
    say("Fitting the weights of the sources")
    found = fit(pools, voices, recipe.weights)
    parameters = {
        "learning": asdict(learning),
        "repeat_model": asdict(model),
        "memory_steps": memory,
        "spreads": found.spreads,
        "weights": found.weights,
        "trees": grown.as_json() if grown else None,
    }
    return Tuned(learning, parameters, len(lists.folds), found.ndcg_before, found.ndcg_after)


def repeat_model(fold: Fold, learning: Learning) -> RepeatModel:
    """Fitted on what users took again, each user's last step in what is learned from being what is foretold."""
    inner = held_out_steps(fold.learned_from)
    items = Items.of(inner.learned_from, learning)
    features, is_taken = [], []
    for case in inner.cases:
        own = np.unique(case.past.items)
        features.append(repeat_features(case.past, own, items.known(own)))
        is_taken.append(np.isin(own, case.targets))
    if not features:
        return RepeatModel()
    return fit_repeats(np.concatenate(features), np.concatenate(is_taken).astype(np.float64))


@dataclass(frozen=True)
class Items:
    """What repeats rest on, of all items: a part of what `learn` finds, at a fraction of its time."""

    all: Known

    @classmethod
    def of(cls, rows: Interactions, learning: Learning) -> Items:
        _, items, last_s = last_of_pairs(rows)
        ages_days = (rows.newest_s - last_s) / DAY_S
        again, n = repeats(rows), rows.n_items
        half_life = learning.popularity_half_life_days
        return cls(
            Known(
                again.rates,
                again.cycles_days,
                popularity(items, ages_days, n_items=n, half_life_days=half_life),
                np.bincount(items[ages_days < RECENT_DAYS], minlength=n),
                trend(items, ages_days, n_items=n),
            )
        )

    def known(self, items: NDArray[np.int64]) -> Known:
        return self.all.of(items)


def sample(cases: Sequence[Case], most: int) -> tuple[Case, ...]:
    """At most so many, chosen by a hash of their user and history: the same ones every time, whatever their order."""
    if len(cases) <= most:
        return tuple(cases)
    digests = [
        hashlib.blake2b(case.user.encode() + case.past.items.tobytes(), digest_size=8).digest() for case in cases
    ]
    chosen = sorted(sorted(range(len(cases)), key=lambda place: digests[place])[:most])
    return tuple(cases[place] for place in chosen)


def _columns() -> dict[str, list[int]]:
    """By source its columns in what `replay.columns` returns, the default first."""
    found = {source: [place] for place, source in enumerate(SOURCES)}
    for turn in range(len(HALF_LIVES_STEPS)):
        for place, source in enumerate(REMEMBERING):
            found[source].append(len(SOURCES) + turn * len(REMEMBERING) + place)
    return found


@dataclass(frozen=True)
class _Lists:
    """facts: (entries of the pools, len(FACTS)); folds: (lists,), the same for all lists of a user in one moment."""

    pools: Pools
    facts: NDArray[np.float32]
    folds: NDArray[np.int64]

    @classmethod
    def joined(cls, some: Sequence[_Lists]) -> _Lists:
        return cls(
            joined([each.pools for each in some]),
            np.concatenate([each.facts for each in some]),
            np.concatenate([each.folds for each in some]),
        )


def _states(data: Dataset, fold: Fold, recipe: Recipe, shelf: MemoryShelf) -> list[candidates.UserState]:
    return [replay.state_of(case, recipe, shelf, data.same_text, data.transform) for case in fold.cases]


def _lists(cases: Sequence[Case], ranker: Ranker, shelf: MemoryShelf, states: Sequence[candidates.UserState]) -> _Lists:
    raw, targets, buckets, facts, folds = [], [], [], [], []
    with threadpool_limits(1):  # products this small only wait for each other's threads
        for case, state in zip(cases, states, strict=True):
            pool = candidates.gather(state, ranker, shelf, n=10, only=case.candidates)
            if not len(pool):
                continue
            raw.append(replay.columns(state, shelf, pool, HALF_LIVES_STEPS))
            place_of = {item: place for place, item in enumerate(pool.ids.tolist())}
            targets.append([place_of.get(target, NOT_PROPOSED) for target in case.targets])
            buckets.append(bucket_of(state.past.length))
            known = shelf.statistics(pool.ids.tolist())
            facts.append(trees.facts(pool.ids, state.past, known.for_repeats, pool.users, pool.alike))
            folds.append(hashlib.blake2b(case.user.encode(), digest_size=1).digest()[0] % FOLDS)
    width = len(SOURCES) + len(HALF_LIVES_STEPS) * len(REMEMBERING)
    return _Lists(
        pools_of(raw, targets, [1.0] * len(raw), buckets, columns=width),
        np.concatenate(facts) if facts else np.zeros((0, len(trees.FACTS)), dtype=np.float32),
        np.array(folds, dtype=np.int64),
    )


def drawn_targets(case: Case) -> tuple[int, ...]:
    """Of a large basket only some, chosen by a hash, where each costs time; they stand for all of it."""
    if len(case.targets) <= MOST_TARGETS:
        return case.targets
    turn = int.from_bytes(hashlib.blake2b(case.user.encode(), digest_size=4).digest())
    return tuple(case.targets[(turn + place) % len(case.targets)] for place in range(MOST_TARGETS))


def _learning(
    data: Dataset,
    fold: Fold,
    learned: Learned,
    states: Sequence[candidates.UserState],
) -> Learning:
    """The regularisation of EASE and the half life of popularity that rank best by themselves."""
    if not fold.cases:
        return Learning()
    best = Learning()
    users, items, last_s = last_of_pairs(fold.learned_from)
    ages_days = np.maximum(fold.as_of_s - last_s, 0.0) / DAY_S
    faded = decay(ages_days, half_life_days=best.together_half_life_days)
    scored: dict[float, float] = {}
    regularisations = REGULARISATIONS if len(data.titles) <= ties.EASE_MAX_ITEMS else ()
    for regularisation in regularisations:
        pairs = ties.neighbours(
            users, items, faded, n_items=len(data.titles), k=NEIGHBOURS_PER_ITEM, regularisation=regularisation
        )
        shelf = shelf_of(data, replace(learned, together=pairs))
        scored[regularisation] = _gain(
            fold.cases,
            [shelf.votes("neighbours", state.recent_items(8.0), state.excluded) for state in states],
        )
    if scored:
        best = replace(best, regularisation=max(scored, key=lambda value: (scored[value], -value)))
    scored = {}
    for half_life in POPULARITY_HALF_LIVES_DAYS:
        values = popularity(items, ages_days, n_items=len(data.titles), half_life_days=half_life)
        votes = dict(enumerate(values.tolist()))
        scored[half_life] = _gain(fold.cases, [votes] * len(fold.cases))
    return replace(best, popularity_half_life_days=max(scored, key=lambda value: (round(scored[value], 5), value)))


def _gain(cases: Sequence[Case], votes: Sequence[Mapping[int, float]]) -> float:
    """Mean of 1 / log2(place + 2) within the first 100 of the targets: finer than NDCG@10 where a source is weak."""
    gains = []
    for case, vote in zip(cases, votes, strict=True):
        values = np.array(list(vote.values()))
        for target in drawn_targets(case):
            own = vote.get(target)
            place = int((values > own).sum()) if own is not None else 100
            gains.append(1.0 / np.log2(place + 2.0) if place < 100 else 0.0)
    return float(np.mean(gains)) if gains else 0.0
