"""Stand-ins for a language model that ranks, and what they are asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from catalog.prompts import Prompt
from catalog.providers import ModelStatus
from recommender.reranking import RerankQuestion


class Ranker:
    """`say(options)`: (n,) probabilities by position, of the titles as they are shown. Keeps what it was asked."""

    def __init__(
        self,
        say: Callable[[Sequence[str]], Sequence[float]],
        *,
        name: str = "fake-ranker",
        write: str = "Likes bread.",
        concurrency: int = 4,
    ) -> None:
        self.say, self.name, self.write, self.concurrency = say, name, write, concurrency
        self.prompts: list[Prompt] = []
        self.error: Exception | None = None
        self._lock = threading.Lock()

    @property
    def shown(self) -> list[list[str]]:
        """The options of each question that was about somebody."""
        found = [options_of(prompt) for prompt in self.prompts]
        return [options for options in found if len(set(options)) > 1]

    def _note(self, prompt: Prompt) -> None:
        with self._lock:
            self.prompts.append(prompt)
        if self.error is not None:
            raise self.error

    def first_token_probabilities(
        self, prompt: Prompt, options: Sequence[str], *, purpose: str = "label"
    ) -> Mapping[str, float]:
        self._note(prompt)
        return dict(zip(options, self.say(options_of(prompt)), strict=False))

    def complete(self, prompt: Prompt, *, max_tokens: int, purpose: str) -> str:
        self._note(prompt)
        return self.write

    def status(self) -> ModelStatus:
        return ModelStatus("ready", self.name, "")


def options_of(prompt: Prompt) -> list[str]:
    return [title for _, title in re.findall(r'^([A-Z])\. "(.*)"$', prompt.user, flags=re.MULTILINE)]


def prefers(title: str) -> Callable[[Sequence[str]], Sequence[float]]:
    return lambda options: [0.8 if option == title else 0.2 / len(options) for option in options]


def first_always(options: Sequence[str]) -> Sequence[float]:
    return [1.0] + [0.0] * (len(options) - 1)


def question(*titles: str, history: tuple[str, ...] = ("butter", "yeast"), **more: object) -> RerankQuestion:
    """Candidates best first, a point apart."""
    prior = np.arange(len(titles), 0, -1, dtype=np.float64)
    return RerankQuestion(history=history, candidates=titles, prior=prior, **more)  # type: ignore[arg-type]
