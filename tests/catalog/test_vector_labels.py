"""The label head applied to vectors in the items' own space: hand-worked axes."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import label_head, readings, vector_labels
from catalog.label_head import Head
from catalog.models import LabelHead, Taxonomy
from tests.factories import LabelEmbeddingFactory, LabelFactory, TaxonomyFactory, axis

pytestmark = pytest.mark.django_db

DIM = 384


@pytest.fixture
def taxonomy() -> Taxonomy:
    return TaxonomyFactory()


@pytest.fixture
def bread(taxonomy):
    return LabelEmbeddingFactory(label=LabelFactory(taxonomy=taxonomy, name="Bread"), vector=axis(0)).label


@pytest.fixture
def soap(taxonomy):
    return LabelEmbeddingFactory(label=LabelFactory(taxonomy=taxonomy, name="Soap"), vector=axis(1)).label


def rows(*places: int) -> np.ndarray:
    return np.stack([axis(place) for place in places]).astype(np.float32)


def firsts(vectors: np.ndarray) -> list[int]:
    return [found[0].label_id for found in vector_labels.labels_of(vectors)]


def make_live(taxonomy: Taxonomy, head: Head, ids: tuple[int, ...], version: int = 1) -> LabelHead:
    LabelHead.objects.filter(taxonomy=taxonomy).update(status="retired")
    return LabelHead.objects.create(
        taxonomy=taxonomy,
        version=version,
        status="live",
        weights=label_head.to_bytes(head, ids),
        model="m",
        decisions=10,
    )


def test_without_a_version_a_vector_is_about_the_label_it_lies_closest_to(taxonomy, bread, soap):
    first, second = vector_labels.labels_of(rows(0, 1))
    assert [found.label_id for found in first] == [bread.pk, soap.pk]
    assert [found.label_id for found in second] == [soap.pk, bread.pk]
    # softmax(30 * (1, 0))
    assert first[0].share == pytest.approx(1.0, abs=1e-4)
    assert {found.taxonomy_id for found in first} == {taxonomy.pk}


def test_the_live_version_decides_and_a_roll_back_is_followed(taxonomy, bread, soap):
    swapped = Head(rows(1, 0), np.zeros(2, dtype=np.float32))
    make_live(taxonomy, swapped, (bread.pk, soap.pk))
    assert firsts(rows(0, 1)) == [soap.pk, bread.pk]
    make_live(taxonomy, Head(rows(0, 1), np.zeros(2, dtype=np.float32)), (bread.pk, soap.pk), version=2)
    assert firsts(rows(0, 1)) == [bread.pk, soap.pk]


def test_of_a_head_that_reads_two_models_the_small_one_s_part_is_asked(taxonomy, bread, soap):
    part = 1.0 / np.sqrt(1.0 + readings.LARGE_WEIGHT**2)
    wide = np.zeros((2, DIM + 768), dtype=np.float32)
    wide[0, 0], wide[1, 1] = part, part  # and the larger model's numbers, which say the opposite
    wide[0, DIM + 1], wide[1, DIM] = 0.9, 0.9
    make_live(taxonomy, Head(wide, np.zeros(2, dtype=np.float32)), (bread.pk, soap.pk))
    found = vector_labels.labels_of(rows(0))[0]
    assert found[0].label_id == bread.pk
    halfway = ((axis(0) + axis(1)) / np.sqrt(2)).astype(np.float32)[None, :]
    assert [each.share for each in vector_labels.labels_of(halfway)[0]] == pytest.approx([0.5, 0.5], abs=1e-3)


def test_a_version_for_other_labels_is_not_asked(taxonomy, bread, soap):
    make_live(taxonomy, Head(rows(1), np.zeros(1, dtype=np.float32)), (soap.pk,))
    assert firsts(rows(0)) == [bread.pk]


def test_only_taxonomies_of_one_choice_in_use_whose_labels_have_vectors_are_asked(taxonomy, bread):
    LabelEmbeddingFactory(label=LabelFactory(taxonomy=TaxonomyFactory(choice="multiple")), vector=axis(0))
    LabelEmbeddingFactory(label=LabelFactory(taxonomy=TaxonomyFactory(is_active=False)), vector=axis(0))
    LabelFactory(taxonomy=TaxonomyFactory())
    assert [found.label_id for found in vector_labels.labels_of(rows(0))[0]] == [bread.pk]
    assert vector_labels.labels_of(rows(0)[:0]) == []


def test_what_is_known_is_not_read_again(taxonomy, bread, soap):
    make_live(taxonomy, Head(rows(0, 1), np.zeros(2, dtype=np.float32)), (bread.pk, soap.pk))
    vector_labels.labels_of(rows(0))
    with CaptureQueriesContext(connection) as captured:
        vector_labels.labels_of(rows(0, 1))
    assert len(captured) == 3  # the taxonomies, its live version, a digest of its labels
    assert not any("weights" in query["sql"] for query in captured.captured_queries)
