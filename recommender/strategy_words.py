"""A recipe in words: what each field is called, does, and is measured in; and what differs between two."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from recommender.strategies import WEIGHED, Recipe
from recommender.templatetags.scores import source_name

Words = str | Promise


@dataclass(frozen=True)
class FieldWords:
    """low, high: what a person may type, both allowed, before `is_share` makes a percentage of it."""

    group: str
    name: Words
    help: Words
    unit: Words = ""
    low: float | None = None
    high: float | None = None
    is_share: bool = False
    choices: Mapping[str, Words] = dataclasses.field(default_factory=dict)


GROUPS: Mapping[str, Words] = {
    "sources": gettext_lazy("Where items come from"),
    "history": gettext_lazy("What the user did"),
    "repeats": gettext_lazy("What they took already"),
    "list": gettext_lazy("The list"),
    "other": gettext_lazy("Further"),
}
SOURCE_HELP: Mapping[str, Words] = {
    "neighbours": gettext_lazy("What users take who take the same things."),
    "next": gettext_lazy("What others took right after the user's latest items."),
    "carried": gettext_lazy("New items that resemble what those users take."),
    "latent": gettext_lazy("What fits the taste that their items show, also items nobody took together."),
    "similar": gettext_lazy("How much an item resembles what they took last."),
    "words": gettext_lazy("Items whose titles share rare words with what they took last."),
    "interest": gettext_lazy("How close an item is to what they are after."),
    "label_affinity": gettext_lazy("Items of the labels they take most from."),
    "repeat": gettext_lazy("What they took before and are due to take again."),
    "popular": gettext_lazy("What many took lately."),
    "trending": gettext_lazy("What is taken more often now than before."),
    "new": gettext_lazy("What hardly anybody took yet."),
    "trees": gettext_lazy("What sources mean together, as boosted trees found it on past lists. Needs fitted weights."),
}
ITEMS, DAYS = gettext_lazy("items"), gettext_lazy("days")
EVENTS, USERS, STEPS = gettext_lazy("events"), gettext_lazy("users"), gettext_lazy("steps")

WORDS: Mapping[str, FieldWords] = {
    "weights": FieldWords(
        "sources",
        gettext_lazy("Weights"),
        gettext_lazy("How much each source counts; only their proportions matter, and 0 switches one off."),
        low=0,
        high=100,
    ),
    "is_fitted": FieldWords(
        "sources",
        gettext_lazy("Fitted weights"),
        gettext_lazy("Whether the weights found on past lists count, once there are some, instead of those above."),
    ),
    "candidates_per_source": FieldWords(
        "sources",
        gettext_lazy("Candidates a source"),
        gettext_lazy("How many items each source may propose. More is slower and seldom better."),
        ITEMS,
        1,
        1_000,
    ),
    "new_below_users": FieldWords(
        "sources",
        gettext_lazy("New below"),
        gettext_lazy("An item is new while fewer users took it; 0 switches new items off."),
        USERS,
        0,
        36_500,
    ),
    "history_events": FieldWords(
        "history",
        gettext_lazy("Events looked at"),
        gettext_lazy("The newest events whose items say what comes next."),
        EVENTS,
        1,
        1_000,
    ),
    "memory_steps": FieldWords(
        "history",
        gettext_lazy("Memory"),
        gettext_lazy("After so many later baskets or clicks an event counts half for a source; smaller follows whims."),
        STEPS,
        0.1,
        1_000,
    ),
    "repeats": FieldWords(
        "repeats",
        gettext_lazy("Repeats"),
        gettext_lazy("Whether what they took lately may come again. A request may ask otherwise."),
        choices={"exclude": gettext_lazy("Excluded"), "allow": gettext_lazy("Allowed")},
    ),
    "repeat_window_days": FieldWords(
        "repeats",
        gettext_lazy("Lately means"),
        gettext_lazy("How long something they took is kept out where repeats are excluded."),
        DAYS,
        0,
        36_500,
    ),
    "max_per_title": FieldWords(
        "list",
        gettext_lazy("Of the same title"),
        gettext_lazy("How many items of one title a list may hold."),
        ITEMS,
        1,
        1_000,
    ),
    "max_share_per_label": FieldWords(
        "list",
        gettext_lazy("Of the same label, at most"),
        gettext_lazy("The largest share of a list that comes from one label."),
        low=1,
        high=100,
        is_share=True,
    ),
    "explore_share": FieldWords(
        "list",
        gettext_lazy("Places for new items"),
        gettext_lazy("The share of a list's last places that go to new items which fit."),
        low=0,
        high=50,
        is_share=True,
    ),
    "diversity": FieldWords(
        "list",
        gettext_lazy("Variety"),
        gettext_lazy("How much an item that resembles those above it loses; 0 lets the best stand, whatever they are."),
        low=0,
        high=1,
    ),
    "calibration": FieldWords(
        "list",
        gettext_lazy("The user's own mix"),
        gettext_lazy("How much a list keeps to the shares of labels that the user takes; 0 does not care."),
        low=0,
        high=1,
    ),
    "rerank": FieldWords(
        "list",
        gettext_lazy("Language model's choice"),
        gettext_lazy("How much the language model's choice among the twelve best counts; 0 does not ask it."),
        low=0,
        high=1,
    ),
}


def words_of(field: str) -> FieldWords:
    """A field that has no words yet is called by its key; a test says which."""
    return WORDS.get(field) or FieldWords("other", field.replace("_", " ").capitalize(), "")


def shown(field: str, value: object) -> str:
    """A value as a person reads it: "34 %", "60 days", "Excluded". One of something goes without its unit."""
    words = words_of(field)
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if value is None:
        return gettext("none")
    if isinstance(value, str):
        return str(words.choices.get(value, value))
    if isinstance(value, int | float):
        if words.is_share:
            return f"{plain(100 * value)} %"
        return plain(value) if value == 1 else f"{plain(value)} {words.unit}".strip()
    if isinstance(value, Mapping):
        return ", ".join(f"{source_name(str(key))} {shown('', each)}" for key, each in value.items()) or gettext("none")
    if isinstance(value, list | tuple):
        return ", ".join(shown("", each) for each in value) or gettext("none")
    return str(value)


def plain(value: float) -> str:
    """A number without noise in its last digits and without an exponent: 34, .34 as 0.34, 36,500 as 36500."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text if text not in ("", "-0") else "0"


@dataclass(frozen=True)
class RecipeLine:
    """One thing that a recipe says. `key`: the field, or `weights.<source>` and the like; share: of all weights."""

    key: str
    group: str
    name: str
    value: str
    help: str
    share: float | None = None


def lines_of(recipe: Recipe) -> list[RecipeLine]:
    """Everything a recipe says, in the order in which pages show it: by group, inside it as the recipe has them."""
    found = [line for each in dataclasses.fields(recipe) for line in _lines(each.name, getattr(recipe, each.name))]
    order = list(GROUPS)
    return sorted(found, key=lambda line: order.index(line.group))


def _lines(field: str, value: Any) -> list[RecipeLine]:
    words = words_of(field)
    if isinstance(value, Mapping) and field != "weights":
        return [
            RecipeLine(
                f"{field}.{source}",
                words.group,
                f"{words.name}: {source_name(source)}",
                plain(each),
                str(words.help),
            )
            for source, each in value.items()
        ]
    if field != "weights":
        return [RecipeLine(field, words.group, str(words.name), shown(field, value), str(words.help))]
    total = sum(value.values())
    return [
        RecipeLine(
            f"weights.{source}",
            words.group,
            source_name(source),
            shown(field, value.get(source, 0.0)),
            str(SOURCE_HELP.get(source, "")),
            share=value.get(source, 0.0) / total if total else 0.0,
        )
        for source in WEIGHED
    ]


@dataclass(frozen=True)
class Change:
    key: str
    name: str
    before: str
    after: str


def changes(before: Recipe, after: Recipe) -> list[Change]:
    """What `after` does otherwise than `before`, in the order of `lines_of`; a weight left out is a weight of 0."""
    old = {line.key: line for line in lines_of(before)}
    return [
        Change(line.key, line.name, old[line.key].value, line.value)
        for line in lines_of(after)
        if line.key in old and old[line.key].value != line.value
    ]
