"""Taxonomies in the admin: new fields, and nothing is deleted that carries what people decided."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import ItemLabel, Label, LabelName, Taxonomy
from tests.factories import ItemLabelFactory, LabelFactory
from tests.pages import change_url


def test_a_label_shows_its_names_id_and_source_and_leads_to_the_console(admin: Client) -> None:
    bread = LabelFactory(name="Bread", external_id="7", description_source="language_model")
    loaves = LabelFactory(taxonomy=bread.taxonomy, name="Loaves", merged_into=bread)
    LabelName.objects.create(label=bread, language="zh-hans", name="面包")
    page = admin.get(change_url("catalog_label", bread)).content.decode()
    for words in ("面包", 'value="7"', "Language model", f"/taxonomies/{bread.taxonomy.slug}/?label={bread.pk}"):
        assert words in page
    assert 'name="merged_into"' not in admin.get(change_url("catalog_label", loaves)).content.decode()
    assert (
        f'href="/taxonomies/{bread.taxonomy.slug}/"'
        in admin.get(change_url("catalog_taxonomy", bread.taxonomy)).content.decode()
    )


def test_names_are_saved_with_the_label_and_a_description_becomes_a_persons(admin: Client) -> None:
    bread = LabelFactory(name="Bread", description="Old.", description_source="language_model")
    values = {
        "name": "Bread",
        "description": "New.",
        "icon": "",
        "position": 1,
        "external_id": "b1",
        "names-TOTAL_FORMS": 1,
        "names-INITIAL_FORMS": 0,
        "names-0-language": "fr",
        "names-0-name": "Pain",
    }
    assert admin.post(change_url("catalog_label", bread), values).status_code == 302
    bread.refresh_from_db()
    assert (bread.description, bread.description_source, bread.external_id) == ("New.", "person", "b1")
    assert LabelName.objects.values_list("language", "name").get() == ("fr", "Pain")


def test_what_carries_decisions_is_not_deleted_and_the_page_says_what_to_do(admin: Client, staff: User) -> None:
    bread = LabelFactory(name="Bread")
    rye = LabelFactory(taxonomy=bread.taxonomy, parent=bread, name="Rye")
    ItemLabelFactory(label=LabelFactory(taxonomy=bread.taxonomy), decision="corrected", final_label=rye, reviewer=staff)
    addresses = [
        reverse("admin:catalog_label_delete", args=[bread.pk]),
        reverse("admin:catalog_taxonomy_delete", args=[bread.taxonomy_id]),
    ]
    for address in addresses:
        page = admin.post(address, {"post": "yes"}).content.decode()
        assert "1 decision of staff would go with it; deprecate the label or merge it instead." in page
    admin.post(
        reverse("admin:catalog_label_changelist"),
        {"action": "delete_selected", "_selected_action": [bread.pk], "post": "yes"},
    )
    assert (Label.objects.count(), Taxonomy.objects.count(), ItemLabel.objects.count()) == (3, 1, 1)


def test_a_label_that_nothing_hangs_on_is_deleted(admin: Client) -> None:
    bread = LabelFactory()
    assert admin.post(reverse("admin:catalog_label_delete", args=[bread.pk]), {"post": "yes"}).status_code == 302
    assert not Label.objects.exists()
