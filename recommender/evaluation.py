"""How good the lists of a strategy are: made for moments of the past, judged by what was taken next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender import evaluation_encoder, evaluation_pairs, evaluation_reranking, replay, tuning
from recommender.algorithms import baselines as baseline_algorithms
from recommender.algorithms import fusion, metrics
from recommender.algorithms.fusion import TREES
from recommender.algorithms.learned import Learned, Learning
from recommender.algorithms.sources import SOURCES
from recommender.algorithms.weights import BUCKETS, NOT_PROPOSED, bucket_of, pools_of
from recommender.candidates import UserState
from recommender.evaluation_reranking import Asking
from recommender.evaluation_rows import Case, Dataset, Fold
from recommender.memory_shelf import MemoryShelf
from recommender.strategies import Ranker, Recipe, ranker_from

K = 10
METRICS = ("hr@10", "ndcg@10", "mrr")
MOST_CASES_FOR_ABLATION = 2_000
CASES_A_REPORT = 500
RERANKS = (
    "The strategy asks the language model, which these lists do without; `manage.py evaluate --rerank` asks it too."
)

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Judged:
    """One row a target. places: 0 is the first of the list, MISS not on it; ranks: the same over the whole pool."""

    cases: NDArray[np.int64]
    targets: NDArray[np.int64]
    places: NDArray[np.int64]
    ranks: NDArray[np.int64]
    users: NDArray[np.int64]

    def values(self, metric: str) -> NDArray[np.float64]:
        if metric == "hr@10":
            return metrics.hits(self.places, k=K)
        return metrics.gains(self.places, k=K) if metric == "ndcg@10" else metrics.reciprocal_ranks(self.ranks)


def evaluate(
    data: Dataset,
    recipe: Recipe,
    *,
    baselines: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    parameters: Mapping[str, Any] | None = None,
    only_cold: bool = False,
    ask: Asking | None = None,
) -> dict[str, Any]:
    """The report that `manage.py evaluate` writes. parameters: of a fit that is to be judged as it is; by default they
    are fitted on validation. only_cold: only targets that nobody had taken before, ranked among such items; beside them
    stands the content alone. ask: also say what re-ranking by the language model would do. Raises KeyError for an
    unknown baseline."""
    report = on_progress or (lambda done, total, message: None)
    steps = 4 + len(baselines)
    started = time.monotonic()
    report(0, steps, "Fitting on validation")
    if only_cold:
        data = cold_only(data)
        baselines = ("content", *baselines)
    encoder = None
    if parameters is None and recipe.is_fitted:
        encoder = evaluation_encoder.train(data, on_step=lambda words: report(0, steps, words))
        data = replace(data, transform=encoder.transform)
    tuned = (
        tuning.tune(data, recipe, on_step=lambda words: report(0, steps, words))
        if parameters is None and recipe.is_fitted
        else None
    )
    used = tuned.parameters if tuned else parameters
    ranker = ranker_from(recipe, used) if used else Ranker(recipe)
    learning = Learning(**used["learning"]) if used else Learning()
    fit_seconds = time.monotonic() - started

    fold = data.test
    report(1, steps, "Learning from everything before")
    started = time.monotonic()
    lists = make_lists(data, ranker, learning, on_case=lambda words: report(2, steps, words))
    learned, shelf, states, made = lists.learned, lists.shelf, lists.states, lists.made
    took_s = lists.took_s
    judged = judge(fold.cases, [each.items for each in made], [each.order for each in made])

    report(3, steps, "Judging them")
    result: dict[str, Any] = {"n": len(judged.places), "users": len(set(judged.users.tolist()))}
    result |= figures(judged, fold.cases, [each.items for each in made], learned, shelf)
    result["baselines"] = {}
    for turn, name in enumerate(baselines):
        report(4 + turn, steps, f"Tuning the baseline {name}")
        found = _baseline(name, data, states, shelf)
        if found is not None:
            words, other, its_lists = found
            result["baselines"][name] = _compared(judged, other, fold.cases, its_lists, learned, shelf) | {
                "settings": words
            }
    if ask is not None:
        report(3, steps, "Asking the language model")
        result["rerank"] = evaluation_reranking.reranked(fold.cases, states, made, ranker, data.titles, ask)
    result["ablation"] = _ablation(fold.cases, states, ranker, made)
    result["slices"] = _slices(judged, fold.cases, learned)
    result["weights"] = {bucket: dict(ranker.by_bucket.get(bucket, recipe.weights)) for bucket in BUCKETS}
    result["parameters"] = used
    result["weights_from"] = {"kind": "validation" if tuned else "fit" if used else "recipe"}
    result["interest_encoder"] = encoder.report if encoder else {"used": data.transform is not None}
    result["per_user"] = evaluation_pairs.per_user(judged)
    result["validation"] = (
        {"n": tuned.n, "ndcg_before": round(tuned.ndcg_before, 5), "ndcg_after": round(tuned.ndcg_after, 5)}
        if tuned
        else None
    )
    result["candidate_recall"] = _share([judged.ranks < metrics.MISS])
    result["fit_seconds"] = round(fit_seconds, 1)
    result["users_per_s"] = round(len(made) / max(took_s, 1e-9), 1)
    asks_anyway = [RERANKS] if recipe.rerank and ask is None else []
    result["warnings"] = [*data.warnings, *asks_anyway]
    report(steps, steps, "The evaluation is finished")
    return result


@dataclass(frozen=True)
class MadeLists:
    learned: Learned
    shelf: MemoryShelf
    states: list[UserState]
    made: list[replay.Made]
    took_s: float


def make_lists(
    data: Dataset, ranker: Ranker, learning: Learning, *, on_case: Callable[[str], None] | None = None
) -> MadeLists:
    """The lists of all test cases, in their order; `took_s` without the learning."""
    fold = data.test
    learned = tuning.learn_of(data, fold, learning)
    shelf = tuning.shelf_of(data, learned)
    started = time.monotonic()
    states, made = [], []
    with threadpool_limits(1):  # products this small only wait for each other's threads
        for turn, case in enumerate(fold.cases):
            if on_case is not None and turn % CASES_A_REPORT == 0:
                on_case(f"Making lists: {turn:,} of {len(fold.cases):,}")
            states.append(replay.state_of(case, ranker.recipe, shelf, data.same_text, data.transform))
            made.append(replay.make(case, ranker, shelf, states[-1], n=K))
    return MadeLists(learned, shelf, states, made, time.monotonic() - started)


@dataclass(frozen=True)
class RowGains:
    """NDCG@10 of each target, and whose it is."""

    gains: NDArray[np.float64]
    users: NDArray[np.int64]


def row_gains(data: Dataset, recipe: Recipe, parameters: Mapping[str, Any] | None) -> RowGains:
    """How good the lists of the test cases are with this fit, or with the recipe's own weights."""
    ranker = ranker_from(recipe, parameters) if parameters else Ranker(recipe)
    learning = Learning(**parameters["learning"]) if parameters else Learning()
    made = make_lists(data, ranker, learning).made
    judged = judge(data.test.cases, [each.items for each in made], [each.order for each in made])
    return RowGains(judged.values("ndcg@10"), judged.users)


def cold_only(data: Dataset) -> Dataset:
    """Each fold with the targets that were new then, the new items as the candidates."""
    earlier = tuple(_cold(fold, data) for fold in data.earlier)
    return replace(data, validation=_cold(data.validation, data), test=_cold(data.test, data), earlier=earlier)


def _cold(fold: Fold, data: Dataset) -> Fold:
    """Items are new where nothing learned from knows them. Of the items that come later still, none counts yet."""
    known = np.zeros(len(data.titles), dtype=bool)
    known[fold.learned_from.items] = True
    taken = {target for case in fold.cases for target in case.targets if not known[target]}
    new = tuple(sorted(taken)) if data.test is not fold else tuple(np.flatnonzero(~known).tolist())
    cases = [
        replace(case, targets=own, candidates=new)
        for case in fold.cases
        if (own := tuple(target for target in case.targets if not known[target]))
    ]
    return Fold(fold.learned_from, tuple(cases))


def judge(cases: Sequence[Case], lists: Sequence[Sequence[int]], orders: Sequence[NDArray[np.int64]]) -> Judged:
    rows: list[tuple[int, int, int, int]] = []
    users = {user: place for place, user in enumerate(dict.fromkeys(case.user for case in cases))}
    for place, (case, items, order) in enumerate(zip(cases, lists, orders, strict=True)):
        for target in case.targets:
            listed = items.index(target) if target in items else metrics.MISS
            found = np.flatnonzero(order == target)
            rank = listed if listed < metrics.MISS else int(found[0]) if len(found) else metrics.MISS
            rows.append((place, target, listed, rank))
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    of_user = np.array([users[cases[place].user] for place in table[:, 0]], dtype=np.int64)
    return Judged(table[:, 0], table[:, 1], table[:, 2], table[:, 3], of_user)


def figures(
    judged: Judged, cases: Sequence[Case], lists: Sequence[Sequence[int]], learned: Learned, shelf: MemoryShelf
) -> dict[str, Any]:
    """Means with 95% intervals; precision, recall and F1 are of whole lists against everything taken next."""
    found: dict[str, Any] = {}
    intervals: dict[str, list[float]] = {}
    for metric in METRICS:
        values = judged.values(metric)
        found[metric] = _mean(values)
        intervals[metric] = _rounded(metrics.interval(values, judged.users))
    right = np.bincount(judged.cases[judged.places < K], minlength=len(cases))
    wanted = np.array([len(case.targets) for case in cases], dtype=np.int64)
    whole = metrics.precision_recall_f1(right, wanted, k=K) if len(cases) else np.zeros((0, 3))
    names = {user: place for place, user in enumerate(dict.fromkeys(case.user for case in cases))}
    of_case = np.array([names[case.user] for case in cases], dtype=np.int64)
    for column, metric in enumerate(("precision@10", "recall@10", "f1@10")):
        found[metric] = _mean(whole[:, column])
        intervals[metric] = _rounded(metrics.interval(whole[:, column], of_case))
    shown = np.array([item for items in lists for item in items[:K]], dtype=np.int64)
    takers = max(int(learned.users.max(initial=0)), 1)
    found["coverage"] = round(len(np.unique(shown)) / max(int(shelf.may_be_shown.sum()), 1), 4)
    found["novelty"] = round(metrics.novelty(np.maximum(learned.users[shown], 0.5) / takers), 3)
    found["diversity"] = round(_diversity(lists, shelf), 4)
    found["ci95"] = intervals
    return found


def _diversity(lists: Sequence[Sequence[int]], shelf: MemoryShelf) -> float:
    """Mean over lists of 1 - mean cosine between two of its items."""
    apart = []
    for items in lists:
        if len(items) > 1:
            vectors = shelf.vectors(list(items[:K]))
            cosines = vectors @ vectors.T
            apart.append(1.0 - float(cosines[np.triu_indices(len(vectors), 1)].mean()))
    return float(np.mean(apart)) if apart else 0.0


def _baseline(
    name: str, data: Dataset, states: Sequence[Any], shelf: MemoryShelf
) -> tuple[str, Judged, list[list[int]]] | None:
    """Its best setting on validation, judged on test. None where it can not be computed for so many items."""
    validation = Fold(data.validation.learned_from, tuning.sample(data.validation.cases, tuning.MOST_CASES))
    is_excluding = any(state.excluded for state in states)
    best, best_words = -1.0, ""
    first = ""
    for words, scores in _variants(name, validation, shelf):
        first = first or words
        if not validation.cases:
            break
        excluded = [_taken(case, data) if is_excluding else [] for case in validation.cases]
        lists, orders = _lists(scores, validation.cases, excluded, shelf)
        value = float(judge(validation.cases, lists, orders).values("ndcg@10").mean())
        if value > best:
            best, best_words = value, words
    for words, scores in _variants(name, data.test, shelf):
        if words == (best_words or first):
            lists, orders = _lists(scores, data.test.cases, [list(state.excluded) for state in states], shelf)
            return words, judge(data.test.cases, lists, orders), lists
    return None


def _variants(name: str, fold: Fold, shelf: MemoryShelf) -> Iterator[tuple[str, NDArray[np.float32]]]:
    pasts = [case.past for case in fold.cases]
    if name == "content":
        return baseline_algorithms.content(shelf.centred, pasts)
    return baseline_algorithms.variants(name, fold.learned_from, pasts)


def _taken(case: Case, data: Dataset) -> list[int]:
    settled = case.taken_within(float("inf")) | set(case.hidden)
    return sorted({other for item in settled for other in data.same_text.get(item, (item,))})


def _lists(
    scores: NDArray[np.float32], cases: Sequence[Case], excluded: Sequence[Sequence[int]], shelf: MemoryShelf
) -> tuple[list[list[int]], list[NDArray[np.int64]]]:
    """The ten best items of each row, and the hundred best; ties go to the smaller number."""
    lists, orders = [], []
    for row, case, without in zip(scores, cases, excluded, strict=True):
        allowed = shelf.may_be_shown.copy()
        if case.candidates is not None:
            allowed = np.isin(np.arange(len(allowed)), case.candidates)
        allowed[list(without)] = False
        pool = np.flatnonzero(allowed)
        values = row[pool]
        most = min(100, len(pool))
        if most == 0:
            order = np.zeros(0, dtype=np.int64)
        else:
            edge = np.partition(values, len(pool) - most)[len(pool) - most]
            near = pool[values >= edge]
            order = near[np.lexsort((near, -row[near]))][:most]
        orders.append(order)
        lists.append(order[:K].tolist())
    return lists, orders


def _compared(
    ours: Judged,
    other: Judged,
    cases: Sequence[Case],
    lists: Sequence[Sequence[int]],
    learned: Learned,
    shelf: MemoryShelf,
) -> dict[str, Any]:
    compared = metrics.compare(ours.values("ndcg@10"), other.values("ndcg@10"), ours.users)
    hits = metrics.compare(ours.values("hr@10"), other.values("hr@10"), ours.users)
    return figures(other, cases, lists, learned, shelf) | {
        "ndcg_difference": round(compared.difference, 5),
        "ci95_difference": _rounded(compared.ci95),
        "p_value": round(compared.p_value, 5),
        "p_value_hr": round(hits.p_value, 5),
    }


def _ablation(
    cases: Sequence[Case], states: Sequence[Any], ranker: Ranker, made: Sequence[replay.Made]
) -> dict[str, float]:
    """NDCG@10 of the plain order without what each source adds, and without the trees; `all` has everything."""
    chosen = [place for place, each in enumerate(made) if len(each.pool)][:MOST_CASES_FOR_ABLATION]
    if not chosen:
        return {}
    voices = [*SOURCES, TREES]
    added, targets = [], []
    for place in chosen:
        pool = made[place].pool
        fused = fusion.fuse(pool.raw, ranker.weights(states[place].past.length), ranker.spreads, pool.by_trees)
        by_trees = np.sum(list(fused.by_trees.values()), axis=0)
        added.append(np.stack([*fused.contributions.values(), by_trees], axis=1).astype(np.float32))
        place_of = {item: row for row, item in enumerate(pool.ids.tolist())}
        targets.append([place_of.get(target, NOT_PROPOSED) for target in tuning.drawn_targets(cases[place])])
    worth = [len(cases[place].targets) / len(own) for place, own in zip(chosen, targets, strict=True)]
    buckets = [bucket_of(states[place].past.length) for place in chosen]
    pools = pools_of(added, targets, worth, buckets, columns=len(voices))
    total = pools.raw[:, : len(SOURCES)].sum(axis=1)
    found = {"all": round(pools.ndcg(total, k=K), 5)}
    for column, voice in enumerate(voices):
        if pools.raw[:, column].any():
            found[voice] = round(pools.ndcg(total - pools.raw[:, column], k=K), 5)
    return found


def _slices(judged: Judged, cases: Sequence[Case], learned: Learned) -> dict[str, Any]:
    is_cold = learned.users[judged.targets] == 0 if len(judged.targets) else np.zeros(0, dtype=bool)
    buckets = np.array([bucket_of(cases[place].past.length) for place in judged.cases], dtype="<U4")
    is_again = np.array(
        [
            target in set(cases[place].past.items.tolist())
            for place, target in zip(judged.cases, judged.targets, strict=True)
        ],
        dtype=bool,
    )
    return {
        "cold": _slice(judged, is_cold),
        "by_history": {bucket: _slice(judged, buckets == bucket) for bucket in BUCKETS},
        "repeats": {"in": _slice(judged, is_again), "out": _slice(judged, ~is_again)},
    }


def _slice(judged: Judged, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    if not chosen.any():
        return {"n": 0, "hr@10": None, "ndcg@10": None}
    return {"n": int(chosen.sum())} | {m: _mean(judged.values(m)[chosen]) for m in ("hr@10", "ndcg@10")}


def _share(values: Sequence[NDArray[np.bool_]]) -> float:
    return _mean(np.concatenate(values).astype(np.float64))


def _mean(values: NDArray[np.float64]) -> float:
    return round(float(values.mean()), 5) if len(values) else 0.0


def _rounded(pair: tuple[float, float]) -> list[float]:
    return [round(pair[0], 5), round(pair[1], 5)]
