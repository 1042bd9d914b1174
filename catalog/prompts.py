"""PURE: the prompts of the labeller, and how a reply's first token is read back as label probabilities.

An item's text is data. Whatever it says, only the probabilities of the letters on offer are read, so the worst a
hostile description can do is argue for a label that the shortlist already holds.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

# Part of every stored suggestion. Change it whenever a prompt, the shortlist's length or the blend changes.
PROMPT_VERSION = "letters-1"

ORDERS = 2
MAX_ITEM_CHARS = 240
MAX_LABEL_CHARS = 60
NONE_OF_THESE = "none of these"

_SPACES = re.compile(r"[\s\x00-\x1f\x7f]+")
# Chat-template markers such as <|im_start|>: a server that parsed them would end the user's turn early.
_MARKERS = re.compile(r"<\|[^|<>]{0,40}\|>|\[/?INST\]|</?s>")


@dataclass(frozen=True)
class Prompt:
    system: str
    user: str


@dataclass(frozen=True)
class Question:
    """One prompt and the meaning of its letters: `options[i]` is the position in the shortlist that letter i stands
    for, or None for "none of these"."""

    prompt: Prompt
    options: tuple[int | None, ...]

    @property
    def letters(self) -> tuple[str, ...]:
        return tuple(ascii_uppercase[: len(self.options)])


def one_line(text: str, max_chars: int) -> str:
    """One line of plain words: no line breaks that could imitate an option, no chat-template markers."""
    return _SPACES.sub(" ", _MARKERS.sub(" ", text)).strip()[:max_chars]


def questions(
    item_text: str, names: Sequence[str], *, question: str, seed: str, with_none: bool = False, orders: int = ORDERS
) -> tuple[Question, ...]:
    """The same question with its options in different orders, the same ones for the same seed.

    Models favour early letters. The first order is shuffled, each next one turns it round or shifts it, so that with
    two orders every option's places average to the middle. The item comes first: what precedes the options is the
    same in each prompt, and a server with a prefix cache reads it once.
    """
    if not 0 < len(names) < len(ascii_uppercase):
        raise ValueError(f"A question takes 1 to {len(ascii_uppercase) - 1} options, not {len(names)}.")
    first = list(range(len(names)))
    random.Random(seed).shuffle(first)  # noqa: S311  (an order, not a secret)
    return tuple(_ask(item_text, names, _turned(first, turn), question, with_none) for turn in range(orders))


def _turned(first: list[int], turn: int) -> list[int]:
    shift = turn // 2
    order = first[shift:] + first[:shift]
    return order[::-1] if turn % 2 else order


def _ask(item_text: str, names: Sequence[str], order: list[int], question: str, with_none: bool) -> Question:
    options: tuple[int | None, ...] = (*order, None) if with_none else tuple(order)
    words = [NONE_OF_THESE if option is None else one_line(names[option], MAX_LABEL_CHARS) for option in options]
    lines = [f"{letter}. {word}" for letter, word in zip(ascii_uppercase, words, strict=False)]
    user = "\n".join([f"Product: {one_line(item_text, MAX_ITEM_CHARS)}", *lines, one_line(question, 200)])
    return Question(prompt=Prompt(system="Answer with one letter.", user=user), options=options)


def read_letters(question: Question, probabilities: Mapping[str, float], *, count: int) -> tuple[float, ...] | None:
    """(count + 1,): each shortlisted label's share of the reply, then that of "none of these". They sum to 1.

    None where the reply went to none of the letters at all.
    """
    shares = [0.0] * (count + 1)
    for letter, option in zip(question.letters, question.options, strict=True):
        shares[count if option is None else option] += max(probabilities.get(letter, 0.0), 0.0)
    total = sum(shares)
    if total < 1e-4:
        return None
    return tuple(share / total for share in shares)


def mean_shares(answers: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The average over orders. Raises ValueError where there is none."""
    if not answers:
        raise ValueError("No answer to average.")
    return tuple(sum(column) / len(answers) for column in zip(*answers, strict=True))
