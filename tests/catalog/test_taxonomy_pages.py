"""Pages of taxonomies: the list, a tree that opens level by level, a label's panel, and dialogs with previews."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog import taxonomy_tree
from catalog.models import Item, ItemLabel, Label, LabelName, LabelRequest, Taxonomy
from catalog.taxonomy_settings import Settings, change_taxonomy, create_taxonomy, preview_settings, settings_of
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.models import Job
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, TaxonomyFactory
from tests.pages import HTMX, assert_guarded, queries_of, staff_client, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsite.operations.jobs.ring", lambda job: None)


@pytest.fixture
def bread() -> Label:
    """Food > Bread of the taxonomy `aisles`."""
    food = LabelFactory(taxonomy=TaxonomyFactory(slug="aisles", name="Aisles"), name="Food")
    return LabelFactory(taxonomy=food.taxonomy, parent=food, name="Bread")


def nodes(page: str) -> list[str]:
    return re.findall(r'class="cut" dir="auto">([^<]+)</span>', page)


def test_every_page_and_part_is_for_staff(bread: Label) -> None:
    pk = bread.taxonomy_id
    for address in (
        "/taxonomies/",
        "/taxonomies/aisles/",
        f"/taxonomy-parts/{pk}/branch/",
        f"/taxonomy-parts/{pk}/search/?q=b",
        f"/taxonomy-parts/{pk}/settings/",
        f"/taxonomy-parts/{pk}/add/",
        f"/taxonomy-parts/{pk}/export/",
        "/taxonomy-parts/new/",
        "/taxonomy-parts/import/",
        f"/label-parts/{bread.pk}/panel/",
        f"/label-parts/{bread.pk}/rename/",
        f"/label-reach/?label={bread.pk}",
    ):
        assert_guarded(address)


def test_the_list_counts_and_an_empty_one_says_how_to_begin(bread: Label) -> None:
    Label.objects.filter(pk=bread.pk).update(description="Loaves.", description_source="language_model")
    ItemLabelFactory(label=bread)
    ItemLabelFactory(label=bread, decision="accepted", final_label=bread)
    LabelFactory(taxonomy=bread.taxonomy, is_deprecated=True)
    found = Taxonomy.objects.with_figures().get()
    assert (found.labels_count, found.items_count, found.waiting_count) == (2, 2, 1)
    assert (found.described_count, found.by_model_count) == (2, 1)
    client = staff_client()
    assert "Aisles One label an item 2 2 1 50% In use" in text_of(client.get("/taxonomies/"))
    few = queries_of(client, "/taxonomies/")
    TaxonomyFactory.create_batch(5)
    assert queries_of(client, "/taxonomies/") == few
    Taxonomy.objects.all().delete()
    assert "No taxonomy yet" in text_of(client.get("/taxonomies/"))


def test_a_tree_shows_its_roots_and_opens_to_the_label_of_its_address(bread: Label) -> None:
    LabelFactory(taxonomy=bread.taxonomy, parent=bread, name="Rye")
    client = staff_client()
    closed = client.get("/taxonomies/aisles/").content.decode()
    assert nodes(closed) == ["Food"]
    opened = client.get(f"/taxonomies/aisles/?label={bread.pk}").content.decode()
    assert nodes(opened) == ["Food", "Bread"]
    assert f'data-panel="{bread.pk}"' in opened
    part = client.get(f"/taxonomy-parts/{bread.taxonomy_id}/branch/?parent={bread.pk}").content.decode()
    assert nodes(part) == ["Rye"]
    assert "<html" not in part


def test_counts_in_the_tree_take_in_what_lies_below_once_an_item(bread: Label, staff: User) -> None:
    rye = LabelFactory(taxonomy=bread.taxonomy, parent=bread, name="Rye")
    item = ItemFactory()
    ItemLabelFactory(item=item, label=rye)
    ItemLabelFactory(item=item, label=bread)
    ItemLabelFactory(label=LabelFactory(taxonomy=bread.taxonomy), decision="corrected", final_label=rye)
    ItemLabelFactory(label=rye, is_assigned=False)
    food = bread.parent
    assert Label.objects.all().count_items_within([food.pk, bread.pk, rye.pk]) == {food.pk: 2, bread.pk: 2, rye.pk: 2}
    panel = taxonomy_tree.panel(bread)
    assert (panel.own_items, panel.waiting, panel.decisions) == (1, 2, 1)


def test_a_level_of_many_labels_comes_in_parts_and_takes_the_same_queries(bread: Label) -> None:
    client, address = staff_client(), f"/taxonomy-parts/{bread.taxonomy_id}/branch/?parent={bread.parent_id}"
    few = queries_of(client, address)
    Label.objects.bulk_create(
        Label(taxonomy=bread.taxonomy, parent=bread.parent, name=f"L{n}", path=f"Food > L{n}", position=n + 100)
        for n in range(450)
    )
    assert queries_of(client, address) == few
    first = client.get(address).content.decode()
    assert len(nodes(first)) == 200
    assert "251 more" in first
    last = client.get(address + "&offset=400").content.decode()
    assert len(nodes(last)) == 51
    far = Label.objects.get(name="L449")
    assert "L449" in nodes(client.get(f"/taxonomies/aisles/?label={far.pk}").content.decode())


def test_search_offers_labels_in_the_readers_language(bread: Label) -> None:
    LabelName.objects.create(label=bread, language="zh-hans", name="面包")
    client = staff_client()
    address = f"/taxonomy-parts/{bread.taxonomy_id}/search/?q="
    page = client.get(address + "bread", headers={"Accept-Language": "zh-hans"}).content.decode()
    assert f'data-value="{bread.pk}" data-path="Food &gt; Bread" data-name="面包"' in page
    assert (
        "面包"
        in client.get(f"/taxonomies/aisles/?label={bread.pk}", headers={"Accept-Language": "zh-hans"}).content.decode()
    )
    assert "No label is like “zzz”." in text_of(client.get(address + "zzz"))
    assert client.get(address).content.decode().strip() == ""


def test_a_page_asked_for_with_nonsense_shows_the_tree_alone(bread: Label) -> None:
    other = LabelFactory()
    for value in ("x", "99999999", str(other.pk), "9" * 30, "-1"):
        response = staff_client().get(f"/taxonomies/aisles/?label={value}")
        assert (response.status_code, response.context["panel"]) == (200, None)
    assert staff_client().get("/taxonomies/none/").status_code == 404
    assert staff_client().get(f"/label-parts/{bread.pk}/explode/").status_code == 404


# ---------------------------------------------------------------- dialogs


def test_a_dialog_shows_what_follows_and_leads_back_to_the_label(bread: Label) -> None:
    item = ItemFactory(title="Loaf")
    ItemLabelFactory(item=item, label=bread)
    client = staff_client()
    dialog = client.get(f"/label-parts/{bread.pk}/rename/", headers=HTMX).content.decode()
    assert 'name="expected_path" value="Food &gt; Bread"' in dialog
    typed = {"name": "Loaves", "expected_path": "Food > Bread"}
    preview = text_of(client.post(f"/label-parts/{bread.pk}/rename/preview/", typed))
    assert "Labels 1 Items 1 Labelled anew 1" in preview
    assert "Such as Loaf" in preview
    assert (Label.objects.get(pk=bread.pk).name, LabelRequest.objects.count()) == ("Bread", 0)
    done = client.post(f"/label-parts/{bread.pk}/rename/", typed)
    assert (done.status_code, done["HX-Redirect"]) == (204, f"/taxonomies/aisles/?label={bread.pk}")
    page = text_of(client.get(done["HX-Redirect"]))
    assert "It is called Loaves now. 1 item is labelled anew." in page
    assert "Label anew: Bread is now Loaves" in page  # the job is followed on the page
    late = client.post(f"/label-parts/{bread.pk}/rename/", {**typed, "name": "Rolls"})
    assert late.status_code == 200
    assert "is “Food &gt; Loaves” by now" in late.content.decode()
    assert 'value="Rolls"' in late.content.decode()  # what was typed stays
    assert 'name="expected_path" value="Food &gt; Bread"' in late.content.decode()
    assert Label.objects.get(pk=bread.pk).name == "Loaves"


def test_a_preview_says_why_an_edit_cannot_be_done(bread: Label) -> None:
    preview = staff_client().post(f"/label-parts/{bread.pk}/rename/preview/", {"name": "A > B"})
    assert "A name cannot hold" in text_of(preview)


def test_labels_are_merged_in_the_dialog_in_either_direction(bread: Label) -> None:
    rolls = LabelFactory(taxonomy=bread.taxonomy, parent=bread.parent, name="Rolls")
    buns = LabelFactory(taxonomy=bread.taxonomy, parent=bread.parent, name="Buns")
    client = staff_client()
    typed = {
        "expected_path": "Food > Bread",
        "chosen": [str(rolls.pk)],
        "chosen_path": ["Food > Rolls"],
        "stays": "this",
    }
    assert client.post(f"/label-parts/{bread.pk}/merge/", typed).status_code == 204
    assert Label.objects.get(pk=rolls.pk).merged_into == bread
    other = {**typed, "chosen": [str(buns.pk)], "chosen_path": ["Food > Buns"], "stays": "chosen"}
    assert client.post(f"/label-parts/{bread.pk}/merge/", other)["HX-Redirect"].endswith(f"label={buns.pk}")
    assert Label.objects.get(pk=bread.pk).merged_into == buns
    assert "Merged into Food &gt; Buns ." in re.sub(
        r"\s+", " ", text_of(client.get(f"/label-parts/{bread.pk}/panel/")).replace(">", "&gt;")
    )


@pytest.mark.parametrize(
    ("act", "typed", "path"),
    [
        ("add", {"name": "黑麦"}, "Food > Bread > 黑麦"),
        ("move", {}, "Bread"),
        ("split", {"parts": "Rye: dark\nWheat", "place": "beside"}, "Food > Rye"),
        ("describe", {"description": "Loaves.", "icon": "bread"}, "Food > Bread"),
        ("names", {"name:zh-hans": "面包"}, "Food > Bread"),
        ("deprecate", {}, "Food > Bread"),
    ],
)
def test_each_dialog_does_what_it_says(bread: Label, act: str, typed: dict[str, str], path: str) -> None:
    client = staff_client()
    assert client.get(f"/label-parts/{bread.pk}/{act}/").status_code == 200
    values = {"expected_path": "Food > Bread", "expected_description": bread.description, **typed}
    assert client.post(f"/label-parts/{bread.pk}/{act}/preview/", values).status_code == 200
    done = client.post(f"/label-parts/{bread.pk}/{act}/", values)
    assert done.status_code == 204, done.content.decode()
    assert Label.objects.filter(path=path).exists()
    if act == "deprecate":
        assert client.post(f"/label-parts/{bread.pk}/restore/", values).status_code == 204
        assert not Label.objects.filter(is_deprecated=True).exists()


# ---------------------------------------------------------------- settings


def test_a_taxonomy_is_created_and_its_first_label_added() -> None:
    client = staff_client()
    typed = {
        "name": "Occasions",
        "choice": "multiple",
        "question": "For {label}?",
        "abstain_below": "20",
        "is_active": "on",
    }
    assert client.post("/taxonomy-parts/new/", typed)["HX-Redirect"] == "/taxonomies/occasions/"
    assert "No labels yet" in text_of(client.get("/taxonomies/occasions/"))
    refused = client.post("/taxonomy-parts/new/", {**typed, "name": "场合"}).content.decode()
    assert "The address needs Latin letters" in refused
    assert client.post("/taxonomy-parts/new/", {**typed, "name": "场合", "slug": "changhe"}).status_code == 204
    assert "is no number" in client.post("/taxonomy-parts/new/", {**typed, "abstain_below": "x"}).content.decode()
    taxonomy = Taxonomy.objects.get(slug="occasions")
    assert client.post(f"/taxonomy-parts/{taxonomy.pk}/add/", {"name": "Brunch"}).status_code == 204
    assert Label.objects.get().path == "Brunch"


def test_a_higher_threshold_takes_unsure_labels_away_at_once_and_a_lower_one_gives_them_back(staff: User) -> None:
    label = LabelFactory()
    taxonomy = label.taxonomy
    unsure = ItemLabelFactory(label=label, confidence=0.4)
    sure = ItemLabelFactory(label=label, confidence=0.9)
    decided = ItemLabelFactory(label=label, confidence=0.1, decision="accepted", final_label=label)
    before = settings_of(taxonomy)
    higher = Settings(**{**before.__dict__, "abstain_below": 0.5})
    assert preview_settings(taxonomy, higher).abstained == 1
    changed = change_taxonomy(taxonomy.pk, higher, expected=before, staff=staff)
    assert (changed.job_id, LabelRequest.objects.count()) == (None, 0)

    def states() -> list[tuple[bool, bool]]:
        rows = ItemLabel.objects.filter(pk__in=[unsure.pk, sure.pk, decided.pk]).order_by("pk")
        return list(rows.values_list("is_assigned", "is_abstained"))

    assert states() == [(False, True), (True, False), (True, False)]
    taxonomy.refresh_from_db()
    assert preview_settings(taxonomy, before).assigned == 1
    change_taxonomy(taxonomy.pk, before, expected=higher, staff=staff)
    assert states() == [(True, False)] * 3
    with pytest.raises(ConflictError, match=r"\(Withheld below\)"):
        change_taxonomy(taxonomy.pk, before, expected=higher, staff=staff)


def test_another_question_asks_everything_anew_and_another_name_nothing(staff: User) -> None:
    taxonomy = LabelFactory().taxonomy
    item = ItemFactory()
    before = settings_of(taxonomy)
    renamed = Settings(**{**before.__dict__, "name": "Aisles"})
    assert change_taxonomy(taxonomy.pk, renamed, expected=before, staff=staff).items == 0
    asked = Settings(**{**renamed.__dict__, "question": "Which aisle?"})
    assert preview_settings(Taxonomy.objects.get(), asked).edit.asked_anew == 1
    assert change_taxonomy(taxonomy.pk, asked, expected=renamed, staff=staff).items == 1
    assert list(LabelRequest.objects.values_list("item_id", "status")) == [(item.pk, "pending")]
    assert Job.objects.get().title == "Label anew: Aisles was changed"


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"name": "n" * 101}, {"question": "q" * 201}, {"choice": "some"}, {"abstain_below": 1.5}]
)
def test_settings_that_cannot_be_are_refused(staff: User, wrong: dict[str, object]) -> None:
    values = {"name": "Aisles", **wrong}
    with pytest.raises(InvalidInputError):
        create_taxonomy(Settings(**values), staff=staff)  # type: ignore[arg-type]
    assert not Taxonomy.objects.exists()


def test_a_filter_by_a_label_shows_what_lies_below_it_too(bread: Label) -> None:
    ItemLabelFactory(item=ItemFactory(title="Loaf"), label=bread)
    page = text_of(staff_client().get(f"/catalog/?label={bread.parent_id}"))
    assert "Loaf" in page
    assert Item.objects.count() == 1


def test_search_in_the_top_bar_leads_to_a_label_in_its_taxonomy(bread: Label) -> None:
    page = Client()
    page.force_login(User.objects.create(username="s", is_staff=True))
    assert f'href="/taxonomies/aisles/?label={bread.pk}"' in page.get("/search/?q=braed").content.decode()
