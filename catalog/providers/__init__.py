"""The models behind the catalog: who turns text into vectors and who answers questions. Vendors appear only here.

Importing this package loads no vendor: torch is a matter for workers, the web process only asks `model_status()`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from catalog import model_usage
from catalog.prompts import Prompt
from recsite.operations.embedded import label_embedder

ModelState = Literal["ready", "loading", "off", "unreachable"]
Purpose = Literal["label", "describe", "rerank", "prefer"]
"""What a question is asked for, as ModelUsage counts it."""


@dataclass(frozen=True)
class ModelStatus:
    state: ModelState
    model: str
    detail: str


class Embedder(Protocol):
    @property
    def name(self) -> str:
        """What is stored beside each vector; another name means that vectors must be made again."""
        ...

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dim) unit rows, in the order of `texts`; (0, dim) for none."""
        ...


class ChatModel(Protocol):
    @property
    def name(self) -> str:
        """What is stored beside each suggestion, so that an answer can be traced to who gave it."""
        ...

    @property
    def concurrency(self) -> int:
        """How many questions may be under way at once."""
        ...

    def first_token_probabilities(
        self, prompt: Prompt, options: Sequence[str], *, purpose: Purpose = "label"
    ) -> Mapping[str, float]:
        """How likely each option is to be the first token of the reply: >= 0, sum <= 1; the rest went elsewhere.

        Raises UnavailableError where the model is away, InvalidInputError where it refuses this prompt.
        """
        ...

    def complete(self, prompt: Prompt, *, max_tokens: int, purpose: Purpose) -> str:
        """The reply as plain text, never longer than max_tokens; may be ''. Raises as the above does."""
        ...

    def status(self) -> ModelStatus:
        """Asks the server, with a short timeout; never raises."""
        ...


_lock = threading.Lock()
_embedder: Embedder | None = None
_label_embedder: tuple[str, Embedder] | None = None
_chat_model: ChatModel | None = None


def get_embedder() -> Embedder:
    """The process's embedder; the first call loads its weights (about 3 s)."""
    global _embedder
    with _lock:
        if _embedder is None:
            from catalog.providers.sentence_transformer import minilm

            _embedder = minilm()
        return _embedder


def get_label_embedder() -> Embedder | None:
    """The larger embedder, which only labelling uses; None where it is off or not here (yet).

    One look at the disk a call, so ask at each batch: a process that runs already begins to use it when it appears.
    Its weights are loaded at the first `embed`. Raises UnavailableError where a directory of one's own is no model.
    """
    global _label_embedder
    path = settings.LABEL_EMBEDDER_PATH
    if not label_embedder.is_there(path):
        return None
    with _lock:
        if _label_embedder is None or _label_embedder[0] != path:
            from catalog.providers.sentence_transformer import of_directory

            _label_embedder = (path, of_directory(Path(path)))
        return _label_embedder[1]


def get_plain_embedder() -> Embedder:
    """The same model computing in float32 whatever the CPU can do: what the benchmark compares with."""
    from catalog.providers.sentence_transformer import minilm

    return minilm(only_float32=True)


def get_chat_model() -> ChatModel | None:
    """The configured language model, or None where there is none (RECSITE_LLM=off, or no address)."""
    global _chat_model
    if not settings.LLM_BASE_URL:
        return None
    with _lock:
        if _chat_model is None:
            _chat_model = chat_model_at(settings.LLM_BASE_URL)
        return _chat_model


def chat_model_at(base_url: str) -> ChatModel:
    """A client of the server at this address, with the configured key, model, time-out and concurrency."""
    from catalog.providers.openai_compatible import OpenAiCompatibleChatModel

    return OpenAiCompatibleChatModel(
        base_url=base_url,
        api_key=settings.LLM_API_KEY,
        model=settings.LLM_MODEL,
        timeout_s=settings.LLM_TIMEOUT_S,
        concurrency=settings.LLM_CONCURRENCY,
        record=model_usage.record,
    )
