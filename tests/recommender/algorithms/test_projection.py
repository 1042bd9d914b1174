"""The map of vectors: the same for the same vectors, alike beside alike, and the same way round as the last one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.algorithms import projection


def groups(n: int = 60, n_groups: int = 3, dim: int = 12) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors around so many corners, and the corner of each."""
    random = np.random.default_rng(1)
    group = np.arange(n) % n_groups
    vectors = np.eye(dim)[group] * 4 + random.normal(0, 0.3, (n, dim))
    return vectors.astype(np.float32), group


def reduced(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    mean, axes = projection.components(vectors)
    return (vectors - mean) @ axes


def mapped(vectors: NDArray[np.float32], start: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    *_, (stage, places) = projection.layout(reduced(vectors), start=start)
    assert stage == projection.STAGES
    return places


def test_components_of_points_on_a_line_follow_it() -> None:
    line = np.outer(np.array([-2.0, -1.0, 1.0, 2.0]), [0.6, 0.8]).astype(np.float32) + np.float32(5)
    mean, axes = projection.components(line)
    assert mean == pytest.approx([5, 5])
    assert axes[:, 0] == pytest.approx([0.6, 0.8], abs=1e-6)


def test_alike_lies_beside_alike_and_the_map_is_the_same_again() -> None:
    vectors, group = groups()
    places = mapped(vectors)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).all()
    assert np.array_equal(mapped(vectors), places)


@pytest.mark.parametrize("n", [1, 2, 3, 9, 10, 11])
def test_few_points_have_places_too(n: int) -> None:
    places = projection.framed(mapped(groups(n)[0]))
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()
    assert ((places >= 0) & (places <= 1)).all()


def test_points_that_are_all_the_same_stand_in_the_middle() -> None:
    assert (projection.framed(mapped(np.ones((4, 5), dtype=np.float32))) == 0.5).all()
    assert projection.framed(np.zeros((0, 2))).shape == (0, 2)


def test_a_map_that_starts_from_the_last_stays_close_to_it() -> None:
    vectors, _ = groups()
    last = projection.framed(mapped(vectors))
    moved = vectors + np.random.default_rng(2).normal(0, 0.02, vectors.shape).astype(np.float32)
    known = np.ones(len(vectors), dtype=bool)
    places = projection.framed(projection.turned(mapped(moved, last), known, last))
    assert np.median(np.linalg.norm(places - last, axis=1)) < 0.1


def test_turning_undoes_a_turn_a_mirror_a_shift_and_a_stretch() -> None:
    last = np.random.default_rng(3).random((20, 2))
    turn = np.array([[0.0, 1.0], [1.0, 0.0]])
    known = np.arange(20) < 12
    found = projection.turned(last @ turn * 7 + 3, known, np.where(known[:, None], last, -9.0))
    assert found == pytest.approx(last)


def test_too_few_known_points_turn_nothing() -> None:
    places = np.random.default_rng(4).random((5, 2))
    known = np.array([True, True, False, False, False])
    assert projection.turned(places, known, places[::-1]) is places


def test_a_point_between_two_sampled_ones_stands_between_them_nearer_to_the_nearer() -> None:
    sampled = np.array([[0.0], [1.0], [50.0]], dtype=np.float32)
    places = np.array([[0.0, 0.0], [1.0, 1.0], [9.0, 9.0]])
    found = projection.between(np.array([[0.5], [0.25], [1.0]], dtype=np.float32), sampled, places, k=2)
    assert found[0] == pytest.approx([0.5, 0.5])
    assert found[1] == pytest.approx([0.1, 0.1], abs=1e-3)  # 1/0.5625 to 1/0.0625 of weight
    assert found[2] == pytest.approx([1.0, 1.0], abs=1e-4)


def test_one_far_point_does_not_shrink_the_rest() -> None:
    places = np.vstack([np.random.default_rng(5).random((5_000, 2)), [[900.0, 900.0]]])
    found = projection.framed(places)
    assert found[:-1].std() > 0.2
    assert found[-1].tolist() == [1.0, 1.0]


def test_a_sample_is_the_same_for_the_same_ids_and_hardly_changes_with_new_ones() -> None:
    ids = np.arange(1, 1_001)
    first = set(ids[projection.sample_of(ids, 200)].tolist())
    more = np.arange(1, 1_101)
    second = set(more[projection.sample_of(more, 200)].tolist())
    assert len(first) == len(second) == 200
    assert len(first & second) > 160
    assert projection.sample_of(ids, 5_000).tolist() == list(range(1_000))
