"""Several opinions become one confidence: hand-worked numbers, no database."""

from __future__ import annotations

import numpy as np
import pytest

from catalog import opinions
from catalog.opinions import PRIOR, OpinionWeights


def test_pooling_multiplies_what_each_opinion_says():
    weights = OpinionWeights(embedding=1.0, head=2.0, language_model=0.5)
    start, head = np.array([0.2, 0.0], dtype=np.float32), np.array([0.1, 0.4], dtype=np.float32)
    told = opinions.log_ratio([0.9, 0.1])
    # (.9 + .02) / 1.04 * 2 and (.1 + .02) / 1.04 * 2
    assert np.exp(told).tolist() == pytest.approx([1.76923, 0.230769], abs=1e-5)
    logits = np.array([0.2 + 0.2 + 0.5 * np.log(1.76923), 0.0 + 0.8 + 0.5 * np.log(0.230769)])
    expected = np.exp(logits) / np.exp(logits).sum()
    assert opinions.pooled(start, head, told, weights=weights).tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_labels_the_model_was_not_asked_about_keep_their_odds():
    start = head = np.array([0.3, 0.2, 0.1], dtype=np.float32)
    alone = opinions.pooled(start, head)
    with_model = opinions.pooled(start, head, np.array([0.4, -0.4, 0.0], dtype=np.float32))
    assert with_model[0] > alone[0]
    even = opinions.pooled(start, head, np.zeros(3, dtype=np.float32))
    assert np.array_equal(alone, even)


def test_several_choices_are_pooled_each_on_its_own():
    found = opinions.pooled_each(np.array([2.0, -1.0], dtype=np.float32), {0: 1.0})
    assert found[0] == pytest.approx(1 / (1 + np.exp(-(0.44 * 2.0 + 0.93 - 0.5))), abs=1e-6)
    assert found[1] == pytest.approx(1 / (1 + np.exp(1.0)), abs=1e-6)


def _decisions(n: int, seed: int = 3):
    """The head is right in 8 of 10 rows, the model by chance only."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, n)
    head = random.normal(0.0, 0.02, (n, 4)).astype(np.float32)
    shown = np.where(random.random(n) < 0.8, truth, random.integers(0, 4, n))
    head[np.arange(n), shown] += 0.15
    model = np.stack([opinions.log_ratio(random.dirichlet([0.2] * 4)) for _ in range(n)])
    return head, head, model, truth


def test_an_opinion_that_does_not_help_is_turned_down():
    start, head, model, truth = _decisions(400)
    fitted = opinions.fit(start, head, model, truth)
    assert fitted.language_model < 0.5 * PRIOR.language_model
    assert fitted.head > 0.4 * PRIOR.head
    right = {
        name: float((opinions.pooled(start, head, model, weights=weights).argmax(axis=1) == truth).mean())
        for name, weights in (("prior", PRIOR), ("fitted", fitted))
    }
    assert right["fitted"] >= right["prior"]


def test_few_decisions_leave_the_prior():
    start, head, model, truth = _decisions(400)
    few = opinions.MIN_DECISIONS - 1
    assert opinions.fit(start[:few], head[:few], model[:few], truth[:few]) is PRIOR
    assert opinions.fit(start[: few + 1], head[: few + 1], model[: few + 1], truth[: few + 1]) is not PRIOR


def test_the_margin_is_the_lead_of_the_first():
    assert opinions.margin(np.array([0.5, 0.2, 0.3], dtype=np.float32)) == pytest.approx(0.2)
    assert opinions.margin(np.array([1.0], dtype=np.float32)) == 1.0


def test_stored_weights_are_read_and_nothing_stored_is_the_prior():
    stored = OpinionWeights(0.5, 10.0, 0.1)
    assert opinions.weights_of({"weights": stored.as_dict()}) == stored
    assert opinions.weights_of({}) is PRIOR
