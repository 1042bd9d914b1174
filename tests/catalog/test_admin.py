"""The admin: what its pages show, that a change goes the way of the services, and that lists stay cheap."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog import tasks
from catalog.models import Item, Label, LabelRequest
from recsite.operations.model_admin import EstimatedPaginator
from recsite.operations.models import ApiKey, Job
from tests.factories import (
    EndUserFactory,
    EventFactory,
    InterestLabelFactory,
    ItemFactory,
    ItemLabelFactory,
    JobFactory,
    LabelFactory,
    SlateFactory,
    SlateItemFactory,
    StaffFactory,
    StrategyFactory,
    TaxonomyFactory,
)
from tests.pages import change_url, list_url, told

pytestmark = pytest.mark.django_db


LISTS = {
    "catalog_item": lambda: ItemLabelFactory(item=ItemFactory(vector=True)),
    "catalog_taxonomy": lambda: LabelFactory(taxonomy=TaxonomyFactory()),
    "catalog_label": LabelFactory,
    "catalog_itemlabel": lambda: ItemLabelFactory(item=ItemFactory(), reviewer=StaffFactory()),
    "recommender_enduser": lambda: EventFactory().user,
    "recommender_event": EventFactory,
    "recommender_slate": lambda: SlateItemFactory(slate=SlateFactory()),
    "recommender_strategy": StrategyFactory,
    "operations_job": lambda: JobFactory(started_by=StaffFactory()),
    "auth_user": StaffFactory,
}


@pytest.mark.parametrize("model", LISTS)
def test_a_list_opens_with_a_constant_number_of_queries(model, admin):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(list_url(model)).status_code == 200
        return len(captured)

    LISTS[model]()
    LISTS[model]()
    queries()  # the first of a sign-in notes that they were here
    few = queries()
    for _ in range(6):
        LISTS[model]()
    assert queries() == few <= 12


@pytest.mark.parametrize("model", [*LISTS, "operations_apikey", "auth_group"])
def test_a_list_needs_a_signed_in_member_of_staff(model):
    assert Client().get(list_url(model)).status_code == 302
    visitor = Client()
    visitor.force_login(StaffFactory(is_superuser=False))
    assert visitor.get(list_url(model)).status_code == 403


def test_a_large_list_is_counted_by_the_databases_estimate(monkeypatch):
    monkeypatch.setattr("recsite.operations.model_admin.COUNTED_EXACTLY", 3)
    ItemFactory.create_batch(6)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_item")
    assert EstimatedPaginator(Item.objects.order_by("id"), 2).count == 6
    assert EstimatedPaginator(Item.objects.filter(is_hidden=False).order_by("id"), 2).count == 4  # "more than three"
    assert EstimatedPaginator(Item.objects.filter(pk=0).order_by("id"), 2).count == 0


# ---------------------------------------------------------------- items


def form_of(item, **changes):
    values = {
        "title": item.title,
        "description": item.description,
        "brand": item.brand,
        "product_type": "",
        "price": "3.49",
        "currency": "USD",
        "is_in_stock": "on",
        "link": "",
        "image_url": "",
        "attributes": "{}",
        "labels-TOTAL_FORMS": "0",
        "labels-INITIAL_FORMS": "0",
    }
    return {**values, **changes}


def test_a_title_changed_in_the_admin_is_embedded_and_labelled_anew(
    admin, monkeypatch, django_capture_on_commit_callbacks
):
    rung: list[list[int]] = []
    monkeypatch.setattr(tasks.embed_items, "delay", rung.append)
    TaxonomyFactory()
    item = ItemFactory(vector=True)
    with django_capture_on_commit_callbacks(execute=True):
        response = admin.post(change_url("catalog_item", item), form_of(item, title="Buckwheat &amp; spelt"))
    assert response.status_code == 302
    before, item = item.text_hash, Item.objects.get(pk=item.pk)
    assert item.title == "Buckwheat & spelt"
    assert item.text_hash != before
    assert rung == [[item.pk]]
    assert LabelRequest.objects.filter(item=item, status="pending", text_hash=item.text_hash).count() == 1


def test_saving_without_a_change_does_not_ring(admin, monkeypatch, django_capture_on_commit_callbacks):
    rung: list[list[int]] = []
    monkeypatch.setattr(tasks.embed_items, "delay", rung.append)
    item = ItemFactory()
    with django_capture_on_commit_callbacks(execute=True):
        admin.post(change_url("catalog_item", item), form_of(item))
    assert rung == []


def test_an_item_is_added_in_the_admin(admin):
    response = admin.post(
        reverse("admin:catalog_item_add"), form_of(ItemFactory.build(), external_id="new-1", title="New")
    )
    assert response.status_code == 302
    assert Item.objects.get(external_id="new-1").text_hash


def test_what_a_feed_may_not_say_the_admin_may_not_either(admin):
    item = ItemFactory()
    response = admin.post(change_url("catalog_item", item), form_of(item, currency="x1"))
    assert response.status_code == 200
    assert "is not an ISO 4217 code" in response.content.decode()
    item.refresh_from_db()
    assert item.currency == "USD"


def test_items_are_found_by_words_typos_and_id(admin):
    ItemFactory(external_id="rye-1", title="Dark rye loaf")
    ItemFactory(external_id="oat-1", title="Oat flakes")
    for words in ("dark", "dark rye lof", "RYE-1"):
        page = admin.get(list_url("catalog_item"), {"q": words}).content.decode()
        assert ("Dark rye loaf" in page, "Oat flakes" in page) == (True, False)


def test_items_are_hidden_and_shown_again_by_action(admin):
    item = ItemFactory()
    for action, hidden in (("hide", True), ("show", False)):
        admin.post(list_url("catalog_item"), {"action": action, "_selected_action": [item.pk]})
        item.refresh_from_db()
        assert item.is_hidden is hidden


def test_an_item_cannot_be_deleted(admin):
    item = ItemFactory()
    assert admin.post(reverse("admin:catalog_item_delete", args=[item.pk]), {"post": "yes"}).status_code == 403
    assert Item.objects.filter(pk=item.pk).exists()


def test_markup_in_a_title_is_shown_as_text(admin):
    ItemFactory(title="<script>alert(1)</script>")
    page = admin.get(list_url("catalog_item")).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


# ---------------------------------------------------------------- taxonomies and labels


def test_a_renamed_label_carries_its_branch_along(admin):
    food = LabelFactory(name="Food")
    bread = LabelFactory(taxonomy=food.taxonomy, parent=food, name="Bread")
    rye = LabelFactory(taxonomy=food.taxonomy, parent=bread, name="Rye")
    foodstuff = LabelFactory(taxonomy=food.taxonomy, name="Foodstuff")
    response = admin.post(
        change_url("catalog_label", food),
        {
            "name": "Groceries",
            "description": "All.",
            "icon": "",
            "position": 1,
            "names-TOTAL_FORMS": 0,
            "names-INITIAL_FORMS": 0,
        },
    )
    assert response.status_code == 302
    paths = dict(Label.objects.values_list("pk", "path"))
    assert paths == {
        food.pk: "Groceries",
        bread.pk: "Groceries > Bread",
        rye.pk: "Groceries > Bread > Rye",
        foodstuff.pk: "Foodstuff",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parent": "rye"}, "is the label itself or below it; choose another parent."),
        ({"parent": "other"}, "is in another taxonomy; choose a parent in"),
        ({"name": "Taken"}, "has a label Taken already; choose another name."),
        ({"name": "A > B"}, "A name cannot hold"),
    ],
)
def test_a_label_that_would_break_the_tree_is_refused(changes, message, admin):
    bread = LabelFactory(name="Bread")
    others = {
        "rye": LabelFactory(taxonomy=bread.taxonomy, parent=bread, name="Rye"),
        "other": LabelFactory(name="Elsewhere"),
        "taken": LabelFactory(taxonomy=bread.taxonomy, name="Taken"),
    }
    if "parent" in changes:
        changes = {"parent": others[changes["parent"]].pk}
    response = admin.post(
        change_url("catalog_label", bread), {"name": "Bread", "description": "", "icon": "", "position": 1, **changes}
    )
    assert (response.status_code, message in response.content.decode()) == (200, True)
    bread.refresh_from_db()
    assert (bread.path, bread.parent) == ("Bread", None)


def test_labels_count_the_items_that_carry_them(admin):
    bread = LabelFactory(name="Bread")
    tea = LabelFactory(taxonomy=bread.taxonomy, name="Tea")
    ItemLabelFactory(label=bread)
    ItemLabelFactory(label=tea, decision="corrected", final_label=bread)
    ItemLabelFactory(label=tea, is_assigned=False)
    assert dict(Label.objects.with_item_counts().values_list("name", "items_count")) == {"Bread": 2, "Tea": 0}
    assert admin.get(list_url("catalog_label")).status_code == 200


def test_a_taxonomy_is_labelled_anew_by_action(admin, monkeypatch):
    monkeypatch.setattr(tasks.label_waiting_items, "delay", lambda: None)
    item, taxonomy = ItemFactory(), TaxonomyFactory()
    admin.post(list_url("catalog_taxonomy"), {"action": "label_anew", "_selected_action": [taxonomy.pk]})
    assert list(LabelRequest.objects.values_list("item_id", "taxonomy_id")) == [(item.pk, taxonomy.pk)]


# ---------------------------------------------------------------- users, events, slates, jobs, keys


@pytest.mark.parametrize(
    ("model", "make"),
    [
        ("recommender_enduser", EndUserFactory),
        ("recommender_event", EventFactory),
        ("recommender_slate", SlateFactory),
        ("recommender_strategy", StrategyFactory),
        ("operations_job", JobFactory),
    ],
)
def test_what_is_written_elsewhere_can_be_looked_at_only(model, make, admin):
    row = make()
    url = change_url(model, row)
    assert admin.get(url).status_code == 200
    assert admin.post(url, {}).status_code == 403
    assert admin.get(reverse(f"admin:{model}_add")).status_code == 403
    assert admin.post(reverse(f"admin:{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()


def test_events_are_found_by_the_whole_id_of_a_user_an_item_or_a_basket(admin):
    wanted = EventFactory(user=EndUserFactory(external_id="u-1"), item=ItemFactory(external_id="i-1"), basket="b-1")
    EventFactory(basket="b-10")
    for term in ("u-1", "i-1", "b-1"):
        response = admin.get(list_url("recommender_event"), {"q": term})
        assert [event.pk for event in response.context["cl"].result_list] == [wanted.pk]
    assert admin.get(list_url("recommender_event"), {"q": "u"}).context["cl"].result_count == 0


def test_a_slate_shows_its_parts_in_words_strongest_first(admin):
    parts = [
        {"source": "label_affinity", "contribution": -0.25, "words": "little interest in soda"},
        {"source": "neighbours", "contribution": 1.75, "words": "bought together with chips"},
    ]
    slate_item = SlateItemFactory(score=1.5, parts=parts, item=ItemFactory(title="Salsa"))
    page = admin.get(change_url("recommender_slate", slate_item.slate)).content.decode()
    assert page.index("bought together with chips") < page.index("little interest in soda")
    for words in ("Salsa", "1.500", "+1.750", "-0.250", "Labels they favour"):
        assert words in page


def test_a_list_offers_all_of_it_only_where_something_narrows_it(admin):
    ItemFactory(title="Salsa")
    assert "Show all" not in admin.get(list_url("catalog_item")).content.decode()
    assert "1 result" in admin.get(list_url("catalog_item") + "?q=salsa").content.decode()


def test_an_empty_list_says_whether_there_is_nothing_or_nothing_that_matches(admin):
    assert "No items yet" in admin.get(list_url("catalog_item")).content.decode()
    ItemFactory(title="Salsa")
    assert "Nothing matches" in admin.get(list_url("catalog_item") + "?q=zzzqqq").content.decode()


def test_a_new_items_form_asks_for_what_it_has_and_shows_no_vector_or_labels(admin):
    page = admin.get("/admin/catalog/item/add/").content.decode()
    assert 'name="title"' in page
    for words in ("Waiting", "Created at", "Evidence"):
        assert words not in page


def test_a_users_page_shows_the_interests(admin):
    interest = InterestLabelFactory(label=LabelFactory(name="Baking"), weight=0.62)
    page = admin.get(change_url("recommender_enduser", interest.user)).content.decode()
    assert "Baking" in page
    assert "0.62" in page


def test_jobs_are_cancelled_and_retried_by_action(admin):
    queued, done = JobFactory(), JobFactory(status="succeeded")
    failed = JobFactory(kind="rebuild_statistics", status="failed")
    response = admin.post(
        list_url("operations_job"), {"action": "cancel_jobs", "_selected_action": [queued.pk, done.pk]}, follow=True
    )
    assert told(response) == [f"Job {done.pk} has already ended; there is nothing to cancel.", "1 job will stop."]
    admin.post(list_url("operations_job"), {"action": "retry_jobs", "_selected_action": [failed.pk]})
    assert dict(Job.objects.values_list("pk", "status")) == {
        queued.pk: "cancelled",
        failed.pk: "queued",
        done.pk: "succeeded",
    }


def test_a_keys_secret_is_shown_once_and_never_again(admin):
    response = admin.post(reverse("admin:operations_apikey_add"), {"name": "storefront", "scopes": ["read", "write"]})
    key = ApiKey.objects.get()
    secret = re.search(r'id="api-key-secret">([^<]+)<', response.content.decode())[1]
    assert ApiKey.objects.get_from_key(secret) == key
    assert key.scopes == ["read", "write"]
    assert "no-store" in response["Cache-Control"]
    assert "messages" not in response.cookies
    for url in (list_url("operations_apikey"), change_url("operations_apikey", key)):
        assert secret not in admin.get(url).content.decode()
    called = Client().get("/api/v1/items/", headers={"X-API-Key": secret})
    assert called.status_code == 200


def test_a_revoked_key_is_refused_from_then_on(admin):
    response = admin.post(reverse("admin:operations_apikey_add"), {"name": "old", "scopes": ["read"]})
    secret = re.search(r'id="api-key-secret">([^<]+)<', response.content.decode())[1]
    admin.post(list_url("operations_apikey"), {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]})
    assert Client().get("/api/v1/items/", headers={"X-API-Key": secret}).status_code == 401


def test_an_item_links_to_its_page_whatever_its_id_holds(admin):
    item = ItemFactory(external_id="loaf?size=1#rye")
    page = admin.get(change_url("catalog_item", item)).content.decode()
    assert 'href="/catalog/loaf%3Fsize=1%23rye/"' in page
    assert admin.get("/catalog/loaf%3Fsize=1%23rye/").context["item"] == item
