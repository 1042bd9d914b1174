"""How labelling reads texts: the vectors of both embedding models side by side, kept by text and model.

An item's own `ItemEmbedding` serves search and interests and is made at once; a reading is made when its labels are,
with the larger model where there is one.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from catalog.embedding import item_text, label_vectors, normalise, unit_rows
from catalog.label_head import Head
from catalog.models import Item, Label, LabellingVector, Taxonomy
from catalog.providers import Embedder, get_embedder, get_label_embedder

# A title says what a thing is; title and description together count for less.
TEXT_WEIGHT = 0.6
# The larger model is right more often.
LARGE_WEIGHT = 1.5
# So many texts of the catalog are looked at for what is typical of it, and for an item's neighbours.
NEIGHBOURHOOD = 20_000
NEIGHBOURS = 15
# An item's scores are its own, with this part of its nearest neighbours' mean.
NEIGHBOURS_WEIGHT = 0.3
AT_ONCE = 512
# The larger model reads a few hundred lines in some seconds.
MADE_AT_ONCE = 64
# Readings of texts that no item has are kept for a while: feeds drop items and bring them back.
KEPT_FOR = timedelta(days=1)
PRUNED_AT_ONCE = 5_000
# What was read before is looked at anew once there is this much more of it.
GROWN = 1.25


@dataclass(frozen=True)
class ReadText:
    title: str
    text: str


@dataclass(frozen=True)
class Reader:
    small: Embedder
    large: Embedder | None = None

    @property
    def name(self) -> str:
        return f"{self.small.name}+{self.large.name}" if self.large else self.small.name

    @property
    def dim(self) -> int:
        return self.small.dim + (self.large.dim if self.large else 0)

    def read(self, texts: Sequence[ReadText]) -> NDArray[np.float32]:
        """(n, dim), unit rows."""
        parts = [_of_items(self.small, texts)]
        if self.large:
            parts.append(LARGE_WEIGHT * _of_items(self.large, texts))
        return unit_rows(np.hstack(parts))

    def read_labels(self, labels: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """(n, dim), unit rows, of these (name, description)."""
        parts = [label_vectors(labels, self.small)]
        if self.large:
            parts.append(LARGE_WEIGHT * label_vectors(labels, self.large))
        return unit_rows(np.hstack(parts))


def of_small(head: Head, dim: int) -> Head:
    """What a head that reads two models says of vectors of the small one, whose numbers come first in a reading and
    make up a fixed part of its length."""
    if head.weights.shape[1] == dim:
        return head
    part = 1.0 / np.sqrt(1.0 + LARGE_WEIGHT**2)
    return Head((head.weights[:, :dim] / part).astype(np.float32), head.bias)


def present_reader(embedder: Embedder | None = None) -> Reader:
    """With the larger model where it is there by now, except where another embedder is given."""
    return Reader(embedder) if embedder else Reader(get_embedder(), get_label_embedder())


def read_text(item: Item) -> ReadText:
    return ReadText(normalise(item.title), item_text(item.title, item.brand, item.description))


def _of_items(embedder: Embedder, texts: Sequence[ReadText]) -> NDArray[np.float32]:
    distinct = list(dict.fromkeys(line for text in texts for line in (text.title, text.text)))
    if not distinct:
        return np.zeros((0, embedder.dim), dtype=np.float32)
    vectors = dict(zip(distinct, embedder.embed(distinct), strict=True))
    titles = np.stack([vectors[text.title] for text in texts])
    whole = np.stack([vectors[text.text] for text in texts])
    return unit_rows((titles + TEXT_WEIGHT * whole).astype(np.float32))


def of_texts(texts: Mapping[str, ReadText], reader: Reader) -> dict[str, NDArray[np.float32]]:
    """Text hash -> reading, each made once."""
    return _kept(texts, reader.name, lambda missing: reader.read([texts[key] for key in missing]))


def stored(text_hashes: Iterable[str], reader: Reader) -> dict[str, NDArray[np.float32]]:
    """Those of these texts that were read already."""
    return LabellingVector.objects.by_text(list(text_hashes), model=reader.name)


def of_labels(labels: Sequence[tuple[str, str]], reader: Reader) -> NDArray[np.float32]:
    """(n, dim) of these (name, description), each made once."""
    by_key = {_label_key(name, description): (name, description) for name, description in labels}
    found = _kept(by_key, reader.name, lambda missing: reader.read_labels([by_key[key] for key in missing]))
    return np.stack([found[_label_key(*label)] for label in labels])


def _label_key(name: str, description: str) -> str:
    return hashlib.sha256(f"label\n{name}\n{description}".encode()).hexdigest()


def _kept(
    keys: Iterable[str], model: str, make: Callable[[list[str]], NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    wanted = list(dict.fromkeys(keys))
    found = LabellingVector.objects.by_text(wanted, model=model)
    missing = [key for key in wanted if key not in found]
    # Kept as it is made, so that what is stopped by its time limit goes on from there.
    for begin in range(0, len(missing), MADE_AT_ONCE):
        part = missing[begin : begin + MADE_AT_ONCE]
        made = make(part)
        LabellingVector.objects.keep(part, made, model=model)
        found.update(zip(part, made, strict=True))
    return found


def count_texts(reader_name: str) -> int:
    """How many texts of the catalog were read, up to what a neighbourhood holds."""
    return LabellingVector.objects.of_items(model=reader_name)[:NEIGHBOURHOOD].count()


def prune() -> int:
    """Forget readings of texts and labels that are no more, a bounded number. Returns how many."""
    labels = Label.objects.filter(taxonomy__choice=Taxonomy.Choice.SINGLE).values_list("name", "description")
    kept = [_label_key(name, description) for name, description in labels.iterator()]
    return LabellingVector.objects.abandoned(kept, before=timezone.now() - KEPT_FOR).forget(PRUNED_AT_ONCE)


@dataclass(frozen=True)
class Neighbourhood:
    """What was read of the catalog: text hashes and their vectors, (n, dim)."""

    keys: tuple[str, ...]
    vectors: NDArray[np.float32]

    def smoothed(self, keys: Sequence[str], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, dim): the readings of these texts, a part of each replaced by the mean of the texts nearest to it.

        Scores are linear in readings, so this is the mean of the neighbours' scores. Readings as they are where little
        of the catalog was read yet.
        """
        if len(self.keys) <= NEIGHBOURS:
            return vectors
        place = {key: position for position, key in enumerate(self.keys)}
        result = np.empty_like(vectors)
        for begin in range(0, len(keys), AT_ONCE):
            rows = slice(begin, begin + AT_ONCE)
            near = vectors[rows] @ self.vectors.T
            for row, key in enumerate(keys[rows]):
                if key in place:
                    near[row, place[key]] = -2.0  # a text is no neighbour of itself
            closest = np.argpartition(-near, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
            means = self.vectors[closest].mean(axis=1)
            result[rows] = (1 - NEIGHBOURS_WEIGHT) * vectors[rows] + NEIGHBOURS_WEIGHT * means
        return result


_lock = threading.Lock()
_seen: dict[str, tuple[int, Neighbourhood]] = {}


def neighbourhood(reader: Reader) -> Neighbourhood:
    """The newest texts of the catalog that were read, kept in the process until there are notably more."""
    rows = LabellingVector.objects.of_items(model=reader.name)
    count = count_texts(reader.name)
    with _lock:
        kept = _seen.get(reader.name)
        if kept is not None and kept[0] <= count <= kept[0] * GROWN:
            return kept[1]
    pairs = rows.newest(NEIGHBOURHOOD)
    vectors = np.stack([vector for _, vector in pairs]) if pairs else np.zeros((0, reader.dim), dtype=np.float32)
    found = Neighbourhood(tuple(key for key, _ in pairs), vectors)
    with _lock:
        _seen[reader.name] = (count, found)
    return found


def forget() -> None:
    """For tests: nothing was read in this process."""
    with _lock:
        _seen.clear()
