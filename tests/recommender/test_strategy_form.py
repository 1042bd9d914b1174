"""The words and the form of a recipe: every field has both, and what is typed is kept, checked or explained."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, replace
from typing import Any

import pytest

from recommender.strategies import SOURCES, Recipe, recipe_from
from recommender.strategy_form import BY_SOURCE, RecipeForm, form_from, form_of
from recommender.strategy_words import GROUPS, SOURCE_HELP, WORDS, changes, lines_of, shown
from recommender.templatetags.scores import SOURCES as SOURCE_NAMES
from recsite.operations.errors import InvalidInputError


def typed(**other: str) -> dict[str, str]:
    """What the form of the default recipe sends, with some fields typed anew; `weights__new` is `weights.new`."""
    sent = {field.key: field.text for field in form_of(Recipe()).fields}
    return sent | {key.replace("__", "."): value for key, value in other.items()}


def error_of(form: RecipeForm, key: str) -> str:
    return next(field.error for field in form.fields if field.key == key)


def test_every_field_of_a_recipe_has_words_and_every_word_a_field() -> None:
    assert set(WORDS) == {each.name for each in dataclasses.fields(Recipe)}
    assert all(words.group in GROUPS and words.name and words.help for words in WORDS.values())


def test_every_source_has_a_name_and_says_what_it_brings() -> None:
    assert set(SOURCES) <= set(SOURCE_NAMES)
    assert set(SOURCES) <= set(SOURCE_HELP)


@pytest.mark.parametrize(
    "name", [name for name, words in WORDS.items() if words.low is not None and name not in BY_SOURCE]
)
def test_both_ends_of_a_range_in_words_are_values_that_a_recipe_takes(name: str) -> None:
    words = WORDS[name]
    for end in (words.low, words.high):
        assert form_from(typed(**{name: str(end)})).values is not None, (name, end)


def test_a_form_that_nobody_touched_sends_back_the_recipe() -> None:
    form = form_from(typed())
    assert form.values is not None
    assert recipe_from(form.values) == replace(Recipe(), weights={**dict.fromkeys(SOURCES, 0.0), **Recipe().weights})
    assert changes(Recipe(), recipe_from(form.values)) == []


@pytest.mark.parametrize(
    ("key", "text", "error"),
    [
        ("weights.popular", "much", "“much” is no number."),
        ("weights.popular", "-1", "between 0 and 100"),
        ("weights.popular", "nan", "no number"),
        ("weights.popular", "1e999", "no number"),
        ("weights.popular", "", "Write a number."),
        ("history_events", "10.5", "whole number"),
        ("history_events", "1001", "between 1 and 1000 events"),
        ("explore_share", "51", "between 0 and 50 %"),
        ("memory_steps.next", "0", "between 0.1 and 1000 steps"),
        ("memory_steps.latent", "long", "“long” is no number."),
        ("repeats", "sometimes", "'exclude' or 'allow'"),
    ],
)
def test_what_cannot_work_is_said_at_its_field_and_stays_as_it_was_typed(key: str, text: str, error: str) -> None:
    form = form_from(typed() | {key: text})
    assert form.values is None
    assert error in error_of(form, key)
    assert [field.text for field in form.fields if field.key == key] == [text]
    assert [field.key for field in form.fields if field.error] == [key] == [form.first_wrong]


def test_memory_is_a_number_for_each_source_that_remembers_and_a_group_of_its_own() -> None:
    (group,) = [group for group in form_of(Recipe()).groups if group.key == "memory_steps"]
    assert [field.key.partition(".")[2] for field in group.fields] == list(Recipe().memory_steps)
    assert {field.kind for field in group.fields} == {"number"}
    assert group.help
    keys = [group.key for group in form_of(Recipe()).groups]
    assert keys.index("memory_steps") == keys.index("history") + 1
    form = form_from(typed(memory_steps__next="2,5"))
    assert form.values is not None
    assert dict(recipe_from(form.values).memory_steps) == {**Recipe().memory_steps, "next": 2.5}


def test_several_wrong_fields_are_all_told() -> None:
    form = form_from(typed(history_events="x", explore_share="x"))
    assert [name for name, _ in form.wrong] == ["Events looked at", "Places for new items"]


def test_weights_that_are_all_nothing_are_refused_as_a_group() -> None:
    form = form_from(typed() | {f"weights.{source}": "0" for source in SOURCES})
    assert form.values is None
    assert [group.error for group in form.groups if group.error] == ["Give at least one source a weight above 0."]


def test_percentages_and_commas_are_understood() -> None:
    form = form_from(typed(explore_share="12,5 %", weights__popular="0,25"))
    assert form.values is not None
    recipe = recipe_from(form.values)
    assert (recipe.explore_share, recipe.weights["popular"]) == (0.125, 0.25)


def test_changes_are_in_words_and_name_no_field_that_is_the_same() -> None:
    after = recipe_from(
        {"weights": {**Recipe().weights, "popular": 0.5}, "repeats": "allow", "explore_share": 0.2, "max_per_title": 1}
    )
    assert [(one.name, one.before, one.after) for one in changes(Recipe(), after)] == [
        ("Popular", shown("weights", Recipe().weights["popular"]), "0.5"),
        ("Repeats", "Excluded", "Allowed"),
        ("Of the same title", "2 items", "1"),
        ("Places for new items", "2 %", "20 %"),
    ]
    assert changes(after, after) == []


def test_shares_of_weights_add_up_to_one() -> None:
    assert sum(line.share for line in lines_of(Recipe()) if line.share is not None) == pytest.approx(1.0)


@dataclasses.dataclass(frozen=True)
class Wider(Recipe):
    """A recipe of a later release: fields of every kind that a form can have."""

    is_calm: bool = False
    most_days: int | None = None
    sizes: tuple[int, ...] = (1, 2)
    title: str = "x"


def test_fields_of_every_kind_make_the_round_through_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    from recommender import strategies, strategy_form

    def accept(values: dict[str, Any]) -> Any:
        if values.get("title") == "bad":
            raise InvalidInputError("The recipe's title is 'bad'.")
        return values

    monkeypatch.setattr(strategies, "Recipe", Wider)
    monkeypatch.setattr(strategy_form, "Recipe", Wider)
    monkeypatch.setattr(strategy_form, "recipe_from", accept)
    strategy_form._keys.cache_clear()
    strategy_form._kind.cache_clear()
    try:
        sent = {field.key: field.text for field in form_of(Wider()).fields}
        assert (sent["is_calm"], sent["most_days"], sent["sizes"], sent["title"]) == ("", "", "[1, 2]", "x")
        values = form_from(sent).values
        assert values is not None
        assert {**asdict(Wider()), "sizes": [1, 2]} == values | {"weights": dict(Wider().weights)}
        values = form_from(sent | {"is_calm": "on", "most_days": "7", "sizes": "[3]"}).values
        assert values is not None
        assert (values["is_calm"], values["most_days"], values["sizes"]) == (True, 7, [3])
        wrong = form_from(sent | {"sizes": "[NaN]", "title": "bad"})
        assert "no JSON" in error_of(wrong, "sizes")
        assert "'bad'" in error_of(wrong, "title")
    finally:
        strategy_form._keys.cache_clear()
        strategy_form._kind.cache_clear()
