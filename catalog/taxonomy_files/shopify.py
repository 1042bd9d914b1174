"""Shopify's product taxonomy: the text with one category a line, the JSON with verticals, and plainly nested JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from django.utils.translation import gettext, gettext_noop

from catalog.feeds.text import FeedError, Head, opened
from catalog.item_rows import UnreadableRow

NAME = "shopify"
TITLE = gettext_noop("Shopify's product taxonomy")
PREFIX = "gid://shopify/TaxonomyCategory/"
LINE = re.compile(rf"^{re.escape(PREFIX)}(\S+)\s*:\s*(.+)$")
SEPARATOR = " > "
DEEPEST = 50


def matches(head: Head) -> bool:
    start = head.text.lstrip("\ufeff \r\n\t")
    return PREFIX in head.text or start.startswith(("{", "["))


def read(file: BinaryIO) -> Iterator[Mapping[str, str] | UnreadableRow]:
    text = opened(file)
    try:
        whole = text.read()
    finally:
        text.detach()
    if whole.lstrip("\ufeff \r\n\t").startswith(("{", "[")):
        yield from _of_json(whole.lstrip("\ufeff"))
        return
    for number, line in enumerate(whole.splitlines(), 1):
        written = line.strip().lstrip("\ufeff")
        if not written or written.startswith("#"):
            continue
        found = LINE.match(written)
        if found:
            yield {"label": found[2], "external_id": found[1]}
        else:
            yield UnreadableRow(f'Line {number} is not "{PREFIX}ID : PATH"; write it so, or leave it out.')


def _of_json(whole: str) -> Iterator[Mapping[str, str] | UnreadableRow]:
    try:
        document = json.loads(whole)
    except json.JSONDecodeError as error:
        raise FeedError(
            gettext("It is not valid JSON (line %(line)s, column %(column)s: %(why)s).")
            % {"line": error.lineno, "column": error.colno, "why": error.msg}
        ) from None
    except RecursionError:
        raise FeedError(gettext("The JSON is nested too deeply to be a taxonomy; check the file.")) from None
    seen: set[str] = set()
    for node in _roots(document):
        for row in _walk(node, ()):
            if isinstance(row, UnreadableRow):
                yield row
            elif row["label"] not in seen:  # a category is named once by itself and once as a child
                seen.add(row["label"])
                yield row


def _roots(document: object) -> Sequence[object]:
    """The categories of all verticals, or the nodes of a plain tree."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        raise FeedError(gettext('The JSON is no taxonomy; give an object with "verticals", or a list of nodes.'))
    verticals = document.get("verticals")
    if isinstance(verticals, list):
        found: list[object] = []
        for vertical in verticals:
            categories = vertical.get("categories") if isinstance(vertical, dict) else None
            if not isinstance(categories, list):
                raise FeedError(gettext('A vertical has no list of "categories"; download the file again.'))
            found += categories
        return found
    for name in ("categories", "children"):
        if isinstance(document.get(name), list) and not document.get("name"):
            nodes: list[object] = document[name]
            return nodes
    return [document]


def _walk(node: object, above: tuple[str, ...]) -> Iterator[dict[str, str] | UnreadableRow]:
    shown = SEPARATOR.join(above) or "the root"
    if not isinstance(node, dict):
        yield UnreadableRow(f"Below {shown} stands something that is no object with a name; mend or remove it.")
        return
    name = _text(node.get("name"))
    if not name or ">" in name:
        yield UnreadableRow(f'A category below {shown} has no name without ">"; give it one.')
        return
    path = _path(node, name, above)
    row = {"label": SEPARATOR.join(path)}
    if identity := _text(node.get("id")):
        row["external_id"] = identity.removeprefix(PREFIX)
    if description := _text(node.get("description")):
        row["description"] = description
    yield row
    children = node.get("children")
    if not isinstance(children, list) or not children:
        return
    if len(path) >= DEEPEST:
        yield UnreadableRow(f"{SEPARATOR.join(path)} is nested more than {DEEPEST} deep; flatten what lies below it.")
        return
    for child in children:
        yield from _walk(child, path)


def _path(node: dict[str, Any], name: str, above: tuple[str, ...]) -> tuple[str, ...]:
    """The published file's categories stand side by side and carry their whole path; a plain tree's do not."""
    if above:
        return (*above, name)
    if full := _text(node.get("full_name")):
        return tuple(part.strip() for part in full.split(">"))
    ancestors = node.get("ancestors")  # nearest first
    if isinstance(ancestors, list):
        named = [_text(one.get("name")) for one in ancestors if isinstance(one, dict)]
        return (*reversed([one for one in named if one]), name)
    return (name,)


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
