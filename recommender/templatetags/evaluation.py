"""What only the pages of evaluations write."""

from __future__ import annotations

from collections.abc import Sequence

from django import template

from recommender.evaluation_report import Beside
from recommender.evaluation_words import BASELINE_WORDS, p_value_words

register = template.Library()


@register.filter
def at(values: Sequence[float | None], place: int) -> float | None:
    """The entry at a place that a loop counts."""
    return values[place]


@register.filter
def metric(beside: Beside, name: str) -> float | None:
    return beside.value(name)


@register.filter
def baseline_words(key: str) -> str:
    return str(BASELINE_WORDS.get(key, ""))


@register.filter
def p_value(value: float | None) -> str:
    return p_value_words(value)
