"""A language model behind an OpenAI-compatible chat endpoint: vLLM, llama.cpp's server, Ollama, or a hosted one.

Whatever the server does ends in one of three ways: an answer, UnavailableError (the same question may do later) or
InvalidInputError (this question will not do).
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import structlog

from catalog.prompts import Prompt
from catalog.providers import ModelStatus, Purpose
from catalog.providers import openai_replies as replies
from recsite.operations.errors import InvalidInputError, UnavailableError

log = structlog.get_logger(__name__)

STATUS_TIMEOUT_S = 1.5
RETRIES = 3
FIRST_PAUSE_S = 0.5
# Longer than this nobody waits for a server that asks for time: the model counts as unavailable until then.
MOST_WAIT_S = 30.0
MAX_REPLY_BYTES = 4_000_000
# What one plain reply is worth where the server gives no probabilities; the rest is shared by the other options.
VOTE = 0.8
RETRIED = frozenset({408, 409, 429})
REFUSED = frozenset({400, 413, 422})


class Record(Protocol):
    """Counts one question; see catalog.model_usage."""

    def __call__(
        self, model: str, purpose: str, *, seconds: float, prompt_tokens: int, completion_tokens: int, failed: bool
    ) -> None: ...


def nobody_counts(
    model: str, purpose: str, *, seconds: float, prompt_tokens: int, completion_tokens: int, failed: bool
) -> None:
    """Where usage is nobody's business."""


class _PassingError(Exception):
    """Asked again, the server may answer."""


class OpenAiCompatibleChatModel:
    """Safe to share between threads. Learns at its first call whether the server gives first-token probabilities."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        model: str,
        timeout_s: float,
        concurrency: int,
        record: Record = nobody_counts,
    ) -> None:
        self._base_url, self._api_key, self._model = base_url, api_key, model
        self._shown_url = _without_password(base_url)
        self._timeout_s = timeout_s
        self._concurrency = max(1, concurrency)
        self._record = record
        self._lock = threading.Lock()
        self._client: Any = None
        self._not_before = 0.0
        self._gives_probabilities = True
        self._has_given_some = False
        self._takes_schema = True

    @property
    def name(self) -> str:
        return self._model or "default"

    @property
    def concurrency(self) -> int:
        return self._concurrency

    def first_token_probabilities(
        self, prompt: Prompt, options: Sequence[str], *, purpose: Purpose = "label"
    ) -> Mapping[str, float]:
        if self._gives_probabilities:
            found = self._probabilities(prompt, purpose)
            if found is not None:
                self._has_given_some = True
                return {option: replies.probability_of(option, found) for option in options}
            if self._has_given_some:
                return {}
            log.warning("chat_model_without_probabilities", model=self.name)
            self._gives_probabilities = False
        return self._vote(prompt, options, purpose)

    def complete(self, prompt: Prompt, *, max_tokens: int, purpose: Purpose) -> str:
        return self._written(prompt, purpose, max_tokens=max_tokens)

    def status(self) -> ModelStatus:
        import httpx2
        import openai

        if (wait_s := self._wait_s()) > MOST_WAIT_S:
            return ModelStatus("unreachable", self.name, self._asks_for_time(wait_s))
        try:
            models = self._connected().with_options(timeout=STATUS_TIMEOUT_S).models.list()
            served = [str(model.id) for model in models.data]
        except openai.APIStatusError as error:
            if error.status_code == 503:
                return ModelStatus("loading", self.name, "The language model's server is up and loads its weights.")
            return ModelStatus("unreachable", self.name, _explained(error, self._shown_url))
        except openai.OpenAIError as error:
            return ModelStatus("unreachable", self.name, _explained(error, self._shown_url))
        except (AttributeError, TypeError, ValueError, httpx2.HTTPError):
            # What the client raises where a 200 holds a web page or other JSON than the API's.
            return ModelStatus("unreachable", self.name, _not_the_api(self._shown_url))
        return ModelStatus("ready", self._model or (served[0] if served else self.name), "")

    # ------------------------------------------------------------ questions
    def _probabilities(self, prompt: Prompt, purpose: Purpose) -> dict[str, float] | None:
        """Token -> probability at the reply's first place, or None where this server does not tell."""
        import openai

        try:
            choice = self._asked(prompt, purpose, max_tokens=1, logprobs=True, top_logprobs=replies.TOP_LOGPROBS)
        except openai.APIStatusError as error:
            if "logprob" in str(error).lower():
                return None
            raise _refused(_short(error)) from error
        return replies.first_token(choice)

    def _vote(self, prompt: Prompt, options: Sequence[str], purpose: Purpose) -> dict[str, float]:
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
            with contextlib.suppress(openai.APIStatusError):
                said = self._text(self._asked(prompt, purpose, max_tokens=16, response_format=form), 16)
        if said is None:
            said = self._written(prompt, purpose, max_tokens=4)
            # Only now it is known that the schema was the trouble, and not the prompt.
            self._takes_schema = False
        option_said = replies.chosen(said, options)
        if option_said is None:
            return {}
        rest = (1.0 - VOTE) / max(1, len(options) - 1)
        return {option: VOTE if option == option_said else rest for option in options}

    def _written(self, prompt: Prompt, purpose: Purpose, *, max_tokens: int) -> str:
        import openai

        try:
            return self._text(self._asked(prompt, purpose, max_tokens=max_tokens), max_tokens)
        except openai.APIStatusError as error:
            raise _refused(_short(error)) from error

    @staticmethod
    def _text(choice: Mapping[str, Any], max_tokens: int) -> str:
        return replies.text(choice, max_tokens=max_tokens)

    # ------------------------------------------------------------ sending
    def _asked(self, prompt: Prompt, purpose: Purpose, **parameters: Any) -> Mapping[str, Any]:
        """The reply's choice; every question is counted, whatever becomes of it. Raises openai.APIStatusError where
        the server says that the request itself is wrong: what to make of that depends on what was asked for."""
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        started, used, failed = time.monotonic(), (0, 0), True
        try:
            reply = self._sent_until_answered({"messages": messages, **parameters})
            used = replies.tokens(reply)
            choice = replies.answer(reply)
            failed = False
            return choice
        except replies.RefusedError as error:
            raise _refused(str(error)) from error
        finally:
            self._record(
                self.name,
                purpose,
                seconds=time.monotonic() - started,
                prompt_tokens=used[0],
                completion_tokens=used[1],
                failed=failed,
            )

    def _sent_until_answered(self, body: dict[str, Any]) -> dict[str, Any]:
        for attempt in range(RETRIES + 1):
            if (wait_s := self._wait_s()) > MOST_WAIT_S:
                raise UnavailableError(self._asks_for_time(wait_s))
            time.sleep(max(wait_s, 0.0))
            try:
                return self._sent(body)
            except _PassingError as error:
                if attempt == RETRIES:
                    raise UnavailableError(str(error)) from error
            time.sleep(FIRST_PAUSE_S * 2**attempt * random.uniform(0.75, 1.0))  # noqa: S311  (a pause, not a secret)
        raise AssertionError("unreachable")

    def _sent(self, body: dict[str, Any]) -> dict[str, Any]:
        import httpx2
        import openai

        try:
            return replies.parsed(self._body(body))
        except openai.APIStatusError as error:
            if error.status_code in REFUSED:
                raise
            if error.status_code in RETRIED or error.status_code >= 500:
                self._hold(error.response.headers)
                raise _PassingError(_explained(error, self._shown_url)) from error
            raise UnavailableError(_explained(error, self._shown_url)) from error
        except (openai.APITimeoutError, httpx2.TimeoutException) as error:
            raise UnavailableError(_too_slow(self._shown_url)) from error
        except openai.APIConnectionError as error:
            raise _PassingError(_explained(error, self._shown_url)) from error
        except httpx2.HTTPError as error:
            raise _PassingError(f"The language model at {self._shown_url} broke off in the middle.") from error
        except openai.OpenAIError as error:
            raise UnavailableError(_explained(error, self._shown_url)) from error
        except replies.BrokenReplyError as error:
            raise _PassingError(_not_the_api(self._shown_url)) from error
        except replies.NotTheApiError as error:
            raise UnavailableError(_not_the_api(self._shown_url)) from error

    def _body(self, body: dict[str, Any]) -> bytes:
        """Read piece by piece, so that neither an endless reply nor a trickling one holds us for ever."""
        deadline = time.monotonic() + self._timeout_s
        received = bytearray()
        stream = self._connected().chat.completions.with_streaming_response
        with stream.create(model=self.name, temperature=0, **body) as response:
            for piece in response.iter_bytes():
                received += piece
                if len(received) > MAX_REPLY_BYTES:
                    raise _refused(f"its reply is longer than {MAX_REPLY_BYTES:,} bytes")
                if time.monotonic() > deadline:
                    raise UnavailableError(_too_slow(self._shown_url))
        return bytes(received)

    def _hold(self, headers: Mapping[str, str]) -> None:
        """Nobody asks before the time that the server names has passed."""
        if (seconds := replies.hold_s(headers, datetime.now(UTC))) is not None:
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait_s(self) -> float:
        with self._lock:
            return self._not_before - time.monotonic()

    def _asks_for_time(self, wait_s: float) -> str:
        return f"The language model at {self._shown_url} asks us to wait {wait_s:.0f} s; lower LLM_CONCURRENCY."

    def _connected(self) -> Any:
        from openai import OpenAI

        with self._lock:
            if self._client is None:
                self._client = OpenAI(
                    base_url=self._base_url, api_key=self._api_key or "none", timeout=self._timeout_s, max_retries=0
                )
            return self._client


def _refused(why: str) -> InvalidInputError:
    return InvalidInputError(f"The language model refused this prompt: {why}")


def _short(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]


def _without_password(address: str) -> str:
    """What pages and logs may say of an address such as http://name:password@host/v1."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _not_the_api(base_url: str) -> str:
    return f"What answers at {base_url} is no OpenAI-compatible server; check LLM_BASE_URL, which often ends in /v1."


def _too_slow(base_url: str) -> str:
    return f"The language model at {base_url} did not answer in time; raise LLM_TIMEOUT_S or give it more power."


def _explained(error: Exception, base_url: str) -> str:
    import openai

    if isinstance(error, openai.APITimeoutError):
        return _too_slow(base_url)
    if isinstance(error, openai.APIConnectionError):
        return f"The language model at {base_url} does not answer; start it, or check LLM_BASE_URL."
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return f"The language model at {base_url} refuses our key; check LLM_API_KEY."
    if isinstance(error, openai.NotFoundError):
        return f"The language model at {base_url} does not know this model or address; check LLM_MODEL, LLM_BASE_URL."
    if isinstance(error, openai.RateLimitError):
        return f"The language model at {base_url} asks us to slow down; lower LLM_CONCURRENCY."
    return f"The language model at {base_url} failed: {_short(error)}"
