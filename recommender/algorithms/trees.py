"""Boosted trees over what every source says of a candidate: a weighted sum cannot say that one source is right only
where another is silent; these can. Each tree's steps are credited to the sources they ask, so that parts add up."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recommender.algorithms.histories import History
from recommender.algorithms.repeats import Known, repeat_features, still_liked
from recommender.algorithms.sources import SOURCES

OWN_PAST = ("often lately", "share of steps", "steps since", "days since", "days since, in cycles")
OF_THE_USER = ("steps", "items")
FACTS = (*OWN_PAST, "item taken again", "item's recent users", "item's users", "closest of the latest", *OF_THE_USER)
FEATURES = (*SOURCES, *FACTS)
"""What trees ask: the raw score of each source, and what these were made of where a score blurs it."""
NEVER = -99.0
"""Stands for the user's own past with an item they never took."""
NOBODY = len(SOURCES)
_ASKS = {
    **dict.fromkeys(OWN_PAST, "repeat"),
    "item taken again": "repeat",
    "item's recent users": "popular",
    "item's users": "popular",
    "closest of the latest": "similar",
}
_CREDITED = np.array(
    [NOBODY if name in OF_THE_USER else SOURCES.index(_ASKS.get(name, name)) for name in FEATURES], dtype=np.int64
)
_NODE = np.dtype([("feature", "i1"), ("left", "<i2"), ("right", "<i2"), ("threshold", "<f4"), ("value", "<f4")])

LEAST_TAKEN = 200
MOST_ROWS = 200_000
SETTINGS = {
    "learning_rate": 0.08,
    "max_iter": 100,
    "max_leaf_nodes": 15,
    "max_depth": 6,
    "min_samples_leaf": 50,
    "l2_regularization": 10.0,
    "max_features": 0.7,
}


def facts(
    items: NDArray[np.int64], past: History, known: Known, users: NDArray[np.int64], alike: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n, len(FACTS)) of n candidates. known and users: what events say of them; alike: (n, recent), their cosines with
    what was done last."""
    taken = still_liked(past, items)
    own = np.full((len(items), len(OWN_PAST)), NEVER)
    if taken.any():
        own[taken] = repeat_features(past, items[taken], known.of(taken))[:, : len(OWN_PAST)]
    liked = past.items[past.weights > 0]
    return np.column_stack(
        [
            own,
            np.log(known.rates + 1e-4),
            np.log(known.recent_users + 0.5),
            np.log(users + 0.5),
            alike.max(axis=1, initial=0.0),
            np.full(len(items), float(past.length)),
            np.full(len(items), float(len(np.unique(liked)))),
        ]
    ).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Trees:
    """nodes: those of all trees, children by their place in it, a leaf its own child; roots: (trees,). `value` is the
    mean log odds of what comes through a node, so that a way from root to leaf is a sum of steps."""

    nodes: NDArray[np.void]
    roots: NDArray[np.int64]
    depth: int

    def parts(self, rows: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """By source (n,); rows: (n, len(FEATURES)). Their sum differs from the log odds of being taken next by the
        same for all rows of a user.

        Each step from a node to its child counts for the source that the node asks (Saabas 2014). A node that asks how
        much the user did counts for the last source asked before it; where none was, every candidate of the user goes
        the same way, and the step for nobody.
        """
        n, n_trees = len(rows), len(self.roots)
        at = np.tile(self.roots, n)
        flat, start = rows.ravel(), np.repeat(np.arange(n) * rows.shape[1], n_trees)
        for _ in range(self.depth):
            is_left = flat[start + self._features[at]] <= self._thresholds[at]
            at = np.where(is_left, self._lefts[at], self._rights[at])
        reached = csr_array((np.ones(len(at)), at, np.arange(n + 1) * n_trees), shape=(n, len(self.nodes)))
        by_source = reached @ self._told
        return {source: by_source[:, column] for column, source in enumerate(SOURCES)}

    @cached_property
    def _told(self) -> NDArray[np.float64]:
        """(nodes, sources): by node what the steps from the root to it say for each source."""
        found = np.zeros((len(self.nodes), NOBODY + 1))
        values = self.nodes["value"].astype(np.float64)
        waiting = [(int(root), NOBODY) for root in self.roots]
        while waiting:
            place, before = waiting.pop()
            node = self.nodes[place]
            if node["left"] == place:
                continue
            asked = int(_CREDITED[node["feature"]])
            asked = before if asked == NOBODY else asked
            for child in (int(node["left"]), int(node["right"])):
                found[child] = found[place]
                found[child, asked] += values[child] - values[place]
                waiting.append((child, asked))
        return found[:, :NOBODY]

    # Of their own rather than fields of `nodes`, which lie apart in memory: a list is made in half the time.
    @cached_property
    def _features(self) -> NDArray[np.int64]:
        return self.nodes["feature"].astype(np.int64)

    @cached_property
    def _thresholds(self) -> NDArray[np.float32]:
        return self.nodes["threshold"].copy()

    @cached_property
    def _lefts(self) -> NDArray[np.int64]:
        return self.nodes["left"].astype(np.int64)

    @cached_property
    def _rights(self) -> NDArray[np.int64]:
        return self.nodes["right"].astype(np.int64)

    def as_json(self) -> dict[str, Any]:
        return {
            "features": list(FEATURES),
            "roots": self.roots.tolist(),
            "depth": self.depth,
            "nodes": base64.b64encode(self.nodes.tobytes()).decode(),
        }


def from_json(stored: Mapping[str, Any] | None) -> Trees | None:
    """None where there are none, or they ask other things than are known today."""
    if not stored or stored["features"] != list(FEATURES):
        return None
    return _decoded(stored["nodes"], tuple(stored["roots"]), stored["depth"])


@lru_cache(maxsize=8)
def _decoded(nodes: str, roots: tuple[int, ...], depth: int) -> Trees:
    """Kept between lists: to read them takes longer than to ask them."""
    return Trees(np.frombuffer(base64.b64decode(nodes), dtype=_NODE), np.array(roots, dtype=np.int64), depth)


def fit(rows: NDArray[np.float32], is_taken: NDArray[np.bool_]) -> Trees | None:
    """Trees that tell what was taken from what was only a candidate; None where too little was taken to learn from.
    rows: (n, len(FEATURES)) of the candidates of many lists; is_taken: (n,)."""
    model = _model(rows, is_taken)
    return _read(model._predictors) if model is not None else None


def cross_fitted(
    rows: NDArray[np.float32], is_taken: NDArray[np.bool_], folds: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """(n,), the log odds of each row by trees that have not seen its fold; None where too little was taken."""
    if not len(rows):
        return None
    found = np.zeros(len(rows))
    for fold in np.unique(folds):
        inside = folds == fold
        model = _model(rows[~inside], is_taken[~inside])
        if model is None:
            return None
        found[inside] = model.decision_function(rows[inside])
    return found


def _model(rows: NDArray[np.float32], is_taken: NDArray[np.bool_]) -> Any:
    """Of what was not taken at most MOST_ROWS are read, each for as many as it stands for."""
    if is_taken.sum() < LEAST_TAKEN or is_taken.all():
        return None
    from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]  # takes seconds to load

    share = min(1.0, MOST_ROWS / int((~is_taken).sum()))
    read = is_taken | (np.random.default_rng(0).random(len(rows)) < share)
    worth = np.where(is_taken, 1.0, 1.0 / share)[read]
    model = HistGradientBoostingClassifier(**SETTINGS, early_stopping=False, random_state=0)
    return model.fit(rows[read], is_taken[read], sample_weight=worth)


def _read(predictors: Sequence[Sequence[Any]]) -> Trees:
    """scikit-learn's trees as ours. Their nodes have no public name: its version is pinned, and a test compares."""
    found: list[NDArray[np.void]] = []
    roots, depth, start = [], 1, 0
    for (tree,) in predictors:
        own = tree.nodes
        nodes = np.zeros(len(own), dtype=_NODE)
        is_leaf = own["is_leaf"].astype(bool)
        places = start + np.arange(len(own))
        nodes["feature"] = np.where(is_leaf, 0, own["feature_idx"])
        nodes["left"] = np.where(is_leaf, places, start + own["left"])
        nodes["right"] = np.where(is_leaf, places, start + own["right"])
        nodes["threshold"] = _not_above(own["num_threshold"])
        nodes["value"] = _means(own)
        found.append(nodes)
        roots.append(start)
        start += len(nodes)
        depth = max(depth, int(own["depth"].max()))
    return Trees(np.concatenate(found), np.array(roots, dtype=np.int64), depth)


def _not_above(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """In single precision, as rows are, and never above: or what lies just over a threshold would go left."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _means(nodes: NDArray[np.void]) -> NDArray[np.float64]:
    """By node the mean of its leaves, each by how many rows came there. Children stand after their parent."""
    values = nodes["value"].astype(np.float64)
    for place in range(len(nodes) - 1, -1, -1):
        node = nodes[place]
        if not node["is_leaf"]:
            sides = [int(node["left"]), int(node["right"])]
            values[place] = np.average(values[sides], weights=nodes["count"][sides])
    return values
