"""z-scores, convex combination, and what silent sources do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms.fusion import TREES, Z_LIMIT, best_first, fuse, silent_free, z_scores


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


def test_with_a_spread_given_a_source_that_is_sure_counts_more():
    assert z_scores(np.array([0.0, 2.0]), spread=4.0).tolist() == [-0.25, 0.25]
    assert z_scores(np.array([0.0, 8.0]), spread=4.0).tolist() == [-1.0, 1.0]


def test_with_a_spread_given_an_outlier_is_not_held_back():
    raw = np.zeros(1001)
    raw[0] = 1001.0
    assert z_scores(raw, spread=10.0).max() == 100.0


@pytest.mark.parametrize("spread", [None, 0.0, -1.0])
def test_without_a_spread_the_list_has_its_own(spread):
    assert z_scores(np.array([0.0, 2.0, 0.0, 2.0]), spread=spread).tolist() == [-1.0, 1.0, -1.0, 1.0]


def test_a_source_that_says_the_same_of_everybody_is_silent_whatever_its_spread():
    assert z_scores(np.array([3.0, 3.0]), spread=1e-9).tolist() == [0.0, 0.0]
    assert z_scores(np.array([3.0]), spread=1.0).tolist() == [0.0]
    assert z_scores(np.zeros(0), spread=1.0).tolist() == []


def test_each_source_is_fused_by_its_own_spread():
    raw = {"a": np.array([0.0, 2.0]), "b": np.array([5.0, 1.0])}
    fused = fuse(raw, {"a": 3.0, "b": 1.0}, {"a": 0.5, "c": 9.0})
    assert fused.z["a"].tolist() == [-2.0, 2.0]
    assert fused.z["b"].tolist() == [1.0, -1.0]
    assert fused.scores.tolist() == [-1.25, 1.25]


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


@given(
    arrays(np.float64, st.integers(1, 30), elements=st.integers(-1000, 1000)),
    st.sampled_from([0.5, 3.0, 1e4]),
    st.floats(0.1, 100),
    st.randoms(),
)
def test_a_source_and_its_spread_in_another_unit_and_order_are_the_same(raw, factor, spread, random):
    order = list(range(len(raw)))
    random.shuffle(order)
    plain = z_scores(raw, spread=spread)
    again = z_scores(raw[order] * factor, spread=spread * factor)
    assert again.tolist() == pytest.approx(plain[order].tolist(), abs=1e-9)
    assert plain.mean() == pytest.approx(0.0, abs=1e-6)


def test_what_trees_say_is_one_more_voice_and_goes_to_the_sources_it_came_from():
    raw = {"a": np.array([0.0, 2.0]), "b": np.array([4.0, 4.0])}
    said = {"a": np.array([1.0, 3.0]), "b": np.array([0.0, 6.0])}
    fused = fuse(raw, {"a": 1.0, "b": 1.0, TREES: 3.0}, {"a": 1.0, TREES: 2.0}, said)
    assert fused.weights == {"a": 0.25, "b": 0.0, TREES: 0.75}
    assert fused.by_trees["a"].tolist() == [-0.375, 0.375]
    assert fused.by_trees["b"].tolist() == [-1.125, 1.125]
    assert fused.contributions["a"].tolist() == [-0.625, 0.625]
    assert fused.contributions["b"].tolist() == [-1.125, 1.125]
    assert fused.scores.tolist() == [-1.75, 1.75]
    assert fused.scores == pytest.approx(0.25 * fused.z["a"] + 0.75 * fused.z[TREES])


@pytest.mark.parametrize("said", [None, {}, {"a": np.array([7.0, 7.0])}])
def test_without_trees_or_where_they_say_the_same_of_all_their_weight_goes_to_the_sources(said):
    fused = fuse({"a": np.array([0.0, 2.0])}, {"a": 1.0, TREES: 3.0}, {"a": 1.0, TREES: 1.0}, said)
    assert fused.weights["a"] == 1.0
    assert fused.by_trees["a"].tolist() == [0.0, 0.0]
    assert fused.scores.tolist() == [-1.0, 1.0]
