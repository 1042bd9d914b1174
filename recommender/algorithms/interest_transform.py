"""U = f(W1 x + b1) as it is served: numpy alone, so that whoever rebuilds interests loads no torch."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms.interest import unit


@dataclass(frozen=True)
class InterestTransform:
    """w1: (dim, dim); b1: (dim,). f brings to unit length."""

    w1: NDArray[np.float32]
    b1: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.w1.ndim != 2 or self.w1.shape[0] != self.w1.shape[1] or self.b1.shape != self.w1.shape[:1]:
            raise ValueError(f"W1 is {self.w1.shape} and b1 is {self.b1.shape}; (dim, dim) and (dim,) are needed.")

    @classmethod
    def identity(cls, dim: int) -> InterestTransform:
        """The zero-shot start: changes nothing."""
        return cls(np.eye(dim, dtype=np.float32), np.zeros(dim, dtype=np.float32))

    @property
    def dim(self) -> int:
        return len(self.b1)

    @property
    def is_identity(self) -> bool:
        return not self.b1.any() and bool((self.w1 == np.eye(self.dim, dtype=np.float32)).all())

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, dim) rows, or one vector, at unit length. Zeros, which stand for nothing, stay zeros; the identity gives
        the very same numbers back."""
        if vectors.shape[-1] != self.dim:
            raise ValueError(f"Vectors of {vectors.shape[-1]} numbers, but the encoder reads {self.dim}.")
        if self.is_identity or not vectors.size:
            return vectors
        is_something = vectors.any(axis=-1, keepdims=True)
        return unit(np.where(is_something, vectors @ self.w1.T + self.b1, 0.0).astype(np.float32))


def to_bytes(transform: InterestTransform) -> bytes:
    """An uncompressed .npz without pickled objects."""
    file = io.BytesIO()
    np.savez(file, w1=transform.w1, b1=transform.b1)
    return file.getvalue()


def from_bytes(stored: bytes) -> InterestTransform:
    """Raises ValueError where these are not the bytes of an encoder."""
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        if not {"w1", "b1"} <= set(arrays.files):
            raise ValueError("These are not the weights of an interest encoder: w1 and b1 are missing.")
        return InterestTransform(arrays["w1"].astype(np.float32), arrays["b1"].astype(np.float32))
