"""What the language model costs: counted in memory where it is asked, written to the database once a batch."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, date

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from catalog.models import ModelUsage

log = structlog.get_logger(__name__)

# A sum that the column could not hold would keep all the others from being written.
MOST_TOKENS_A_CALL = 10_000_000


@dataclass(frozen=True)
class _Counted:
    calls: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: _Counted) -> _Counted:
        return _Counted(
            self.calls + other.calls,
            self.failures + other.failures,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
        )


_Key = tuple[date, str, str]  # day (UTC), model, purpose
_lock = threading.Lock()
_unwritten: dict[_Key, _Counted] = {}
_used = _Counted()


def record(
    model: str,
    purpose: str,
    *,
    seconds: float,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    failed: bool = False,
) -> None:
    """Count one question. Touches no database, so that threads that wait for answers may call it."""
    key = (timezone.now().astimezone(UTC).date(), model[:200], purpose)
    counted = _Counted(
        calls=1,
        failures=int(failed),
        prompt_tokens=min(max(prompt_tokens, 0), MOST_TOKENS_A_CALL),
        completion_tokens=min(max(completion_tokens, 0), MOST_TOKENS_A_CALL),
        seconds=max(seconds, 0.0),
    )
    _add({key: counted})
    global _used
    with _lock:
        _used += counted


def used() -> dict[str, float]:
    """What this process has used since it started, for the costs of a job: calls, tokens, seconds, and the cost where
    prices are set."""
    with _lock:
        now = _used
    found: dict[str, float] = {
        "calls": now.calls,
        "failures": now.failures,
        "prompt_tokens": now.prompt_tokens,
        "completion_tokens": now.completion_tokens,
        "seconds": now.seconds,
    }
    asked, answered = settings.LLM_PRICE_PER_M_PROMPT, settings.LLM_PRICE_PER_M_COMPLETION
    if asked is not None and answered is not None:
        found["cost"] = (now.prompt_tokens * asked + now.completion_tokens * answered) / 1_000_000
    return found


def flush() -> int:
    """Write what was counted, by one statement; call it outside of transactions, once a batch. Returns how many
    calls were written. Where the database refuses, the counts are kept for the next time."""
    with _lock:
        taken = dict(_unwritten)
        _unwritten.clear()
    if not taken:
        return 0
    rows = [
        (*key, one.calls, one.failures, one.prompt_tokens, one.completion_tokens, one.seconds)
        for key, one in taken.items()
    ]
    try:
        with transaction.atomic():
            ModelUsage.objects.all().add(rows)
    except DatabaseError as error:
        _add(taken)
        log.warning("model_usage_not_written", reason=str(error).strip()[:200])
        return 0
    except BaseException:
        _add(taken)
        raise
    return sum(one.calls for one in taken.values())


def _add(counts: dict[_Key, _Counted]) -> None:
    with _lock:
        for key, counted in counts.items():
            _unwritten[key] = _unwritten.get(key, _Counted()) + counted
