from __future__ import annotations

import numpy as np
import pytest

from catalog.embedding import embed_items, embed_labels, item_text, text_hash
from catalog.models import Item, ItemEmbedding, LabelEmbedding
from tests.catalog.shelves import make_item, make_taxonomy, retitle
from tests.fakes import FakeEmbedder


@pytest.mark.parametrize(
    ("title", "brand", "description", "text"),
    [
        ("2% milk", "", "", "2% milk"),
        ("2% milk", "Acme", "", "2% milk (Acme)"),
        ("ACME 2% milk", "Acme", "", "ACME 2% milk"),
        (" Mac &amp;  Cheese\n", "", "<p>Ready in <b>5</b> minutes</p>", "Mac & Cheese. Ready in 5 minutes"),
        ("５ ｋｇ flour < 10 kg", "", "", "5 kg flour < 10 kg"),
        ("牛乳 1L 🥛", "", "", "牛乳 1L 🥛"),
    ],
)
def test_item_text_is_title_brand_and_description_cleaned(title, brand, description, text):
    assert item_text(title, brand, description) == text


def test_a_long_description_is_cut_at_a_word():
    text = item_text("Milk", "", "word " * 4000)
    assert text == "Milk. " + ("word " * 32).strip()


def test_texts_that_differ_in_markup_or_space_only_share_a_hash():
    assert text_hash("Mac &amp; Cheese ") == text_hash("Mac & Cheese") != text_hash("Mac & cheese")
    assert len(text_hash("")) == 64


@pytest.mark.django_db
def test_each_distinct_text_is_embedded_once_and_every_item_gets_its_vector():
    embedder, seen = FakeEmbedder(), []
    items = [make_item("a", "Milk"), make_item("b", "Milk"), make_item("c", "Bread")]
    assert embed_items(embedder=embedder, on_progress=seen.append) == 3
    assert sorted(embedder.texts) == ["Bread", "Milk"]
    assert seen == [3]
    vectors = [np.asarray(ItemEmbedding.objects.get(item=item).vector) for item in items]
    assert vectors[0].tolist() == vectors[1].tolist() != vectors[2].tolist()
    assert [float(np.linalg.norm(vector)) for vector in vectors] == [1.0, 1.0, 1.0]


@pytest.mark.django_db
def test_unchanged_texts_are_skipped_and_known_ones_copied():
    embedder = FakeEmbedder()
    item = make_item("a", "Milk")
    embed_items(embedder=embedder)
    embedder.texts.clear()
    assert embed_items(embedder=embedder) == 0
    make_item("b", "Milk")
    assert embed_items(embedder=embedder) == 1
    assert embedder.texts == []
    retitle(item, "Oat milk")
    assert embed_items([item.pk], embedder=embedder) == 1
    assert embedder.texts == ["Oat milk"]
    assert not Item.objects.without_current_embedding().exists()
    assert ItemEmbedding.objects.get(item=item).text_hash == item.text_hash


@pytest.mark.django_db
def test_only_the_named_items_are_embedded():
    first, second = make_item("a", "Milk"), make_item("b", "Bread")
    assert embed_items([second.pk, 0], embedder=FakeEmbedder()) == 1
    assert list(Item.objects.without_current_embedding()) == [first]


@pytest.mark.django_db
def test_an_item_deleted_while_its_text_is_embedded_is_left_out():
    first, second = make_item("a", "Milk"), make_item("b", "Bread")

    class Slow(FakeEmbedder):
        def embed(self, texts):
            Item.objects.filter(pk=first.pk).delete()
            return super().embed(texts)

    assert embed_items(embedder=Slow()) == 1
    assert list(ItemEmbedding.objects.values_list("item_id", flat=True)) == [second.pk]


@pytest.mark.django_db
def test_labels_are_embedded_by_name_and_description_and_again_only_when_those_change():
    embedder = FakeEmbedder()
    taxonomy = make_taxonomy(labels={"Dairy": "milk", "Bakery": ""})
    assert embed_labels(taxonomy.pk, embedder=embedder) == 2
    assert embed_labels(taxonomy.pk, embedder=embedder) == 0
    dairy, bakery = taxonomy.labels.order_by("position")
    vector = np.asarray(LabelEmbedding.objects.get(label=dairy).vector, dtype=np.float32)
    axes = embedder.axes
    assert vector[[axes["dairy"], axes["milk"]]] == pytest.approx([0.7071, 0.7071], abs=1e-3)
    assert np.asarray(LabelEmbedding.objects.get(label=bakery).vector)[axes["bakery"]] == pytest.approx(1.0)
    bakery.description = "bread"
    bakery.save()
    assert embed_labels(taxonomy.pk, embedder=embedder) == 1


@pytest.mark.django_db
def test_only_labels_that_items_can_get_are_embedded():
    taxonomy = make_taxonomy(labels={"Food": "", "Milk": "", "Old": ""})
    food, milk, old = taxonomy.labels.order_by("position")
    milk.parent, old.is_deprecated = food, True
    milk.save(), old.save()
    assert embed_labels(taxonomy.pk, embedder=FakeEmbedder()) == 1
    assert LabelEmbedding.objects.get().label == milk
