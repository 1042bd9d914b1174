"""The encoder of an evaluation: in use where what is taken next lies elsewhere than what was taken, and only there."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from recommender import evaluation, evaluation_encoder
from recommender.algorithms import interest_encoder as algorithm
from recommender.algorithms.histories import history, interactions
from recommender.evaluation_rows import Case, Dataset, Fold, held_out_steps
from recommender.strategies import Recipe

KINDS, A_KIND, USERS, DIM = 6, 12, 160, 8


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate is made for thousands of moments."""
    trained = partial(algorithm.train, learning_rate=0.02)
    monkeypatch.setattr(evaluation_encoder.algorithm, "train", trained)
    monkeypatch.setattr(evaluation_encoder, "PULLS", (0.001,))


def shop(*, follows: bool) -> Dataset:
    """Items in kinds, close to each other. Users take items of a kind, then of the next kind, or of any."""
    random = np.random.default_rng(2)
    middles = np.linalg.qr(random.normal(size=(DIM, DIM)))[0][:KINDS]
    vectors = np.repeat(middles, A_KIND, axis=0) + 0.15 * random.normal(size=(KINDS * A_KIND, DIM))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows, cases = [], []
    for user in range(USERS):
        kind = int(random.integers(KINDS))
        taken: list[int] = []
        for step in range(5):
            taken.append(kind * A_KIND + int(random.integers(A_KIND)))
            kind = (kind + 1) % KINDS if follows else int(random.integers(KINDS))
            rows.append((user, taken[-1], 1e9 + 86_400.0 * step))
        # Only the last step tells: its kind says which comes next.
        past = history(np.array(taken), 1e9 + 86_400.0 * 40 * np.arange(5), as_of_s=1e9 + 86_400.0 * 200)
        target = kind * A_KIND + int(random.integers(A_KIND))
        if target not in taken:
            cases.append(Case(str(user), past, 1e9 + 86_400.0 * 200, (target,)))
    users, items, times_s = (np.array(column) for column in zip(*rows, strict=True))
    n = KINDS * A_KIND
    learned_from = interactions(users, items, times_s, n_users=USERS, n_items=n)
    texts = tuple(f"item {place}" for place in range(n))
    fold = Fold(learned_from, tuple(cases))
    return Dataset(texts, vectors, np.arange(n), fold, Fold(learned_from, tuple(cases[:20])), texts, texts)


def test_where_the_next_item_lies_elsewhere_the_encoder_learns_where() -> None:
    found = evaluation_encoder.train(shop(follows=True))
    assert found.report["used"]
    assert found.transform is not None
    assert found.report["after"] > found.report["before"] + 0.02
    assert found.report["p_value"] < 0.05


def test_where_nothing_can_be_learned_interests_stay_as_they_are() -> None:
    found = evaluation_encoder.train(shop(follows=False))
    assert not found.report["used"]
    assert found.transform is None
    assert found.report["p_value"] >= 0.05 or found.report["difference"] <= 0


def test_too_few_cases_are_told_and_change_nothing() -> None:
    data = shop(follows=True)
    few = replace(data, validation=Fold(data.validation.learned_from, data.validation.cases[:30]))
    found = evaluation_encoder.train(few)
    assert found.transform is None
    assert not found.report["used"]
    assert "too few" in found.report["reason"]


def test_a_report_says_what_the_encoder_did_and_a_recipe_that_is_not_fitted_trains_none() -> None:
    data = shop(follows=True)
    assert evaluation.evaluate(data, Recipe())["interest_encoder"]["used"]
    assert evaluation.evaluate(data, Recipe(is_fitted=False))["interest_encoder"] == {"used": False}


def test_test_targets_have_no_say() -> None:
    data = shop(follows=True)
    other = tuple(replace(case, targets=((case.targets[0] + 7) % (KINDS * A_KIND),)) for case in data.test.cases)
    changed = replace(data, test=replace(data.test, cases=other))
    assert evaluation_encoder.train(changed).report == evaluation_encoder.train(data).report


def test_what_earlier_moments_ask_is_not_learned_from() -> None:
    data = shop(follows=True)
    rows = data.validation.learned_from
    earlier = replace(data, earlier=(held_out_steps(rows),))
    is_asked = rows.steps == 4
    turned = replace(rows, items=np.where(is_asked, (rows.items + 7) % (KINDS * A_KIND), rows.items))
    changed = replace(earlier, validation=replace(data.validation, learned_from=turned))
    assert sum(len(fold.cases) for fold in earlier.earlier) == is_asked.sum()
    assert evaluation_encoder.train(changed).report == evaluation_encoder.train(earlier).report
    assert evaluation_encoder.train(changed).report["moments"] < evaluation_encoder.train(data).report["moments"]


@pytest.mark.parametrize("n", [0, 1])
def test_no_event_or_one_is_too_few(n: int) -> None:
    data = shop(follows=True)
    rows = data.validation.learned_from
    bare = replace(data, validation=Fold(rows.chosen(np.arange(len(rows)) < n), ()))
    assert evaluation_encoder.train(bare).transform is None
