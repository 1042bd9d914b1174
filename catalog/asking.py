"""The questions about one text and the answers to them: embeddings' opinion, the model's, and both together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog import prompts, shortlist
from catalog.models import ItemLabel
from catalog.prompts import PROMPT_VERSION
from catalog.providers import ChatModel
from catalog.shortlist import LabelSet
from catalog.suggestions import Key, Suggestion
from recsite.operations.errors import InvalidInputError, UnavailableError

# How many labels are kept an item: the choice and what a reviewer may want to choose instead.
KEPT = 3


@dataclass(frozen=True)
class Work:
    """One text against one taxonomy. `scores` is (n_labels,), from `shortlist.similarities`."""

    key: Key
    text: str
    title: str
    labels: LabelSet
    scores: NDArray[np.float32]

    @property
    def is_sure(self) -> bool:
        return self.labels.is_single and shortlist.margin(self.scores) > shortlist.SURE_MARGIN


@dataclass(frozen=True)
class Answer:
    """`opinions`, as `shortlist.blended` takes them, or None and an error."""

    work: Work
    opinions: tuple[float, ...] | None
    error: str = ""


def ask(works: Sequence[Work], model: ChatModel) -> tuple[list[Answer], UnavailableError | None]:
    """Ask about each, several texts at a time. Where the model goes away, what it answered before is returned.

    All questions about a text are asked one after another, so that a server with a prefix cache reads it once.
    """
    by_text: dict[str, list[Work]] = {}
    for work in works:
        by_text.setdefault(work.key[0], []).append(work)
    answers: list[Answer] = []
    gone: UnavailableError | None = None
    with ThreadPoolExecutor(max_workers=model.concurrency, thread_name_prefix="label") as pool:
        futures: list[Future[list[Answer]]] = [pool.submit(_ask_text, group, model) for group in by_text.values()]
        for future in futures:
            try:
                answers += future.result() if not future.cancelled() else []
            except UnavailableError as error:
                gone = error
                for other in futures:
                    other.cancel()
    return answers, gone


def _ask_text(works: Sequence[Work], model: ChatModel) -> list[Answer]:
    return [_ask_one(work, model) for work in works]


def _ask_one(work: Work, model: ChatModel) -> Answer:
    asked = shortlist.asked_about(work.scores, is_single=work.labels.is_single)
    names = [work.labels.names[position] for position in asked]
    try:
        opinions = _which(work, names, model) if work.labels.is_single else _whether(work, names, model)
    except InvalidInputError as error:
        return Answer(work=work, opinions=None, error=error.message)
    if opinions is None:
        return Answer(work=work, opinions=None, error="The language model's reply was none of the answers on offer.")
    return Answer(work=work, opinions=opinions)


def _which(work: Work, names: Sequence[str], model: ChatModel) -> tuple[float, ...] | None:
    answers = []
    for question in prompts.which(work.text, names, question=work.labels.question, seed=work.key[0]):
        probabilities = model.first_token_probabilities(question.prompt, question.letters)
        if (shares := prompts.read_letters(question, probabilities)) is None:
            continue
        answers.append(shares)
        # The embeddings' first choice stands first: where the model agrees, another order has changed no answer.
        if len(answers) == 1 and shares[0] == max(shares):
            break
    return prompts.mean_shares(answers) if answers else None


def _whether(work: Work, names: Sequence[str], model: ChatModel) -> tuple[float, ...] | None:
    opinions = []
    for name in names:
        prompt = prompts.whether(work.text, name, question=work.labels.question)
        opinion = prompts.read_yes_no(model.first_token_probabilities(prompt, prompts.YES_NO))
        if opinion is None:
            return None
        opinions.append(opinion)
    return tuple(opinions)


def by_embeddings(work: Work, *, model: str, evidence_for: Callable[[Work, int], str]) -> tuple[Suggestion, ...]:
    """What the embeddings alone suggest, best first."""
    confidences = shortlist.confidences(work.scores, is_single=work.labels.is_single)
    return tuple(
        Suggestion(
            label_id=work.labels.ids[position],
            confidence=float(confidences[position]),
            source=ItemLabel.Source.EMBEDDING,
            model=model,
            prompt_version=shortlist.VERSION,
            evidence=evidence_for(work, position),
        )
        for position in shortlist.top(work.scores, KEPT).tolist()
    )


def by_model(
    work: Work, opinions: Sequence[float], *, model: str, evidence_for: Callable[[Work, int], str]
) -> tuple[Suggestion, ...]:
    """What the embeddings and the model suggest together, best first."""
    positions = shortlist.asked_about(work.scores, is_single=work.labels.is_single)
    confidences = shortlist.blended(work.scores, opinions, is_single=work.labels.is_single)
    best = shortlist.top(confidences, KEPT)
    return tuple(
        Suggestion(
            label_id=work.labels.ids[position],
            confidence=min(1.0, float(confidence)),
            source=ItemLabel.Source.LANGUAGE_MODEL,
            model=model,
            prompt_version=PROMPT_VERSION,
            evidence=evidence_for(work, position),
        )
        for position, confidence in zip(positions[best].tolist(), confidences[best].tolist(), strict=True)
    )
