"""Every word that the console marks for translation has one, in the .po that people edit and in the .mo that runs."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation.template import templatize

FOLDER = Path(settings.BASE_DIR) / "recsite" / "locale" / "zh_Hans" / "LC_MESSAGES"
PACKAGES = ("catalog", "recommender", "recsite")
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
MARKED = re.compile(r"""\b(?:_|gettext|ngettext)\(\s*u?(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)
PLACEHOLDER = re.compile(r"%\(\w+\)s")
# Whose errors no page shows: those of commands and the files they read, of the API alone, and what is only logged.
UNSEEN = (
    *("management/", "embedded/", "providers/", "algorithms/", "migrations/", "/api", "_api.py", "feeds/", "demo/"),
    "made_load/",
    *("event_rows.py", "item_rows.py", "raw_sales.py", "evaluation_files.py", "preparations.py", "benchmark.py"),
    *("parsers.py", "recbole_files.py", "prompts.py", "reranking.py", "neighbours.py", "taxonomy_exports.py"),
)
# What is not found is a page of its own; the others only clients can cause.
UNSEEN_TEXTS = ("There is no ", "attributes ", "Lists of drafts, of other rules")


def entries_of(text: str) -> dict[str, tuple[bool, list[str]]]:
    """msgid -> (fuzzy, translations) of a .po file; its head is left out."""
    found: dict[str, tuple[bool, list[str]]] = {}
    for block in text.split("\n\n")[1:]:
        lines = [line for line in block.splitlines() if not line.startswith("#~")]
        is_fuzzy = any(line.startswith("#,") and "fuzzy" in line for line in lines)
        fields: list[tuple[str, str]] = []
        for line in (line for line in lines if line and not line.startswith("#")):
            if line.startswith('"'):
                name, value = fields.pop()
                fields.append((name, value + ast.literal_eval(line)))
            else:
                name, _, value = line.partition(" ")
                fields.append((name, ast.literal_eval(value)))
        if fields:
            translations = [value for name, value in fields if name.startswith("msgstr")]
            found[dict(fields)["msgid"]] = (is_fuzzy, translations)
    return found


def marked_in_python(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", "") in MARKS
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def marked_in_template(source: str) -> Iterator[str]:
    for found in MARKED.finditer(templatize(source)):
        yield ast.literal_eval(found["text"])


def marked() -> dict[str, str]:
    """Each marked message and a file that has it."""
    found: dict[str, str] = {}
    root = Path(settings.BASE_DIR)
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            found |= dict.fromkeys(marked_in_python(path.read_text("utf-8")), str(path.relative_to(root)))
    for path in (root / "templates").rglob("*.html"):
        found |= dict.fromkeys(marked_in_template(path.read_text("utf-8")), str(path.relative_to(root)))
    return found


@pytest.fixture(scope="module")
def entries() -> dict[str, tuple[bool, list[str]]]:
    return entries_of((FOLDER / "django.po").read_text("utf-8"))


def test_every_marked_message_is_translated_and_none_is_only_guessed(
    entries: dict[str, tuple[bool, list[str]]],
) -> None:
    messages = marked()
    assert messages["Confidence"] and messages["Accepted"]  # from a template and from code
    assert {message: file for message, file in messages.items() if message not in entries} == {}
    assert [message for message, (is_fuzzy, _) in entries.items() if is_fuzzy] == []
    assert [message for message, (_, texts) in entries.items() if not all(texts)] == []


def test_translations_name_the_values_that_the_message_names(entries: dict[str, tuple[bool, list[str]]]) -> None:
    """Chinese has one form for every number, so it may name the number that English spells out in the singular."""
    strange = {
        message: text
        for message, (_, texts) in entries.items()
        for text in texts
        if set(PLACEHOLDER.findall(text)) - {"%(n)s"} != set(PLACEHOLDER.findall(message)) - {"%(n)s"}
    }
    assert strange == {}


def test_the_compiled_file_says_what_the_written_one_says(entries: dict[str, tuple[bool, list[str]]]) -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    stale = [
        message
        for message, (_, texts) in entries.items()
        if texts[0] not in (compiled.gettext(message), compiled.ngettext(message, message, 1))
    ]
    assert stale == []


def test_messages_are_found_in_code_and_in_templates() -> None:
    assert list(marked_in_python('x = gettext("One " "message")\ny = other("no")')) == ["One message"]
    counted = "{% blocktranslate count n=n %}{{ n }} job{% plural %}{{ n }} jobs{% endblocktranslate %}"
    template = '{% load i18n %}{% translate "Up" %}' + counted
    assert list(marked_in_template(template)) == ["Up", "%(n)s job"]


def test_a_guess_and_a_gap_are_told_from_a_translation() -> None:
    text = 'msgid ""\nmsgstr ""\n\n#, fuzzy\nmsgid "Up"\nmsgstr "上"\n\nmsgid "a"\nmsgid_plural "b"\nmsgstr[0] ""\n'
    assert entries_of(text) == {"Up": (True, ["上"]), "a": (False, [""])}


def unmarked_errors(source: str) -> Iterator[str]:
    """What an error says without gettext, and gettext of what is put together before it is translated."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = str(getattr(node.func, "id", getattr(node.func, "attr", "")))
        said = node.args[0]
        is_error = name.endswith("Error") and name not in {"ValueError", "TypeError", "KeyError", "AssertionError"}
        is_text = isinstance(said, ast.JoinedStr) or (isinstance(said, ast.Constant) and isinstance(said.value, str))
        if is_error and is_text:
            yield ast.unparse(said)[1:].lstrip("'\"")
        elif name in MARKS and isinstance(said, ast.JoinedStr | ast.BinOp):
            yield ast.unparse(node)


def test_errors_that_pages_show_are_marked() -> None:
    root, found = Path(settings.BASE_DIR), {}
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            where = str(path.relative_to(root))
            if not any(part in where for part in UNSEEN):
                found |= dict.fromkeys(unmarked_errors(path.read_text("utf-8")), where)
    seen = {text: where for text, where in found.items() if not text.lstrip("f'\"").startswith(UNSEEN_TEXTS)}
    assert seen == {}, "say it as gettext(…) % {…}"


def test_an_unmarked_error_is_found() -> None:
    source = """
raise ConflictError(f"{n} are gone.")
raise NotFoundError("Gone.")
raise InvalidInputError(gettext("Gone: %(n)s.") % {"n": n})
raise InvalidInputError(gettext(f"Gone: {n}."))
raise ValueError(f"{n}")
"""
    assert list(unmarked_errors(source)) == ["{n} are gone.'", "Gone.'", "gettext(f'Gone: {n}.')"]
