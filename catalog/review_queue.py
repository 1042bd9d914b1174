"""The order of the review queue: first the items whose decision settles most doubt about the rest of the catalog.

A decision about one item tells the head something about items like it. So the gain of a decision is the doubt (one
minus the lead of the first label over the second, more for items people look at) of everything like the item that no
earlier decision covers: greedy facility location.

Such decisions are the hard ones and say nothing of how often labels are right. So every fifth place is given to a text
of a small part of the catalog that is drawn by lot and comes up by lot alone: on those, confidence is calibrated.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from catalog import readings
from catalog.models import ItemLabel, Taxonomy
from catalog.readings import Reader

log = structlog.get_logger(__name__)

# Similarity to the 8th power: a decision covers near twins fully, remote relatives hardly.
SQUARINGS = 3
AT_ONCE = 512
# So many of the most doubtful items are compared with each other, and so many of them put in order.
COMPARED = 4_000
ORDERED = 300
AUDITS_AMONG = 100
# The part of all texts that comes up by lot, and how often one of them does.
DRAWN_SHARE = 0.08
DRAWN_EVERY = 5
# What is not put in order comes after what is, the most doubtful first.
REST = 1e-3


def gains(
    vectors: NDArray[np.float32],
    doubts: NDArray[np.float32],
    decided: NDArray[np.float32],
    *,
    n: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The next n positions to review in their order, and what each adds, falling.

    vectors: (m, dim), unit rows, of the items that wait; doubts: (m,), >= 0; decided: (k, dim), unit rows, of items
    decided before. n is cut to m. The unit is items' worth of doubt.
    """
    n = min(n, len(vectors))
    near = _nearness(vectors, vectors)
    covered = np.zeros(len(vectors), dtype=np.float32)
    for begin in range(0, len(decided), AT_ONCE):
        covered = np.maximum(covered, _nearness(vectors, decided[begin : begin + AT_ONCE]).max(axis=1))
    order = np.empty(n, dtype=np.int64)
    found = np.empty(n, dtype=np.float32)
    # What an item adds only ever falls, so whoever is first by an old figure and stays first by a new one is the best
    # (Minoux 1978). Of equals the earlier position.
    heap = [
        (-float(adds), begin + place)
        for begin in range(0, len(vectors), AT_ONCE)
        for place, adds in enumerate(_adds(near[begin : begin + AT_ONCE], covered, doubts))
    ]
    heapq.heapify(heap)
    for turn in range(n):
        while True:
            _, place = heap[0]
            again = (-float(_adds(near[place : place + 1], covered, doubts)[0]), place)
            if len(heap) == 1 or again <= min(heap[1:3]):
                break
            heapq.heapreplace(heap, again)
        heapq.heappop(heap)
        order[turn], found[turn] = place, -again[0]
        covered = np.maximum(covered, near[place])
    return order, found


def _adds(near: NDArray[np.float32], covered: NDArray[np.float32], doubts: NDArray[np.float32]) -> NDArray[np.float32]:
    """(k,) of these rows of nearness, (k, m)."""
    result: NDArray[np.float32] = np.maximum(near - covered, 0.0) @ doubts
    return result


def _nearness(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    result = np.maximum(some @ others.T, 0.0, dtype=np.float32)
    for _ in range(SQUARINGS):
        result *= result
    return result


def lot(text_hash: str) -> float:
    """0..1, the same for the same text; below DRAWN_SHARE the text comes up by lot and never for its gain."""
    return int.from_bytes(hashlib.sha256(f"review {text_hash}".encode()).digest()[:7], "big") / 2.0**56


def is_drawn(text_hash: str) -> bool:
    return lot(text_hash) < DRAWN_SHARE


def queue(
    text_hashes: Sequence[str],
    vectors: NDArray[np.float32],
    doubts: NDArray[np.float32],
    decided: NDArray[np.float32],
    *,
    n: int,
) -> tuple[list[int], list[float]]:
    """The next n positions to review, and a gain for each, falling: those of `gains`, and every fifth place by lot.

    Arguments as of `gains`, and (m,) the texts' hashes.
    """
    lots = [lot(text_hash) for text_hash in text_hashes]
    by_lot = sorted((place for place, drawn in enumerate(lots) if drawn < DRAWN_SHARE), key=lots.__getitem__)
    others = np.array([place for place, drawn in enumerate(lots) if drawn >= DRAWN_SHARE], dtype=np.int64)
    order, adds = gains(vectors[others], doubts[others], decided, n=n)
    first = [(int(others[place]), float(gain)) for place, gain in zip(order, adds, strict=True)]
    found: list[tuple[int, float]] = []
    while (first or by_lot) and len(found) < n:
        is_lots_turn = len(found) % DRAWN_EVERY == DRAWN_EVERY - 1
        if by_lot and (is_lots_turn or not first):
            found.append((by_lot.pop(0), found[-1][1] if found else 0.0))
        else:
            found.append(first.pop(0))
    return [place for place, _ in found], [gain for _, gain in found]


def rank(taxonomy: Taxonomy, reader: Reader) -> int:
    """Write the gain of every suggestion that waits for review. Returns how many wait."""
    waiting = list(ItemLabel.objects.awaiting_review().filter(taxonomy=taxonomy).for_ranking())
    if taxonomy.choice == Taxonomy.Choice.SINGLE:
        wanted = _gains_of_choices(taxonomy, waiting, reader)
    else:
        wanted = {row.pk: _doubt(row, 1.0 - row.confidence) for row in waiting}
    _lift_audits(waiting, wanted)
    changed = {row.pk: wanted[row.pk] for row in waiting if abs(row.gain - wanted[row.pk]) > REST * REST}
    ItemLabel.objects.write_gains(changed)
    log.info("review_queue_ranked", taxonomy=taxonomy.pk, waiting=len(waiting), changed=len(changed))
    return len(waiting)


def _gains_of_choices(taxonomy: Taxonomy, waiting: list[ItemLabel], reader: Reader) -> dict[int, float]:
    second = ItemLabel.objects.second_choices(taxonomy.pk)
    doubts = {row.pk: _doubt(row, second.get(row.item_id, 0.0)) for row in waiting}
    found = {pk: REST * doubt for pk, doubt in doubts.items()}
    # Of items with one text, one decision says it all; the others come after everything else.
    by_text = {row.text_hash: row for row in sorted(waiting, key=lambda row: (doubts[row.pk], -row.pk))}
    # Of the texts that come up by lot only the next ones matter, whatever is thought of them.
    by_lot = sorted((row for row in by_text.values() if is_drawn(row.text_hash)), key=lambda row: lot(row.text_hash))
    others = [row for row in by_text.values() if not is_drawn(row.text_hash)]
    most = by_lot[:ORDERED] + sorted(others, key=lambda row: (-doubts[row.pk], row.pk))[:COMPARED]
    decided_texts = ItemLabel.objects.decided_by_people().filter(taxonomy=taxonomy).text_hashes()
    vectors = readings.stored([row.text_hash for row in most], reader)
    most = [row for row in most if row.text_hash in vectors]
    decided = list(readings.stored(decided_texts, reader).values())
    if not most:
        return found
    order, adds = queue(
        [row.text_hash for row in most],
        np.stack([vectors[row.text_hash] for row in most]),
        np.array([doubts[row.pk] for row in most], dtype=np.float32),
        np.stack(decided) if decided else np.zeros((0, reader.dim), dtype=np.float32),
        n=ORDERED,
    )
    # Of equal gains the earlier place comes first, however the database sorts the rest.
    for turn, (place, gain) in enumerate(zip(order, adds, strict=True)):
        found[most[place].pk] = max(gain, REST) + REST * (len(order) - turn) / len(order)
    return found


def _lift_audits(waiting: list[ItemLabel], gains: dict[int, float]) -> None:
    """Audits are sure labels, which nobody would come to: each gets the gain of a place early in the queue, drawn by
    its key, so that it cannot be told from the others."""
    audits = {row.pk for row in waiting if row.is_audit}
    early = sorted((gain for pk, gain in gains.items() if pk not in audits), reverse=True)[:AUDITS_AMONG]
    for row in waiting:
        if row.is_audit and early:
            drawn = int.from_bytes(hashlib.sha256(f"audit {row.pk}".encode()).digest()[:4], "big")
            gains[row.pk] = max(gains[row.pk], early[drawn % len(early)])


def _doubt(row: ItemLabel, second: float) -> float:
    """One minus the lead of the first label over the second; up to twice that for the most touched item."""
    popularity: float | None = row.popularity_share  # type: ignore[attr-defined]
    return (1.0 - max(0.0, row.confidence - second)) * (1.0 + (popularity or 0.0))
