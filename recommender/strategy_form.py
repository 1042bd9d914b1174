"""The form of a recipe, made from its fields: what stands in it, what was typed, and what is wrong with that."""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from django.utils.translation import gettext

from recommender.strategies import DEFAULT_MEMORY_STEPS, SOURCES, WEIGHED, Recipe, recipe_from
from recommender.strategy_words import GROUPS, SOURCE_HELP, FieldWords, plain, words_of
from recommender.templatetags.scores import source_name
from recsite.operations.errors import InvalidInputError

LONGEST_JSON = 10_000
# Fields with a number for each source, and which sources they are.
BY_SOURCE = {"weights": WEIGHED, "memory_steps": tuple(DEFAULT_MEMORY_STEPS)}


@dataclass(frozen=True)
class FormField:
    """`text` is what stands in the input. kind: whole, number, choice, switch, text or json."""

    key: str
    kind: str
    words: FieldWords
    name: str
    text: str
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    is_optional: bool = False
    error: str = ""

    @property
    def unit(self) -> str:
        return "%" if self.words.is_share else str(self.words.unit)

    @property
    def low(self) -> str:
        return "" if self.words.low is None else plain(self.words.low)

    @property
    def high(self) -> str:
        return "" if self.words.high is None else plain(self.words.high)


@dataclass(frozen=True)
class Group:
    name: str
    key: str
    help: str
    fields: tuple[FormField, ...]
    error: str = ""


@dataclass(frozen=True)
class RecipeForm:
    """`values` is the recipe to store, None where something is wrong; `error` is about several fields at once."""

    groups: tuple[Group, ...]
    values: dict[str, object] | None
    error: str = ""

    @property
    def fields(self) -> tuple[FormField, ...]:
        return tuple(each for group in self.groups for each in group.fields)

    @property
    def wrong(self) -> list[tuple[str, str]]:
        """(name, error) of everything that is wrong, for one glance."""
        found = [(each.name, each.error) for each in self.fields if each.error]
        found += [(group.name, group.error) for group in self.groups if group.error]
        return found + ([("", self.error)] if self.error else [])

    @property
    def first_wrong(self) -> str:
        return next((each.key for each in self.fields if each.error), "")


def form_of(recipe: Recipe) -> RecipeForm:
    """The form as it is opened: what the recipe says."""
    fields = []
    for each in dataclasses.fields(Recipe):
        value = getattr(recipe, each.name)
        if each.name in BY_SOURCE:
            words = words_of(each.name)
            fields += [
                _blank(f"{each.name}.{source}", _text(value.get(source, 0.0), words)) for source in BY_SOURCE[each.name]
            ]
        else:
            fields.append(_blank(each.name, _text(value, words_of(each.name))))
    return RecipeForm(_grouped(fields), dataclasses.asdict(recipe))


def form_from(typed: Mapping[str, str]) -> RecipeForm:
    """The form as it was typed, each error at its field. Nothing typed is lost, whatever is wrong."""
    values: dict[str, object] = {}
    by_source: dict[str, dict[str, float]] = {name: {} for name in BY_SOURCE}
    fields = []
    for key in _keys():
        field = _blank(key, typed.get(key, "").replace("\x00", "").strip())
        try:
            value = _parsed(field)
            name, _, source = key.partition(".")
            if source:
                # The others stand in for the moment, so that what is wrong is wrong with this one.
                recipe_from({name: {**dict.fromkeys(BY_SOURCE[name], 1.0), source: value}})
                by_source[name][source] = value
            else:
                recipe_from({name: value})
                values[name] = value
        except InvalidInputError as refused:
            field = replace(field, error=refused.message)
        fields.append(field)
    values |= by_source
    of_weights = (
        ""
        if any(by_source["weights"].get(source) for source in SOURCES)
        else gettext("Give at least one source a weight above 0.")
    )
    form = RecipeForm(_grouped(fields, of_weights), None)
    if form.wrong:
        return form
    try:
        recipe_from(values)
    except InvalidInputError as refused:
        return replace(form, error=refused.message)
    return replace(form, values=values)


@cache
def _keys() -> tuple[str, ...]:
    found: list[str] = []
    for each in dataclasses.fields(Recipe):
        sources = BY_SOURCE.get(each.name)
        found += [each.name] if sources is None else [f"{each.name}.{source}" for source in sources]
    return tuple(found)


def _blank(key: str, text: str) -> FormField:
    name, _, source = key.partition(".")
    words = words_of(name)
    if source:
        said = SOURCE_HELP.get(source, "") if name == "weights" else ""
        return FormField(key, "number", words, source_name(source), text, str(said))
    kind, choices, is_optional = _kind(name)
    named = tuple((choice, str(words.choices.get(choice, choice))) for choice in choices)
    return FormField(key, kind, words, str(words.name), text, str(words.help), named, is_optional)


@cache
def _kind(name: str) -> tuple[str, tuple[str, ...], bool]:
    """(kind, choices, whether it may be empty), from the type of the recipe's field."""
    hint: Any = get_type_hints(Recipe)[name]
    is_optional = False
    if get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
        is_optional = True
        hint = next(each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is Literal:
        return "choice", tuple(str(each) for each in get_args(hint)), is_optional
    kinds = {bool: "switch", int: "whole", float: "number", str: "text"}
    return kinds.get(hint, "json"), (), is_optional


def _text(value: Any, words: FieldWords) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else ""
    if isinstance(value, int | float):
        return plain(100 * value if words.is_share else value)
    if isinstance(value, str):
        return value
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)


def _parsed(field: FormField) -> Any:
    """The value that was typed. Raises InvalidInputError with what is wrong, in the words of the form."""
    text = field.text
    if field.kind == "switch":
        return text == "on"
    if not text and field.is_optional:
        return None
    if field.kind in ("choice", "text"):
        return text
    if field.kind == "json":
        return _json(text)
    return _number(field)


def _number(field: FormField) -> int | float:
    written = field.text.replace(",", ".").removesuffix("%").strip()
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidInputError(
            gettext("“%(written)s” is no number.") % {"written": field.text[:40]}
            if written
            else gettext("Write a number.")
        )
    if field.kind == "whole" and value != int(value):
        raise InvalidInputError(gettext("Write a whole number."))
    low, high = field.words.low, field.words.high
    if (low is not None and value < low) or (high is not None and value > high):
        unit = f" {field.unit}" if field.unit else ""
        raise InvalidInputError(
            gettext("It must lie between %(low)s and %(high)s.") % {"low": field.low, "high": f"{field.high}{unit}"}
        )
    if field.words.is_share:
        value = round(value / 100, 8)
    return int(value) if field.kind == "whole" else value


def _json(text: str) -> Any:
    if len(text) > LONGEST_JSON:
        raise InvalidInputError(gettext("That is too long."))
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(gettext("This is no JSON: %(why)s.") % {"why": error}) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not allowed")


def _grouped(fields: list[FormField], of_weights: str = "") -> tuple[Group, ...]:
    found = []
    order = ["weights"]
    for group in GROUPS:  # numbers by source stand beside the group of their field
        order += [group, *(name for name in BY_SOURCE if name != "weights" and words_of(name).group == group)]
    for key in order:
        name = words_of(key).name if key in BY_SOURCE else GROUPS[key]
        inside = tuple(each for each in fields if _group_of(each) == key)
        if inside:
            help_text = str(words_of(key).help) if key in BY_SOURCE else ""
            found.append(Group(str(name), key, help_text, inside, of_weights if key == "weights" else ""))
    return tuple(found)


def _group_of(field: FormField) -> str:
    name, _, source = field.key.partition(".")
    return name if source else field.words.group
