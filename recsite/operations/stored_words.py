"""Sentences that are stored in English with the values they name, and shown in the reader's language.

Whoever writes them, a worker or one member of staff, does not know who reads them. So English is stored, as with the
names in `job_words`, and read back by the sentences that the apps register: `%(name)s` in them stands for a value, and
a value called `words` is such a sentence itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.utils.translation import gettext

VALUE = re.compile(r"%\((\w+)\)[rs]")
_sentences: dict[str, re.Pattern[str]] = {}


def register(sentences: Iterable[str]) -> None:
    """Those that hold another one are looked at first, then those with most words of their own."""
    _sentences.update({sentence: _pattern(sentence) for sentence in sentences})
    for sentence in sorted(_sentences, key=_rank):
        _sentences[sentence] = _sentences.pop(sentence)


def _rank(sentence: str) -> tuple[bool, int, str]:
    return "%(words)s" not in sentence, -len(VALUE.sub("", sentence)), sentence


def registered() -> tuple[str, ...]:
    return tuple(_sentences)


def sentence_of(text: str) -> tuple[str, dict[str, str]] | None:
    """The registered sentence that `text` is, and the values it names; None where it is none of them."""
    for sentence, pattern in _sentences.items():
        if found := pattern.fullmatch(text):
            return sentence, found.groupdict()
    return None


def shown(text: str) -> str:
    """In the reader's language where the sentence is known; as it is stored otherwise."""
    translated = gettext(text) if text else ""
    if translated != text or not text:
        return translated
    found = sentence_of(text)
    if found is None:
        return text
    sentence, values = found
    if "words" in values:
        values["words"] = shown(values["words"])
    return VALUE.sub(r"%(\1)s", gettext(sentence)) % values


def _pattern(sentence: str) -> re.Pattern[str]:
    written, seen, end = "", set(), 0
    for value in VALUE.finditer(sentence):
        written += re.escape(sentence[end : value.start()].replace("%%", "%"))
        name = value[1]
        written += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
        seen.add(name)
        end = value.end()
    return re.compile(written + re.escape(sentence[end:].replace("%%", "%")), re.DOTALL)
