"""Labels and taxonomies that were made go while nothing hangs on them; deleted ones come back with what they had."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from catalog import label_returns, taxonomy_edits
from catalog.models import Label, LabelName, Taxonomy
from catalog.taxonomy_settings import Settings, create_taxonomy
from recsite.operations import changes
from recsite.operations.change_context import written_by
from recsite.operations.errors import ConflictError
from recsite.operations.models import Change
from tests.factories import (
    GoldenExpectationFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    RuleFactory,
    StaffFactory,
    TaxonomyFactory,
)
from tests.pages import staff_client, text_of

pytestmark = pytest.mark.django_db

LONG = "Loaves, rolls and whatever else a baker makes of flour, water, salt and time. " * 5


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsite.operations.jobs.ring", lambda job: None)


@pytest.fixture
def staff() -> User:
    return StaffFactory()


def added(staff: User, *, parent: Label | None = None, name: str = "Bread") -> Label:
    taxonomy = parent.taxonomy if parent else TaxonomyFactory(slug="kinds")
    with written_by(staff):
        made = taxonomy_edits.add_label(
            taxonomy.pk, name, parent_id=parent.pk if parent else None, description=LONG, staff=staff
        )
    return Label.objects.get(pk=made.label_id)


def change_of(label: Label | int, act: str, kind: str = "label") -> Change:
    return Change.objects.filter(kind=kind, object_id=label if isinstance(label, int) else label.pk, act=act).latest(
        "pk"
    )


def columns_of(pk: int) -> dict[str, Any]:
    return {name: value for name, value in Label.objects.values().get(pk=pk).items() if name != "position"}


def test_a_label_that_was_made_goes_and_comes_back_with_its_names(staff: User) -> None:
    label = added(staff, parent=LabelFactory(name="Food"))
    before = columns_of(label.pk)
    changes.revert(change_of(label, "created").pk, staff=staff)
    assert not Label.objects.filter(pk=label.pk).exists()
    changes.revert(change_of(label.pk, "deleted").pk, staff=staff)
    assert columns_of(label.pk) == before
    with written_by(staff):
        LabelName.objects.create(label=label, language="fr", name="Pain")
    with written_by(staff):
        label.delete()
    pk = before["id"]
    changes.revert(change_of(pk, "deleted").pk, staff=staff)
    assert columns_of(pk) == before
    assert list(LabelName.objects.filter(label=pk).values_list("language", "name")) == [("fr", "Pain")]


@pytest.mark.parametrize(
    ("hang", "said"),
    [
        (lambda label: LabelFactory(taxonomy=label.taxonomy, parent=label), "1 label lies below it"),
        (lambda label: LabelFactory(taxonomy=label.taxonomy, merged_into=label), "1 label was merged into it"),
        (lambda label: ItemLabelFactory(taxonomy=label.taxonomy, label=label), "1 item has or had it"),
        (lambda label: RuleFactory(name="No bread", scope={"labels": [label.pk]}), "rule “No bread” names it"),
        (lambda label: RuleFactory(name="For bakers", audience={"interests": [label.pk]}), "rule “For bakers” names"),
        (
            lambda label: GoldenExpectationFactory(user_external_id="u-9", scope={"labels": [label.pk]}),
            "golden user u-9 names it",
        ),
    ],
)
def test_a_label_on_which_something_hangs_stays(staff: User, hang: Any, said: str) -> None:
    label = added(staff)
    hang(label)
    kept = Change.objects.count()
    with pytest.raises(ConflictError, match=said):
        changes.revert(change_of(label, "created").pk, staff=staff)
    assert Label.objects.filter(pk=label.pk).exists()
    assert Change.objects.count() == kept


def test_a_label_does_not_come_back_beside_another_of_its_name_or_without_the_one_above_it(staff: User) -> None:
    parent = LabelFactory(name="Food")
    label = added(staff, parent=parent)
    pk = label.pk
    with written_by(staff):
        label.delete()
    other = LabelFactory(taxonomy=parent.taxonomy, parent=parent, name="Bread")
    deletion = change_of(pk, "deleted")
    with pytest.raises(ConflictError, match="has a label Food > Bread already"):
        changes.revert(deletion.pk, staff=staff)
    assert not Label.objects.filter(pk=pk).exists()
    other.delete()
    with written_by(staff):
        parent.delete()
    with pytest.raises(ConflictError, match="bring that back first"):
        changes.revert(deletion.pk, staff=staff)
    assert not Label.objects.filter(pk=pk).exists()


def test_a_label_that_comes_back_may_fit_what_its_neighbours_hold(staff: User) -> None:
    parent = LabelFactory(name="Food")
    label = added(staff, parent=parent)
    pk, item = label.pk, ItemFactory()
    ItemLabelFactory(item=item, taxonomy=parent.taxonomy, label=parent)
    with written_by(staff):
        label.delete()
    changes.revert(change_of(pk, "deleted").pk, staff=staff)
    assert item.label_requests.filter(taxonomy=parent.taxonomy).exists()


def test_a_root_label_says_on_the_page_why_it_has_no_button(staff: User) -> None:
    label = added(staff)
    pk = label.pk
    with written_by(staff):
        label.delete()
    page = staff_client().get("/changes/?kind=label")
    deletion = change_of(pk, "deleted")
    assert "It comes back with its taxonomy, if that was deleted with it" in text_of(page)
    assert f"revert-{deletion.pk}" not in page.content.decode()
    with pytest.raises(ConflictError, match="comes back with its taxonomy"):
        changes.revert(deletion.pk, staff=staff)


def test_an_empty_taxonomy_goes_and_comes_back(staff: User) -> None:
    with written_by(staff):
        made = create_taxonomy(Settings(name="Diets", description=LONG, abstain_below=0.4), staff=staff)
    before = Taxonomy.objects.values().get(pk=made.pk)
    changes.revert(change_of(made.pk, "created", "taxonomy").pk, staff=staff)
    assert not Taxonomy.objects.filter(pk=made.pk).exists()
    changes.revert(change_of(made.pk, "deleted", "taxonomy").pk, staff=staff)
    assert Taxonomy.objects.values().get(pk=made.pk) == before


def test_a_taxonomy_with_labels_stays_and_a_deleted_one_comes_back_with_them(staff: User) -> None:
    with written_by(staff):
        made = create_taxonomy(Settings(name="Diets"), staff=staff)
    food = LabelFactory(taxonomy=made, name="Food")
    bread = LabelFactory(taxonomy=made, parent=food, name="Bread")
    LabelFactory(taxonomy=made, name="Loaves", is_deprecated=True, merged_into=bread)
    LabelName.objects.create(label=bread, language="fr", name="Pain")
    with pytest.raises(ConflictError, match="it has 3 labels"):
        changes.revert(change_of(made.pk, "created", "taxonomy").pk, staff=staff)
    before = list(Label.objects.order_by("pk").values("pk", "path", "parent_id", "description", "merged_into_id"))
    pk = made.pk
    with written_by(staff):
        made.delete()
    changes.revert(change_of(pk, "deleted", "taxonomy").pk, staff=staff)
    again = list(Label.objects.order_by("pk").values("pk", "path", "parent_id", "description", "merged_into_id"))
    assert again == before
    assert set(Label.objects.values_list("taxonomy_id", flat=True)) == {pk}
    assert list(LabelName.objects.values_list("label_id", "name")) == [(bread.pk, "Pain")]


def test_a_taxonomy_does_not_come_back_where_its_address_was_taken(staff: User) -> None:
    with written_by(staff):
        made = create_taxonomy(Settings(name="Diets"), staff=staff)
        pk = made.pk
        made.delete()
    TaxonomyFactory(slug="diets")
    with pytest.raises(ConflictError, match="another taxonomy at the address “diets”"):
        changes.revert(change_of(pk, "deleted", "taxonomy").pk, staff=staff)
    assert Taxonomy.objects.count() == 1


def test_labels_of_several_taxonomies_deleted_at_once_are_not_guessed(staff: User) -> None:
    first, second = TaxonomyFactory(), TaxonomyFactory()
    LabelFactory(taxonomy=first)
    pk = first.pk
    with written_by(staff):
        Taxonomy.objects.filter(pk__in=[first.pk, second.pk]).delete()
    with pytest.raises(ConflictError, match="not known any more which label was whose"):
        changes.revert(change_of(pk, "deleted", "taxonomy").pk, staff=staff)
    assert not Taxonomy.objects.exists()


def test_a_name_in_another_language_goes_and_comes_back_but_overwrites_none(staff: User) -> None:
    label = LabelFactory(name="Bread")
    with written_by(staff):
        taxonomy_edits.name_label(label.pk, {"fr": "Pain"}, expected_path="Bread", staff=staff)
    creation = change_of(label, "created", "label_name")
    changes.revert(creation.pk, staff=staff)
    assert not label.names.exists()
    changes.revert(change_of(label, "deleted", "label_name").pk, staff=staff)
    assert [name.name for name in label.names.all()] == ["Pain"]
    label.names.update(name="Pains")
    with pytest.raises(ConflictError, match="called “Pains” in fr by now"):
        changes.revert(creation.pk, staff=staff)
    assert [name.name for name in label.names.all()] == ["Pains"]


def test_an_item_is_not_deleted_and_the_page_says_why(staff: User) -> None:
    with written_by(staff):
        item = ItemFactory(title="Flour")
    assert "An item is not deleted" in text_of(staff_client().get("/changes/?kind=item"))
    with pytest.raises(ConflictError, match="hide it on its page"):
        changes.revert(change_of(item.pk, "created", "item").pk, staff=staff)
    assert type(item).objects.filter(pk=item.pk).exists()


def test_who_asks_before_a_label_goes_is_heard(staff: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_returns, "_named_by", [lambda label_id: f"label {label_id} is dear to me"])
    label = added(staff)
    with pytest.raises(ConflictError, match="is dear to me"):
        changes.revert(change_of(label, "created").pk, staff=staff)
