"""The order of the review queue: what a decision settles, what was decided before, popular items and audits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog import labelling, review_queue
from catalog.models import ItemLabel, ItemPopularity
from catalog.readings import Reader
from catalog.review_queue import lot
from tests.catalog.shelves import drain, make_item, make_taxonomy, shelf

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("models")]


def test_the_queue_begins_where_one_decision_settles_most_doubt():
    axes = np.eye(3, dtype=np.float32)
    many, few = np.tile(axes[0], (5, 1)), np.tile(axes[1], (2, 1))
    vectors = np.vstack([few, many, axes[2:3]]).astype(np.float32)
    order, gains = review_queue.gains(vectors, np.full(8, 0.5, dtype=np.float32), axes[:0], n=3)
    assert order.tolist() == [2, 0, 7]
    assert gains.tolist() == [2.5, 1.0, 0.5]
    # What was decided covers its like; what is sure gains nothing.
    order, gains = review_queue.gains(vectors, np.array([0, 0, 1, 1, 1, 1, 1, 1], dtype=np.float32), axes[:1], n=1)
    assert (order.tolist(), gains.tolist()) == ([7], [1.0])


def test_every_fifth_place_is_given_by_lot_and_by_nothing_else():
    hashes = [f"text {n}" for n in range(200)]
    drawn = sorted((n for n, key in enumerate(hashes) if review_queue.is_drawn(key)), key=lambda n: lot(hashes[n]))
    assert 5 <= len(drawn) <= 30
    vectors = np.eye(200, dtype=np.float32)
    none = np.zeros((0, 200), dtype=np.float32)
    doubts = np.linspace(0.1, 1.0, 200).astype(np.float32)
    order, gains = review_queue.queue(hashes, vectors, doubts, none, n=20)
    assert order[4::5] == drawn[:4]
    assert not (set(order) - set(order[4::5])) & set(drawn)
    assert gains == sorted(gains, reverse=True)
    # Whatever is thought of them, the same come up by lot.
    again, _ = review_queue.queue(hashes, vectors, doubts[::-1].copy(), none, n=20)
    assert again[4::5] == order[4::5]
    assert again[:4] != order[:4]


def test_gains_are_written_and_popular_items_come_first(embedder, monkeypatch):
    monkeypatch.setattr(review_queue, "DRAWN_SHARE", 0.0)
    taxonomy = make_taxonomy()
    quiet, loud = make_item("quiet", "bread milk quiet"), make_item("loud", "chips milk loud")
    labelling.request_labels([quiet.pk, loud.pk])
    drain(embedder=embedder)
    ItemPopularity.objects.create(item=loud, share=1.0)
    assert review_queue.rank(taxonomy, Reader(embedder)) == 2
    gains = {row.item_id: row.gain for row in ItemLabel.objects.awaiting_review()}
    assert gains[loud.pk] > 1.5 * gains[quiet.pk] > 0.0


def test_an_audit_waits_among_the_first_though_it_is_sure(embedder):
    taxonomy = make_taxonomy()
    shelf(6, "milk", "a")
    sure = make_item("sure", "milk cheese butter")
    labelling.request_labels([sure.pk])
    drain(embedder=embedder)
    review_queue.rank(taxonomy, Reader(embedder))
    place = list(ItemLabel.objects.awaiting_review().order_by("-gain", "pk").values_list("item_id", flat=True))
    assert place[-1] == sure.pk
    ItemLabel.objects.filter(item=sure, rank=1).update(is_audit=True)
    review_queue.rank(taxonomy, Reader(embedder))
    gains = dict(ItemLabel.objects.awaiting_review().values_list("item_id", "gain"))
    assert gains.pop(sure.pk) in gains.values()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(0, 3))
def test_the_quick_order_is_that_of_looking_at_everything_each_time(seed: int, n: int, n_decided: int):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n + n_decided, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    waiting, decided, doubts = vectors[:n], vectors[n:], random.random(n).astype(np.float32)
    near = np.maximum(waiting @ waiting.T, 0.0) ** 8
    covered = (np.maximum(waiting @ decided.T, 0.0) ** 8).max(axis=1, initial=0.0)
    left, expected = set(range(n)), []
    while left:
        adds = {place: float((np.maximum(near[place] - covered, 0.0) * doubts).sum()) for place in left}
        best = max(left, key=lambda place: (adds[place], -place))
        expected.append(adds[best])
        left.remove(best)
        covered = np.maximum(covered, near[best])
    order, gains = review_queue.gains(waiting, doubts, decided, n=n)
    assert sorted(order.tolist()) == list(range(n))
    assert gains.tolist() == pytest.approx(expected, abs=1e-4)
