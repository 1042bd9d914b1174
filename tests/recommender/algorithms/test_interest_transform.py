"""U = f(W1 x + b1) as it is served: worked out by hand, and without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.algorithms.interest_transform import InterestTransform, from_bytes, to_bytes

vectors = arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3)), elements=st.floats(-1, 1, width=32))
LEARNED = InterestTransform(
    np.array([[0, -2, 0], [2, 0, 0], [0, 0, 1]], dtype=np.float32), np.array([0, 0, 0.5], dtype=np.float32)
)


def test_a_rotation_and_a_shift_worked_out_by_hand():
    """W1 (1, 0, 0) = (0, 2, 0), plus b1 (0, 0, .5), at unit length."""
    found = LEARNED.apply(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32))
    assert found[0].tolist() == pytest.approx([0.0, 2 / 4.25**0.5, 0.5 / 4.25**0.5])
    assert found[1].tolist() == [0.0, 0.0, 0.0]  # nothing stays nothing, whatever the bias


def test_one_vector_is_treated_as_a_row_of_many():
    one = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    assert LEARNED.apply(one).tolist() == pytest.approx(LEARNED.apply(one[None])[0].tolist())


@given(vectors)
def test_the_identity_gives_back_the_very_same_numbers(rows):
    start = InterestTransform.identity(3)
    assert start.is_identity
    assert start.apply(rows).tolist() == rows.tolist()


@given(vectors)
def test_rows_are_unit_length_or_zero_and_their_order_does_not_matter(rows):
    found = LEARNED.apply(rows)
    lengths = np.linalg.norm(found, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    assert LEARNED.apply(rows[::-1]) == pytest.approx(found[::-1], abs=1e-6)


@given(arrays(np.float32, (2, 3), elements=st.floats(0.125, 1, width=32)), st.floats(0.25, 8))
def test_without_a_bias_the_length_of_what_is_encoded_does_not_matter(rows, factor):
    turned = InterestTransform(LEARNED.w1, np.zeros(3, dtype=np.float32))
    assert turned.apply((rows * factor).astype(np.float32)) == pytest.approx(turned.apply(rows), abs=1e-5)


def test_what_is_stored_comes_back_the_same():
    again = from_bytes(to_bytes(LEARNED))
    assert (again.w1.tolist(), again.b1.tolist()) == (LEARNED.w1.tolist(), LEARNED.b1.tolist())
    assert not again.is_identity


@pytest.mark.parametrize(("w1", "b1"), [((2, 3), (2,)), ((3, 3), (2,)), ((3,), (3,))])
def test_shapes_that_do_not_fit_are_refused(w1, b1):
    with pytest.raises(ValueError, match="are needed"):
        InterestTransform(np.zeros(w1, dtype=np.float32), np.zeros(b1, dtype=np.float32))


def test_vectors_of_another_space_are_refused():
    with pytest.raises(ValueError, match="Vectors of 2 numbers, but the encoder reads 3"):
        LEARNED.apply(np.zeros((1, 2), dtype=np.float32))


def test_serving_loads_no_torch():
    asked = "import sys, recommender.algorithms.interest_transform; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "False"
