"""The review list: what waits, least sure first, and deciding by row, by action and on the page of one."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from catalog.models import ItemLabel
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, StaffFactory, TaxonomyFactory
from tests.pages import change_url, list_url, told

pytestmark = pytest.mark.django_db


@pytest.fixture()
def suggestion():
    taxonomy = TaxonomyFactory(slug="groceries")
    return ItemLabelFactory(label=LabelFactory(taxonomy=taxonomy, name="Bread"))


def test_the_review_list_shows_what_waits_least_sure_first(admin, suggestion):
    sure = ItemLabelFactory(confidence=0.99, item=ItemFactory(title="Sure thing"))
    ItemLabelFactory(decision="accepted", item=ItemFactory(title="Done thing"))
    ItemLabelFactory(is_assigned=False, item=ItemFactory(title="Second choice"))
    response = admin.get(list_url("catalog_itemlabel"))
    assert [row.pk for row in response.context["cl"].result_list] == [suggestion.pk, sure.pk]
    assert admin.get(list_url("catalog_itemlabel"), {"decision": "all"}).context["cl"].result_count == 4
    assert admin.get(list_url("catalog_itemlabel"), {"decision": "accepted"}).context["cl"].result_count == 1
    page = response.content.decode()
    for words in ("Bread", "0.80", "flour", "letters-1", "test-model"):
        assert words in page


def test_the_review_list_filters_by_taxonomy_confidence_and_source(admin, suggestion):
    other = ItemLabelFactory(confidence=0.2, source="embedding")

    def found(**query) -> set[int]:
        return {row.pk for row in admin.get(list_url("catalog_itemlabel"), query).context["cl"].result_list}

    assert found(taxonomy__id__exact=suggestion.taxonomy_id) == {suggestion.pk}
    assert found(confidence_from="0.1", confidence_to="0.5") == {other.pk}
    assert found(source__in="embedding") == {other.pk}


@pytest.mark.parametrize(("verb", "decision"), [("accept", "accepted"), ("reject", "rejected")])
def test_a_rows_button_decides(verb, decision, admin, staff, suggestion):
    response = admin.post(list_url("catalog_itemlabel"), {"decide": f"{verb}:{suggestion.pk}"}, follow=True)
    suggestion.refresh_from_db()
    assert (suggestion.decision, suggestion.reviewer, told(response)) == (
        decision,
        staff,
        [f"{decision.capitalize()}."],
    )
    assert suggestion.label.name == "Bread"
    admin.post(f"{list_url('catalog_itemlabel')}?decision=all", {"decide": f"undo:{suggestion.pk}"})
    suggestion.refresh_from_db()
    assert (suggestion.decision, suggestion.reviewer, suggestion.is_assigned) == ("", None, True)


def test_a_row_has_its_own_form_and_decides_by_post_only(admin, suggestion):
    page = admin.get(list_url("catalog_itemlabel")).content.decode()
    assert f'form="decide-form" name="decide" value="accept:{suggestion.pk}"' in page
    assert re.search(r'<form id="decide-form" method="post"><input type="hidden" name="csrfmiddlewaretoken"', page)
    admin.get(list_url("catalog_itemlabel"), {"decide": f"accept:{suggestion.pk}"})
    suggestion.refresh_from_db()
    assert suggestion.decision == ""


@pytest.mark.parametrize(("action", "decision"), [("accept", "accepted"), ("reject", "rejected")])
def test_several_are_decided_by_action(action, decision, admin, suggestion):
    other = ItemLabelFactory()
    admin.post(list_url("catalog_itemlabel"), {"action": action, "_selected_action": [suggestion.pk, other.pk]})
    assert set(ItemLabel.objects.values_list("decision", flat=True)) == {decision}


def test_a_suggestion_is_corrected_to_a_label_of_its_own_taxonomy(admin, staff, suggestion):
    right = LabelFactory(taxonomy=suggestion.taxonomy, name="Rolls")
    elsewhere = LabelFactory(name="Elsewhere")
    url = change_url("catalog_itemlabel", suggestion)
    page = admin.get(url).content.decode()
    assert (f'value="{right.pk}"' in page, "Elsewhere" in page) == (True, False)
    assert admin.post(url, {"final_label": elsewhere.pk}).status_code == 200
    suggestion.refresh_from_db()
    assert suggestion.decision == ""
    admin.post(url, {"final_label": right.pk})
    suggestion.refresh_from_db()
    assert (suggestion.decision, suggestion.final_label, suggestion.label.name) == ("corrected", right, "Bread")
    assert suggestion.reviewer == staff


def test_a_page_of_one_accepts_and_undoes(admin, suggestion):
    url = change_url("catalog_itemlabel", suggestion)
    admin.post(url, {"final_label": "", "catalog_itemlabel_accept_this": "1"})
    suggestion.refresh_from_db()
    assert suggestion.decision == "accepted"
    admin.post(url, {"final_label": "", "catalog_itemlabel_undo_this": "1"})
    suggestion.refresh_from_db()
    assert suggestion.decision == ""
    nothing = admin.post(url, {"final_label": ""}, follow=True)
    assert told(nothing)[-1] == "Nothing was decided; choose the right label, accept or reject."


def test_who_may_only_look_cannot_decide(suggestion):
    reader = StaffFactory(is_superuser=False)
    reader.user_permissions.add(Permission.objects.get(codename="view_itemlabel"))
    client = Client()
    client.force_login(reader)
    assert 'name="decide"' not in client.get(list_url("catalog_itemlabel")).content.decode()
    assert client.post(list_url("catalog_itemlabel"), {"decide": f"accept:{suggestion.pk}"}).status_code == 403
    client.post(list_url("catalog_itemlabel"), {"action": "accept", "_selected_action": [suggestion.pk]})
    suggestion.refresh_from_db()
    assert suggestion.decision == ""
