"""Pages of API keys and of staff."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from recsite.operations import roles
from recsite.operations.models import ApiKey
from tests.factories import PASSWORD, ApiKeyFactory, StaffFactory
from tests.pages import HTMX, assert_guarded, queries_of, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


def with_role(role: str, **fields: object) -> User:
    account: User = StaffFactory(is_superuser=False, **fields)
    account.groups.add(Group.objects.get(name=role))
    return account


def signed_in(account: User) -> Client:
    client = Client()
    client.force_login(account)
    return client


# ---------------------------------------------------------------- API keys


def test_a_key_is_shown_once_and_works() -> None:
    client = staff_client()
    answer = client.post("/settings/keys/new/", {"name": " shop ", "scopes": ["read"], "expires": ""})
    secret = answer.context["secret"]
    assert secret in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    key = ApiKey.objects.get()
    assert (key.name, key.scopes, key.expiry_date) == ("shop", ["read"], None)
    again = client.get("/settings/keys/")
    assert secret not in again.content.decode()
    assert "shop" in text_of(again)
    assert "just now staff" in text_of(again)  # made when, by whom
    assert Client().get("/api/v1/taxonomies/", headers={"X-API-Key": secret}).status_code == 200


def test_a_key_ends_after_its_day() -> None:
    day = timezone.localdate() + timedelta(days=3)
    staff_client().post("/settings/keys/new/", {"name": "shop", "scopes": ["read"], "expires": f"{day}"})
    key = ApiKey.objects.get()
    assert key.expiry_date is not None
    assert timezone.localtime(key.expiry_date).date() == day


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 51},
        {"scopes": []},
        {"scopes": ["root"]},
        {"expires": "2020-01-01"},
        {"expires": "x"},
    ],
)
def test_a_key_that_cannot_be_is_not_made_and_what_was_typed_stays(wrong: dict[str, object]) -> None:
    typed = {"name": "shop backend", "scopes": ["read", "write"], "expires": "", **wrong}
    answer = staff_client().post("/settings/keys/new/", typed)
    assert answer.status_code == 400
    assert not ApiKey.objects.exists()
    assert f'value="{typed["name"]}"' in answer.content.decode()
    assert answer.context["error"]


def test_a_key_is_revoked_once_its_name_is_typed() -> None:
    client, key = staff_client(), ApiKeyFactory(name="Shop backend")
    refused = client.post(f"/settings/keys/{key.prefix}/revoke/", {"confirm": "shop"}, headers=HTMX)
    key.refresh_from_db()
    assert not key.revoked
    assert toast_of(refused)["kind"] == "danger"
    answer = client.post(f"/settings/keys/{key.prefix}/revoke/", {"confirm": "shop backend"}, headers=HTMX)
    key.refresh_from_db()
    assert key.revoked
    assert "Revoked" in text_of(answer)
    assert Client().get("/api/v1/items/", headers={"X-API-Key": key.secret}).status_code in {401, 403}


def test_keys_are_for_staff_and_take_as_many_queries_for_twenty_as_for_one() -> None:
    assert_guarded("/settings/keys/")
    client = staff_client()
    ApiKeyFactory()
    few = queries_of(client, "/settings/keys/")
    for _ in range(19):
        ApiKeyFactory()
    assert queries_of(client, "/settings/keys/") == few


# ---------------------------------------------------------------- staff


def test_an_admin_adds_somebody_who_may_sign_in_with_their_role() -> None:
    admin = signed_in(with_role(roles.ADMIN))
    typed = {"username": "ann", "email": "ann@shop.example", "role": "reviewer", "password": PASSWORD}
    assert admin.post("/settings/staff/new/", typed)["Location"] == "/settings/staff/"
    ann = User.objects.get(username="ann")
    assert (ann.is_staff, ann.is_superuser, roles.role_of(ann)) == (True, False, roles.REVIEWER)
    assert Client().login(username="ann", password=PASSWORD)


@pytest.mark.parametrize(
    "wrong", [{"username": ""}, {"username": "a b"}, {"password": "short"}, {"role": "king"}, {"email": "no"}]
)
def test_an_account_that_cannot_be_is_not_made(wrong: dict[str, str]) -> None:
    client, before = staff_client(), User.objects.count()
    typed = {"username": "ann", "email": "", "role": "viewer", "password": PASSWORD, **wrong}
    answer = client.post("/settings/staff/new/", typed)
    assert answer.status_code == 400
    assert User.objects.count() == before
    assert PASSWORD not in answer.content.decode()


def test_a_name_that_only_differs_in_case_is_taken() -> None:
    StaffFactory(username="Ann")
    typed = {"username": "ann", "role": "viewer", "password": PASSWORD}
    assert "already" in text_of(staff_client().post("/settings/staff/new/", typed))


def test_a_role_is_changed_and_undone_and_other_groups_stay() -> None:
    client, ann = staff_client(), with_role(roles.REVIEWER)
    ann.groups.add(Group.objects.create(name="night shift"))
    answer = client.post(f"/settings/staff/{ann.pk}/role/", {"role": "merchandiser"}, headers=HTMX)
    assert sorted(group.name for group in ann.groups.all()) == ["merchandiser", "night shift"]
    undo = toast_of(answer)["undo"]
    client.post(undo["url"], undo["values"], headers=HTMX)
    assert sorted(group.name for group in ann.groups.all()) == ["night shift", "reviewer"]


def test_the_last_admin_stays_admin_and_active() -> None:
    only = with_role(roles.ADMIN)
    other = with_role(roles.MERCHANDISER)
    client = signed_in(only)
    for act, values in (("role", {"role": "viewer"}), ("active", {"is_active": "false"})):
        answer = client.post(f"/settings/staff/{only.pk}/{act}/", values, headers=HTMX)
        assert toast_of(answer)["kind"] == "danger"
        only.refresh_from_db()
        assert only.is_active
        assert roles.role_of(only) == roles.ADMIN
    client.post(f"/settings/staff/{other.pk}/role/", {"role": "admin"}, headers=HTMX)
    client.post(f"/settings/staff/{only.pk}/role/", {"role": "viewer"}, headers=HTMX)
    assert roles.role_of(User.objects.get(pk=only.pk)) == roles.VIEWER


def test_who_is_deactivated_cannot_go_on_and_comes_back() -> None:
    client, ann = staff_client(), with_role(roles.VIEWER)
    hers = signed_in(ann)
    client.post(f"/settings/staff/{ann.pk}/active/", {"is_active": "false"}, headers=HTMX)
    assert hers.get("/catalog/").status_code == 302
    client.post(f"/settings/staff/{ann.pk}/active/", {"is_active": "true"}, headers=HTMX)
    assert signed_in(User.objects.get(pk=ann.pk)).get("/catalog/").status_code == 200


def test_an_admin_who_is_no_superuser_leaves_superusers_alone() -> None:
    boss, client = StaffFactory(), signed_in(with_role(roles.ADMIN))
    for act, values in (("role", {"role": "viewer"}), ("active", {"is_active": "false"})):
        answer = client.post(f"/settings/staff/{boss.pk}/{act}/", values, headers=HTMX)
        assert "superuser" in toast_of(answer)["message"]
    boss.refresh_from_db()
    assert (boss.is_superuser, boss.is_active) == (True, True)


def test_shoppers_are_no_staff_here() -> None:
    shopper = User.objects.create_user("a-shopper")
    client = staff_client()
    assert "a-shopper" not in text_of(client.get("/settings/staff/"))
    assert client.post(f"/settings/staff/{shopper.pk}/role/", {"role": "admin"}).status_code == 404
    assert not shopper.groups.exists()


def test_staff_take_as_many_queries_for_twenty_as_for_one() -> None:
    assert_guarded("/settings/staff/")
    client = staff_client()
    few = queries_of(client, "/settings/staff/")
    for _ in range(19):
        with_role(roles.VIEWER)
    assert queries_of(client, "/settings/staff/") == few
