"""Edits of labels: what each changes, what its preview said before, and that a refused one leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from catalog import taxonomy_edits as edits
from catalog import taxonomy_merges as merges
from catalog.models import ItemLabel, Label, LabelName, LabelRequest, Taxonomy
from catalog.taxonomy_previews import ItemExample
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import Job
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, LabelRequestFactory, TaxonomyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsite.operations.jobs.ring", lambda job: None)


@pytest.fixture
def tree() -> dict[str, Label]:
    """Food > Bread > Rye, Food > Milk, and Tea at the root."""
    food = LabelFactory(name="Food")
    bread = LabelFactory(taxonomy=food.taxonomy, parent=food, name="Bread")
    rye = LabelFactory(taxonomy=food.taxonomy, parent=bread, name="Rye")
    milk = LabelFactory(taxonomy=food.taxonomy, parent=food, name="Milk")
    tea = LabelFactory(taxonomy=food.taxonomy, name="Tea")
    return {"food": food, "bread": bread, "rye": rye, "milk": milk, "tea": tea}


def suggested(label: Label, **values: Any) -> ItemLabel:
    """A suggestion whose item was labelled to the end."""
    item_label = ItemLabelFactory(label=label, **values)
    LabelRequest.objects.get_or_create(
        item=item_label.item,
        taxonomy=label.taxonomy,
        defaults={"text_hash": item_label.item.text_hash, "status": "done"},
    )
    return item_label


def waiting() -> set[int]:
    return set(LabelRequest.objects.filter(status="pending").values_list("item_id", flat=True))


def paths() -> list[str]:
    return list(Label.objects.order_by("path").values_list("path", flat=True))


# ---------------------------------------------------------------- rename


def test_a_renamed_leaf_has_its_undecided_items_labelled_anew_as_its_preview_said(
    tree: dict[str, Label], staff: User
) -> None:
    open_one = suggested(tree["rye"], item=ItemFactory(external_id="loaf", title="Loaf"))
    alternative = suggested(tree["rye"], rank=2, is_assigned=False)
    decided = suggested(tree["rye"], decision="accepted", final_label=tree["rye"], reviewer=staff)
    other = suggested(tree["tea"])
    preview = edits.preview_rename_label(tree["rye"].pk, "Rye bread")
    assert (preview.labels, preview.items, preview.decisions, preview.asked_anew) == (1, 2, 1, 2)
    assert ItemExample("loaf", "Loaf") in preview.examples
    edited = edits.rename_label(tree["rye"].pk, " Rye  bread ", expected_path="Food > Bread > Rye", staff=staff)
    assert edited.items == 2
    assert waiting() == {open_one.item_id, alternative.item_id}
    assert not {decided.item_id, other.item_id} & waiting()
    assert "Food > Bread > Rye bread" in paths()
    job = Job.objects.get(pk=edited.job_id)
    assert (job.kind, job.title, job.started_by) == ("relabel_items", "Label anew: Rye is now Rye bread", staff)
    assert job.parameters["taxonomy"] == tree["rye"].taxonomy.slug


def test_renaming_what_has_labels_below_it_asks_nothing_anew_and_moves_every_path(
    tree: dict[str, Label], staff: User
) -> None:
    suggested(tree["rye"])
    assert edits.preview_rename_label(tree["food"].pk, "Groceries").labels == 4
    edited = edits.rename_label(tree["food"].pk, "Groceries", expected_path="Food", staff=staff)
    assert (edited.job_id, waiting()) == (None, set())
    assert paths() == ["Groceries", "Groceries > Bread", "Groceries > Bread > Rye", "Groceries > Milk", "Tea"]


def test_the_second_of_two_who_rename_the_same_label_gets_a_conflict(tree: dict[str, Label], staff: User) -> None:
    edits.rename_label(tree["tea"].pk, "Infusions", expected_path="Tea", staff=staff)
    with pytest.raises(ConflictError, match="“Tea” is “Infusions” by now"):
        edits.rename_label(tree["tea"].pk, "Teas", expected_path="Tea", staff=staff)
    tree["tea"].refresh_from_db()
    assert tree["tea"].path == "Infusions"


def test_a_label_in_a_taxonomy_not_in_use_is_renamed_without_asking_anything(
    tree: dict[str, Label], staff: User
) -> None:
    Taxonomy.objects.update(is_active=False)
    suggested(tree["tea"])
    assert edits.preview_rename_label(tree["tea"].pk, "Teas").asked_anew == 0
    assert edits.rename_label(tree["tea"].pk, "Teas", expected_path="Tea", staff=staff).job_id is None
    assert waiting() == set()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (" ", "A label needs a name; write one."),
        ("n" * 300, "The name has 300 characters; at most 200 fit. Shorten it."),
        ("A > B", "A name cannot hold"),
        ("Milk", "has a label Food > Milk already; choose another name."),
    ],
)
def test_a_name_that_cannot_be_is_refused_by_preview_and_edit_alike(
    tree: dict[str, Label], staff: User, name: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        edits.preview_rename_label(tree["bread"].pk, name)
    with pytest.raises(InvalidInputError, match=message):
        edits.rename_label(tree["bread"].pk, name, expected_path="Food > Bread", staff=staff)
    assert "Food > Bread" in paths()


def test_a_path_below_must_fit_too(staff: User) -> None:
    above = LabelFactory(name="a" * 50)
    place = above
    for letter in "bcdef":
        place = LabelFactory(taxonomy=above.taxonomy, parent=place, name=letter * 180)
    with pytest.raises(InvalidInputError, match="longer than 1,000 characters"):
        edits.rename_label(above.pk, "x" * 200, expected_path=above.path, staff=staff)
    above.refresh_from_db()
    assert above.name == "a" * 50


# ---------------------------------------------------------------- move


def test_a_label_moves_with_all_below_it_and_is_refused_below_itself(tree: dict[str, Label], staff: User) -> None:
    for parent in (tree["rye"], tree["bread"]):
        with pytest.raises(InvalidInputError, match="is the label itself or below it"):
            edits.move_label(tree["bread"].pk, parent.pk, expected_path="Food > Bread", staff=staff)
    assert "Food > Bread > Rye" in paths()
    edits.move_label(tree["bread"].pk, None, expected_path="Food > Bread", staff=staff)
    assert paths() == ["Bread", "Bread > Rye", "Food", "Food > Milk", "Tea"]


def test_items_of_a_leaf_are_asked_anew_once_a_label_moves_below_it(tree: dict[str, Label], staff: User) -> None:
    of_tea, of_rye = suggested(tree["tea"]), suggested(tree["rye"])
    preview = edits.preview_move_label(tree["milk"].pk, tree["tea"].pk)
    assert (preview.labels, preview.asked_anew) == (1, 1)
    edits.move_label(tree["milk"].pk, tree["tea"].pk, expected_path="Food > Milk", staff=staff)
    assert waiting() == {of_tea.item_id}
    assert of_rye.item_id not in waiting()
    assert "Tea > Milk" in paths()


def test_items_are_asked_anew_where_what_was_above_them_becomes_a_leaf(tree: dict[str, Label], staff: User) -> None:
    of_rye = suggested(tree["rye"])
    edits.move_label(tree["rye"].pk, None, expected_path="Food > Bread > Rye", staff=staff)
    assert waiting() == {of_rye.item_id}


# ---------------------------------------------------------------- add, describe, name


def test_a_label_is_added_below_another_and_neighbours_items_are_asked_anew(
    tree: dict[str, Label], staff: User
) -> None:
    of_rye, of_tea = suggested(tree["rye"]), suggested(tree["tea"])
    taxonomy = tree["food"].taxonomy
    assert edits.preview_add_label(taxonomy.pk, "面包", parent_id=tree["bread"].pk).asked_anew == 1
    edited = edits.add_label(
        taxonomy.pk,
        "面包",
        parent_id=tree["bread"].pk,
        description="各种面包。",
        icon="ti-bread",
        expected_path="Food > Bread",
        staff=staff,
    )
    label = Label.objects.get(pk=edited.label_id)
    assert (label.path, label.description, label.description_source, label.icon) == (
        "Food > Bread > 面包",
        "各种面包。",
        "person",
        "bread",
    )
    assert label.position > tree["tea"].position
    assert waiting() == {of_rye.item_id}
    assert of_tea.item_id not in waiting()


def test_a_label_at_the_root_may_fit_any_item_that_nobody_settled(tree: dict[str, Label], staff: User) -> None:
    settled = suggested(tree["tea"], decision="accepted", final_label=tree["tea"], reviewer=staff)
    undecided, fresh = suggested(tree["rye"]), ItemFactory()
    taxonomy = tree["tea"].taxonomy
    assert edits.preview_add_label(taxonomy.pk, "Coffee").asked_anew == 2
    edits.add_label(taxonomy.pk, "Coffee", staff=staff)
    assert waiting() == {undecided.item_id, fresh.pk}
    assert settled.item_id not in waiting()


def test_a_description_by_a_person_is_theirs_and_two_who_write_at_once_do_not_overwrite(
    tree: dict[str, Label], staff: User
) -> None:
    Label.objects.filter(pk=tree["tea"].pk).update(description="Leaves.", description_source="language_model")
    of_tea = suggested(tree["tea"])
    edits.describe_label(
        tree["tea"].pk,
        "Leaves to brew.",
        expected_path="Tea",
        expected_description="Leaves.",
        icon="cup",
        staff=staff,
    )
    tree["tea"].refresh_from_db()
    assert (tree["tea"].description, tree["tea"].description_source, tree["tea"].icon) == (
        "Leaves to brew.",
        "person",
        "cup",
    )
    assert waiting() == {of_tea.item_id}
    with pytest.raises(ConflictError, match="was changed while you were writing"):
        edits.describe_label(tree["tea"].pk, "Mine.", expected_path="Tea", expected_description="Leaves.", staff=staff)
    tree["tea"].refresh_from_db()
    assert tree["tea"].description == "Leaves to brew."


def test_an_icon_alone_keeps_who_wrote_the_description_and_asks_nothing(tree: dict[str, Label], staff: User) -> None:
    Label.objects.filter(pk=tree["tea"].pk).update(description="Leaves.", description_source="language_model")
    suggested(tree["tea"])
    edited = edits.describe_label(
        tree["tea"].pk, "Leaves.", expected_path="Tea", expected_description="Leaves.", icon="cup", staff=staff
    )
    tree["tea"].refresh_from_db()
    assert (edited.job_id, tree["tea"].description_source, tree["tea"].icon) == (None, "language_model", "cup")


def test_names_in_other_languages_are_set_changed_and_taken_away(tree: dict[str, Label], staff: User) -> None:
    edits.name_label(tree["tea"].pk, {"zh_CN": "茶", "fr": "Thé"}, expected_path="Tea", staff=staff)
    edits.name_label(tree["tea"].pk, {"zh-hans": "茶叶", "fr": " "}, expected_path="Tea", staff=staff)
    assert list(LabelName.objects.values_list("language", "name")) == [("zh-hans", "茶叶")]
    assert (tree["tea"].shown_name("zh-hans"), tree["tea"].shown_name("fr")) == ("茶叶", "Tea")
    with pytest.raises(InvalidInputError, match="at most 200 fit"):
        edits.name_label(tree["tea"].pk, {"fr": "é" * 300}, expected_path="Tea", staff=staff)


# ---------------------------------------------------------------- deprecate and restore


def test_a_deprecated_branch_is_asked_about_no_more_and_comes_back_whole(tree: dict[str, Label], staff: User) -> None:
    of_rye = suggested(tree["rye"])
    decided = suggested(tree["rye"], decision="accepted", final_label=tree["rye"], reviewer=staff)
    preview = edits.preview_deprecate_label(tree["bread"].pk)
    assert (preview.labels, preview.items, preview.decisions, preview.asked_anew) == (2, 2, 1, 1)
    edits.deprecate_label(tree["bread"].pk, expected_path="Food > Bread", staff=staff)
    assert set(Label.objects.filter(is_deprecated=True).values_list("name", flat=True)) == {"Bread", "Rye"}
    assert waiting() == {of_rye.item_id}
    decided.refresh_from_db()
    assert (decided.decision, decided.final_label, decided.is_assigned) == ("accepted", tree["rye"], True)
    with pytest.raises(ConflictError, match="is deprecated already"):
        edits.deprecate_label(tree["bread"].pk, expected_path="Food > Bread", staff=staff)
    assert merges.preview_restore_label(tree["bread"].pk).labels == 2
    merges.restore_label(tree["bread"].pk, expected_path="Food > Bread", staff=staff)
    assert not Label.objects.filter(is_deprecated=True).exists()


def test_restoring_a_label_restores_what_lies_above_it(tree: dict[str, Label], staff: User) -> None:
    edits.deprecate_label(tree["food"].pk, expected_path="Food", staff=staff)
    merges.restore_label(tree["rye"].pk, expected_path="Food > Bread > Rye", staff=staff)
    assert set(Label.objects.filter(is_deprecated=True).values_list("name", flat=True)) == {"Milk"}


def test_an_answer_under_way_about_a_deprecated_label_is_dropped(tree: dict[str, Label], staff: User) -> None:
    request = LabelRequestFactory(taxonomy=tree["tea"].taxonomy)
    LabelRequest.objects.all().claim(1, seconds=100)
    edits.deprecate_label(tree["tea"].pk, expected_path="Tea", staff=staff)
    request.refresh_from_db()
    assert (request.status, request.claimed_until) == ("pending", None)


def test_a_label_that_was_deleted_meanwhile_is_told_so(staff: User) -> None:
    gone = LabelFactory()
    pk = gone.pk
    gone.delete()
    with pytest.raises(NotFoundError, match="it was deleted"):
        edits.rename_label(pk, "Tea", expected_path="Tea", staff=staff)


def test_labels_of_two_taxonomies_may_have_one_name(staff: User) -> None:
    LabelFactory(name="Tea")
    other = TaxonomyFactory()
    edited = edits.add_label(other.pk, "Tea", staff=staff)
    assert Label.objects.get(pk=edited.label_id).taxonomy == other
