"""Fitting the fusion: pools and their NDCG by hand, and on made lists in which one source is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms.weights import (
    BORROWED_ROWS,
    BUCKETS,
    NONE,
    NOT_PROPOSED,
    Pools,
    bucket_of,
    choose_columns,
    fit,
    joined,
    pools_of,
)

SECOND, THIRD = 0.6309297535714574, 0.5


def pools(raw, targets, *, worth=None, buckets=None, columns=1):
    rows = [np.array(each, dtype=np.float32).reshape(len(each), columns) for each in raw]
    worth = [1.0] * len(raw) if worth is None else worth
    return pools_of(rows, targets, worth, buckets or ["few"] * len(raw), columns=columns)


def ndcg(found: Pools, k: int = 10) -> float:
    return found.ndcg(found.raw[:, 0], k=k)


@pytest.mark.parametrize(
    ("steps", "bucket"), [(0, "none"), (1, "one"), (2, "few"), (5, "few"), (6, "many"), (900, "many")]
)
def test_buckets_by_length_of_history(steps, bucket):
    assert bucket_of(steps) == bucket


def test_targets_are_entries_of_the_lists_side_by_side():
    found = pools([[1, 2], [3, 4, 5]], [[1], [2, NOT_PROPOSED]])
    assert found.starts.tolist() == [0, 2]
    assert found.sizes.tolist() == [2, 3]
    assert found.targets.tolist() == [[1, NONE], [4, NOT_PROPOSED]]
    assert len(found) == 2


def test_ndcg_is_the_mean_of_the_gains_of_each_list():
    assert ndcg(pools([[9, 5, 1], [9, 5, 1]], [[1], [0]])) == pytest.approx((SECOND + 1) / 2)


def test_a_target_beyond_k_gains_nothing():
    assert ndcg(pools([[9, 5, 1]], [[2]]), k=2) == 0.0
    assert ndcg(pools([[9, 5, 1]], [[2]]), k=3) == pytest.approx(THIRD)


def test_the_targets_of_lists_joined_are_their_own():
    found = joined([pools([[1, 2], [3, 4, 5]], [[1], [2, NOT_PROPOSED]]), pools([[6, 7]], [[0]], buckets=["many"])])
    assert found.starts.tolist() == [0, 2, 5]
    assert found.targets.tolist() == [[1, NONE], [4, NOT_PROPOSED], [5, NONE]]
    assert np.flatnonzero(found.is_target).tolist() == [1, 4, 5]
    assert found.buckets.tolist() == ["few", "few", "many"]
    assert joined([found]).raw.tolist() == found.raw.tolist()


def test_columns_are_left_out_and_added():
    found = pools([[[1, 2], [3, 4]]], [[0]], columns=2).with_columns(np.array([5.0, 6.0]), only=[1])
    assert found.raw.tolist() == [[2.0, 5.0], [4.0, 6.0]]
    assert found.targets.tolist() == [[0]]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=14),
    st.lists(st.integers(0, 13), min_size=1, max_size=6, unique=True),
    st.integers(1, 12),
)
def test_a_whole_basket_gains_what_its_targets_gain_one_by_one(scores, drawn, k):
    targets = [target % len(scores) for target in dict.fromkeys(drawn)]
    alone = [ndcg(pools([scores], [[target]]), k=k) for target in targets]
    assert ndcg(pools([scores], [targets]), k=k) == pytest.approx(np.mean(alone))
    by_hand = []
    for target in targets:
        above = sum(score > scores[target] for score in scores)
        equal = sum(score == scores[target] for score in scores)
        shared = [1 / np.log2(place + 2) if place < k else 0.0 for place in range(above, above + equal)]
        by_hand.append(np.mean(shared))
    assert alone == pytest.approx(by_hand)


def test_no_list_has_no_gain():
    assert ndcg(pools([], [])) == 0.0


def test_a_target_among_equals_gains_what_it_would_were_they_shuffled():
    all_three = (1 + SECOND + THIRD) / 3
    assert ndcg(pools([[1, 1, 1]], [[0]])) == ndcg(pools([[1, 1, 1]], [[2]])) == pytest.approx(all_three)
    assert ndcg(pools([[9, 1, 1]], [[2]])) == pytest.approx((SECOND + THIRD) / 2)
    assert ndcg(pools([[1, 1, 1]], [[0]]), k=2) == pytest.approx((1 + SECOND) / 3)
    assert ndcg(pools([[0] * 50], [[7]]), k=1) == pytest.approx(1 / 50)


def test_a_target_that_no_source_proposed_counts_as_missed():
    assert ndcg(pools([[9, 5]], [[NOT_PROPOSED]])) == 0.0
    assert ndcg(pools([[9, 5], [9, 5]], [[0], [NOT_PROPOSED]])) == 0.5


def test_several_targets_of_a_list_count_each():
    assert ndcg(pools([[9, 5, 1], [9, 5, 1]], [[0, 1, NOT_PROPOSED], [2]])) == pytest.approx((1 + SECOND + THIRD) / 4)


def test_a_list_counts_by_what_its_targets_stand_for():
    assert ndcg(pools([[9, 5], [9, 5]], [[0], [1]], worth=[3.0, 1.0])) == pytest.approx((3 + SECOND) / 4)


def test_spreads_are_around_each_lists_own_mean():
    found = pools([[[0, 7], [2, 7]], [[100, 7], [104, 7]]], [[0], [0]], columns=2)
    assert found.spreads().tolist() == pytest.approx([np.sqrt((1 + 1 + 4 + 4) / 4), 1.0])
    assert found.z(np.array([2.0, 1.0])).tolist() == [[-0.5, 0.0], [0.5, 0.0], [-1.0, 0.0], [1.0, 0.0]]


def test_lists_are_chosen_with_their_own_targets():
    raw, targets = [[1, 2], [3], [4, 5, 6]], [[1], [0, NOT_PROPOSED], [2]]
    few = pools(raw, targets, worth=[1, 2, 3], buckets=["none", "one", "many"]).chosen(np.array([0, 2]))
    assert few.raw.ravel().tolist() == [1, 2, 4, 5, 6]
    assert (few.starts.tolist(), few.sizes.tolist()) == ([0, 2], [2, 3])
    assert few.targets.tolist() == [[1, NONE], [4, NONE]]
    assert (few.worth.tolist(), few.buckets.tolist()) == ([1, 3], ["none", "many"])
    assert pools(raw, targets).chosen(np.array([1])).targets.tolist() == [[0, NOT_PROPOSED]]


scored_lists = st.lists(
    st.lists(st.integers(-5, 5), min_size=1, max_size=8).flatmap(
        lambda own: st.tuples(
            st.just(own), st.lists(st.integers(-1, len(own) - 1), min_size=1, max_size=3, unique=True)
        )
    ),
    min_size=1,
    max_size=6,
)


@given(scored_lists, st.sampled_from([0.25, 8.0]), st.integers(-64, 64), st.randoms())
def test_ndcg_keeps_with_scale_shift_and_the_order_of_lists_and_candidates(drawn, factor, shift, random):
    plain = ndcg(pools(*zip(*drawn, strict=True)))
    moved = []
    for own, targets in drawn:
        order = list(range(len(own)))
        random.shuffle(order)
        scores = [own[place] * factor + shift for place in order]
        moved.append((scores, [order.index(row) if row >= 0 else NOT_PROPOSED for row in targets]))
    random.shuffle(moved)
    assert ndcg(pools(*zip(*moved, strict=True))) == pytest.approx(plain)
    assert 0.0 <= plain <= 1.0


@given(scored_lists)
def test_the_chosen_lists_and_the_others_make_up_the_whole(drawn):
    found = pools(*zip(*drawn, strict=True))
    total = sum(ndcg(found.chosen(np.array([place]))) * len(targets) for place, (_, targets) in enumerate(drawn))
    assert total / sum(len(targets) for _, targets in drawn) == pytest.approx(ndcg(found))


def made(right, *, n=60, columns=3, buckets=None, seed=0):
    """Lists of 30 candidates with noise in every column but the one that is right: it puts the target first."""
    generator = np.random.default_rng(seed)
    raw = [generator.normal(size=(30, columns)).astype(np.float32) for _ in range(n)]
    right = [right] * n if isinstance(right, int) else right
    targets = [[int(np.argmax(rows[:, column]))] for rows, column in zip(raw, right, strict=True)]
    return pools_of(raw, targets, [1.0] * n, buckets or ["many"] * n, columns=columns)


EACH = ("a", "b", "c")
EVEN = {"a": 1.0, "b": 1.0, "c": 1.0}


@pytest.mark.parametrize(("right", "source"), [(0, "a"), (1, "b"), (2, "c")])
def test_the_source_that_is_right_gets_the_weight(right, source):
    found = fit(made(right), EACH, EVEN)
    assert max(found.weights["none"], key=found.weights["none"].__getitem__) == source
    assert found.weights["none"][source] > 0.7
    assert found.ndcg_before < 0.7
    assert found.ndcg_after > 0.9


def test_a_source_that_starts_without_a_weight_is_found_too():
    found = fit(made(1), EACH, {"a": 1.0})
    assert found.weights["none"]["b"] > 0.5
    assert found.ndcg_after > found.ndcg_before + 0.3


def test_the_column_that_is_right_is_chosen():
    assert choose_columns(made(2), {"a": [0, 2], "b": [1]}, {"a": 1.0, "b": 1.0}) == {"a": 2, "b": 1}


def test_a_column_that_is_no_better_leaves_the_default():
    assert choose_columns(made(0), {"a": [0, 0], "b": [1, 2]}, {"a": 1.0}) == {"a": 0, "b": 1}


def test_without_lists_the_default_columns_stay():
    assert choose_columns(pools([], [], columns=3), {"a": [0, 2], "b": [1]}, {"a": 1.0}) == {"a": 0, "b": 1}


def test_without_lists_the_start_is_returned():
    found = fit(pools([], [], columns=3), EACH, {"a": 3.0, "b": 1.0, "c": -5.0})
    assert found.weights == {bucket: {"a": 0.75, "b": 0.25, "c": 0.0} for bucket in BUCKETS}
    assert found.spreads == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert (found.ndcg_before, found.ndcg_after) == (0.0, 0.0)


def test_one_list_of_one_candidate_and_one_that_no_source_proposed_leave_the_start():
    for targets in ([0], [NOT_PROPOSED]):
        found = fit(pools([[[1, 2, 3]]], [targets], columns=3), EACH, EVEN)
        assert found.weights["few"] == {"a": 0.3333, "b": 0.3333, "c": 0.3333}
        assert found.ndcg_after == found.ndcg_before


def test_a_bucket_keeps_its_own_gains_by_how_many_lists_it_has():
    n = 320
    buckets = ["one"] * n + ["many"] * n + ["few"] * 3
    found = fit(made([0] * n + [1] * n + [2] * 3, n=2 * n + 3, buckets=buckets), EACH, EVEN)
    everybody = found.weights["none"]
    assert found.weights["one"]["a"] > everybody["a"] + 0.1
    assert found.weights["many"]["b"] > everybody["b"] + 0.1
    moved = abs(found.weights["few"]["c"] - everybody["c"])
    assert moved <= 3 / (3 + BORROWED_ROWS) + 1e-4
    assert found.ndcg_after > found.ndcg_before


features = st.integers(2, 6).flatmap(
    lambda n: st.tuples(arrays(np.float32, (n, 3), elements=st.integers(-8, 8)), st.integers(-1, n - 1))
)


@settings(max_examples=25, deadline=None)
@given(st.lists(features, min_size=1, max_size=6), arrays(np.float64, 3, elements=st.integers(0, 4)))
def test_the_fit_is_never_worse_than_its_start_and_weights_sum_to_one(drawn, start):
    raw, targets = [rows for rows, _ in drawn], [[row] for _, row in drawn]
    lists = pools_of(raw, targets, [1.0] * len(raw), ["one"] * len(raw), columns=3)
    found = fit(lists, EACH, dict(zip("abc", start.tolist(), strict=True)), k=2)
    assert found.ndcg_after >= found.ndcg_before
    for weights in found.weights.values():
        assert sum(weights.values()) == pytest.approx(1.0, abs=1e-3)
        assert min(weights.values()) >= 0.0


def test_the_weights_returned_are_those_that_gained():
    lists = made(1)
    found = fit(lists, EACH, EVEN)
    weights = np.array(list(found.weights["none"].values()), dtype=np.float32)
    assert lists.ndcg(lists.z(lists.spreads()) @ weights, k=10) == pytest.approx(found.ndcg_after, abs=0.01)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.sampled_from([0.125, 1.0, 64.0]), min_size=3, max_size=3))
def test_the_scale_of_a_source_does_not_change_its_weight(factors):
    lists = made(2, n=20)
    scaled = Pools(lists.raw * np.float32(factors), lists.starts, lists.targets, lists.worth, lists.buckets)
    plain, found = fit(lists, EACH, EVEN), fit(scaled, EACH, EVEN)
    assert found.weights == plain.weights
    assert list(found.spreads.values()) == pytest.approx((np.array(list(plain.spreads.values())) * factors).tolist())


def test_a_silent_source_keeps_its_weight_and_the_others_are_fitted_as_if_it_were_not_there():
    generator = np.random.default_rng(5)
    raw = [generator.normal(size=(20, 2)).astype(np.float32) for _ in range(60)]
    targets = [[int(rows[:, 0].argmax())] for rows in raw]
    silent = [np.insert(rows, 1, 0.0, axis=1) for rows in raw]
    two = fit(pools(raw, targets, columns=2), ("a", "b"), {"a": 0.2, "b": 0.2})
    three = fit(pools(silent, targets, columns=3), ("a", "c", "b"), {"a": 0.2, "b": 0.2, "c": 0.6})
    assert list(three.weights["few"]) == ["a", "c", "b"]
    for bucket in BUCKETS:
        assert three.weights[bucket]["c"] == pytest.approx(0.6)
        assert three.weights[bucket]["a"] == pytest.approx(0.4 * two.weights[bucket]["a"], abs=1e-4)
    assert three.ndcg_after == two.ndcg_after
