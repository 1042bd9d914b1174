"""A language model behind an OpenAI-compatible chat endpoint: vLLM, llama.cpp's server, Ollama, or a hosted one."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog

from catalog.prompts import Prompt
from catalog.providers import ModelStatus
from recsite.operations.errors import InvalidInputError, UnavailableError

log = structlog.get_logger(__name__)

STATUS_TIMEOUT_S = 1.5
RETRIES = 3
TOP_LOGPROBS = 20  # the most that OpenAI and vLLM give
# What one plain reply is worth where the server gives no probabilities; the rest is shared by the other options.
VOTE = 0.8
# What the client raises, besides its own errors, where a 200 holds a web page or other JSON than the API's.
NOT_THE_API = (AttributeError, TypeError, ValueError)


class OpenAiCompatibleChatModel:
    """Safe to share between threads. Learns at its first call whether the server gives first-token probabilities."""

    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float, concurrency: int) -> None:
        self._base_url, self._api_key, self._model = base_url, api_key, model
        self._shown_url = _without_password(base_url)
        self._timeout_s = timeout_s
        self._concurrency = max(1, concurrency)
        self._lock = threading.Lock()
        self._client: Any = None
        self._gives_probabilities = True
        self._takes_schema = True

    @property
    def name(self) -> str:
        return self._model or "default"

    @property
    def concurrency(self) -> int:
        return self._concurrency

    def first_token_probabilities(self, prompt: Prompt, options: Sequence[str]) -> Mapping[str, float]:
        if self._gives_probabilities:
            found = self._probabilities(prompt)
            if found is not None:
                return {option: _probability_of(option, found) for option in options}
            log.warning("chat_model_without_probabilities", model=self.name)
            self._gives_probabilities = False
        return self._vote(prompt, options)

    def status(self) -> ModelStatus:
        import openai

        try:
            models = self._connected().with_options(timeout=STATUS_TIMEOUT_S, max_retries=0).models.list()
            served = [model.id for model in models.data]
        except openai.APIStatusError as error:
            if error.status_code == 503:
                return ModelStatus("loading", self.name, "The language model's server is up and loads its weights.")
            return ModelStatus("unreachable", self.name, _explained(error, self._shown_url))
        except openai.OpenAIError as error:
            return ModelStatus("unreachable", self.name, _explained(error, self._shown_url))
        except NOT_THE_API:
            return ModelStatus("unreachable", self.name, _not_the_api(self._shown_url))
        return ModelStatus("ready", self._model or (served[0] if served else self.name), "")

    def _probabilities(self, prompt: Prompt) -> dict[str, float] | None:
        """Token -> probability at the reply's first place, or None where this server does not tell."""
        import openai

        try:
            reply = self._complete(prompt, max_tokens=1, logprobs=True, top_logprobs=TOP_LOGPROBS)
        except openai.BadRequestError as error:
            if "logprob" in str(error).lower():
                return None
            raise InvalidInputError(f"The language model refused this prompt: {_short(error)}") from error
        content = reply.choices[0].logprobs.content if reply.choices and reply.choices[0].logprobs else None
        if not content:
            return None
        found: dict[str, float] = {}
        for token in [*content[0].top_logprobs] or [content[0]]:
            word = token.token.strip()
            found[word] = found.get(word, 0.0) + math.exp(token.logprob)
        return found

    def _vote(self, prompt: Prompt, options: Sequence[str]) -> dict[str, float]:
        import openai

        schema = {
            "type": "object",
            "properties": {"choice": {"type": "string", "enum": list(options)}},
            "required": ["choice"],
            "additionalProperties": False,
        }
        said: str | None = None
        if self._takes_schema:
            form = {"type": "json_schema", "json_schema": {"name": "choice", "strict": True, "schema": schema}}
            try:
                said = _choice(self._complete(prompt, max_tokens=16, response_format=form), options)
            except openai.BadRequestError:
                self._takes_schema = False
        if not self._takes_schema:
            try:
                said = _choice(self._complete(prompt, max_tokens=4), options)
            except openai.BadRequestError as error:
                raise InvalidInputError(f"The language model refused this prompt: {_short(error)}") from error
        if said is None:
            return {}
        rest = (1.0 - VOTE) / max(1, len(options) - 1)
        return {option: VOTE if option == said else rest for option in options}

    def _complete(self, prompt: Prompt, **parameters: Any) -> Any:
        import openai

        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        try:
            reply = self._connected().chat.completions.create(
                model=self.name, messages=messages, temperature=0, **parameters
            )
        except openai.BadRequestError:
            raise
        except openai.UnprocessableEntityError as error:
            raise InvalidInputError(f"The language model refused this prompt: {_short(error)}") from error
        except openai.OpenAIError as error:
            raise UnavailableError(_explained(error, self._shown_url)) from error
        except NOT_THE_API as error:
            raise UnavailableError(_not_the_api(self._shown_url)) from error
        if not isinstance(getattr(reply, "choices", None), list):
            raise UnavailableError(_not_the_api(self._shown_url))
        return reply

    def _connected(self) -> Any:
        """The client: it retries connection errors, 408, 409, 429 and 5xx with exponential backoff and jitter."""
        from openai import OpenAI

        with self._lock:
            if self._client is None:
                self._client = OpenAI(
                    base_url=self._base_url,
                    api_key=self._api_key or "none",
                    timeout=self._timeout_s,
                    max_retries=RETRIES,
                )
            return self._client


def _probability_of(option: str, found: Mapping[str, float]) -> float:
    """Of a word in any case: Yes, yes, YES. A letter counts as written: "a" begins too many sentences."""
    if len(option) == 1:
        return found.get(option, 0.0)
    return min(1.0, sum(share for word, share in found.items() if word.casefold() == option.casefold()))


def _choice(reply: Any, options: Sequence[str]) -> str | None:
    """The option that a JSON or a plain reply names, or None."""
    text = ((reply.choices[0].message.content if reply.choices else None) or "").strip()
    try:
        parsed = json.loads(text)
        text = str(parsed.get("choice", "")) if isinstance(parsed, dict) else text
    except ValueError:
        text = text.strip(" .:)(*\"'\n")
    head = text.split(".")[0].split(")")[0].split(":")[0].strip()
    return head if head in options else None


def _short(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]


def _without_password(address: str) -> str:
    """What pages and logs may say of an address such as http://name:password@host/v1."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _not_the_api(base_url: str) -> str:
    return f"What answers at {base_url} is no OpenAI-compatible server; check LLM_BASE_URL, which often ends in /v1."


def _explained(error: Exception, base_url: str) -> str:
    import openai

    if isinstance(error, openai.APITimeoutError):
        return f"The language model at {base_url} did not answer in time; raise LLM_TIMEOUT_S or give it more power."
    if isinstance(error, openai.APIConnectionError):
        return f"The language model at {base_url} does not answer; start it, or check LLM_BASE_URL."
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return f"The language model at {base_url} refuses our key; check LLM_API_KEY."
    if isinstance(error, openai.NotFoundError):
        return f"The language model at {base_url} does not know this model or address; check LLM_MODEL, LLM_BASE_URL."
    if isinstance(error, openai.RateLimitError):
        return f"The language model at {base_url} asks us to slow down; lower LLM_CONCURRENCY."
    return f"The language model at {base_url} failed: {_short(error)}"
