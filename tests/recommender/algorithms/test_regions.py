"""Regions of a map, by hand."""

from __future__ import annotations

from recommender.algorithms.regions import GRID, CellCount, cell_of, region_at, regions_of


def test_neighbouring_cells_of_one_label_are_a_region_at_the_mean_of_its_items() -> None:
    counts = [
        CellCount((0, 0), 1, 6, 0.6, 0.6),
        CellCount((0, 0), 2, 5, 0.5, 0.5),  # fewer, so it names nothing
        CellCount((1, 0), 1, 2, 0.4, 0.2),
        CellCount((4, 4), 1, 3, 1.8, 1.8),  # the same label far away is another region
        CellCount((1, 1), 3, 4, 0.8, 0.8),  # beside it, but of another label
    ]
    first, second, third = regions_of(counts)
    assert (first.label_id, first.items, first.x, first.y) == (1, 8, 0.125, 0.1)
    assert first.cells == {(0, 0), (1, 0)}
    assert (second.label_id, third.label_id, third.cells) == (3, 1, {(4, 4)})


def test_of_labels_as_frequent_the_lower_id_names_the_cell() -> None:
    assert regions_of([CellCount((0, 0), 9, 2, 0.2, 0.2), CellCount((0, 0), 4, 2, 0.2, 0.2)])[0].label_id == 4


def test_a_region_below_one_percent_has_no_name() -> None:
    counts = [CellCount((0, 0), 1, 200, 20, 20), CellCount((5, 5), 2, 1, 0.8, 0.8)]
    assert [region.label_id for region in regions_of(counts)] == [1]
    assert regions_of([]) == ()


def test_the_edge_of_the_map_belongs_to_its_last_cell() -> None:
    assert cell_of(1.0, 0.0) == (GRID - 1, 0)
    regions = regions_of([CellCount((GRID - 1, 0), 7, 3, 3.0, 0.0)])
    assert region_at(regions, 1.0, 0.01) is regions[0]
    assert region_at(regions, 0.5, 0.5) is None
