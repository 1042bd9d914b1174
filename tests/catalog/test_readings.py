"""Readings: made once, kept as they are made, forgotten when their texts are gone; and what neighbours can do."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from catalog import classifiers, labelling, learning, readings
from catalog.classifiers import classifier, told_names
from catalog.models import LabelHead, LabellingVector
from catalog.readings import Neighbourhood, Reader, ReadText
from tests.catalog.shelves import current, decide, drain, make_item, make_taxonomy, retitle, retrain, shelf
from tests.factories import StaffFactory
from tests.fakes import FakeEmbedder

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("models")]


class StoppedEmbedder(FakeEmbedder):
    """Its time is up after so many calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    def embed(self, texts):
        self.calls -= 1
        if self.calls < 0:
            raise TimeoutError
        return super().embed(texts)


def test_what_was_read_before_the_time_limit_is_kept(monkeypatch):
    monkeypatch.setattr(readings, "MADE_AT_ONCE", 4)
    embedder = StoppedEmbedder(calls=2)
    texts = {f"{number:064}": ReadText(f"milk {number}", f"milk {number}") for number in range(12)}
    with pytest.raises(TimeoutError):
        readings.of_texts(texts, Reader(embedder))
    assert LabellingVector.objects.count() == 8
    embedder.calls = 1
    found = readings.of_texts(texts, Reader(embedder))
    assert list(found) == list(texts)
    embedder.calls = 1
    assert np.allclose(found[f"{11:064}"], embedder.embed(["milk 11"])[0], atol=1e-3)


def test_labels_too_are_read_in_parts(monkeypatch):
    monkeypatch.setattr(readings, "MADE_AT_ONCE", 2)
    embedder = StoppedEmbedder(calls=1)
    labels = [("Dairy", "milk"), ("Bakery", "bread"), ("Snacks", "chips")]
    with pytest.raises(TimeoutError):
        readings.of_labels(labels, Reader(embedder))
    assert LabellingVector.objects.count() == 2
    embedder.calls = 1
    assert readings.of_labels(labels, Reader(embedder)).shape == (3, embedder.dim)


def test_readings_of_texts_and_labels_that_are_gone_are_forgotten_after_a_while(embedder):
    taxonomy = make_taxonomy()
    kept, changed = make_item("a", "milk"), make_item("b", "bread")
    labelling.request_labels([kept.pk, changed.pk])
    drain(embedder=embedder)
    old = changed.text_hash
    retitle(changed, "chips")
    taxonomy.labels.filter(name="Dairy").update(description="milk and cream")
    assert readings.prune() == 0  # they may come back
    LabellingVector.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert readings.prune() == 2
    left = set(LabellingVector.objects.values_list("text_hash", flat=True))
    assert kept.text_hash in left
    assert old not in left
    assert len(left) == 3  # the item that is as it was, and two labels
    assert readings.prune() == 0


def test_one_text_moves_anothers_reading_by_its_fiftieth_at_most():
    random = np.random.default_rng(5)
    vectors = random.normal(size=(40, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = tuple(str(number) for number in range(40))
    hostile = vectors.copy()
    hostile[7] = hostile[3]  # it says whatever the other does, to be its neighbour
    before = Neighbourhood(keys, vectors).smoothed(keys, vectors)
    after = Neighbourhood(keys, hostile).smoothed(keys, hostile)
    others = np.arange(40) != 7
    # What it says itself, and what it pushes out of the neighbours: each a fifteenth of .3, and 2 at most apart.
    assert np.linalg.norm(before - after, axis=1)[others].max() <= 2 * readings.NEIGHBOURS_WEIGHT / readings.NEIGHBOURS
    assert not np.array_equal(before[3], after[3])


# ---------------------------------------------------------------- what the process keeps
def test_a_batch_asks_a_few_small_queries_and_reads_no_label_again(embedder, django_assert_max_num_queries):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = shelf(14, "tofu", "a")
    drain(embedder=embedder)
    decide(items[:12], taxonomy, "Dairy", staff)
    retrain(taxonomy.pk)
    reader = readings.present_reader()
    first = classifier(taxonomy, reader, readings.neighbourhood(reader))
    with django_assert_max_num_queries(4) as asked:
        again = classifier(taxonomy, reader, readings.neighbourhood(reader))
    assert not any("halfvec" in query["sql"] or '"weights"' in query["sql"] for query in asked.captured_queries)
    assert again.head is first.head
    assert again.labels is first.labels
    assert first.version == 1


def test_what_is_kept_follows_labels_and_versions(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = shelf(14, "tofu", "a")
    drain(embedder=embedder)
    reader = readings.present_reader()
    neighbours = readings.neighbourhood(reader)
    before = classifier(taxonomy, reader, neighbours)
    decide(items[:12], taxonomy, "Dairy", staff)
    retrain(taxonomy.pk)
    assert classifier(taxonomy, reader, neighbours).version == 1
    LabelHead.objects.update(status="retired")
    assert classifier(taxonomy, reader, neighbours).head is before.head
    taxonomy.labels.filter(name="Dairy").update(description="hammers")
    after = classifier(taxonomy, reader, neighbours)
    assert not np.array_equal(after.labels.vectors, before.labels.vectors)
    taxonomy.labels.filter(name="Snacks").update(is_deprecated=True)
    assert len(classifier(taxonomy, reader, neighbours).labels.ids) == 2
    taxonomy.question = "What is it?"
    assert classifier(taxonomy, reader, neighbours).labels.question == "What is it?"


def test_names_that_are_alike_are_told_with_what_is_above_them():
    assert told_names(["Pet > Food", "Baby > Food", "Pet > Toys"]) == ("Pet > Food", "Baby > Food", "Toys")
    # Each name is counted once: 20,000 take no longer than they should.
    many = [f"Shelf {number} > Label {number // 2}" for number in range(20_000)]
    assert told_names(many)[-1] == "Shelf 19999 > Label 9999"
    assert classifiers.SEPARATOR in told_names(many)[0]


# ---------------------------------------------------------------- small catalogs
def test_one_label_and_an_item_without_words_are_labelled(embedder):
    taxonomy = make_taxonomy(labels={"Everything": ""})
    wordless = make_item("wordless", "")
    labelling.request_labels([wordless.pk])
    drain(embedder=embedder)
    (only,) = current(wordless)
    assert (only.label.name, only.confidence, only.evidence) == ("Everything", 1.0, "")
    assert learning.learn() == 1
    assert taxonomy.item_labels.count() == 1
