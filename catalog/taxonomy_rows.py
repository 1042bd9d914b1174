"""PURE: one row of a taxonomy's file -> a label's values, or what is wrong with it and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.text import slugify

from catalog.item_rows import Rejection, UnreadableRow, clean_text

SEPARATOR = " > "
NAME_LIMIT = 200
PATH_LIMIT = 1000
DESCRIPTION_LIMIT = 2000
ICON_LIMIT = 40
EXTERNAL_ID_LIMIT = 100
NAME_COLUMN = "name:"
LANGUAGE = re.compile(r"^[a-z]{2,3}(-[a-z0-9]{2,6})?$")
# The names that this site's languages have elsewhere.
LANGUAGES = {"zh-cn": "zh-hans", "zh-sg": "zh-hans", "zh-tw": "zh-hant", "zh-hk": "zh-hant", "zh": "zh-hans"}
TRUE_WORDS = frozenset({"true", "yes", "1"})
SOURCES = frozenset({"person", "language_model"})


@dataclass(frozen=True)
class LabelRow:
    """A valid row. `taxonomy` is its slug, `taxonomy_name` as it was written; empty cells are empty text."""

    number: int
    taxonomy: str
    taxonomy_name: str
    path: tuple[str, ...]
    description: str = ""
    description_source: str = ""
    icon: str = ""
    external_id: str = ""
    is_deprecated: bool = False
    merged_into: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


def language_code(written: str) -> str:
    """The code as this site spells it: "zh_CN" is "zh-hans". Empty where it is none."""
    code = written.strip().lower().replace("_", "-")
    code = LANGUAGES.get(code, code)
    return code if LANGUAGE.match(code) else ""


def clean_name(written: str) -> str:
    return " ".join(clean_text(written).split())


def parse_label(row: Mapping[str, str] | UnreadableRow, number: int, *, taxonomy: str = "") -> LabelRow | Rejection:
    """taxonomy: the slug that goes before whatever the row names. `number` counts from 1."""
    if isinstance(row, UnreadableRow):
        return Rejection(number, "", "", row.message)
    name = clean_name(row.get("taxonomy") or "")
    slug = taxonomy or slugify(name)[:50]
    if not slug:
        message = "taxonomy is missing; name the one that the label belongs to."
        if name:
            message = (
                f"taxonomy {name[:50]!r} has no Latin letter for its address; import with --taxonomy SLUG --name …"
            )
        return Rejection(number, "", "taxonomy", message)
    written = clean_text(row.get("label") or "")
    path = tuple(clean_name(part) for part in written.split(">"))
    if not all(path):
        message = 'label is missing or has an empty part; write names from the root joined by " > ".'
        return Rejection(number, written[:200], "label", message)
    if any(len(part) > NAME_LIMIT for part in path) or len(SEPARATOR.join(path)) > PATH_LIMIT:
        return Rejection(number, written[:200], "label", "label is too long: 200 characters a name, 1,000 a path.")
    icon = clean_text(row.get("icon") or "").removeprefix("ti-")
    if len(icon) > ICON_LIMIT:
        return Rejection(number, written[:200], "icon", "icon is longer than 40 characters; use a Tabler icon's name.")
    about = clean_text(row.get("description") or "")
    if len(about) > DESCRIPTION_LIMIT:
        message = f"description has {len(about):,} characters; at most {DESCRIPTION_LIMIT:,} fit. Shorten it."
        return Rejection(number, written[:200], "description", message)
    external_id = clean_name(row.get("external_id") or "")
    if len(external_id) > EXTERNAL_ID_LIMIT:
        message = f"external_id has {len(external_id):,} characters; at most {EXTERNAL_ID_LIMIT} fit."
        return Rejection(number, written[:200], "external_id", message)
    names = _names(row, number, written)
    if isinstance(names, Rejection):
        return names
    source = clean_text(row.get("description_source") or "").lower()
    return LabelRow(
        number=number,
        taxonomy=slug,
        taxonomy_name=(name or slug)[:100],
        path=path,
        description=about,
        description_source=source if source in SOURCES else "",
        icon=icon,
        external_id=external_id,
        is_deprecated=clean_text(row.get("is_deprecated") or "").lower() in TRUE_WORDS,
        merged_into=SEPARATOR.join(clean_name(part) for part in (row.get("merged_into") or "").split(">")),
        names=names,
    )


def _names(row: Mapping[str, str], number: int, written: str) -> dict[str, str] | Rejection:
    names: dict[str, str] = {}
    for column, cell in row.items():
        name = clean_name(cell or "")
        if not column.startswith(NAME_COLUMN) or not name:
            continue
        code = language_code(column.removeprefix(NAME_COLUMN))
        if not code:
            message = f"{column} names no language; write a code such as name:zh-hans or name:fr."
            return Rejection(number, written[:200], column[:60], message)
        if len(name) > NAME_LIMIT:
            message = f"{column} has {len(name):,} characters; at most {NAME_LIMIT} fit. Shorten it."
            return Rejection(number, written[:200], column[:60], message)
        names[code] = name
    return names
