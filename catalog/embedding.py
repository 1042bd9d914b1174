"""Text -> hash -> skip, copy or embed -> store, for items and for labels. Each distinct text meets the model once."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
import structlog
from django.utils import timezone
from numpy.typing import NDArray

from catalog.models import Item, ItemEmbedding, Label, LabelEmbedding
from catalog.providers import Embedder, get_embedder

log = structlog.get_logger(__name__)

CHUNK = 512
LABELS_AT_ONCE = 256
# A title says what a thing is; the description adds little and, past its first sentences, misleads the model.
MAX_DESCRIPTION_CHARS = 160
# Averaged, so that no single wording decides; see docs/labelling.md.
LABEL_PHRASINGS = ("{}", "{} products", "a product in the {} category")
DESCRIPTION_WEIGHT = 1.0
PRODUCTS_WEIGHT = 0.5
MIN_PRODUCTS = 3
MAX_PRODUCT_WORDS = 4

_TAGS = re.compile(r"</?[a-zA-Z][^<>]*>")
_SPACES = re.compile(r"\s+")


def normalise(text: str) -> str:
    """Entities and compatibility forms resolved, tags dropped, runs of white space made one."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", _TAGS.sub(" ", html.unescape(text)))).strip()


def item_text(title: str, brand: str, description: str) -> str:
    """What is embedded and what the language model reads about an item."""
    title, brand = normalise(title), normalise(brand)
    named = title if not brand or brand.casefold() in title.casefold() else f"{title} ({brand})"
    about = normalise(description[: MAX_DESCRIPTION_CHARS * 4])
    if len(about) > MAX_DESCRIPTION_CHARS:
        about = about[:MAX_DESCRIPTION_CHARS].rsplit(" ", 1)[0]
    return f"{named}. {about}" if about else named


def text_hash(text: str) -> str:
    return hashlib.sha256(normalise(text).encode()).hexdigest()


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-12)).astype(np.float32)


def embed_items(
    item_ids: Sequence[int] | None = None,
    *,
    on_progress: Callable[[int], None] | None = None,
    embedder: Embedder | None = None,
) -> int:
    """Store a vector for each of these items (None: for all) whose text has none yet. Returns how many were stored.

    No transaction is open while the model computes: a chunk is read, embedded, then written by one statement.
    """
    waiting = Item.objects.without_current_embedding()
    if item_ids is not None:
        waiting = waiting.filter(pk__in=item_ids)
    pending = list(waiting.order_by("pk").values_list("pk", flat=True))
    if not pending:
        return 0
    embedder = embedder or get_embedder()
    started = perf_counter()
    stored = 0
    for start in range(0, len(pending), CHUNK):
        chunk = pending[start : start + CHUNK]
        stored += _embed_chunk(chunk, embedder)
        if on_progress is not None:
            on_progress(len(chunk))
    log.info("items_embedded", items=stored, took_ms=round((perf_counter() - started) * 1000))
    return stored


def _embed_chunk(item_ids: Sequence[int], embedder: Embedder) -> int:
    items = list(Item.objects.filter(pk__in=item_ids).only("pk", "title", "brand", "description", "text_hash"))
    texts = {item.text_hash: item_text(item.title, item.brand, item.description) for item in items}
    vectors = ItemEmbedding.objects.vectors_by_text(texts, model=embedder.name)
    missing = [key for key in texts if key not in vectors]
    vectors.update(zip(missing, embedder.embed([texts[key] for key in missing]), strict=True))
    # Deleted meanwhile: no row. Text changed meanwhile: a row with the older hash, which counts as not current.
    alive = set(Item.objects.filter(pk__in=item_ids).values_list("pk", flat=True))
    now = timezone.now()
    rows = [
        ItemEmbedding(
            item_id=item.pk,
            vector=vectors[item.text_hash],
            model=embedder.name,
            text_hash=item.text_hash,
            created_at=now,
        )
        for item in sorted(items, key=lambda item: item.pk)
        if item.pk in alive
    ]
    ItemEmbedding.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["item"],
        update_fields=["vector", "model", "text_hash", "created_at"],
    )
    return len(rows)


def embed_labels(taxonomy_id: int, *, embedder: Embedder | None = None) -> int:
    """Store a vector for each assignable label of this taxonomy whose name or description is new to the model."""
    labels = list(Label.objects.filter(taxonomy_id=taxonomy_id).assignable().order_by("pk"))
    texts = {label.pk: _label_texts(label.name, label.description) for label in labels}
    hashes = {
        pk: text_hash("\n".join(lines) + f"\n{DESCRIPTION_WEIGHT} {PRODUCTS_WEIGHT}") for pk, lines in texts.items()
    }
    known = set(LabelEmbedding.objects.filter(label__in=labels).values_list("label_id", "text_hash"))
    stale = [pk for pk, key in hashes.items() if (pk, key) not in known]
    if not stale:
        return 0
    embedder = embedder or get_embedder()
    for begin in range(0, len(stale), LABELS_AT_ONCE):
        part = stale[begin : begin + LABELS_AT_ONCE]
        vectors = _label_vectors([texts[pk] for pk in part], embedder)
        rows = [
            LabelEmbedding(label_id=pk, vector=vector, model=embedder.name, text_hash=hashes[pk])
            for pk, vector in zip(part, vectors, strict=True)
        ]
        LabelEmbedding.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["label"], update_fields=["vector", "model", "text_hash"]
        )
    return len(stale)


def label_vectors(labels: Sequence[tuple[str, str]], embedder: Embedder) -> NDArray[np.float32]:
    """(n, dim), unit rows, of these (name, description): the phrasings of the name averaged, plus the description."""
    return _label_vectors([_label_texts(name, description) for name, description in labels], embedder)


def _label_vectors(texts: Sequence[Sequence[str]], embedder: Embedder) -> NDArray[np.float32]:
    vectors = iter(embedder.embed([normalise(line) for lines in texts for line in lines]))
    rows = []
    for lines in texts:
        own = [next(vectors) for _ in lines]
        named = unit_rows(np.mean(own[: len(LABEL_PHRASINGS)], axis=0))
        described = own[len(LABEL_PHRASINGS) :]
        weight = DESCRIPTION_WEIGHT if len(described) == 1 else PRODUCTS_WEIGHT
        rows.append(unit_rows(named + weight * unit_rows(np.mean(described, axis=0))) if described else named)
    return np.stack(rows)


def _label_texts(name: str, description: str) -> list[str]:
    words = name.replace("/", ", ").lower()
    return [*(phrasing.format(words) for phrasing in LABEL_PHRASINGS), *_described(description)]


def _described(description: str) -> list[str]:
    """A list of typical products is read product by product, a sentence as it stands."""
    parts = [part.strip(" .") for part in description.split(",") if part.strip(" .")]
    is_list = len(parts) >= MIN_PRODUCTS and all(len(part.split()) <= MAX_PRODUCT_WORDS for part in parts)
    return parts if is_list else [description] if description else []
