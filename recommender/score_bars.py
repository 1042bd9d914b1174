"""PURE: where the pieces of a score's stacked bar lie, so that bars of one list can be compared by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Part(Protocol):
    @property
    def source(self) -> str: ...
    @property
    def contribution(self) -> float: ...


@dataclass(frozen=True)
class Segment:
    """One part of a score, in percent of the bar's width from its left end."""

    source: str
    contribution: float
    left: float
    width: float


@dataclass(frozen=True)
class Scale:
    """The largest sums of negative and of positive parts of any score of the list; both >= 0."""

    negative: float
    positive: float

    @property
    def zero(self) -> float:
        """Where the line between negative and positive lies, in percent."""
        return 100 * self.negative / self._width

    @property
    def _width(self) -> float:
        return self.negative + self.positive or 1.0


def scale_of(scores: Sequence[Sequence[Part]]) -> Scale:
    """The scale that holds every score of a list; an empty list gives an empty scale."""
    negative = [-sum(part.contribution for part in parts if part.contribution < 0) for parts in scores]
    positive = [sum(part.contribution for part in parts if part.contribution > 0) for parts in scores]
    return Scale(max(negative, default=0.0), max(positive, default=0.0))


def segments(parts: Sequence[Part], scale: Scale) -> tuple[Segment, ...]:
    """Positive parts grow from zero to the right, negative ones to the left, each in the order given.

    The widths of positive segments less those of negative ones are proportional to the score.
    """
    width = scale.negative + scale.positive or 1.0
    right = left = scale.zero
    placed: list[Segment] = []
    for part in parts:
        share = 100 * abs(part.contribution) / width
        if part.contribution < 0:
            left -= share
            placed.append(Segment(part.source, part.contribution, round(left, 3), round(share, 3)))
        elif part.contribution > 0:
            placed.append(Segment(part.source, part.contribution, round(right, 3), round(share, 3)))
            right += share
    return tuple(placed)
