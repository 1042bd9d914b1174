"""Taxonomies from a table: trees, descriptions, and items that wait to be labelled anew."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from catalog import labelling, tasks, taxonomy_edits, taxonomy_merges
from catalog.feeds import FeedError
from catalog.models import Label, LabelName, LabelRequest, Taxonomy
from catalog.taxonomy_files import read_taxonomy
from catalog.taxonomy_imports import import_taxonomy
from recsite.operations.errors import InvalidInputError
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
    with pytest.raises(FeedError, match=r"labels.csv lacks the column label; its header is the first line."):
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


# ---------------------------------------------------------------- files of others

GOOGLE = """# Google_Product_Taxonomy_Version: 2021-09-21
1 - Animals & Pet Supplies
3237 - Animals & Pet Supplies > Live Animals
166 - Apparel & Accessories
1604 - Apparel & Accessories > Clothing
5322 - Apparel & Accessories > Clothing > Activewear
"""
GOOGLE_ZH = """# Google_Product_Taxonomy_Version: 2021-09-21
1 - 动物/宠物用品
3237 - 动物/宠物用品 > 活动物
166 - 服饰与配饰
1604 - 服饰与配饰 > 服装
5322 - 服饰与配饰 > 服装 > 运动服
"""
SHOPIFY = """# Shopify Product Taxonomy - Categories: 2024-07
# Format: {GID} : {Ancestor name} > ... > {Category name}

gid://shopify/TaxonomyCategory/ap                : Animals & Pet Supplies
gid://shopify/TaxonomyCategory/ap-1              : Animals & Pet Supplies > Live Animals
gid://shopify/TaxonomyCategory/ap-2              : Animals & Pet Supplies > Pet Supplies
"""
GID = "gid://shopify/TaxonomyCategory/"


def category(key: str, name: str, above: list[tuple[str, str]], children: list[tuple[str, str]]) -> dict[str, object]:
    """As Shopify publishes one: ancestors nearest first, children as references."""
    return {
        "id": GID + key,
        "level": len(above),
        "name": name,
        "full_name": " > ".join([*(title for _, title in reversed(above)), name]),
        "parent_id": GID + above[0][0] if above else None,
        "attributes": [{"id": "gid://shopify/TaxonomyAttribute/1", "name": "Color", "handle": "color"}],
        "children": [{"id": GID + child, "name": title} for child, title in children],
        "ancestors": [{"id": GID + parent, "name": title} for parent, title in above],
    }


def written(tmp_path, text: str, name: str = "taxonomy.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def tree(slug: str) -> list[tuple[str, str]]:
    return list(Label.objects.filter(taxonomy__slug=slug).values_list("path", "external_id"))


def test_googles_taxonomy_and_its_chinese_names_by_id(tmp_path):
    report = import_taxonomy(read_taxonomy(written(tmp_path, GOOGLE)), taxonomy="google", name="Google")
    assert (report.created, report.rejected) == (5, ())
    assert tree("google") == [
        ("Animals & Pet Supplies", "1"),
        ("Animals & Pet Supplies > Live Animals", "3237"),
        ("Apparel & Accessories", "166"),
        ("Apparel & Accessories > Clothing", "1604"),
        ("Apparel & Accessories > Clothing > Activewear", "5322"),
    ]
    names = read_taxonomy(written(tmp_path, GOOGLE_ZH + "99999 - 新的\n"))
    report = import_taxonomy(names, taxonomy="google", language="zh_CN")
    assert (report.created, report.names) == (0, 5)
    assert report.rejected[0].message == ("No label of Google has the id '99999'; import the file it came from first.")
    activewear = Label.objects.get(external_id="5322")
    assert (activewear.name, activewear.shown_name("zh-hans")) == ("Activewear", "运动服")
    assert import_taxonomy(names, taxonomy="google", language="zh-hans").names == 0


def test_a_line_without_an_id_among_lines_with_ids_is_told_and_left_out(tmp_path):
    report = import_taxonomy(read_taxonomy(written(tmp_path, GOOGLE + "what is this\n")), taxonomy="google")
    assert [rejection.message for rejection in report.rejected] == [
        "“what is this” has no id, unlike the lines before it; write “123 - A > B”."
    ]
    assert not Label.objects.filter(name="what is this").exists()


def test_googles_file_without_ids_is_read_and_cannot_give_names(tmp_path):
    text = "# Google_Product_Taxonomy_Version: 2021-09-21\nApparel & Accessories\nApparel & Accessories > Clothing\n"
    rows = read_taxonomy(written(tmp_path, text))
    assert import_taxonomy(rows, taxonomy="google").created == 2
    report = import_taxonomy(rows, taxonomy="google", language="fr")
    assert [rejection.message for rejection in report.rejected] == [
        "It has no id to be matched by; import the variant of the file that has ids."
    ] * 2


def test_shopifys_text_and_json_are_one_taxonomy(tmp_path):
    assert import_taxonomy(read_taxonomy(written(tmp_path, SHOPIFY)), taxonomy="shopify").created == 3
    root = ("ap", "Animals & Pet Supplies")
    published = {
        "version": "2024-07",
        "verticals": [
            {
                "name": root[1],
                "prefix": "ap",
                "categories": [
                    category(*root, [], [("ap-1", "Live Animals"), ("ap-2", "Pet Supplies")]),
                    category("ap-1", "Live Animals", [root], []),
                    category("ap-2", "Pet Supplies", [root], [("ap-2-1", "Bird Supplies")]),
                    category("ap-2-1", "Bird Supplies", [("ap-2", "Pet Supplies"), root], []),
                ],
            }
        ],
    }
    rows = read_taxonomy(written(tmp_path, json.dumps(published), "categories.json"))
    report = import_taxonomy(rows, taxonomy="shopify")
    assert (report.created, report.updated, report.unchanged) == (1, 0, 3)
    assert tree("shopify") == [
        ("Animals & Pet Supplies", "ap"),
        ("Animals & Pet Supplies > Live Animals", "ap-1"),
        ("Animals & Pet Supplies > Pet Supplies", "ap-2"),
        ("Animals & Pet Supplies > Pet Supplies > Bird Supplies", "ap-2-1"),
    ]


def test_a_plainly_nested_tree_is_read_and_its_bad_nodes_named(tmp_path):
    nodes = [
        {"name": "食品", "children": [{"name": "面包", "id": 7}, {"id": "nameless"}, "text", {"name": "A > B"}]},
        {"name": "Tea"},
    ]
    report = import_taxonomy(read_taxonomy(written(tmp_path, json.dumps(nodes), "t.json")), taxonomy="plain")
    assert tree("plain") == [("食品", ""), ("食品 > 面包", "7"), ("Tea", "")]
    assert [(rejection.row, rejection.message) for rejection in report.rejected] == [
        (3, 'A category below 食品 has no name without ">"; give it one.'),
        (4, "Below 食品 stands something that is no object with a name; mend or remove it."),
        (5, 'A category below 食品 has no name without ">"; give it one.'),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"verticals": [{"name": "x"}]}', 'A vertical has no list of "categories"'),
        ('{"verticals": [', "It is not valid JSON"),
        ("[" * 100_000, "nested too deeply|not valid JSON"),
        ("", "is empty"),
        ("# only a comment\n", "lacks the column label|holds no labels"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_why(tmp_path, text, message):
    with pytest.raises(FeedError, match=message):
        read_taxonomy(written(tmp_path, text, "broken.json"))


# ---------------------------------------------------------------- our own table


def test_a_table_of_labels_alone_names_languages_and_ids(tmp_path):
    text = (
        "label,external_id,name:zh-CN,name:fr\nFood > Bread,b1,面包,Pain\nFood > Milk,,,\nTea,t1," + "茶" * 300 + ",\n"
    )
    path = written(tmp_path, text, "labels.csv")
    out = StringIO()
    call_command("import_taxonomy", str(path), taxonomy="aisles", name="货架", stdout=out, no_color=True)
    assert out.getvalue().splitlines() == [
        "aisles: 3 labels created, 0 updated, 0 unchanged, 1 rows rejected, 2 names in other languages",
        "  row 3: name:zh-cn has 300 characters; at most 200 fit. Shorten it.",
    ]
    assert Taxonomy.objects.get().name == "货架"
    bread = Label.objects.get(external_id="b1")
    assert (bread.path, bread.shown_name("zh-hans"), bread.shown_name("fr")) == ("Food > Bread", "面包", "Pain")
    with pytest.raises(CommandError, match=r"No row of labels\.csv is valid"):
        call_command("import_taxonomy", str(path), stdout=StringIO())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taxonomy": "Aisles!"}, "is no slug"),
        ({"taxonomy": "aisles", "language": "?"}, "is no language code"),
        ({"taxonomy": "unknown", "language": "fr"}, "There is no taxonomy 'unknown' to give names to"),
    ],
)
def test_options_that_make_no_sense_write_nothing(options, message):
    with pytest.raises(InvalidInputError, match=message):
        import_taxonomy([{"label": "Bread"}], **options)
    assert (Taxonomy.objects.count(), Label.objects.count()) == (0, 0)


def test_a_label_renamed_moved_or_merged_here_is_not_created_anew(tmp_path, staff):
    rows = read_taxonomy(written(tmp_path, GOOGLE))
    import_taxonomy(rows, taxonomy="google")
    clothing, live = Label.objects.get(external_id="1604"), Label.objects.get(external_id="3237")
    taxonomy_edits.rename_label(clothing.pk, "Clothes", expected_path=clothing.path, staff=staff)
    active = Label.objects.get(external_id="5322")
    taxonomy_merges.merge_labels(
        [live.pk], active.pk, expected_paths={live.pk: live.path, active.pk: active.path}, staff=staff
    )
    before = list(Label.objects.order_by("pk").values())
    report = import_taxonomy(rows, taxonomy="google")
    assert (report.created, report.updated, report.unchanged) == (0, 0, 5)
    assert list(Label.objects.order_by("pk").values()) == before


def test_thousands_of_labels_take_no_more_statements_than_levels_and_chunks(django_assert_max_num_queries):
    rows = [{"label": f"Root {n % 20} > Branch {n % 400} > Leaf {n}", "external_id": str(n)} for n in range(5000)]
    with django_assert_max_num_queries(24):
        report = import_taxonomy(rows, taxonomy="big")
    assert report.created == 5000 + 400 + 20
    with django_assert_max_num_queries(12):
        again = import_taxonomy(rows, taxonomy="big")
    assert (again.created, again.updated, again.unchanged, again.items_waiting) == (0, 0, 5000, 0)


def test_what_is_exported_and_read_back_is_the_same(tmp_path, staff):
    import_taxonomy(
        [
            {
                "taxonomy": "Aisles",
                "label": "Food > Bread",
                "description": 'Loaves, "rolls".\nAnd more.',
                "icon": "bread",
            },
            {"taxonomy": "Aisles", "label": "Food > 牛奶", "external_id": "7", "name:fr": "Lait", "name:zh": "牛奶"},
            {"taxonomy": "Aisles", "label": "Old"},
        ]
    )
    old, bread = Label.objects.get(name="Old"), Label.objects.get(name="Bread")
    Label.objects.filter(pk=bread.pk).update(description_source="language_model")
    paths = {old.pk: "Old", bread.pk: "Food > Bread"}
    taxonomy_merges.merge_labels([old.pk], bread.pk, expected_paths=paths, staff=staff)
    path = tmp_path / "aisles.csv"
    call_command("export_taxonomy", "aisles", str(path), stdout=StringIO())
    fields = ("path", "description", "description_source", "icon", "external_id", "is_deprecated", "merged_into__path")

    def everything():
        labels = list(Label.objects.order_by("position").values_list(*fields))
        return labels, list(LabelName.objects.values_list("label__path", "language", "name"))

    before = everything()
    assert import_taxonomy(read_taxonomy(path)).updated == 0
    assert everything() == before
    Taxonomy.objects.all().delete()
    assert import_taxonomy(read_taxonomy(path)).created == 4
    assert everything() == before
    with pytest.raises(CommandError, match="There is no taxonomy 'nope'; known: aisles"):
        call_command("export_taxonomy", "nope", stdout=StringIO())
