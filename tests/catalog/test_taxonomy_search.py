"""Finding a label among thousands: what comes first, names in every language, and words written wrong."""

from __future__ import annotations

import pytest

from catalog.models import Label, LabelName, Taxonomy
from catalog.taxonomy_imports import import_taxonomy
from tests.factories import LabelFactory, TaxonomyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def taxonomy() -> Taxonomy:
    import_taxonomy(
        [
            {"label": "Drinks > Coffee", "external_id": "166", "name:zh-hans": "咖啡"},
            {"label": "Drinks > Coffee pods"},
            {"label": "Drinks > Instant-coffee"},
            {"label": "Kitchen > Decaffeinated coffees"},
            {"label": "Kitchen > Coffee makers > Filters"},
            {"label": "Kitchen > Kettles", "name:fr": "Bouilloires"},
            {"label": "Clothing > T-Shirts"},
            {"label": "食品 > 面包"},
        ],
        taxonomy="shop",
    )
    return Taxonomy.objects.get()


def found(text: str, taxonomy: Taxonomy | None = None, **options: object) -> list[str]:
    labels = Label.objects.all()
    ids = labels.found(text, taxonomy_id=taxonomy.pk if taxonomy else None, **options)  # type: ignore[arg-type]
    return [label.path for label in labels.in_order(ids)]


def test_the_name_itself_comes_first_then_beginnings_then_words_then_parts_then_paths(taxonomy: Taxonomy) -> None:
    assert found("coffee", taxonomy) == [
        "Drinks > Coffee",
        "Drinks > Coffee pods",
        "Kitchen > Coffee makers",
        "Drinks > Instant-coffee",
        "Kitchen > Decaffeinated coffees",
        "Kitchen > Coffee makers > Filters",
    ]
    assert found("COFF", taxonomy)[0] == "Drinks > Coffee"


def test_words_of_the_path_are_found_in_any_order(taxonomy: Taxonomy) -> None:
    assert found("filters kitchen", taxonomy) == ["Kitchen > Coffee makers > Filters"]
    assert found("t shirts", taxonomy) == ["Clothing > T-Shirts"]


@pytest.mark.parametrize("typed", ["咖啡", "咖"])
def test_names_in_other_languages_are_found(taxonomy: Taxonomy, typed: str) -> None:
    assert found(typed, taxonomy) == ["Drinks > Coffee"]
    assert found("bouill", taxonomy) == ["Kitchen > Kettles"]


def test_cjk_names_of_our_own_are_found_by_a_part(taxonomy: Taxonomy) -> None:
    assert found("包", taxonomy) == ["食品 > 面包"]


@pytest.mark.parametrize(("typed", "path"), [("ketles", "Kitchen > Kettles"), ("cofee", "Drinks > Coffee")])
def test_a_word_written_wrong_still_finds_it(taxonomy: Taxonomy, typed: str, path: str) -> None:
    assert found(typed, taxonomy)[0] == path


def test_the_id_from_elsewhere_finds_its_label(taxonomy: Taxonomy) -> None:
    assert found("166", taxonomy) == ["Drinks > Coffee"]


@pytest.mark.parametrize("typed", ["", "  ", "%", "_", "\\", "'", "\x00", "zzzqqq", "(", "x" * 5000])
def test_what_means_nothing_finds_nothing(taxonomy: Taxonomy, typed: str) -> None:
    assert found(typed, taxonomy) == []


def test_only_labels_that_items_can_get_where_asked_and_deprecated_ones_last(taxonomy: Taxonomy) -> None:
    Label.objects.filter(path="Drinks > Coffee").update(is_deprecated=True)
    assert "Drinks > Coffee" not in found("coffee", taxonomy, only_assignable=True)
    assert "Kitchen > Coffee makers" not in found("coffee", taxonomy, only_assignable=True)
    LabelFactory(taxonomy=taxonomy, name="coffee", path="Zoo > coffee")
    assert found("coffee", taxonomy)[:2] == ["Zoo > coffee", "Drinks > Coffee"]


def test_every_taxonomy_is_searched_where_none_is_named(taxonomy: Taxonomy) -> None:
    LabelFactory(taxonomy=TaxonomyFactory(), name="Coffee break")
    assert "Coffee break" in found("coffee")
    assert len(found("coffee", limit=2)) == 2


def test_a_shown_name_is_the_readers_or_the_labels_own() -> None:
    label = LabelFactory(name="Bread")
    LabelName.objects.create(label=label, language="zh-hans", name="面包")
    LabelName.objects.create(label=label, language="fr", name="Pain")
    assert [label.shown_name(code) for code in ("zh-hans", "fr-ca", "de", "")] == ["面包", "Pain", "Bread", "Bread"]
