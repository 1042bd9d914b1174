"""Words from evidence."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.explanations import ScorePart, sentences, words
from recommender.slates import recommend
from tests.factories import EndUserFactory, EventFactory, InterestVectorFactory, ItemEmbeddingFactory, ItemFactory, axis


def item(title, **more):
    return {"id": 1, "external_id": "x", "title": title, **more}


@pytest.mark.parametrize(
    ("source", "evidence", "expected"),
    [
        (
            "neighbours",
            {"items": [item("Tortilla chips", users=41), item("Salsa", users=1200)]},
            "Often taken by users who took Tortilla chips (41 of them) and Salsa (1,200).",
        ),
        ("neighbours", {"items": [item("Salsa", users=1)]}, "Often taken by users who took Salsa (1 of them)."),
        ("neighbours", {"items": []}, ""),
        (
            "interest",
            {"medoid": "Flour", "items": [item("Yeast"), item("Sugar"), item("Flour")]},
            "Fits an interest of this user: Yeast; Sugar; Flour.",
        ),
        ("interest", {"medoid": "Flour", "items": []}, "Fits an interest of this user: Flour."),
        ("interest", {}, ""),
        ("next", {"items": [item("Yeast"), item("Sugar"), item("Salt")]}, "Often taken right after Yeast and Sugar."),
        ("next", {"items": []}, ""),
        (
            "carried",
            {"items": [item("Yeast"), item("Sugar"), item("Salt")]},
            "Resembles what goes with Yeast and Sugar.",
        ),
        ("carried", {"items": []}, ""),
        ("similar", {"items": [item("Yeast")]}, "Resembles what was taken lately: Yeast."),
        ("similar", {}, ""),
        ("words", {"items": [item("Yeast, 7 g")]}, "Named like Yeast, 7 g."),
        ("words", {"items": []}, ""),
        ("repeat", {"times": 1, "days_ago": 0}, "Taken once before, the last time today."),
        ("repeat", {"times": 1200, "days_ago": 1}, "Taken 1,200 times before, the last time a day ago."),
        ("repeat", {}, ""),
        ("trending", {"ratio": 2.25}, "Taken 2.2 times as often this week as in the four before."),
        ("trending", {"ratio": 1.0}, ""),
        (
            "label_affinity",
            {"label": "Baking", "items": [item("Yeast, 7 g"), item("Flour, 5 lb")]},
            "Fits the interest in Baking: Yeast, 7 g; Flour, 5 lb.",
        ),
        ("label_affinity", {"label": "Baking", "items": []}, "Fits the interest in Baking."),
        ("label_affinity", {}, ""),
        ("popular", {"recent_users": 312, "users": 900}, "312 users took it in the last 28 days."),
        ("popular", {"recent_users": 1, "users": 1}, "1 user took it in the last 28 days."),
        ("popular", {"recent_users": 0, "users": 8}, ""),
        ("new", {"is_new": True, "users": 0}, "New here: nobody has taken it yet."),
        ("new", {"is_new": True, "users": 1}, "New here: only 1 user has taken it."),
        ("new", {"is_new": True, "users": 3}, "New here: only 3 users have taken it."),
        ("new", {"is_new": False, "users": 9}, ""),
    ],
)
def test_words(source, evidence, expected):
    assert words(source, evidence) == expected


def test_long_titles_are_cut():
    said = words("label_affinity", {"label": "Baking", "items": [item("x" * 300)]})
    assert len(said) < 100
    assert said.endswith("x….")


def part(source, contribution, said):
    return ScorePart(source, 1.0, contribution, 1.0, contribution, {}, said)


def test_sentences_are_those_that_raise_the_item_the_strongest_first():
    parts = (
        part("new", -0.2, "New."),
        part("popular", 0.1, "Popular."),
        part("interest", 0.4, "Close."),
        part("a", 0.3, ""),
        part("label_affinity", 0.004, "Fits."),
    )
    assert sentences(parts) == ("Close.", "Popular.")


def test_what_trees_make_of_a_source_that_speaks_against_the_item_is_no_reason():
    raised = ScorePart("popular", 1.0, -0.5, 0.2, 0.3, {}, "One user took it.", by_trees=0.4)
    assert sentences((raised, part("interest", 0.1, "Close."))) == ("Close.",)


@pytest.mark.django_db
def test_an_interest_is_explained_by_what_resembles_the_item_most_not_by_what_weighs_most():
    user = EndUserFactory(external_id="u1")
    soap, rye, bun = (ItemFactory(title=title) for title in ("Soap", "Rye bread", "Bun"))
    for taken, vector in ((soap, axis(1)), (rye, axis(0) + 0.2 * axis(2)), (bun, axis(0) + 0.8 * axis(2))):
        ItemEmbeddingFactory(item=taken, vector=vector / np.linalg.norm(vector))
        EventFactory(user=user, item=taken)
    behind = [{"event": 1, "item": each.pk, "weight": weight} for each, weight in ((soap, 3.0), (bun, 2.0), (rye, 1.0))]
    InterestVectorFactory(user=user, medoid=bun, vector=axis(0), events=behind)
    ItemFactory(external_id="bread", vector=axis(0))
    ItemFactory(external_id="far", vector=axis(9))
    (first, _) = recommend("u1", n=2).items
    assert first.item.external_id == "bread"
    words_of = {part.source: part.words for part in first.parts}
    assert words_of["interest"] == "Fits an interest of this user: Rye bread; Bun; Soap."
