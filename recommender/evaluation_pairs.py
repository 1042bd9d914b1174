"""What an evaluation keeps of each user, so that two strategies are compared in pairs; no id of a user is among it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from recommender.algorithms import metrics

if TYPE_CHECKING:
    from recommender.evaluation import Judged


def per_user(judged: Judged) -> dict[str, Any]:
    """By user the sum of NDCG@10 over what they took, and how many items that is. `digest` tells who was judged by
    what: figures with the same one are of the same users and items, in the same order."""
    n = int(judged.users.max(initial=-1)) + 1
    sums = np.bincount(judged.users, weights=judged.values("ndcg@10"), minlength=n)
    asked = np.stack([judged.users, judged.targets]).astype("<i8").tobytes()
    return {
        "digest": hashlib.blake2b(asked, digest_size=8).hexdigest(),
        "gains": [round(value, 5) for value in sums.tolist()],
        "items": np.bincount(judged.users, minlength=n).tolist(),
    }


def compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> metrics.Compared | None:
    """Paired by user, first minus second. None where a report keeps nothing by user, or they were not judged alike."""
    ours, theirs = first.get("per_user"), second.get("per_user")
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping) or ours.get("digest") != theirs.get("digest"):
        return None
    try:
        items = np.array(ours.get("items") or [], dtype=np.int64)
        gains = [np.array(each.get("gains") or [], dtype=np.float64) for each in (ours, theirs)]
    except (TypeError, ValueError):  # a report may hold anything
        return None
    if not len(items) or any(len(each) != len(items) for each in gains) or items.min() < 1:
        return None
    users = np.repeat(np.arange(len(items)), items)
    a, b = ((each / items)[users] for each in gains)
    return metrics.compare(a, b, users)
