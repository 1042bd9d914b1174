"""The label head, Y = softmax(scale (W2 x + b2)): it starts as the label embeddings and learns from decisions.

PURE numpy and torch. A row of W2 is pulled towards where it started, so few decisions change little, and none leave the
zero-shot classifier as it was.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# How steeply scores become shares: while training, and for labels of which an item may have several.
SCALE = 30.0
SCALE_EACH = 17.9
START_EACH = -7.47 / SCALE_EACH
PULL = 0.3
MAX_STEPS = 80
# A label that lies near everything is near for no reason: half of its mean score over the catalog is taken away.
MEAN_REMOVED = 0.5
# The mean of few items is mostly chance: it counts half at this many items, fully at many.
MEAN_HALF_AT_ITEMS = 50
# Rounds in which each label moves towards the items that the round before gave it, and how many items a label it
# takes until they weigh as much as the label's own words.
ADAPTING_ROUNDS = 3
ADAPTING_TEMPERATURE = 0.05
ADAPTED_HALF_AT_ITEMS_A_LABEL = 5
# Bounds of memory and time for large taxonomies, in numbers: scores of items against labels that are adapted to (at
# 6,000 labels 8,000 items), of them at once, and what the optimiser remembers of earlier steps.
ADAPTED_SCORES = 50_000_000
SCORES_AT_ONCE = 8_000_000
REMEMBERED = 64_000_000


@dataclass(frozen=True)
class Head:
    """weights: (n_labels, dim); bias: (n_labels,). The order of labels is the caller's."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, n_labels) for (n, dim) unit rows: cosines as long as nothing was learned, less each label's bias."""
        result: NDArray[np.float32] = (vectors @ self.weights.T + self.bias).astype(np.float32)
        return result


def start(labels: NDArray[np.float32], vectors: NDArray[np.float32], *, is_single: bool) -> Head:
    """The zero-shot classifier. labels: (n_labels, dim) and vectors of the catalog's items: (n, dim), unit rows.

    Where one label is to be chosen, the labels are adapted to the catalog without any decision: a few rounds of
    expectation maximisation over label centroids, each held by the label's own words. Where items may have several,
    labels do not compete, and the start is the logistic function of the cosine.
    """
    if not is_single:
        return Head(labels, np.full(len(labels), START_EACH, dtype=np.float32))
    vectors = vectors[: ADAPTED_SCORES // max(1, len(labels))]
    n = len(vectors)
    if not n or not len(labels):
        return Head(labels, np.zeros(len(labels), dtype=np.float32))
    removed = MEAN_REMOVED * n / (n + MEAN_HALF_AT_ITEMS)
    share = n / (n + ADAPTED_HALF_AT_ITEMS_A_LABEL * len(labels))
    typical = vectors.mean(axis=0)
    weights = labels
    for _ in range(ADAPTING_ROUNDS):
        weights = _unit_rows(labels + share * _unit_rows(_centroids(vectors, weights, removed * (weights @ typical))))
    bias = -removed * (weights @ typical)
    return Head(weights.astype(np.float32), bias.astype(np.float32))


def _centroids(
    vectors: NDArray[np.float32], weights: NDArray[np.float32], less: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n_labels, dim): the mean of the items by how much each belongs to a label. less: (n_labels,), off its scores."""
    total = np.zeros_like(weights)
    belonging = np.zeros(len(weights), dtype=np.float32)
    step = max(1, SCORES_AT_ONCE // len(weights))
    for begin in range(0, len(vectors), step):
        part = vectors[begin : begin + step]
        belief = shares((part @ weights.T - less).astype(np.float32), scale=1.0 / ADAPTING_TEMPERATURE)
        total += belief.T @ part
        belonging += belief.sum(axis=0)
    result: NDArray[np.float32] = total / (belonging[:, None] + 1e-9)
    return result


def train(
    begin: Head,
    vectors: NDArray[np.float32],
    targets: NDArray[np.float32],
    *,
    is_single: bool,
    pull: float = PULL,
) -> Head:
    """The head after these decisions, from `begin`. Deterministic; no decisions give `begin` back.

    vectors: (n, dim), unit rows. targets: (n, n_labels): for one choice rows that sum to 1 over the labels that may be
    right (a rejected label's share is 0); for several 1 yes, 0 no, NaN undecided. Minimises the summed cross entropy
    plus scale * pull * |W2 - W2 of begin|^2 by L-BFGS.
    """
    import torch

    if not len(vectors):
        return begin
    scale = SCALE if is_single else SCALE_EACH
    x = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    known = torch.from_numpy(~np.isnan(targets))
    wanted = torch.from_numpy(np.nan_to_num(targets).astype(np.float32))
    weights0, bias0 = torch.from_numpy(begin.weights), torch.from_numpy(begin.bias)
    weights, bias = weights0.clone().requires_grad_(), bias0.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [weights, bias],
        max_iter=MAX_STEPS,
        history_size=max(5, min(MAX_STEPS, REMEMBERED // max(1, 2 * begin.weights.size))),
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = scale * (x @ weights.T + bias)
        if is_single:
            wrong = -(wanted * torch.log_softmax(logits, dim=1)).sum()
        else:
            each = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
            wrong = each[known].sum()
        away = ((weights - weights0) ** 2).sum() + ((bias - bias0) ** 2).sum()
        total: torch.Tensor = wrong + pull * scale * away
        total.backward()
        return total

    optimiser.step(loss)
    return Head(weights.detach().numpy(), bias.detach().numpy())


def out_of_fold(
    begin: Head,
    vectors: NDArray[np.float32],
    targets: NDArray[np.float32],
    *,
    is_single: bool,
    scored: NDArray[np.float32] | None = None,
    folds: int = 5,
) -> NDArray[np.float32]:
    """(n, n_labels): each row's scores by a head that was trained without it. Rows go to folds in turn.

    `scored`: the rows as they are scored, where that is not as they are trained on.
    """
    scored = vectors if scored is None else scored
    scores = begin.scores(scored)
    place = np.arange(len(vectors)) % folds
    for fold in range(min(folds, len(vectors))):
        held = place == fold
        if held.all():
            continue
        head = train(begin, vectors[~held], targets[~held], is_single=is_single)
        scores[held] = head.scores(scored[held])
    return scores


def shares(scores: NDArray[np.float32], *, scale: float = SCALE) -> NDArray[np.float32]:
    """Softmax over the last axis of scale * scores."""
    heated = scale * (scores - scores.max(axis=-1, keepdims=True))
    exponentials = np.exp(heated)
    result: NDArray[np.float32] = (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def to_bytes(head: Head, label_ids: tuple[int, ...]) -> bytes:
    """An uncompressed .npz without pickled objects."""
    file = io.BytesIO()
    np.savez(file, weights=head.weights, bias=head.bias, label_ids=np.asarray(label_ids, dtype=np.int64))
    return file.getvalue()


def from_bytes(stored: bytes) -> tuple[Head, tuple[int, ...]]:
    """Raises ValueError where these are not the bytes of a head."""
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        head = Head(arrays["weights"].astype(np.float32), arrays["bias"].astype(np.float32))
        return head, tuple(int(pk) for pk in arrays["label_ids"])


def _unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    result: NDArray[np.float32] = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result
