"""Training U = f(W1 x + b1): from what users were interested in to what they took next. torch; no Django.

W1 starts as the identity and b1 as zero, which is the zero-shot start, and both are pulled back to it. What is trained
is what is served: an item's score is the largest of cos(U of an interest, item) * √share over a user's interests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recommender.algorithms.interest_transform import InterestTransform

if TYPE_CHECKING:
    import torch

# How steeply scores become probabilities; 1 / .06, within what is usual for cosines.
SCALE = 16.0
LEARNING_RATE = 3e-4
BATCH = 256
NEGATIVES = 512
NEGATIVE_POWER = 0.75
MOST_EPOCHS = 30
PATIENCE = 3
# Pulls towards the identity, strongest first; the strongest of equally good ones stays.
PULLS = (0.1, 0.01, 0.001)
RANKED_AT_ONCE = 256

OnEpoch = Callable[[int, int], None]


@dataclass(frozen=True)
class Examples:
    """What n users were interested in at a moment, and the item they took next.

    inputs: (n, k, dim) float32, the interest vectors in the mean-centred item space, zeros where a user has fewer
    than k; shares: (n, k), each interest's share, 0 where there is none; targets: (n,), rows of the item vectors;
    weights: (n,), how much each counts; known: (n, h), rows of items that are not ranked, such as those the user took
    before, filled up with -1; among: (n, c), rows that alone are ranked, the same way; None: all others.
    """

    inputs: NDArray[np.float32]
    shares: NDArray[np.float32]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]
    known: NDArray[np.int64] | None = None
    among: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n, k = self.shares.shape
        if self.inputs.shape[:2] != (n, k) or self.targets.shape != (n,) or self.weights.shape != (n,):
            raise ValueError(
                f"inputs {self.inputs.shape}, shares {self.shares.shape}, targets {self.targets.shape} and weights "
                f"{self.weights.shape} do not belong together."
            )

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> Examples:
        known = None if self.known is None else self.known[places]
        among = None if self.among is None else self.among[places]
        return Examples(
            self.inputs[places], self.shares[places], self.targets[places], self.weights[places], known, among
        )


@dataclass(frozen=True)
class TrainingReport:
    """On the validation that chose the pull and the epoch: the mean of 1 / log2(1 + rank), before and after."""

    pull: float
    epochs: int
    before: float
    after: float
    tried: tuple[tuple[float, float], ...] = field(default=())


@dataclass(frozen=True)
class TrainedEncoder:
    transform: InterestTransform
    report: TrainingReport


def train(
    examples: Examples,
    item_vectors: NDArray[np.float32],
    *,
    validation: Examples,
    seed: int = 0,
    pulls: Sequence[float] = PULLS,
    learning_rate: float = LEARNING_RATE,
    on_epoch: OnEpoch | None = None,
) -> TrainedEncoder:
    """The best encoder on `validation` of those trained with each pull; the identity where none is better.

    item_vectors: (m, dim), centred unit rows. Minimises the sampled softmax loss (negatives drawn by
    popularity^0.75) plus pull * |(W1, b1) - (I, 0)|^2, and stops when `validation` has not got better for some epochs.
    on_epoch(epochs done, at most) is told after each. The same seed gives the same encoder. No examples, or none to
    validate on, give the identity.
    """
    identity = InterestTransform.identity(item_vectors.shape[1])
    if not len(examples) or not len(validation) or len(item_vectors) < 2:
        return TrainedEncoder(identity, TrainingReport(pull=0.0, epochs=0, before=0.0, after=0.0))
    before = goodness(identity, validation, item_vectors)
    best = TrainedEncoder(identity, TrainingReport(pull=0.0, epochs=0, before=before, after=before))
    tried: list[tuple[float, float]] = []
    for place, pull in enumerate(pulls):

        def tell(epoch: int, before_it: int = place * MOST_EPOCHS) -> None:
            if on_epoch is not None:
                on_epoch(before_it + epoch, len(pulls) * MOST_EPOCHS)

        transform, epochs, after = _descend(
            examples, item_vectors, validation, pull=pull, rate=learning_rate, seed=seed, start=before, tell=tell
        )
        tried.append((pull, round(after, 5)))
        if after > best.report.after + 1e-9:
            best = TrainedEncoder(transform, TrainingReport(pull, epochs, before, after))
    report = best.report
    return TrainedEncoder(
        best.transform, TrainingReport(report.pull, report.epochs, report.before, report.after, tuple(tried))
    )


def _descend(
    examples: Examples,
    item_vectors: NDArray[np.float32],
    validation: Examples,
    *,
    pull: float,
    rate: float,
    seed: int,
    start: float,
    tell: Callable[[int], None],
) -> tuple[InterestTransform, int, float]:
    """(the encoder after its best epoch, which that was, how good it is)"""
    import torch

    random = np.random.default_rng(seed)
    items = torch.from_numpy(np.ascontiguousarray(item_vectors, dtype=np.float32))
    inputs, shares = torch.from_numpy(examples.inputs), torch.from_numpy(examples.shares)
    chances = _chances(examples.targets, len(item_vectors))
    expected = torch.from_numpy(np.log(chances * NEGATIVES).astype(np.float32))
    dim = item_vectors.shape[1]
    away = torch.zeros((dim, dim), requires_grad=True)
    bias = torch.zeros(dim, requires_grad=True)
    optimiser = torch.optim.Adam([away, bias], lr=rate)
    best, best_epoch, best_goodness = InterestTransform.identity(dim), 0, start
    for epoch in range(1, MOST_EPOCHS + 1):
        order = random.permutation(len(examples))
        for begin in range(0, len(order), BATCH):
            places = order[begin : begin + BATCH]
            drawn = random.choice(len(chances), size=NEGATIVES, p=chances)
            targets = examples.targets[places]
            x, share = inputs[places], shares[places]
            encoded = torch.nn.functional.normalize(x + x @ away.T + bias, dim=-1) * share.sqrt()[..., None]
            liked = _best(torch.einsum("nkd,nd->nk", encoded, items[targets]), share)
            others = _best(encoded @ items[drawn].T, share)
            # Less how often each was to be drawn (logQ): what is popular is drawn often, and would be pushed away.
            own = SCALE * liked - expected[targets]
            logits = torch.cat([own[:, None], SCALE * others - expected[drawn]], dim=1)
            same = torch.from_numpy(drawn[None, :] == targets[:, None])
            logits[:, 1:] = logits[:, 1:].masked_fill(same, -1e9)
            each = torch.logsumexp(logits, dim=1) - logits[:, 0]
            weight = torch.from_numpy(examples.weights[places])
            loss = (each * weight).sum() / weight.sum() + pull * ((away**2).sum() + (bias**2).sum())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        w1 = away.detach().numpy() + np.eye(dim, dtype=np.float32)
        found = InterestTransform(w1, bias.detach().numpy().copy())
        reached = goodness(found, validation, item_vectors)
        tell(epoch)
        if reached > best_goodness:
            best, best_epoch, best_goodness = found, epoch, reached
        elif epoch - best_epoch >= PATIENCE:
            break
    return best, best_epoch, best_goodness


def _best(scores: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """(n, ...) the largest over the interests that there are. scores: (n, k, ...)."""
    missing = (share <= 0).reshape(*share.shape, *[1] * (scores.dim() - 2))
    result: torch.Tensor = scores.masked_fill(missing, -1e9).amax(dim=1)
    return result


def _chances(targets: NDArray[np.int64], n_items: int) -> NDArray[np.float64]:
    """How likely each item is drawn as a negative: by popularity^0.75, one added so that none is left out."""
    counts = (np.bincount(targets, minlength=n_items) + 1.0) ** NEGATIVE_POWER
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def goodness(transform: InterestTransform, examples: Examples, item_vectors: NDArray[np.float32]) -> float:
    """Mean of 1 / log2(1 + rank): NDCG over the whole list, for what reaches the first ten is little to choose by."""
    found = ranks(transform, examples, item_vectors)
    return float(np.average(1.0 / np.log2(1.0 + found), weights=examples.weights))


def ranks(transform: InterestTransform, examples: Examples, item_vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) the rank of each target among all items, 1 is best; equal scores share the mean of their ranks."""
    result = np.empty(len(examples), dtype=np.float64)
    for begin in range(0, len(examples), RANKED_AT_ONCE):
        part = slice(begin, begin + RANKED_AT_ONCE)
        scores = scores_of(transform, examples.inputs[part], examples.shares[part], item_vectors)
        own = np.take_along_axis(scores, examples.targets[part][:, None], axis=1)
        if examples.among is not None:
            places, columns = np.nonzero(examples.among[part] >= 0)
            ranked = examples.among[part][places, columns]
            all_scores, scores = scores, np.full_like(scores, -np.inf)
            scores[places, ranked] = all_scores[places, ranked]
        if examples.known is not None:
            places, columns = np.nonzero(examples.known[part] >= 0)
            scores[places, examples.known[part][places, columns]] = -np.inf
        np.put_along_axis(scores, examples.targets[part][:, None], own, axis=1)
        ahead, same = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
        result[part] = ahead + (same + 1.0) / 2.0
    return result


def scores_of(
    transform: InterestTransform,
    inputs: NDArray[np.float32],
    shares: NDArray[np.float32],
    item_vectors: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(n, m): the largest of cosine * √share over the interests, as the source `interest` scores candidates."""
    best = np.full((len(inputs), len(item_vectors)), -np.inf, dtype=np.float32)
    for k in range(inputs.shape[1]):
        scores = (transform.apply(inputs[:, k]) @ item_vectors.T) * np.sqrt(shares[:, k])[:, None]
        np.maximum(best, np.where(shares[:, k : k + 1] > 0, scores, -np.inf), out=best)
    return best
