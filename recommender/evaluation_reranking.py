"""What re-ranking by the language model would do to the lists of an evaluation, and what became of its questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog import model_usage
from catalog.providers import ChatModel
from recommender import replay, tuning
from recommender.algorithms import fusion, metrics
from recommender.algorithms.histories import recent
from recommender.candidates import UserState
from recommender.evaluation_rows import Case
from recommender.reranking import Reranked, RerankQuestion, RerankSettings, rerank_rows
from recommender.reranking_prompts import MAX_HISTORY
from recommender.strategies import Ranker

MOST_LISTS = 100
"""A list takes seconds: so many are asked about, chosen by a hash."""
BUDGET_S = 120.0
"""Each waits as long as the model takes: what is judged is its choice, not its speed."""
K = 10


@dataclass(frozen=True)
class Asking:
    model: ChatModel
    blend: float


def reranked(
    cases: Sequence[Case],
    states: Sequence[UserState],
    made: Sequence[replay.Made],
    ranker: Ranker,
    titles: Sequence[str],
    ask: Asking,
) -> dict[str, Any]:
    """NDCG@10 of the same lists before and after, paired by user, and how many questions came out how."""
    model, settings = ask.model, RerankSettings(blend=ask.blend, budget_s=BUDGET_S)
    place_of = {id(case): place for place, case in enumerate(cases)}
    chosen = [place_of[id(case)] for case in tuning.sample(cases, MOST_LISTS)]
    answers = rerank_rows([_question(states[place], made[place], ranker, titles) for place in chosen], model, settings)
    model_usage.flush()
    before, after, users = [], [], []
    for place, answer in zip(chosen, answers, strict=True):
        ours = made[place].items
        theirs = _order(made[place], answer)
        for target in cases[place].targets:
            before.append(_gain(ours, target))
            after.append(_gain(theirs, target))
            users.append(place)
    compared = metrics.compare(np.array(after), np.array(before), np.array(users, dtype=np.int64))
    return {
        "model": model.name,
        "blend": settings.blend,
        "lists": len(chosen),
        "outcomes": dict(Counter(answer.outcome for answer in answers)),
        "ndcg_before": round(float(np.mean(before)), 5) if before else None,
        "ndcg_after": round(float(np.mean(after)), 5) if after else None,
        "ndcg_difference": round(compared.difference, 5),
        "ci95_difference": [round(end, 5) for end in compared.ci95],
        "p_value": round(compared.p_value, 5),
        "seconds_a_list": round(float(np.mean([answer.took_s for answer in answers])), 2) if answers else None,
    }


def _question(state: UserState, made: replay.Made, ranker: Ranker, titles: Sequence[str]) -> RerankQuestion:
    """As `slates` asks: the items picked, explored ones left out, with their scores."""
    fused = fusion.fuse(made.pool.raw, ranker.weights(state.past.length), ranker.spreads, made.pool.by_trees)
    row_of = {item: row for row, item in enumerate(made.pool.ids.tolist())}
    rows = [row_of[item] for item in made.items if item not in made.explored]
    liked = set(recent(state.past, half_life_steps=1e6)[0].tolist())
    newest = list(dict.fromkeys(item for item in state.past.items.tolist() if item in liked))[:MAX_HISTORY]
    return RerankQuestion(
        history=tuple(titles[item] for item in reversed(newest)),
        candidates=tuple(made.pool.titles[row] for row in rows),
        prior=fused.scores[rows],
    )


def _order(made: replay.Made, answer: Reranked) -> tuple[int, ...]:
    judged = [item for item in made.items if item not in made.explored]
    return (*(judged[place] for place in answer.order), *(item for item in made.items if item in made.explored))


def _gain(items: Sequence[int], target: int) -> float:
    place = items.index(target) if target in items else metrics.MISS
    return float(metrics.gains(np.array([place], dtype=np.int64), k=K)[0])
