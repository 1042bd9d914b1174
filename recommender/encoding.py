"""The live interest encoder as it is served: numpy only, kept in the process until another version is live."""

from __future__ import annotations

import threading

from catalog.models import ItemEmbedding
from recommender.algorithms import interest_transform
from recommender.algorithms.interest_transform import InterestTransform
from recommender.models import InterestEncoder

_lock = threading.Lock()
_kept: tuple[int, InterestTransform] | None = None


def live_transform() -> InterestTransform | None:
    """None where no version is live, or where it was trained on vectors of another embedding model: interests then
    stay as they are. Two small queries; the weights are read once."""
    global _kept
    live_id = InterestEncoder.objects.live_id(model=ItemEmbedding.objects.model_in_use())
    if live_id is None:
        return None
    with _lock:
        kept = _kept
    if kept is not None and kept[0] == live_id:
        return kept[1]
    stored = InterestEncoder.objects.stored_weights(live_id)
    if stored is None:
        return None
    transform = interest_transform.from_bytes(stored)
    with _lock:
        _kept = (live_id, transform)
    return transform
