"""Lists that do not repeat themselves: few of one title or label, unlike one another, in the user's own mix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AMONG = 100


@dataclass(frozen=True)
class Cap:
    """At most `limit` picks may share a key. `keys` has one entry a candidate; None is never capped."""

    keys: Sequence[Hashable | None]
    limit: int


def pick(
    order: Iterable[int], *, n: int, caps: Sequence[Cap] = (), firm: Sequence[Cap] = (), beside: Sequence[int] = ()
) -> list[int]:
    """The first n positions of `order` that keep within every cap.

    Where that yields fewer than n, the caps are lifted one by one from the last, each time taking the best of what was
    left over: a shorter list is worse than a less varied one. So name the cap that matters most first. `firm` caps are
    never lifted: the list stays shorter. What is shown `beside` the picks counts, too.
    """
    waiting = list(order)
    picked: list[int] = []
    for strictness in range(len(caps), -1, -1):
        in_force = [*firm, *caps[:strictness]]
        counts = [Counter(cap.keys[position] for position in [*beside, *picked]) for cap in in_force]
        left: list[int] = []
        for position in waiting:
            if len(picked) < n and _fits(position, in_force, counts):
                picked.append(position)
                for cap, count in zip(in_force, counts, strict=True):
                    count[cap.keys[position]] += 1
            else:
                left.append(position)
        waiting = left
        if len(picked) >= n:
            break
    return picked


def reserve(
    picked: Sequence[int],
    eligible: Iterable[int],
    *,
    n: int,
    slots: int,
    caps: Sequence[Cap],
    beside: Sequence[int] = (),
) -> list[int]:
    """`picked`, its last places given to the first of `eligible` until `slots` of the list are eligible ones.

    Nothing changes where the list holds enough of them already. One that a cap forbids beside the list waits, and a
    slot that nobody fills keeps its pick.
    """
    ordered = list(eligible)
    known = set(ordered)
    missing = slots - len(known.intersection(picked))
    counts = [Counter(cap.keys[position] for position in [*beside, *picked]) for cap in caps]
    added: list[int] = []
    for position in ordered:
        if len(added) < missing and position not in picked and _fits(position, caps, counts):
            added.append(position)
            for cap, count in zip(caps, counts, strict=True):
                count[cap.keys[position]] += 1
    ordinary = [position for position in picked if position not in known]
    leaving = set(ordinary[len(ordinary) - max(0, len(picked) + len(added) - n) :])
    return [*(position for position in picked if position not in leaving), *added]


def _fits(position: int, caps: Sequence[Cap], counts: Sequence[Counter[Hashable | None]]) -> bool:
    return all(
        cap.keys[position] is None or count[cap.keys[position]] < cap.limit
        for cap, count in zip(caps, counts, strict=True)
    )


def slots(expected: float, draw: float) -> int:
    """A whole number of places whose mean over even draws (0..1) is `expected`: 0.2 gives one place in a fifth."""
    whole = int(np.floor(expected))
    return whole + int(draw < expected - whole)


def varied(
    order: Sequence[int],
    scores: NDArray[np.float64],
    vectors: NDArray[np.float32],
    *,
    n: int,
    strength: float,
    among: int = AMONG,
) -> list[int]:
    """Maximal marginal relevance (Carbonell 1998) over the first `among` of `order`; the rest follows as it was.

    Each place goes to the largest (1 - strength) * relevance - strength * (largest cosine with those before), relevance
    being the score scaled to 0..1 among them. vectors: (n_candidates, dim) unit rows. strength 0 changes nothing.
    """
    waiting = list(order[: max(among, n)])
    if strength <= 0 or len(waiting) < 2:
        return list(order)
    relevance = _unit_interval(scores[waiting])
    likeness = np.clip(vectors[waiting] @ vectors[waiting].T, 0.0, 1.0)
    closest = np.zeros(len(waiting))
    left = np.ones(len(waiting), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(n, len(waiting))):
        worth = np.where(left, (1 - strength) * relevance - strength * closest, -np.inf)
        best = int(np.argmax(worth))
        chosen.append(best)
        left[best] = False
        closest = np.maximum(closest, likeness[best])
    return [*(waiting[place] for place in chosen), *(waiting[p] for p in np.flatnonzero(left)), *order[len(waiting) :]]


def calibrated(
    order: Sequence[int],
    scores: NDArray[np.float64],
    carried: Sequence[Mapping[int, float]],
    wanted: Mapping[int, float],
    *,
    n: int,
    strength: float,
    among: int = AMONG,
) -> list[int]:
    """Steck's calibrated recommendations (RecSys 2018): the list's mix of labels drawn to the user's own.

    Each place goes to the largest (1 - strength) * relevance - strength * KL(wanted || mix of the list with it), the
    mix smoothed by a hundredth of what is wanted. carried: by candidate, label -> confidence; wanted: label -> share.
    """
    waiting = list(order[: max(among, n)])
    total = sum(wanted.values())
    if strength <= 0 or len(waiting) < 2 or total <= 0:
        return list(order)
    labels = sorted(label for label, share in wanted.items() if share > 0)
    target = np.array([wanted[label] / total for label in labels])
    rows = np.array([[carried[place].get(label, 0.0) for label in labels] for place in waiting])
    sums = rows.sum(axis=1, keepdims=True)
    rows = np.divide(rows, sums, out=np.zeros_like(rows), where=sums > 0)
    relevance = _unit_interval(scores[waiting])
    mix = np.zeros(len(labels))
    left = np.ones(len(waiting), dtype=bool)
    chosen: list[int] = []
    for place in range(min(n, len(waiting))):
        mixes = 0.99 * (mix + rows) / (place + 1) + 0.01 * target
        divergence = (target * np.log(target / np.maximum(mixes, 1e-12))).sum(axis=1)
        worth = np.where(left, (1 - strength) * relevance - strength * divergence, -np.inf)
        best = int(np.argmax(worth))
        chosen.append(best)
        left[best] = False
        mix = mix + rows[best]
    return [*(waiting[place] for place in chosen), *(waiting[p] for p in np.flatnonzero(left)), *order[len(waiting) :]]


def _unit_interval(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(values.max() - values.min())
    return np.asarray((values - values.min()) / spread if spread > 0 else np.zeros(len(values)))
