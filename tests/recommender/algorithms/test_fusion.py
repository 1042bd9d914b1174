"""z-scores, convex combination, and what silent sources do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms.fusion import Z_LIMIT, best_first, fuse, silent_free, z_scores


def test_z_scores_by_hand():
    assert z_scores(np.array([1.0, 2.0, 3.0])).tolist() == pytest.approx([-(1.5**0.5), 0.0, 1.5**0.5])


def test_one_candidate_and_equal_candidates_score_zero():
    assert z_scores(np.array([7.0])).tolist() == [0.0]
    assert z_scores(np.array([0.1, 0.1, 0.1])).tolist() == [0.0, 0.0, 0.0]
    assert z_scores(np.zeros(0)).tolist() == []


def test_one_outlier_is_held_within_the_limit():
    raw = np.zeros(1001)
    raw[0] = 1.0
    assert z_scores(raw).max() == Z_LIMIT


def test_fused_scores_by_hand():
    fused = fuse({"a": np.array([0.0, 2.0]), "b": np.array([5.0, 1.0])}, {"a": 3.0, "b": 1.0})
    assert fused.weights == {"a": 0.75, "b": 0.25}
    assert fused.contributions["a"].tolist() == [-0.75, 0.75]
    assert fused.contributions["b"].tolist() == [0.25, -0.25]
    assert fused.scores.tolist() == [-0.5, 0.5]


def test_a_silent_source_gives_its_weight_to_the_others():
    fused = fuse({"a": np.array([0.0, 2.0]), "b": np.array([4.0, 4.0])}, {"a": 1.0, "b": 9.0})
    assert fused.weights == {"a": 1.0, "b": 0.0}
    assert fused.scores.tolist() == [-1.0, 1.0]


def test_all_silent_sources_score_zero():
    fused = fuse({"a": np.zeros(3)}, {"a": 1.0})
    assert fused.scores.tolist() == [0.0, 0.0, 0.0]
    assert silent_free({}, {"a": True}) == {"a": 0.0}


def test_ties_go_to_the_smaller_id():
    assert best_first(np.array([1.0, 2.0, 2.0]), np.array([5, 9, 3])).tolist() == [2, 1, 0]


raw_scores = arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6))


@given(raw_scores)
def test_z_scores_are_bounded_and_keep_the_order(raw):
    z = z_scores(raw)
    assert np.all(np.abs(z) <= Z_LIMIT)
    assert np.all(np.diff(z[np.argsort(raw, kind="stable")]) >= 0)


@given(arrays(np.float64, st.integers(2, 30), elements=st.integers(-1000, 1000)), st.floats(0.5, 50), st.floats(-9, 9))
def test_z_scores_do_not_depend_on_the_scale_of_a_source(raw, factor, shift):
    assert z_scores(raw * factor + shift).tolist() == pytest.approx(z_scores(raw).tolist(), abs=1e-6)


@given(raw_scores, st.randoms())
def test_the_order_of_the_candidates_does_not_matter(raw, random):
    order = list(range(len(raw)))
    random.shuffle(order)
    assert z_scores(raw[order]).tolist() == pytest.approx(z_scores(raw)[order].tolist(), abs=1e-9)


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(*[arrays(np.float64, n, elements=st.floats(-9, 9))] * 3)))
def test_contributions_add_up_to_the_scores(sources):
    raw = dict(zip("abc", sources, strict=True))
    fused = fuse(raw, {"a": 1.0, "b": 0.3, "c": 0.1})
    total = fused.contributions["a"] + fused.contributions["b"] + fused.contributions["c"]
    assert fused.scores.tolist() == total.tolist()
    for source in raw:
        assert fused.contributions[source].tolist() == (fused.weights[source] * fused.z[source]).tolist()
