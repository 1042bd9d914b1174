"""The generated catalog: items in a made taxonomy, their vectors and their labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from catalog.embedding import item_text, text_hash
from catalog.models import Item, ItemEmbedding, ItemLabel, Label, LabelEmbedding, LabelRequest, Taxonomy
from recommender.made_load.copying import NULL, continue_ids, copy_rows, halves, indexes_afterwards, next_id

MODEL = "made-load"
KINDS: tuple[str, ...] = (
    "Bread",
    "Coffee",
    "Tea",
    "Soap",
    "Lamp",
    "Chair",
    "Towel",
    "Pan",
    "Candle",
    "Jacket",
    "Boots",
    "Puzzle",
)
KINDS += ("Notebook", "Headphones", "Cable", "Basket", "Blanket", "Bottle", "Knife", "Plant")
MANNERS = ("Plain", "Rustic", "Fine", "Everyday", "Organic", "Classic", "Travel", "Family", "Mini", "Deluxe")
STUFFS = ("Oak", "Linen", "Steel", "Wool", "Rye", "Cotton", "Clay", "Bamboo", "Amber", "Sage")
OCCASIONS = ("Breakfast", "Party", "Gift", "Holiday", "Picnic", "Everyday", "Winter", "Summer", "Baby", "Office")
BRANDS = 400
CHOICES = 3
DECIDED_SHARE = 0.08
WAITING_SHARE = 0.02
DAYS_ON_SALE = 730


@dataclass(frozen=True)
class Shop:
    """item_ids: (items,); label_of: (items,) position of each item's label in `label_ids`; vectors: (items, dim)."""

    item_ids: NDArray[np.int64]
    label_ids: NDArray[np.int64]
    label_of: NDArray[np.int64]
    vectors: NDArray[np.float32]


def make_shop(items: int, random: np.random.Generator, now: datetime) -> Shop:
    categories, leaves = _taxonomy(now)
    occasions = _occasions()
    label_of = random.integers(0, len(leaves), items)
    first = next_id(Item)
    item_ids = np.arange(first, first + items, dtype=np.int64)
    hashes = _items(item_ids, label_of, random, now)
    centres = _unit(random.standard_normal((len(leaves), settings.EMBEDDING_DIM)))
    vectors = _unit(centres[label_of] + random.standard_normal((items, settings.EMBEDDING_DIM)) * 0.08)
    with indexes_afterwards(ItemEmbedding):
        copy_rows(
            ItemEmbedding,
            ("item_id", "vector", "model", "text_hash", "created_at"),
            (
                (item_id, vector, MODEL, digest, now.isoformat())
                for item_id, vector, digest in zip(item_ids.tolist(), halves(vectors), hashes, strict=True)
            ),
        )
    copy_rows(
        LabelEmbedding,
        ("label_id", "vector", "model", "text_hash"),
        ((label, vector, MODEL, "") for label, vector in zip(leaves.tolist(), halves(centres), strict=True)),
    )
    with indexes_afterwards(ItemLabel):
        copy_rows(ItemLabel, _LABEL_COLUMNS, _first_labels(categories, leaves, label_of, item_ids, hashes, random, now))
        copy_rows(ItemLabel, _LABEL_COLUMNS, _several_labels(occasions, item_ids, hashes, random, now))
    columns = ("item_id", "taxonomy_id", "text_hash", "status", "attempts", "error", "created_at", "updated_at")
    taxonomies = (categories, occasions.taxonomy_id)
    copy_rows(
        LabelRequest,
        columns,
        (
            (item_id, taxonomy, digest, "done", 1, "", now.isoformat(), now.isoformat())
            for taxonomy in taxonomies
            for item_id, digest in zip(item_ids.tolist(), hashes, strict=True)
        ),
    )
    continue_ids(Item)
    return Shop(item_ids, leaves, label_of, vectors)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _taxonomy(now: datetime) -> tuple[int, NDArray[np.int64]]:
    """A tree of kind, manner and material: 20 x 10 x 10 leaves. Returns its id and those of the leaves."""
    name = f"load-categories-{now:%Y%m%d%H%M%S}"
    taxonomy = Taxonomy.objects.create(slug=name, name="Made categories", question="What kind of thing is it?")
    roots = Label.objects.bulk_create(Label(taxonomy=taxonomy, name=kind, path=kind, position=0) for kind in KINDS)
    branches = Label.objects.bulk_create(
        Label(taxonomy=taxonomy, parent=root, name=f"{manner} {root.name}", path=f"{root.path} > {manner}")
        for root in roots
        for manner in MANNERS
    )
    leaves = Label.objects.bulk_create(
        Label(taxonomy=taxonomy, parent=branch, name=f"{stuff} {branch.name}", path=f"{branch.path} > {stuff}")
        for branch in branches
        for stuff in STUFFS
    )
    return taxonomy.pk, np.array([leaf.pk for leaf in leaves], dtype=np.int64)


@dataclass(frozen=True)
class _Occasions:
    taxonomy_id: int
    label_ids: tuple[int, ...]


def _occasions() -> _Occasions:
    name = "load-occasions" if not Taxonomy.objects.filter(slug="load-occasions").exists() else "load-occasions-2"
    taxonomy = Taxonomy.objects.create(
        slug=name, name="Made occasions", question="When is it used?", choice=Taxonomy.Choice.MULTIPLE, position=1
    )
    labels = Label.objects.bulk_create(Label(taxonomy=taxonomy, name=one, path=one) for one in OCCASIONS)
    return _Occasions(taxonomy.pk, tuple(label.pk for label in labels))


def _items(
    item_ids: NDArray[np.int64], label_of: NDArray[np.int64], random: np.random.Generator, now: datetime
) -> list[str]:
    """Writes them; returns the hash of each one's text."""
    n = len(item_ids)
    kinds, manners = len(KINDS), len(MANNERS)
    brands, prices = random.integers(0, BRANDS, n), random.gamma(2.0, 12.0, n) + 0.5
    is_in_stock, is_hidden = random.random(n) < 0.95, random.random(n) < 0.01
    ages_days = np.sort(random.random(n) * DAYS_ON_SALE)[::-1]
    columns: tuple[str, ...] = (
        "id",
        "external_id",
        "title",
        "description",
        "brand",
        "product_type",
        "link",
        "image_url",
        "price",
    )
    columns += ("currency", "is_in_stock", "is_hidden", "attributes", "text_hash", "created_at", "updated_at")
    hashes = []

    def rows() -> Iterator[tuple[object, ...]]:
        for place, item_id in enumerate(item_ids.tolist()):
            leaf = int(label_of[place])
            kind, manner = KINDS[leaf // 100 % kinds], MANNERS[leaf // 10 % manners]
            title = f"{manner} {STUFFS[leaf % 10]} {kind} No. {item_id}"
            brand, about = f"Maker {brands[place]}", f"{manner} {kind.lower()}, made for measuring."
            hashes.append(text_hash(item_text(title, brand, about)))
            created = (now - timedelta(days=float(ages_days[place]))).isoformat()
            known = (item_id, f"load-{item_id}", title, about, brand, kind, "", "", f"{prices[place]:.2f}", "USD")
            yield (*known, is_in_stock[place], is_hidden[place], "{}", hashes[-1], created, created)

    copy_rows(Item, columns, rows())
    return hashes


_LABEL_COLUMNS: tuple[str, ...] = (
    "item_id",
    "taxonomy_id",
    "label_id",
    "rank",
    "confidence",
    "source",
    "model",
    "prompt_version",
)
_LABEL_COLUMNS += ("evidence", "text_hash", "suggested_at", "opinions", "gain", "is_assigned", "is_abstained")
_LABEL_COLUMNS += ("decision", "decided_at", "is_automatic", "is_audit")


def _first_labels(
    taxonomy: int,
    leaves: NDArray[np.int64],
    label_of: NDArray[np.int64],
    item_ids: NDArray[np.int64],
    hashes: list[str],
    random: np.random.Generator,
    now: datetime,
) -> Iterator[tuple[object, ...]]:
    """Three choices an item; most of the first are accepted as if by hand, so that few wait and some were judged."""
    n = len(item_ids)
    sure, dice, gains = random.beta(6.0, 2.0, n), random.random(n), random.random(n)
    for place, item_id in enumerate(item_ids.tolist()):
        waits = dice[place] < WAITING_SHARE
        judged = not waits and dice[place] < WAITING_SHARE + DECIDED_SHARE
        right = random.random() < sure[place]
        for rank in range(1, CHOICES + 1):
            is_first = rank == 1
            decision = ("accepted" if right else "rejected") if judged and is_first else ""
            is_automatic = is_first and not judged and not waits
            decided = "accepted" if is_automatic else decision
            label = int(leaves[(int(label_of[place]) + (rank - 1) * 7) % len(leaves)])
            confidence = float(sure[place]) if is_first else (1 - float(sure[place])) / rank
            yield (
                *(item_id, taxonomy, label, rank, f"{confidence:.4f}", "embedding", MODEL, "", "", hashes[place]),
                *(now.isoformat(), "{}", f"{gains[place] if is_first else 0:.4f}"),
                *(is_first and decided != "rejected", False, decided, now.isoformat() if decided else NULL),
                *(is_automatic, False),
            )


def _several_labels(
    occasions: _Occasions, item_ids: NDArray[np.int64], hashes: list[str], random: np.random.Generator, now: datetime
) -> Iterator[tuple[object, ...]]:
    n = len(item_ids)
    starts, sure = random.integers(0, len(occasions.label_ids), n), random.random((n, 2))
    for place, item_id in enumerate(item_ids.tolist()):
        for rank in (1, 2):
            label = occasions.label_ids[(int(starts[place]) + 3 * rank) % len(occasions.label_ids)]
            confidence = float(sure[place, rank - 1])
            assigned = confidence >= 0.5
            yield (
                *(item_id, occasions.taxonomy_id, label, rank, f"{confidence:.4f}", "embedding", MODEL, "", ""),
                *(hashes[place], now.isoformat(), "{}", 0.0, assigned, False, "accepted" if assigned else ""),
                *(now.isoformat() if assigned else NULL, assigned, False),
            )
