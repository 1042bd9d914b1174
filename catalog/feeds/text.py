"""What all text formats share: finding the encoding, the first lines, and values as text."""

from __future__ import annotations

import codecs
import csv
import html
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from catalog.models import Item
from recsite.operations.errors import InvalidInputError

HEAD_BYTES = 65_536
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
TAG = re.compile(r"<(?:br|/p|/li|/div|/h\d)[^>]*>", re.IGNORECASE)
ANY_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)


class FeedError(InvalidInputError):
    """The file as a whole cannot be read."""

    code = "unreadable_feed"


@dataclass(frozen=True)
class Head:
    """How a file begins: enough to tell its format."""

    suffix: str
    raw: bytes
    text: str

    @property
    def is_empty(self) -> bool:
        return not self.text.strip() and not self.raw.startswith(b"PAR1")

    @property
    def first_line(self) -> str:
        return next((line for line in self.text.splitlines() if line.strip()), "")

    @property
    def columns(self) -> list[str]:
        """The header of a table, as written; one entry where it is no table."""
        return next(csv.reader([self.first_line], delimiter=delimiter_of(self.first_line)), [])


def read_head(path: Path) -> Head:
    try:
        with path.open("rb") as file:
            raw = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise FeedError(f"There is no file {path}; check the path.") from None
    except OSError as error:
        raise FeedError(f"{path} cannot be read: {error.strerror or error}.") from None
    if raw.startswith(b"PK\x03\x04"):
        raise FeedError(f"{path.name} is a spreadsheet or a zip archive; export it as CSV, UTF-8.")
    if raw.startswith(b"\x1f\x8b"):
        raise FeedError(f"{path.name} is compressed; unpack it with gunzip first.")
    encoding = next((name for bom, name in BOMS if raw.startswith(bom)), "")
    if not encoding:
        # A character may be cut at the end of the head, so the decoder is not told that this is all.
        try:
            codecs.getincrementaldecoder("utf-8")().decode(raw)
            encoding = "utf-8"
        except UnicodeDecodeError:
            encoding = "gb18030"
    return Head(path.suffix.lower().lstrip("."), raw, raw.decode(encoding, "replace"))


def encoding_of(file: BinaryIO) -> str:
    """utf-8-sig, utf-16, utf-8 or gb18030, whichever reads the whole file. Leaves the file at its start."""
    file.seek(0)
    start = file.read(4)
    for bom, name in BOMS:
        if start.startswith(bom):
            file.seek(0)
            return name
    failed_at = 0
    for name in ("utf-8", "gb18030"):
        decoder = codecs.getincrementaldecoder(name)()
        file.seek(0)
        position = 0
        try:
            while block := file.read(1 << 20):
                decoder.decode(block)
                position += len(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            failed_at = failed_at or position + error.start
            continue
        file.seek(0)
        return name
    raise FeedError(f"The file is neither UTF-8 nor GB18030 (byte {failed_at:,}); save it as UTF-8.")


def opened(file: BinaryIO) -> io.TextIOWrapper:
    """The file as text. NUL bytes stay and are removed where values are cleaned."""
    return io.TextIOWrapper(file, encoding=encoding_of(file), errors="replace", newline="")


def delimiter_of(header: str) -> str:
    counts = {delimiter: header.count(delimiter) for delimiter in ("\t", ",", ";", "|")}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    return best if counts[best] else ","


def plain(markup: str) -> str:
    """HTML -> text, with line breaks where blocks end."""
    text = html.unescape(ANY_TAG.sub(" ", TAG.sub("\n", markup)))
    return "\n".join(line for line in (" ".join(part.split()) for part in text.split("\n")) if line)


def first_named(row: dict[str, str], *names: str) -> str:
    """The first of these columns that holds anything; all of them are taken out of the row."""
    found = [row.pop(name, "") or "" for name in names]
    return next((value for value in found if value.strip()), "")


def money(item: Item) -> str:
    """'12.99 USD', or '' where there is no price."""
    return "" if item.price is None else f"{item.price:.2f} {item.currency}".strip()


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
