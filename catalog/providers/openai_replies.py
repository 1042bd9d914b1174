"""PURE: what a chat endpoint's reply says, read as data that nobody vouches for. Only offered options ever count."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

TOP_LOGPROBS = 20  # the most that OpenAI and vLLM give
# Above zero by no more than rounding: a logprob beyond is none.
LOGPROB_SLACK = 1e-3
# Tokenizers write a leading blank in their own way, and some servers pass it on.
BLANKS = " \t\r\n\u0120\u2581"
MAX_CHARS_A_TOKEN = 16
LONGEST_HOLD_S = 3600.0


class NotTheApiError(ValueError):
    """A reply that no OpenAI-compatible server gives."""


class BrokenReplyError(ValueError):
    """A reply that was cut off or garbled; the next one may be whole."""


class RefusedError(ValueError):
    """A reply that answers nothing: a refusal, or no choice at all."""


def parsed(body: bytes) -> dict[str, Any]:
    """The reply's JSON object, with its list of choices. Raises NotTheApiError or BrokenReplyError."""
    text = body.decode(errors="replace").strip()
    if text.startswith(("<", "data:", "event:")):
        raise NotTheApiError
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenReplyError from error
    if not isinstance(reply, dict) or not isinstance(reply.get("choices"), list):
        raise NotTheApiError
    return reply


def answer(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first choice. Raises RefusedError where there is none, or where it is a refusal."""
    choice = next(iter(reply["choices"]), None)
    if not isinstance(choice, dict):
        raise RefusedError("its reply holds no choice")
    if choice.get("finish_reason") == "content_filter" or _message(choice).get("refusal"):
        raise RefusedError("it refuses to answer")
    return choice


def tokens(reply: Mapping[str, Any]) -> tuple[int, int]:
    """(read, written), as the server counts them; 0 where it does not say."""
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))


def first_token(choice: Mapping[str, Any]) -> dict[str, float] | None:
    """Token -> probability at the reply's first place, 0..1, with a sum of 1 at most; None where nothing is told."""
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    first = content[0] if isinstance(content, list) and content else None
    if not isinstance(first, dict):
        return None
    listed = first.get("top_logprobs")
    found: dict[str, float] = {}
    for entry in (listed if isinstance(listed, list) and listed else [first])[:TOP_LOGPROBS]:
        share = _probability(entry.get("logprob")) if isinstance(entry, dict) else None
        if share is not None and isinstance(entry.get("token"), str):
            word = entry["token"].strip(BLANKS)
            found[word] = found.get(word, 0.0) + share
    total = sum(found.values())
    if not found:
        return None
    return {word: share / total for word, share in found.items()} if total > 1.0 else found


def probability_of(option: str, found: Mapping[str, float]) -> float:
    """Of a word in any case: Yes, yes, YES. A letter counts as written: "a" begins too many sentences."""
    if len(option) == 1:
        return found.get(option, 0.0)
    return min(1.0, sum(share for word, share in found.items() if word.casefold() == option.casefold()))


def text(choice: Mapping[str, Any], *, max_tokens: int) -> str:
    """What was written. A token is a word or a part of one, so no honest reply has more words than tokens; one of a
    server that takes no notice of the limit is cut there."""
    content = _message(choice).get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        return ""
    kept = content[: max_tokens * MAX_CHARS_A_TOKEN]
    words = kept.split(" ")
    return " ".join(words[:max_tokens]).strip()


def chosen(said: str, options: Sequence[str]) -> str | None:
    """The option that a JSON or a plain reply names, or None."""
    try:
        known = json.loads(said)
        said = str(known.get("choice", "")) if isinstance(known, dict) else said
    except (ValueError, RecursionError):
        said = said.strip(" .:)(*\"'\n")
    head = said.split(".")[0].split(")")[0].split(":")[0].strip()
    return head if head in options else None


def hold_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the server asks to be left alone (Retry-After: seconds or a date), an hour at most; None if it is no
    time to come."""
    said = headers.get("retry-after", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(said) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(seconds, LONGEST_HOLD_S) if math.isfinite(seconds) and seconds > 0 else None


def _message(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    message = choice.get("message")
    return message if isinstance(message, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0


def _probability(logprob: object) -> float | None:
    """None for what is no logarithm of a probability: not a number, nan, or above zero."""
    if isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    if math.isnan(logprob) or logprob > LOGPROB_SLACK:
        return None
    return math.exp(min(float(max(logprob, -1e6)), 0.0))
