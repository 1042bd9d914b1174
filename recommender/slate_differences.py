"""PURE: two lists side by side: what was kept, moved, gained and lost, and which score part changed most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEAST = 0.005  # what two decimals can show


@dataclass(frozen=True)
class Entry:
    """An item of a list; position counts from 1; parts: by source, adding up to the score."""

    item_id: int
    position: int
    score: float
    parts: Mapping[str, float]


@dataclass(frozen=True)
class PartChange:
    source: str
    before: float
    after: float

    @property
    def by(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class Change:
    """An item of either list; None where that list lacks it."""

    item_id: int
    before: Entry | None
    after: Entry | None

    @property
    def moved_by(self) -> int:
        """Places up (positive) or down; 0 where one list lacks it."""
        return self.before.position - self.after.position if self.before and self.after else 0

    @property
    def steps(self) -> int:
        return abs(self.moved_by)

    @property
    def parts(self) -> tuple[PartChange, ...]:
        """What changed by as much as two decimals show, the most first; of an item in both lists."""
        if self.before is None or self.after is None:
            return ()
        own, other = self.before.parts, self.after.parts
        changes = [PartChange(source, own.get(source, 0.0), other.get(source, 0.0)) for source in {**own, **other}]
        shown = [change for change in changes if abs(change.by) >= LEAST]
        return tuple(sorted(shown, key=lambda change: (-abs(change.by), change.source)))

    @property
    def state(self) -> str:
        if self.before is None:
            return "gained"
        if self.after is None:
            return "lost"
        return "moved" if self.moved_by else "kept"


@dataclass(frozen=True)
class Difference:
    """changes: in the order of the second list, then what it lost in the order of the first."""

    changes: tuple[Change, ...]

    def of(self, state: str) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.state == state)

    @property
    def kept(self) -> int:
        return len(self.of("kept"))

    @property
    def moved(self) -> int:
        return len(self.of("moved"))

    @property
    def gained(self) -> int:
        return len(self.of("gained"))

    @property
    def lost(self) -> int:
        return len(self.of("lost"))

    @property
    def is_same(self) -> bool:
        """The same items at the same places, whatever their scores."""
        return not (self.moved or self.gained or self.lost)

    @property
    def scores_changed(self) -> bool:
        return any(change.parts for change in self.changes)


def difference(before: Sequence[Entry], after: Sequence[Entry]) -> Difference:
    was = {entry.item_id: entry for entry in before}
    then = {entry.item_id for entry in after}
    changes = [Change(entry.item_id, was.get(entry.item_id), entry) for entry in after]
    changes += [Change(entry.item_id, entry, None) for entry in before if entry.item_id not in then]
    return Difference(tuple(changes))
