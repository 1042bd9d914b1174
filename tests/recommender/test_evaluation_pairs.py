"""Two strategies judged on the same users, compared user by user."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recommender.algorithms import metrics
from recommender.evaluation import Judged
from recommender.evaluation_comparison import verdict
from recommender.evaluation_pairs import compared, per_user
from recommender.evaluation_report import view_of
from tests.recommender.evaluation_reports import whole_report


def judged(places: list[int], *, targets_from: int = 0) -> Judged:
    """Two items a user."""
    n = len(places)
    rows = np.array(places, dtype=np.int64)
    users = np.arange(n) // 2
    return Judged(users, np.arange(n) + targets_from, rows, rows, users)


def test_what_is_kept_by_user_gives_the_same_test_as_the_rows_themselves() -> None:
    random = np.random.default_rng(4)
    a, b = judged(random.integers(0, 14, 80).tolist()), judged(random.integers(0, 14, 80).tolist())
    found = compared({"per_user": json.loads(json.dumps(per_user(a)))}, {"per_user": per_user(b)})
    assert found is not None
    expected = metrics.compare(a.values("ndcg@10"), b.values("ndcg@10"), a.users)
    assert found.difference == pytest.approx(expected.difference, abs=1e-5)
    assert found.ci95 == pytest.approx(expected.ci95, abs=1e-4)
    assert found.p_value == pytest.approx(expected.p_value, abs=0.01)


def test_other_users_items_or_nothing_kept_are_not_compared() -> None:
    kept = {"per_user": per_user(judged([1, 2, 3, 4]))}
    assert compared(kept, {"per_user": per_user(judged([1, 2, 3, 4], targets_from=1))}) is None
    assert compared(kept, {"per_user": per_user(judged([1, 2]))}) is None
    assert compared(kept, {}) is None
    assert compared({"per_user": per_user(judged([]))}, {"per_user": per_user(judged([]))}) is None
    damaged = {"per_user": kept["per_user"] | {"gains": [1.0]}}
    assert compared(kept, damaged) is None
    assert compared(kept, {"per_user": kept["per_user"] | {"gains": ["x", None]}}) is None


@pytest.mark.parametrize(("places", "words"), [([0, 0], "hardly chance"), ([0, 9], "it may be chance")])
def test_the_page_says_what_the_paired_test_says(places: list[int], words: str) -> None:
    """The intervals of the two overlap; in pairs one is better for every user, or for hardly more than half of them."""
    other = [1, 1] * 30
    ours = whole_report(**{"ndcg@10": 0.113, "per_user": per_user(judged(places * 30))})
    theirs = whole_report(**{"ndcg@10": 0.112, "per_user": per_user(judged(other if places[1] == 0 else [9, 0] * 30))})
    views = [view_of(ours, strategy="x"), view_of(theirs, strategy="y")]
    assert words in verdict(views, [ours, theirs])
    assert "on the same users" in verdict(views, [ours, theirs])
    assert "their intervals overlap" in verdict(views)
