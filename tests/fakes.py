"""Stand-ins for the models, injected. The embedder counts words, so that every cosine can be worked out by hand."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from catalog.prompts import Prompt
from catalog.providers import ModelStatus
from recsite.operations.errors import UnavailableError

DIM = 384
IGNORED = frozenset({"a", "product", "products", "in", "the", "category"})


class FakeEmbedder:
    """Each new word gets the next axis; a text is the unit vector of its word counts, less the words of phrasings."""

    name = "fake-embedder"
    dim = DIM

    def __init__(self) -> None:
        self.axes: dict[str, int] = {}
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        rows = np.zeros((len(texts), DIM), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                if word not in IGNORED:
                    row[self.axes.setdefault(word, len(self.axes))] += 1.0
            row /= max(float(np.linalg.norm(row)), 1e-12)
        return rows


class FakeChatModel:
    """Answers with what `choose` says of a prompt: option, Yes or No -> probability, and with `write` where text is
    wanted. Keeps the prompts it was asked."""

    def __init__(
        self,
        choose: Callable[[str], Mapping[str, float]],
        *,
        name: str = "fake-chat",
        write: Callable[[str], str] = lambda user: "",
    ) -> None:
        self.choose = choose
        self.write = write
        self.name = name
        self.concurrency = 1
        self.is_away = False
        self.prompts: list[Prompt] = []
        self._lock = threading.Lock()

    def _ask(self, prompt: Prompt) -> None:
        if self.is_away:
            raise UnavailableError("The fake model is away.")
        with self._lock:
            self.prompts.append(prompt)

    def complete(self, prompt: Prompt, *, max_tokens: int, purpose: str) -> str:
        self._ask(prompt)
        return self.write(prompt.user)

    def first_token_probabilities(
        self, prompt: Prompt, options: Sequence[str], *, purpose: str = "label"
    ) -> Mapping[str, float]:
        self._ask(prompt)
        chosen = self.choose(prompt.user)
        if tuple(options) == ("Yes", "No"):
            return {"Yes": chosen.get("Yes", 0.0), "No": chosen.get("No", 0.0)}
        lines = dict(re.findall(r"^([A-Z])\. (.*)$", prompt.user, flags=re.MULTILINE))
        return {letter: chosen.get(lines[letter], 0.0) for letter in options}

    def status(self) -> ModelStatus:
        if self.is_away:
            return ModelStatus("unreachable", self.name, "The fake model is away.")
        return ModelStatus("ready", self.name, "")
