"""XML feeds read as a stream, with nothing in them that could expand: a document type declaration is refused."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO
from xml.parsers import expat

from catalog.feeds.text import FeedError, encoding_of
from catalog.item_rows import UnreadableRow

BLOCK = 1 << 16
DECLARED = re.compile(rb"<\?xml[^>]*encoding=[\"']([A-Za-z0-9._-]+)[\"']")


class _Entries:
    """Collects the text of each entry's children; what lies deeper is joined into its ancestor's text."""

    def __init__(self, tags: frozenset[str], name: Callable[[str], str]) -> None:
        self.tags, self.name = tags, name
        self.done: list[dict[str, str]] = []
        self.seen_root = False
        self._entry: dict[str, str] | None = None
        self._depth = 0
        self._child = ""
        self._text: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.seen_root = True
        if self._entry is None:
            if self.name(tag) in self.tags:
                self._entry, self._depth = {}, 0
            return
        self._depth += 1
        if self._depth == 1:
            # Atom's <link href="…"/> carries its address in an attribute.
            self._child, self._text = self.name(tag), [attributes.get("href", "")]

    def text(self, data: str) -> None:
        if self._entry is not None and self._depth:
            self._text.append(data)

    def end(self, tag: str) -> None:
        if self._entry is None:
            return
        if self._depth == 0:
            self.done.append(self._entry)
            self._entry = None
            return
        if self._depth == 1:
            value = "".join(self._text).strip()
            if value and self._child not in self._entry:  # the first of additional images, of categories …
                self._entry[self._child] = value
        self._depth -= 1


def read_entries(
    file: BinaryIO, tags: frozenset[str], *, name: Callable[[str], str]
) -> Iterator[dict[str, str] | UnreadableRow]:
    """A dict for each element whose name is in `tags`. Raises FeedError where the XML is not well-formed or hostile."""
    file.seek(0)
    declared = DECLARED.search(file.read(200))
    encoding = encoding_of(file)
    if declared and encoding in {"utf-8", "gb18030"}:
        encoding = declared[1].decode("ascii")
    if not _is_of_text(encoding):
        raise FeedError(f"The XML declares the encoding {encoding!r}, which we do not read; save it as UTF-8.")
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    entries = _Entries(tags, name)
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = entries.start
    parser.CharacterDataHandler = entries.text
    parser.EndElementHandler = entries.end
    file.seek(0)
    try:
        while block := file.read(BLOCK):
            parser.Parse(decoder.decode(block).encode(), False)
            yield from entries.done
            entries.done.clear()
        parser.Parse(decoder.decode(b"", final=True).encode(), True)
    except expat.ExpatError as error:
        raise FeedError(f"The XML is not well-formed: {error}; export the feed again.") from None
    yield from entries.done


def _is_of_text(encoding: str) -> bool:
    """Python also knows codecs that are no encoding of a file, such as zip, hex and idna."""
    try:
        b"<?".decode(encoding)
        codecs.getincrementaldecoder(encoding)(errors="replace").decode(b"<?")
    except (LookupError, ValueError):
        return False
    return True


def _refuse_doctype(*_: object) -> None:
    raise FeedError("The XML has a DOCTYPE, which could expand without end; export the feed without it.")
