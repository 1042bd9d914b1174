"""What people change is written down, shown, and taken back; what nobody did by hand is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from catalog import items
from catalog.models import Item, LabelRequest
from recommender.models import GoldenExpectation
from recsite.operations import changes, site_settings
from recsite.operations.change_context import written_by
from recsite.operations.errors import ConflictError, NotFoundError
from recsite.operations.models import ApiKey, Change
from tests.factories import ApiKeyFactory, ItemFactory, LabelFactory, StaffFactory, StrategyFactory, TaxonomyFactory
from tests.pages import HTMX, queries_of, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.items._ring_on_commit", lambda ids: None)


def hide(client: Client, item: Item, is_hidden: str = "true") -> None:
    client.post(f"/items/{item.pk}/visibility/", {"is_hidden": is_hidden})


def only_change() -> Change:
    return Change.objects.get()


# ---------------------------------------------------------------- written down


def test_what_staff_do_is_kept_with_who_where_and_both_values() -> None:
    item = ItemFactory(title="Flour")
    hide(staff_client(), item)
    change = only_change()
    assert (change.kind, change.object_id, change.object_name) == ("item", str(item.pk), "Flour")
    assert (change.before, change.after) == ({"is_hidden": False}, {"is_hidden": True})
    assert (change.by_name, change.path) == ("staff", f"/items/{item.pk}/visibility/")
    assert change.by is not None and change.by.username == "staff"


def test_what_an_api_key_does_is_kept_by_its_prefix_and_the_key_itself_by_no_secret() -> None:
    key = ApiKeyFactory(name="shop")
    body = [{"external_id": "sku-9", "title": "Rye", "price": "2.50"}]
    answer = Client().post("/api/v1/items/", body, content_type="application/json", headers={"X-API-Key": key.secret})
    assert answer.status_code == 200, answer.content
    change = only_change()
    assert (change.act, change.key_prefix, change.by_name, change.by) == ("created", key.prefix, "shop", None)
    assert change.after["title"] == "Rye"


def test_imports_workers_and_reading_leave_no_changes() -> None:
    item = ItemFactory()
    items.upsert_items(
        [{"external_id": item.external_id, "title": "Another"}, {"external_id": "sku-new", "title": "New"}]
    )
    Item.objects.filter(pk=item.pk).update(is_hidden=True)
    staff_client().get("/catalog/")
    assert not Change.objects.exists()


def test_nothing_is_said_any_more_once_the_request_is_over() -> None:
    item = ItemFactory()
    hide(staff_client(), item)
    Item.objects.filter(pk=item.pk).update(title="By a worker")
    assert [change.after for change in Change.objects.all()] == [{"is_hidden": True}]


def test_columns_that_are_noise_are_no_change_and_secrets_are_in_none() -> None:
    staff = StaffFactory()
    key = ApiKeyFactory()
    with written_by(staff):
        Item.objects.filter(pk=ItemFactory().pk).update(updated_at=timezone.now())
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
        staff.set_password("another long password")
        staff.save()
        made, secret = ApiKey.objects.create_key(name="new", scopes=["read"])
        ApiKey.objects.filter(pk=made.pk).update(revoked=True)
    made.refresh_from_db()
    kept = list(Change.objects.filter(kind__in=["api_key", "staff"]).order_by("pk"))
    assert [(one.object_id, one.act) for one in kept] == [(made.prefix, "created"), (made.prefix, "changed")]
    everything = str([(one.object_id, one.before, one.after) for one in Change.objects.all()])
    assert made.hashed_key not in everything
    assert secret.partition(".")[2] not in everything
    assert staff.password not in everything


def test_one_request_is_one_batch() -> None:
    taxonomy = TaxonomyFactory()
    parent = LabelFactory(taxonomy=taxonomy, name="Bread")
    LabelFactory(taxonomy=taxonomy, parent=parent, name="Rolls")
    staff_client().post(f"/label-parts/{parent.pk}/rename/", {"name": "Bakery", "expected_path": "Bread"})
    kept = list(Change.objects.filter(kind="label"))
    assert {one.object_name for one in kept} == {"Bakery", "Bakery > Rolls"}
    assert len({one.batch for one in kept}) == 1


def test_a_strategy_made_live_says_by_whom() -> None:
    live, next_one = StrategyFactory(is_live=True), StrategyFactory()
    staff_client().post(f"/strategy-versions/{next_one.pk}/live/", {"instead_of": live.pk}, headers=HTMX)
    kept = Change.objects.filter(kind="strategy", after__is_live=True).get()
    assert (kept.object_name, kept.by_name) == (f"{next_one.name} v1", "staff")


# ---------------------------------------------------------------- the page


def test_the_page_shows_who_did_what_in_words_and_filters_by_all_of_it() -> None:
    client, item = staff_client(), ItemFactory(title="Flour")
    hide(client, item)
    with written_by(StaffFactory(username="ann")):
        GoldenExpectation.objects.create(user_external_id="household-42", kind="never")
    words = text_of(client.get("/changes/"))
    assert "Flour Item · Changed" in words
    assert "Hidden no" in words and "yes" in words
    assert "Golden expectation · Created" in words
    assert "household-42" not in text_of(client.get("/changes/?kind=item"))
    assert "household-42" in text_of(client.get("/changes/?who=ann"))
    assert "Flour" not in text_of(client.get("/changes/?who=ann"))
    assert "Flour" in text_of(client.get(f"/changes/?kind=item&object={item.pk}"))
    assert "No such changes" in text_of(client.get("/changes/?kind=item&object=0"))
    tomorrow = timezone.localdate() + timedelta(days=2)
    assert "No such changes" in text_of(client.get(f"/changes/?since={tomorrow}"))
    assert f'href="/catalog/{item.external_id}/"' in client.get("/changes/").content.decode()
    assert client.get("/changes/?since=2026-02-30&after=nonsense&kind=no").status_code == 200


def test_no_changes_yet_says_what_will_be_here() -> None:
    assert "No changes yet" in text_of(staff_client().get("/changes/"))


def test_older_pages_follow_the_last_one_seen_and_cost_the_same() -> None:
    client = staff_client()
    stored = [ItemFactory(title=f"Item {n}") for n in range(45)]
    hide(client, stored[0])
    few = queries_of(client, "/changes/")
    with written_by(StaffFactory(username="bob")):
        for item in stored:
            Item.objects.filter(pk=item.pk).update(brand=f"Brand {item.pk}")
    assert queries_of(client, "/changes/") == few
    first = client.get("/changes/")
    seen = [one.change.pk for one in first.context["changes"]]
    second = client.get("/changes/", {"after": first.context["older"]})
    rest = [one.change.pk for one in second.context["changes"]]
    assert (len(seen), len(rest)) == (40, 6)
    assert seen + rest == sorted(seen + rest, reverse=True)


def test_an_objects_own_page_shows_its_last_ones() -> None:
    client, item = staff_client(), ItemFactory()
    assert "Nobody changed it by hand" in text_of(client.get(f"/changes/of/item/?object={item.pk}"))
    hide(client, item)
    assert "Hidden" in text_of(client.get(f"/changes/of/item/?object={item.pk}"))


def test_a_deleted_object_shows_as_deleted_and_has_no_link() -> None:
    client, item = staff_client(), ItemFactory(title="Gone")
    hide(client, item)
    pk, external_id = item.pk, item.external_id
    with written_by(StaffFactory()):
        item.delete()
    page = client.get(f"/changes/?kind=item&object={pk}")
    assert "Gone Item · Deleted" in text_of(page)
    assert "deleted since" in text_of(page)
    assert f'href="/catalog/{external_id}/"' not in page.content.decode()


# ---------------------------------------------------------------- taken back


def test_a_revert_sets_the_fields_back_and_can_be_undone_in_turn() -> None:
    client, item = staff_client(), ItemFactory()
    hide(client, item)
    answer = client.post(f"/changes/{only_change().pk}/revert/", headers=HTMX)
    item.refresh_from_db()
    assert not item.is_hidden
    toast = toast_of(answer)
    assert toast["message"] == "Set back to how it was."
    reverted = Change.objects.exclude(reverts=None).get()
    client.post(toast["undo"]["url"], headers=HTMX)
    item.refresh_from_db()
    assert item.is_hidden
    assert Change.objects.filter(reverts=reverted).exists()


def test_a_text_that_is_set_back_is_embedded_and_labelled_anew() -> None:
    TaxonomyFactory()
    LabelFactory()
    item, staff = ItemFactory(title="Flour", price="3.49", attributes={"size": "1 kg"}), StaffFactory()
    with written_by(staff):
        rows = [
            {
                "external_id": item.external_id,
                "title": "Sugar",
                "price": "4",
                "attributes": {"size": None, "kind": "fine"},
            }
        ]
        items.upsert_items(rows, partial=True)
    of_sugar = Item.objects.get(pk=item.pk).text_hash
    LabelRequest.objects.all().delete()
    changes.revert(only_change().pk, staff=staff)
    item.refresh_from_db()
    assert (item.title, str(item.price), item.attributes) == ("Flour", "3.49", {"size": "1 kg"})
    assert item.text_hash != of_sugar
    assert LabelRequest.objects.filter(item=item, text_hash=item.text_hash).exists()


def test_a_later_change_of_the_same_fields_is_not_overwritten() -> None:
    item, staff = ItemFactory(brand="A"), StaffFactory()
    with written_by(staff):
        Item.objects.filter(pk=item.pk).update(brand="B")
    first = only_change()
    Item.objects.filter(pk=item.pk).update(brand="C")
    with pytest.raises(ConflictError, match="was changed since: Brand is now “C”"):
        changes.revert(first.pk, staff=staff)
    item.refresh_from_db()
    assert item.brand == "C"
    assert Change.objects.count() == 1


def test_other_fields_may_have_changed_since() -> None:
    item, staff = ItemFactory(brand="A"), StaffFactory()
    with written_by(staff):
        Item.objects.filter(pk=item.pk).update(brand="B")
    Item.objects.filter(pk=item.pk).update(title="Other")
    changes.revert(only_change().pk, staff=staff)
    item.refresh_from_db()
    assert (item.brand, item.title) == ("A", "Other")


def test_what_is_gone_and_what_nobody_knows_cannot_be_set_back() -> None:
    item, staff = ItemFactory(title="Gone"), StaffFactory()
    with written_by(staff):
        Item.objects.filter(pk=item.pk).update(brand="B")
    change = only_change()
    item.delete()
    with pytest.raises(ConflictError, match="“Gone” was deleted"):
        changes.revert(change.pk, staff=staff)
    with pytest.raises(NotFoundError):
        changes.revert(0, staff=staff)


def test_a_label_goes_back_to_its_name_with_all_below_it() -> None:
    taxonomy, staff = TaxonomyFactory(), StaffFactory()
    parent = LabelFactory(taxonomy=taxonomy, name="Bread")
    child = LabelFactory(taxonomy=taxonomy, parent=parent, name="Rolls")
    staff_client().post(f"/label-parts/{parent.pk}/rename/", {"name": "Bakery", "expected_path": "Bread"})
    of_child = Change.objects.get(kind="label", object_id=child.pk)
    with pytest.raises(ConflictError, match="follows from the labels above it"):
        changes.revert(of_child.pk, staff=staff)
    changes.revert(Change.objects.get(kind="label", object_id=parent.pk).pk, staff=staff)
    child.refresh_from_db()
    assert child.path == "Bread > Rolls"


def test_what_another_row_forbids_is_refused_with_the_reason() -> None:
    taxonomy, staff = TaxonomyFactory(), StaffFactory()
    label = LabelFactory(taxonomy=taxonomy, name="Bread")
    staff_client().post(f"/label-parts/{label.pk}/rename/", {"name": "Bakery", "expected_path": "Bread"})
    LabelFactory(taxonomy=taxonomy, name="Bread")
    with pytest.raises(ConflictError, match="has a label Bread already"):
        changes.revert(Change.objects.get(kind="label").pk, staff=staff)
    label.refresh_from_db()
    assert label.name == "Bakery"


def test_a_taxonomy_goes_back_through_its_settings() -> None:
    taxonomy, staff = TaxonomyFactory(name="Kinds"), StaffFactory()
    with written_by(staff):
        type(taxonomy).objects.filter(pk=taxonomy.pk).update(name="Sorts", abstain_below=0.5)
    changes.revert(only_change().pk, staff=staff)
    taxonomy.refresh_from_db()
    assert (taxonomy.name, taxonomy.abstain_below) == ("Kinds", 0.2)


def test_a_strategy_is_not_set_back_here_but_says_where() -> None:
    live, next_one = StrategyFactory(is_live=True), StrategyFactory()
    client = staff_client()
    client.post(f"/strategy-versions/{next_one.pk}/live/", {"instead_of": live.pk}, headers=HTMX)
    kept = Change.objects.get(kind="strategy", after__is_live=True)
    answer = client.post(f"/changes/{kept.pk}/revert/", headers=HTMX)
    assert toast_of(answer)["message"].startswith("A strategy goes back on its own page")
    next_one.refresh_from_db()
    assert next_one.is_live


def test_a_revoked_key_stays_revoked_and_its_name_goes_back() -> None:
    key, staff = ApiKeyFactory(name="shop"), StaffFactory()
    with written_by(staff):
        ApiKey.objects.filter(pk=key.pk).update(name="store")
        ApiKey.objects.filter(pk=key.pk).update(revoked=True)
    renamed, revoked = Change.objects.order_by("pk")
    with pytest.raises(ConflictError, match="stays revoked"):
        changes.revert(revoked.pk, staff=staff)
    changes.revert(renamed.pk, staff=staff)
    key.refresh_from_db()
    assert (key.name, key.revoked) == ("shop", True)


def test_a_key_that_was_made_is_not_revoked_by_one_click_and_the_page_says_where_it_is() -> None:
    client = staff_client()
    client.post("/settings/keys/new/", {"name": "shop", "scopes": ["read"]})
    made = Change.objects.get(kind="api_key", act="created")
    page = client.get("/changes/")
    assert "A new key is revoked on the page of API keys" in text_of(page)
    assert f"revert-{made.pk}" not in page.content.decode()
    answer = client.post(f"/changes/{made.pk}/revert/", headers=HTMX)
    assert toast_of(answer)["message"].startswith("A new key is revoked on the page of API keys")
    assert not ApiKey.objects.get(prefix=made.object_id).revoked


def test_a_role_goes_back_to_the_one_before() -> None:
    client, ann = staff_client(), StaffFactory(is_superuser=False)
    client.post(f"/settings/staff/{ann.pk}/role/", {"role": "viewer"})
    client.post(f"/settings/staff/{ann.pk}/role/", {"role": "admin"})
    given = Change.objects.filter(kind="staff_role", act="created").order_by("pk").last()
    assert given is not None
    client.post(f"/changes/{given.pk}/revert/", headers=HTMX)
    assert [group.name for group in ann.groups.all()] == ["viewer"]


def test_a_setting_goes_back_to_its_default_and_again() -> None:
    client = staff_client()
    client.post("/settings/site/slates_kept_days/", {"value": "30"}, headers=HTMX)
    client.post(f"/changes/{only_change().pk}/revert/", headers=HTMX)
    assert site_settings.value("slates_kept_days") == 90
    deleted = Change.objects.get(act="deleted")
    client.post(f"/changes/{deleted.pk}/revert/", headers=HTMX)
    assert site_settings.value("slates_kept_days") == 30


def test_each_kind_needs_its_own_permission_to_be_set_back() -> None:
    item = ItemFactory()
    hide(staff_client(), item)
    reviewer = StaffFactory(is_superuser=False)
    reviewer.groups.add(Group.objects.get(name="reviewer"))
    client = Client()
    client.force_login(reviewer)
    page = client.get("/changes/")
    assert "Revert the change of" not in page.content.decode()
    assert client.post(f"/changes/{only_change().pk}/revert/", headers=HTMX).status_code == 403
    item.refresh_from_db()
    assert item.is_hidden


# ---------------------------------------------------------------- kept for so long


def test_old_changes_are_deleted_after_the_days_of_the_setting_and_0_keeps_all() -> None:
    staff = StaffFactory()
    for item in (ItemFactory(), ItemFactory()):
        with written_by(staff):
            Item.objects.filter(pk=item.pk).update(brand="B")
    old, new = Change.objects.order_by("pk")
    Change.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=400))
    site_settings.change("changes_kept_days", "0", staff=staff)
    assert changes.delete_old() == 0
    site_settings.reset("changes_kept_days", staff=staff)
    assert changes.delete_old() == 1
    assert list(Change.objects.values_list("pk", flat=True)) == [new.pk]
