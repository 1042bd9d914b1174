"""Item text and its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence


def item_text(title: str, brand: str, description: str) -> str:
    return " ".join(part for part in (title, brand, description) if part)


def text_hash(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def embed_items(item_ids: Sequence[int] | None = None, *, on_progress: Callable[[int], None] | None = None) -> int:
    return 0
