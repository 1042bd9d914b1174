"""PURE: the prompts of the labeller, and how a reply's first token is read back as label probabilities.

An item's text is data. Whatever it says, only the probabilities of the letters on offer, or of Yes and No, are read,
so the worst a hostile description can do is argue for a label that the shortlist already holds.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

# Part of every stored suggestion. Change it whenever a prompt, the shortlist's length or the blend changes.
PROMPT_VERSION = "first-token-2"

MAX_ITEM_CHARS = 240
MAX_LABEL_CHARS = 60
YES_NO = ("Yes", "No")
LABEL_PLACE = "{label}"
MAX_LOGIT = 6.0

MAX_PATH_CHARS = 200
MAX_DESCRIPTION_CHARS = 200
DESCRIPTION_TOKENS = 60
PRODUCTS = 8
MAX_PRODUCT_WORDS = 6
MAX_PRODUCT_CHARS = 50

_SPACES = re.compile(r"[\s\x00-\x1f\x7f]+")
# Chat-template markers such as <|im_start|>: a server that parsed them would end the user's turn early.
_MARKERS = re.compile(r"<\|[^|<>]{0,40}\|>|\[/?INST\]|</?s>")

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL | re.IGNORECASE)
_LIST_MARK = re.compile(r"^\s*(?:[-–—*•·>#]+|\(?\d{1,2}\s*[.):])\s*")
_AROUND_PRODUCT = " \t\"'`*_“”‘’«».。!?()[]{}"


@dataclass(frozen=True)
class Prompt:
    system: str
    user: str


@dataclass(frozen=True)
class Question:
    """A prompt and the meaning of its letters: letter i stands for the shortlist's label `order[i]`."""

    prompt: Prompt
    order: tuple[int, ...]

    @property
    def letters(self) -> tuple[str, ...]:
        return tuple(ascii_uppercase[: len(self.order)])


def one_line(text: str, max_chars: int) -> str:
    """One line of plain words: no line breaks that could imitate an option, no chat-template markers."""
    return _SPACES.sub(" ", _MARKERS.sub(" ", text)).strip()[:max_chars]


def which(item_text: str, names: Sequence[str], *, question: str, seed: str) -> Question:
    """Which one of these labels? Models favour early letters, so the options are shuffled, the same for the same seed.

    The item comes first: what precedes the options is the same in each prompt about it, and a server with a prefix
    cache reads it once.
    """
    if not 0 < len(names) <= len(ascii_uppercase):
        raise ValueError(f"A question takes 1 to {len(ascii_uppercase)} options, not {len(names)}.")
    order = list(range(len(names)))
    random.Random(seed).shuffle(order)  # noqa: S311  (an order, not a secret)
    words = [one_line(names[option], MAX_LABEL_CHARS) for option in order]
    lines = [f"{letter}. {word}" for letter, word in zip(ascii_uppercase, words, strict=False)]
    user = "\n".join([_product(item_text), *lines, one_line(question, 200)])
    return Question(prompt=Prompt(system="Answer with one letter.", user=user), order=tuple(order))


def whether(item_text: str, name: str, *, question: str) -> Prompt:
    """Does this one label fit? `question` names the label's place as {label}, like "Do people buy it for {label}?"."""
    label = one_line(name, MAX_LABEL_CHARS)
    asked = one_line(question, 200)
    asked = asked.replace(LABEL_PLACE, label) if LABEL_PLACE in asked else f'{asked} Does "{label}" fit?'
    return Prompt(system="Answer Yes or No.", user=f"{_product(item_text)}\n{asked}")


def _product(item_text: str) -> str:
    return f"Product: {one_line(item_text, MAX_ITEM_CHARS)}"


def read_letters(question: Question, probabilities: Mapping[str, float]) -> tuple[float, ...] | None:
    """Each shortlisted label's share of the reply, in the shortlist's order; they sum to 1.

    None where the reply went to none of the letters at all.
    """
    shares = [0.0] * len(question.order)
    for letter, option in zip(question.letters, question.order, strict=True):
        shares[option] = max(probabilities.get(letter, 0.0), 0.0)
    total = sum(shares)
    if total < 1e-4:
        return None
    return tuple(share / total for share in shares)


def read_yes_no(probabilities: Mapping[str, float]) -> float | None:
    """The reply's log odds of Yes, within MAX_LOGIT; None where it was neither Yes nor No."""
    yes, no = (max(probabilities.get(word, 0.0), 0.0) for word in YES_NO)
    if yes + no < 1e-4:
        return None
    return max(-MAX_LOGIT, min(MAX_LOGIT, math.log((yes + 1e-6) / (no + 1e-6))))


def describe(path: str) -> Prompt:
    """What are this label's products? `path` is its names from the root."""
    category = one_line(path, MAX_PATH_CHARS)
    return Prompt(
        system="You know shops and their products.",
        user=(
            f"Shop category: {category}\n"
            f"List eight typical products of this category, comma separated, lower case, nothing else."
        ),
    )


def read_description(reply: str) -> str:
    """The reply's products as one line, "milk, butter, cheese"; '' where it is no list of at least two.

    Reads lists of any form. Words before a colon are an introduction, long parts are prose, and both are left out. A
    reply of fewer products than asked for that does not end like a sentence was cut off, so its last one is, too.
    """
    text = _THOUGHTS.sub(" ", reply).strip()
    parts = [part for line in text.splitlines() for part in _products_of(line)]
    if 2 < len(parts) < PRODUCTS and not text.endswith((".", "。")) and "\n" not in text:
        parts.pop()
    kept: list[str] = []
    for product in dict.fromkeys(part for part in parts if _is_product(part)):
        if len(kept) == PRODUCTS or len(", ".join([*kept, product])) > MAX_DESCRIPTION_CHARS:
            break
        kept.append(product)
    return ", ".join(kept) if len(kept) > 1 else ""


def _products_of(line: str) -> list[str]:
    listed = _LIST_MARK.sub("", line).rpartition(":")[2]
    parts = [one_line(part, MAX_DESCRIPTION_CHARS) for part in re.split(r"[,;、，；]", listed)]
    cleaned = [_LIST_MARK.sub("", part).strip(_AROUND_PRODUCT).lower() for part in parts]
    return [part.removeprefix("and ").strip() for part in cleaned if part]


def _is_product(part: str) -> bool:
    words = part.split()
    is_word_over_and_over = len(words) > 1 and len(set(words)) == 1
    fits = len(words) <= MAX_PRODUCT_WORDS and len(part) <= MAX_PRODUCT_CHARS
    return fits and not is_word_over_and_over and any(letter.isalpha() for letter in part)
