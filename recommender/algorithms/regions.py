"""Regions of a map: neighbouring cells of a grid in which the same label is the most frequent one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GRID = 7
MOST_REGIONS = 12
LEAST_SHARE = 0.01  # of all items of the map; a smaller region has no name

Cell = tuple[int, int]


@dataclass(frozen=True)
class CellCount:
    """So many items of one label in one cell, and the sums of their places."""

    cell: Cell
    label_id: int
    items: int
    sum_x: float
    sum_y: float


@dataclass(frozen=True)
class Region:
    """x, y: the mean place of the items that carry its label; items: how many of those there are."""

    label_id: int
    x: float
    y: float
    items: int
    cells: frozenset[Cell]


def cell_of(x: float, y: float) -> Cell:
    """x and y within 0..1."""
    return min(GRID - 1, int(x * GRID)), min(GRID - 1, int(y * GRID))


def regions_of(counts: Sequence[CellCount]) -> tuple[Region, ...]:
    """The largest first; of equal labels the one with the lower id names a cell."""
    strongest: dict[Cell, CellCount] = {}
    for count in sorted(counts, key=lambda each: (each.cell, -each.items, each.label_id)):
        strongest.setdefault(count.cell, count)
    total = sum(count.items for count in counts)
    found = []
    for cells in _together(strongest):
        own = [strongest[cell] for cell in cells]
        items = sum(count.items for count in own)
        if items >= LEAST_SHARE * total:
            x, y = sum(count.sum_x for count in own) / items, sum(count.sum_y for count in own) / items
            found.append(Region(own[0].label_id, x, y, items, frozenset(cells)))
    return tuple(sorted(found, key=lambda region: (-region.items, region.label_id, region.x)))[:MOST_REGIONS]


def region_at(regions: Sequence[Region], x: float, y: float) -> Region | None:
    cell = cell_of(x, y)
    return next((region for region in regions if cell in region.cells), None)


def _together(strongest: Mapping[Cell, CellCount]) -> list[list[Cell]]:
    """Cells side by side that one label names."""
    left = set(strongest)
    groups = []
    while left:
        waiting, group = [min(left)], []
        left.discard(waiting[0])
        while waiting:
            x, y = waiting.pop()
            group.append((x, y))
            for beside in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if beside in left and strongest[beside].label_id == strongest[x, y].label_id:
                    left.discard(beside)
                    waiting.append(beside)
        groups.append(sorted(group))
    return groups
