"""Lists that do not repeat themselves: at most so many of one title, of one label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cap:
    """At most `limit` picks may share a key. `keys` has one entry a candidate; None is never capped."""

    keys: Sequence[Hashable | None]
    limit: int


def pick(order: Iterable[int], *, n: int, caps: Sequence[Cap] = ()) -> list[int]:
    """The first n positions of `order` that keep within every cap.

    Where that yields fewer than n, the caps are lifted one by one from the last, each time taking the best of what was
    left over: a shorter list is worse than a less varied one. So name the cap that matters most first.
    """
    waiting = list(order)
    picked: list[int] = []
    for strictness in range(len(caps), -1, -1):
        in_force = caps[:strictness]
        counts = [Counter(cap.keys[position] for position in picked) for cap in in_force]
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


def reserve(picked: Sequence[int], eligible: Iterable[int], *, n: int, slots: int, cap: Cap) -> list[int]:
    """`picked`, its last places given to the first of `eligible` until `slots` of the list are eligible ones.

    Nothing changes where the list holds enough of them already. One that the cap forbids beside the list waits, and a
    slot that nobody fills keeps its pick.
    """
    ordered = list(eligible)
    known = set(ordered)
    missing = slots - len(known.intersection(picked))
    counts = Counter(cap.keys[position] for position in picked)
    added: list[int] = []
    for position in ordered:
        if len(added) < missing and position not in picked and _fits(position, [cap], [counts]):
            added.append(position)
            counts[cap.keys[position]] += 1
    ordinary = [position for position in picked if position not in known]
    leaving = set(ordinary[len(ordinary) - max(0, len(picked) + len(added) - n) :])
    return [*(position for position in picked if position not in leaving), *added]


def _fits(position: int, caps: Sequence[Cap], counts: Sequence[Counter[Hashable | None]]) -> bool:
    return all(
        cap.keys[position] is None or count[cap.keys[position]] < cap.limit
        for cap, count in zip(caps, counts, strict=True)
    )
