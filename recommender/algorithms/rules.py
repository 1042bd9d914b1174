"""Rules as a list obeys them: what is left out, raised or lowered, kept few, and put in its place."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms.diversity import Cap


@dataclass(frozen=True)
class RankingRule:
    """A rule for one list of candidates. matches: (n_candidates,), the candidates it is about.

    position: of a pin, 1 is first. strength: of a boost above 0, of a bury below, in standard deviations of the
    candidates' scores. limit: of a cap; keys: what each candidate is counted under, None for those it is not about.
    """

    id: int
    action: str
    matches: NDArray[np.bool_]
    position: int = 0
    strength: float = 0.0
    limit: int = 0
    keys: Sequence[Hashable | None] = ()


@dataclass(frozen=True)
class Ruling:
    """What all rules of one list come to. `rules` stand in order of priority, the first wins where two contradict.

    allowed: (n_candidates,) False for what is left out; moved: by rule id, (n_candidates,) added to the scores.
    """

    allowed: NDArray[np.bool_]
    moved: Mapping[int, NDArray[np.float64]]
    caps: Sequence[Cap]
    pins: Sequence[RankingRule] = field(default_factory=tuple)
    spread: float = 1.0

    def scores(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return scores + sum(self.moved.values(), np.zeros(len(scores)))

    def pinned(self, order: Sequence[int], *, n: int) -> dict[int, RankingRule]:
        """Row -> the pin that placed it, in the order of the list; best-scored match first, `order` being best first.

        Two pins of one position: the first in priority has it, the other the next free one. A pin past n, or one that
        matches no row that may be shown, does nothing. Use `positions` for where each row then stands.
        """
        taken: dict[int, tuple[int, RankingRule]] = {}
        rows: set[int] = set()
        for rule in self.pins:
            row = next((r for r in order if rule.matches[r] and self.allowed[r] and r not in rows), None)
            position = next((p for p in range(rule.position, n + 1) if p not in taken), None)
            if row is not None and position is not None:
                taken[position] = (row, rule)
                rows.add(row)
        return {row: rule for _, (row, rule) in sorted(taken.items())}


def decide(rules: Sequence[RankingRule], scores: NDArray[np.float64]) -> Ruling:
    """scores: (n_candidates,). Left out wins over everything else; boosts and buries of one item add up."""
    allowed = np.ones(len(scores), dtype=bool)
    for rule in rules:
        if rule.action == "exclude":
            allowed &= ~rule.matches
    spread = float(scores.std()) if len(scores) else 0.0
    spread = spread if spread > 1e-9 else 1.0
    return Ruling(
        allowed=allowed,
        moved={r.id: np.where(r.matches, r.strength * spread, 0.0) for r in rules if r.action in ("boost", "bury")},
        caps=[Cap(rule.keys, rule.limit) for rule in rules if rule.action == "cap"],
        pins=tuple(rule for rule in rules if rule.action == "pin"),
        spread=spread,
    )


def no_rules(n_candidates: int) -> Ruling:
    return Ruling(np.ones(n_candidates, dtype=bool), {}, ())


def placed(places: Sequence[int], pinned: Mapping[int, RankingRule]) -> list[int]:
    """`places` (best first, without the pinned rows) with each pinned row at its position, or at the end where the
    list is too short for it. `pinned` as `Ruling.pinned` gives it."""
    rest = iter(places)
    found: list[int] = []
    for row, rule in pinned.items():
        while len(found) < rule.position - 1:
            following = next(rest, None)
            if following is None:
                break
            found.append(following)
        found.append(row)
    return [*found, *rest]
