"""Google's product taxonomy: one path a line, with or without its id, as Google publishes it for each language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from django.utils.translation import gettext_noop

from catalog.feeds.text import Head, opened
from catalog.item_rows import UnreadableRow

NAME = "google"
TITLE = gettext_noop("Google's product taxonomy")
FIRST_LINE = "# Google_Product_Taxonomy_Version"
WITH_ID = re.compile(r"^(\d{1,20}) - (.+)$")


def matches(head: Head) -> bool:
    first = head.first_line.lstrip("\ufeff")
    return first.startswith(FIRST_LINE) or bool(WITH_ID.match(first))


def read(file: BinaryIO) -> Iterator[Mapping[str, str] | UnreadableRow]:
    text, has_ids = opened(file), False
    try:
        for line in text:
            written = line.strip().lstrip("\ufeff")
            if not written or written.startswith("#"):
                continue
            found = WITH_ID.match(written)
            if found:
                has_ids = True
                yield {"label": found[2], "external_id": found[1]}
            elif has_ids:
                yield UnreadableRow(f"“{written[:60]}” has no id, unlike the lines before it; write “123 - A > B”.")
            else:
                yield {"label": written}
    finally:
        text.detach()
