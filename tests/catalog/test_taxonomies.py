"""Taxonomies from a table: trees, descriptions, and items that wait to be labelled anew."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from catalog import labelling, tasks
from catalog.feeds import FeedError
from catalog.models import Label, LabelRequest, Taxonomy
from catalog.taxonomies import import_taxonomy, read_taxonomy
from tests.factories import ItemFactory, LabelFactory, TaxonomyFactory

pytestmark = pytest.mark.django_db


def label(path: str, *, taxonomy: str = "groceries", description: str = "", icon: str = ""):
    return {"taxonomy": taxonomy, "label": path, "description": description, "icon": icon}


def test_paths_become_a_tree_with_parents_that_only_a_path_names():
    report = import_taxonomy(
        [
            label("Food > Bread", description="Loaves and rolls.", icon="bread"),
            label("Food>Milk", icon="ti-milk"),
            label("Summer", taxonomy="Shopping occasions"),
        ]
    )
    assert (report.taxonomies, report.created, report.rejected) == (("groceries", "shopping-occasions"), 4, ())
    assert list(Taxonomy.objects.values_list("slug", "name", "position")) == [
        ("groceries", "Groceries", 0),
        ("shopping-occasions", "Shopping occasions", 1),
    ]
    assert list(Label.objects.values_list("path", "parent__name", "description", "icon", "position")) == [
        ("Food", None, "", "", 0),
        ("Food > Bread", "Food", "Loaves and rolls.", "bread", 1),
        ("Food > Milk", "Food", "", "milk", 2),
        ("Summer", None, "", "", 0),
    ]
    assert set(Label.objects.assignable().values_list("name", flat=True)) == {"Bread", "Milk", "Summer"}


def test_again_changes_only_what_differs_and_revives_a_deprecated_label():
    import_taxonomy([label("Bread", description="Old."), label("Milk"), label("Tea")])
    Label.objects.filter(name="Tea").update(is_deprecated=True)
    report = import_taxonomy([label("Bread", description="New."), label("Milk"), label("Tea")])
    assert (report.created, report.updated, report.unchanged) == (0, 2, 1)
    assert Label.objects.get(name="Bread").description == "New."
    assert not Label.objects.filter(is_deprecated=True).exists()


def test_an_empty_cell_keeps_the_description_that_is_there():
    import_taxonomy([label("Bread", description="Loaves.", icon="bread")])
    assert import_taxonomy([label("Bread")]).unchanged == 1
    assert Label.objects.values_list("description", "icon").get() == ("Loaves.", "bread")


def test_items_wait_for_the_taxonomies_that_changed(monkeypatch, django_capture_on_commit_callbacks):
    rung: list[bool] = []
    monkeypatch.setattr(tasks.label_waiting_items, "delay", lambda: rung.append(True))
    old = LabelFactory(taxonomy=TaxonomyFactory(slug="old"))
    item = ItemFactory()
    with django_capture_on_commit_callbacks(execute=True):
        import_taxonomy([label("Bread"), label(old.path, taxonomy="old")])
    assert list(LabelRequest.objects.values_list("item_id", "taxonomy__slug")) == [(item.pk, "groceries")]
    assert rung == [True]


def test_a_new_label_makes_items_wait_again_that_were_labelled_without_it():
    import_taxonomy([label("Bread"), label("Milk"), label("Tea", taxonomy="drinks")])
    item = ItemFactory()
    labelling.request_labels([item.pk])
    LabelRequest.objects.update(status="done", attempts=2, error="x")
    import_taxonomy([label("Bread"), label("Cheese"), label("Tea", taxonomy="drinks")])
    assert list(
        LabelRequest.objects.order_by("taxonomy__slug").values_list("taxonomy__slug", "status", "attempts")
    ) == [
        ("drinks", "done", 2),
        ("groceries", "pending", 0),
    ]


def test_question_and_choice_are_set_where_given():
    import_taxonomy([label("Barbecue")], choice="multiple", question="When is it bought?")
    assert Taxonomy.objects.values_list("choice", "question").get() == ("multiple", "When is it bought?")
    import_taxonomy([label("Breakfast")])
    assert Taxonomy.objects.get().choice == "multiple"


def test_rows_that_cannot_be_read_are_named_and_the_others_kept():
    report = import_taxonomy([label("Food > > Bread"), label("Milk", taxonomy=" "), label("Tea"), label("x" * 201)])
    assert report.created == 1
    assert [(rejection.row, rejection.field) for rejection in report.rejected] == [
        (1, "label"),
        (2, "taxonomy"),
        (4, "label"),
    ]
    assert report.rejected[0].message == (
        'label is missing or has an empty part; write names from the root joined by " > ".'
    )


def test_a_description_and_a_question_that_do_not_fit_are_refused(tmp_path):
    report = import_taxonomy([label("Bread", description="x" * 2001), label("Tea", description="x" * 2000)])
    assert [(rejection.row, rejection.message) for rejection in report.rejected] == [
        (1, "description has 2,001 characters; at most 2,000 fit. Shorten it.")
    ]
    path = tmp_path / "labels.csv"
    path.write_text("taxonomy,label\ndrinks,Tea\n")
    with pytest.raises(CommandError, match=r"The question has 201 characters; at most 200 fit\."):
        call_command("import_taxonomy", str(path), question="x" * 201, stdout=StringIO())
    assert not Taxonomy.objects.filter(slug="drinks").exists()


def test_a_file_without_the_columns_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("name,text\nBread,Loaves\n")
    with pytest.raises(FeedError, match=r"labels.csv lacks the columns taxonomy and label"):
        read_taxonomy(path)


def test_the_command_says_what_it_did_and_fails_where_nothing_is_valid(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("taxonomy,path,description,icon\ngroceries,Food > Bread,Loaves.,bread\ngroceries,,,\n")
    out = StringIO()
    call_command("import_taxonomy", str(path), stdout=out, no_color=True)
    assert out.getvalue().splitlines()[0] == "groceries: 2 labels created, 0 updated, 0 unchanged, 1 rows rejected"
    path.write_text("taxonomy,label\n,Bread\n")
    with pytest.raises(CommandError, match=r"No row of labels.csv is valid; nothing was imported."):
        call_command("import_taxonomy", str(path), stdout=StringIO())
