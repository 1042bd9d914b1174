"""The questions about one text and the answers to them, and all opinions about it as suggestions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog import opinions, prompts, shortlist
from catalog.classifiers import Classifier
from catalog.label_head import SCALE_EACH
from catalog.models import ItemLabel
from catalog.prompts import PROMPT_VERSION
from catalog.providers import ChatModel
from catalog.suggestions import Key, Suggestion
from recsite.operations.errors import InvalidInputError, UnavailableError

# How many labels are kept an item: the choice and what a reviewer may want to choose instead.
KEPT = 3
# A title of fewer words is told with the description.
WORDS_ENOUGH = 2
# How many labels of each opinion are told to reviewers.
TOLD = 3

Answer = Mapping[int, float]
"""The language model's opinion: label position -> its share of the answer, or its log odds of Yes."""


@dataclass(frozen=True)
class Work:
    """One text against one taxonomy. start, head: (n_labels,), the scores of the two classifiers."""

    key: Key
    text: str
    title: str
    classifier: Classifier
    start: NDArray[np.float32]
    head: NDArray[np.float32]

    @property
    def told(self) -> str:
        """What the language model reads: a title says what a thing is, and each word of a description costs time."""
        return self.title if len(self.title.split()) >= WORDS_ENOUGH else self.text

    @property
    def is_single(self) -> bool:
        return self.classifier.labels.is_single

    def confidences(self, answer: Answer | None = None) -> NDArray[np.float32]:
        """(n_labels,) in 0..1: shares that sum to 1 for one choice, each on its own for several."""
        if not self.is_single:
            return opinions.pooled_each(SCALE_EACH * self.head, answer)
        told = np.zeros(len(self.head), dtype=np.float32)
        if answer:
            told[list(answer)] = opinions.log_ratio(list(answer.values()))
        return opinions.pooled(self.start, self.head, told, weights=self.classifier.weights)

    def to_ask(self) -> list[int]:
        """The positions of the labels that the model is worth asking about, best first; none where the rest is sure."""
        found = self.confidences()
        if self.is_single:
            if len(found) < 2 or float(opinions.margin(found)) > opinions.ASK_BELOW_MARGIN:
                return []
            return shortlist.top(found, opinions.ASKED).tolist()
        low, high = opinions.ASK_EACH_BETWEEN
        return [place for place in shortlist.top(found, opinions.ASKED_EACH).tolist() if low < found[place] < high]


def by_label(work: Work, answer: Answer) -> list[tuple[int, float]]:
    """(label id, share or log odds), which stay true where labels come and go."""
    return [(work.classifier.labels.ids[place], share) for place, share in answer.items()]


@dataclass(frozen=True)
class Reply:
    """`answer` is None where the model answered beside the question; then `error` says so."""

    work: Work
    answer: Answer | None
    error: str = ""


def ask(works: Sequence[Work], model: ChatModel) -> tuple[list[Reply], UnavailableError | None]:
    """Ask about each, several texts at a time. Where the model goes away, what it answered before is returned.

    All questions about a text are asked one after another, so that a server with a prefix cache reads it once.
    """
    by_text: dict[str, list[Work]] = {}
    for work in works:
        by_text.setdefault(work.key[0], []).append(work)
    replies: list[Reply] = []
    gone: UnavailableError | None = None
    with ThreadPoolExecutor(max_workers=model.concurrency, thread_name_prefix="label") as pool:
        futures: list[Future[list[Reply]]] = [pool.submit(_ask_text, group, model) for group in by_text.values()]
        for future in futures:
            try:
                replies += future.result() if not future.cancelled() else []
            except UnavailableError as error:
                gone = error
                for other in futures:
                    other.cancel()
    return replies, gone


def _ask_text(works: Sequence[Work], model: ChatModel) -> list[Reply]:
    return [_ask_one(work, model) for work in works]


def _ask_one(work: Work, model: ChatModel) -> Reply:
    places = work.to_ask()
    names = [work.classifier.labels.names[place] for place in places]
    try:
        found = _which(work, names, model) if work.is_single else _whether(work, names, model)
    except InvalidInputError as error:
        return Reply(work=work, answer=None, error=error.message)
    if found is None:
        return Reply(work=work, answer=None, error="The language model's reply was none of the answers on offer.")
    return Reply(work=work, answer=dict(zip(places, found, strict=True)))


def _which(work: Work, names: Sequence[str], model: ChatModel) -> tuple[float, ...] | None:
    question = prompts.which(work.told, names, question=work.classifier.labels.question, seed=work.key[0])
    return prompts.read_letters(question, model.first_token_probabilities(question.prompt, question.letters))


def _whether(work: Work, names: Sequence[str], model: ChatModel) -> tuple[float, ...] | None:
    found = []
    for name in names:
        prompt = prompts.whether(work.told, name, question=work.classifier.labels.question)
        opinion = prompts.read_yes_no(model.first_token_probabilities(prompt, prompts.YES_NO))
        if opinion is None:
            return None
        found.append(opinion)
    return tuple(found)


def suggest(
    work: Work, answer: Answer | None, *, chat_model: str, evidence_for: Callable[[Work, int], str]
) -> tuple[Suggestion, ...]:
    """What all opinions suggest together, best first. The first carries who thought what."""
    labels = work.classifier.labels
    confidences = work.confidences(answer)
    told = _told(work, answer)
    source = ItemLabel.Source.HEAD if work.classifier.version else ItemLabel.Source.EMBEDDING
    if answer:
        source = ItemLabel.Source.LANGUAGE_MODEL
    return tuple(
        Suggestion(
            label_id=labels.ids[position],
            confidence=min(1.0, float(confidences[position])),
            source=source,
            model=chat_model if answer else work.classifier.name,
            prompt_version=PROMPT_VERSION if answer else shortlist.VERSION,
            evidence=evidence_for(work, position),
            opinions=told if rank == 0 else {},
        )
        for rank, position in enumerate(shortlist.top(confidences, KEPT).tolist())
    )


def _told(work: Work, answer: Answer | None) -> dict[str, list[list[float]]]:
    """Opinion -> [[label id, share], …], best first; the model's own is kept whole, to be pooled anew later."""
    ids = work.classifier.labels.ids
    if work.is_single:
        begin, learned = (opinions.pooled(scores, scores) for scores in (work.start, work.head))
    else:
        begin, learned = (opinions.pooled_each(SCALE_EACH * scores) for scores in (work.start, work.head))
    told = {
        name: [[ids[place], round(float(shares[place]), 4)] for place in shortlist.top(shares, TOLD).tolist()]
        for name, shares in (("embedding", begin), ("head", learned))
    }
    if answer:
        by_share = sorted(answer.items(), key=lambda pair: -pair[1])
        told["language_model"] = [[ids[place], round(share, 4)] for place, share in by_share]
    return told
