"""A choice among options, asked in several shuffled orders at once, until a deadline and not a moment longer.

Questions run in threads of their own that nobody waits for once the time is over; what they bring later is remembered
for the next time the same is asked. A model that was away, or too slow again and again, is left alone for a while.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
import structlog
from numpy.typing import NDArray

from catalog.prompts import Prompt
from catalog.providers import ChatModel, Purpose
from recommender.algorithms import reranking as algorithm
from recommender.reranking_prompts import letters, question_hash
from recsite.operations.errors import InvalidInputError, UnavailableError

log = structlog.get_logger(__name__)

REST_S = 30.0
# So many lists in a row that went out without an answer are enough.
SLOW_IN_A_ROW = 5
REMEMBERED = 4_000
AWAY = "The language model did not answer a moment ago; lists go out without it for half a minute."

Answer = NDArray[np.float64]
"""(n,) by position, as the model gave them; all 0 where its reply was none of the letters."""


@dataclass(frozen=True)
class Choice:
    """shares: one an option, in the options' order; they sum to 1. None where there is no answer: `words` say why."""

    shares: tuple[float, ...] | None
    outcome: Literal["used", "out_of_time", "unavailable", "refused"]
    words: str = ""


@dataclass
class _State:
    """What one process knows of one model."""

    slots: threading.BoundedSemaphore
    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)
    slow_in_a_row: int = 0
    rests_until: float = 0.0

    def remember(self, key: str, answer: Answer) -> None:
        with self.lock:
            self.answers[key] = answer
            while len(self.answers) > REMEMBERED:
                self.answers.popitem(last=False)

    def known(self, key: str) -> Answer | None:
        with self.lock:
            return self.answers.get(key)

    def note(self, *, is_slow: bool = False, is_away: bool = False) -> None:
        with self.lock:
            self.slow_in_a_row = self.slow_in_a_row + 1 if is_slow else 0
            if is_away or self.slow_in_a_row >= SLOW_IN_A_ROW:
                self.slow_in_a_row, self.rests_until = 0, time.monotonic() + REST_S
                log.warning("chat_model_rests", seconds=REST_S, is_away=is_away)


_states: WeakKeyDictionary[ChatModel, _State] = WeakKeyDictionary()
_states_lock = threading.Lock()


def _state_of(model: ChatModel) -> _State:
    with _states_lock:
        if model not in _states:
            _states[model] = _State(threading.BoundedSemaphore(max(1, model.concurrency)))
        return _states[model]


def choose(
    options: Sequence[str],
    prompt_of: Callable[[Sequence[str]], Prompt],
    *,
    neutral: Prompt,
    model: ChatModel,
    rounds: int,
    key: str,
    purpose: Purpose,
    deadline: float,
) -> Choice:
    """neutral: the same question about nobody, with options that read the same: what is answered to that is the pull of
    the positions. key: the question's hash, from which the orders are drawn. deadline: on the monotonic clock.
    Never raises for what the model does."""
    state, n = _state_of(model), len(options)
    if time.monotonic() < state.rests_until:
        return Choice(None, "unavailable", AWAY)
    orders = algorithm.shuffles(n, rounds, seed=int(key[:16], 16))
    questions = {f"{key}:{number}": [options[place] for place in order] for number, order in enumerate(orders)}
    position = question_hash("position", model.name, purpose, n)
    asked = {position: neutral} | {name: prompt_of(shown) for name, shown in questions.items()}
    try:
        found = _answers(asked, letters(n), state, model, purpose, deadline)
    except UnavailableError as error:
        state.note(is_away=True)
        return Choice(None, "unavailable", error.message)
    except InvalidInputError as error:
        return Choice(None, "refused", error.message)
    except Exception:
        log.error("chat_model_broke", model=model.name, exc_info=True)
        return Choice(None, "refused", "Asking the language model failed; the log says how.")
    if found is None:
        state.note(is_slow=True)
        return Choice(None, "out_of_time", "The language model was not done in time; the list went out without it.")
    state.note()
    usable = [(found[name], order) for name, order in zip(questions, orders, strict=True) if found[name].any()]
    if not usable:
        return Choice(None, "refused", "The language model's replies were none of the letters on offer.")
    shares = algorithm.shares_of([answer for answer, _ in usable], [order for _, order in usable], found[position])
    return Choice(tuple(shares.tolist()), "used")


def _answers(
    asked: Mapping[str, Prompt],
    options: Sequence[str],
    state: _State,
    model: ChatModel,
    purpose: Purpose,
    deadline: float,
) -> dict[str, Answer] | None:
    """All of them, or None once the time is over. Raises what the first one raised that failed."""
    found = {name: known for name in asked if (known := state.known(name)) is not None}
    arrived: queue.SimpleQueue[tuple[str, Answer | Exception]] = queue.SimpleQueue()

    def ask(name: str) -> None:
        try:
            told = model.first_token_probabilities(asked[name], options, purpose=purpose)
            answer = np.array([max(0.0, float(told.get(letter, 0.0))) for letter in options])
            state.remember(name, answer)
            arrived.put((name, answer))
        except Exception as error:  # noqa: BLE001  (raised again where somebody waits for it)
            arrived.put((name, error))
        finally:
            state.slots.release()

    for name in asked:
        if name in found:
            continue
        # A slot may be held by a question of another list, or of one that went out without waiting for it.
        if not state.slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return None
        threading.Thread(target=ask, args=(name,), name="rerank", daemon=True).start()
    while len(found) < len(asked):
        try:
            name, answer = arrived.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if isinstance(answer, Exception):
            raise answer
        found[name] = answer
    return found
