"""Re-ranking by the language model: the best candidates are shown to it in shuffled orders, and what it would choose
is blended with the prior scores. Knows no database; a list never waits longer than its budget and never fails here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from catalog.providers import ChatModel
from recommender import asking_in_time, reranking_prompts
from recommender.algorithms import reranking as algorithm
from recommender.asking_in_time import Choice
from recommender.reranking_prompts import MAX_OPTIONS, PROMPT_VERSION, question_hash
from recsite.operations.errors import InvalidInputError

log = structlog.get_logger(__name__)

MAX_ROUNDS = 8
Outcome = Literal["used", "cached", "not_asked", "out_of_time", "unavailable", "refused"]


@dataclass(frozen=True)
class RerankQuestion:
    """Titles: history oldest first, candidates best first; prior: (n_candidates,) scores. What the language model
    said of the user before, if anything: preferences in words and the history's most representative titles."""

    history: tuple[str, ...]
    candidates: tuple[str, ...]
    prior: NDArray[np.float64]
    preferences: str = ""
    representative: tuple[str, ...] = ()


@dataclass(frozen=True)
class RerankSettings:
    """top: how many of the best are re-ranked; blend: 0 leaves the prior as it is, 1 is the model's choice alone;
    budget_s: after so long the list goes out without it. Raises InvalidInputError where one is out of range."""

    top: int = 12
    rounds: int = 3
    blend: float = 0.3
    budget_s: float = 2.0

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("top", self.top, 2, MAX_OPTIONS),
            ("rounds", self.rounds, 1, MAX_ROUNDS),
            ("blend", self.blend, 0.0, 1.0),
            ("budget_s", self.budget_s, 0.05, 600.0),
        ):
            if not least <= value <= most:
                raise InvalidInputError(f"Re-ranking's {name} is {value}; it must be {least}..{most}.")


@dataclass(frozen=True)
class Reranked:
    """order: positions of all candidates, best first; those below `top` keep their places. scores: (n_candidates,),
    in the prior's unit, the prior itself where nothing was used. shares: (min(top, n),), empty where nothing was."""

    order: tuple[int, ...]
    shares: tuple[float, ...]
    scores: NDArray[np.float64]
    outcome: Outcome
    took_s: float
    words: str
    model: str = ""

    @property
    def was_used(self) -> bool:
        return self.outcome in {"used", "cached"}

    def details(self, settings: RerankSettings) -> dict[str, object]:
        """What a slate keeps of it."""
        return {
            "outcome": self.outcome,
            "words": self.words,
            "model": self.model,
            "prompt_version": PROMPT_VERSION,
            "top": settings.top,
            "rounds": settings.rounds,
            "blend": settings.blend,
            "took_ms": round(self.took_s * 1000, 1),
            "shares": [round(share, 4) for share in self.shares],
        }


class Rankings(Protocol):
    """Where answers are kept, by the question's hash."""

    def get(self, key: str) -> tuple[float, ...] | None: ...
    def put(self, key: str, shares: Sequence[float]) -> None: ...


class NotKept:
    """Rankings that are forgotten."""

    def get(self, key: str) -> tuple[float, ...] | None:
        return None

    def put(self, key: str, shares: Sequence[float]) -> None:
        pass


def rerank(
    question: RerankQuestion,
    *,
    model: ChatModel | None,
    settings: RerankSettings | None = None,
    kept: Rankings | None = None,
) -> Reranked:
    """Never raises for what the model does, and returns within `budget_s`, plus what `kept` takes."""
    settings = settings or RerankSettings()
    kept = NotKept() if kept is None else kept
    started = time.monotonic()
    titles = [reranking_prompts.title_line(title) for title in question.candidates[: settings.top]]
    # Sorted and each once: the same candidates are the same question, however the prior ranks them.
    options = sorted(set(titles))
    nothing = "There was nothing to ask the language model."
    if len(options) < 2 or settings.blend == 0:
        return _unchanged(question, "not_asked", nothing, started)
    if model is None:
        return _unchanged(question, "unavailable", "The language model is off.", started)
    if not question.history and not question.preferences:
        return _unchanged(question, "not_asked", nothing, started)
    asked = _asked_of(question, options)
    key = question_hash(model.name, settings.rounds, asked.history, asked.preferences, asked.representative, options)
    outcome: Outcome = "cached"
    by_option = kept.get(key)
    if by_option is None or len(by_option) != len(options):
        choice = _choose(asked, options, settings, model, key, deadline=started + settings.budget_s)
        if choice.shares is None:
            log.info("not_reranked", outcome=choice.outcome, took_s=round(time.monotonic() - started, 2))
            return _unchanged(question, choice.outcome, choice.words, started, model.name)
        outcome, by_option = "used", choice.shares
        kept.put(key, by_option)
    return _blended(question, titles, dict(zip(options, by_option, strict=True)), settings, outcome, started, model)


def rerank_rows(
    rows: Sequence[RerankQuestion],
    model: ChatModel,
    settings: RerankSettings | None = None,
    *,
    kept: Rankings | None = None,
) -> list[Reranked]:
    """The same for many lists, several at a time; what evaluations call. Give them a budget to match."""
    with ThreadPoolExecutor(max_workers=max(1, model.concurrency), thread_name_prefix="rerank") as pool:
        return list(pool.map(lambda row: rerank(row, model=model, settings=settings, kept=kept), rows))


def _asked_of(question: RerankQuestion, options: Sequence[str]) -> RerankQuestion:
    """As it is asked: no more of it than the prompt says, so that what makes no difference makes no other question."""
    return RerankQuestion(
        history=tuple(map(reranking_prompts.title_line, question.history[-reranking_prompts.MAX_HISTORY :])),
        candidates=tuple(options),
        prior=question.prior,
        preferences=question.preferences,
        representative=question.representative[: reranking_prompts.REPRESENTATIVE],
    )


def _choose(
    asked: RerankQuestion,
    options: Sequence[str],
    settings: RerankSettings,
    model: ChatModel,
    key: str,
    *,
    deadline: float,
) -> Choice:
    return asking_in_time.choose(
        options,
        lambda shown: reranking_prompts.choose(asked.history, asked.preferences, asked.representative, shown),
        neutral=reranking_prompts.choose_of_nobody(len(options)),
        model=model,
        rounds=settings.rounds,
        key=key,
        purpose="rerank",
        deadline=deadline,
    )


def _blended(
    question: RerankQuestion,
    titles: Sequence[str],
    share_of: dict[str, float],
    settings: RerankSettings,
    outcome: Outcome,
    started: float,
    model: ChatModel,
) -> Reranked:
    """Candidates that read the same have the same share."""
    prior = np.asarray(question.prior, dtype=np.float64)
    found = np.array([share_of[title] for title in titles])
    shares = found / found.sum()
    blended = algorithm.blend(prior[: len(titles)], shares, weight=settings.blend)
    moved = sum(place != now for place, now in enumerate(blended.order))
    return Reranked(
        order=(*blended.order, *range(len(titles), len(question.candidates))),
        shares=tuple(shares.tolist()),
        scores=np.concatenate([blended.scores, prior[len(titles) :]]),
        outcome=outcome,
        took_s=time.monotonic() - started,
        words=f"The language model moved {moved} of the first {len(titles)} items.",
        model=model.name,
    )


def _unchanged(question: RerankQuestion, outcome: Outcome, words: str, started: float, model: str = "") -> Reranked:
    return Reranked(
        order=tuple(range(len(question.candidates))),
        shares=(),
        scores=np.asarray(question.prior, dtype=np.float64),
        outcome=outcome,
        took_s=time.monotonic() - started,
        words=words,
        model=model,
    )


__all__ = [
    "NotKept",
    "Outcome",
    "Rankings",
    "RerankQuestion",
    "RerankSettings",
    "Reranked",
    "rerank",
    "rerank_rows",
]
