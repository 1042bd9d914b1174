"""API keys: who may do what, and what a refusal says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from recsite.operations import api_keys
from recsite.operations.errors import InvalidInputError
from recsite.operations.models import ApiKey

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.operations.urls_for_keys")]


def with_key(secret: str) -> dict[str, dict[str, str]]:
    return {"headers": {"X-API-Key": secret}}


def test_without_a_key_or_a_sign_in_nothing_is_served(client: Client) -> None:
    response = client.get("/echo/")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "X-API-Key"
    assert response.json()["errors"][0]["code"] == "not_authenticated"


def test_a_reading_key_reads_and_may_not_write(client: Client) -> None:
    _, secret = api_keys.create("shop", ["read"])
    assert client.get("/echo/", **with_key(secret)).status_code == 200
    refused = client.post("/echo/", {}, content_type="application/json", **with_key(secret))
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["detail"] == "This API key lacks the scope for this call."


def test_a_writing_key_writes_and_may_not_read(client: Client) -> None:
    _, secret = api_keys.create("tracker", ["write"])
    assert client.post("/echo/", {}, content_type="application/json", **with_key(secret)).status_code == 200
    assert client.get("/echo/", **with_key(secret)).status_code == 403


@pytest.mark.parametrize("secret", ["nonsense", "abcdefgh.0123456789", ".", "abc\x00.def"])
def test_an_unknown_key_is_refused(client: Client, secret: str) -> None:
    response = client.get("/echo/", **with_key(secret))
    assert response.status_code == 401
    assert "unknown, revoked or expired" in response.json()["errors"][0]["detail"]


def test_a_right_prefix_with_a_wrong_secret_is_refused(client: Client) -> None:
    key, _ = api_keys.create("shop", ["read"])
    assert client.get("/echo/", **with_key(f"{key.prefix}.wrong")).status_code == 401


def test_revoked_and_expired_keys_are_refused(client: Client) -> None:
    revoked, revoked_secret = api_keys.create("old shop", ["read"])
    api_keys.revoke(revoked)
    expired, expired_secret = api_keys.create("trial", ["read"])
    ApiKey.objects.filter(pk=expired.pk).update(expiry_date=timezone.now() - timedelta(seconds=1))
    assert client.get("/echo/", **with_key(revoked_secret)).status_code == 401
    assert client.get("/echo/", **with_key(expired_secret)).status_code == 401


def test_use_is_noted_once_a_minute(client: Client) -> None:
    key, secret = api_keys.create("shop", ["read"])
    client.get("/echo/", **with_key(secret))
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    client.get("/echo/", **with_key(secret))
    key.refresh_from_db()
    assert key.last_used_at == first


def test_staff_may_read_and_write_with_the_views_permission_and_other_accounts_neither(client: Client) -> None:
    def may_write(account: User) -> bool:
        client.force_login(account)
        assert client.get("/echo/").status_code == 200
        return client.post("/echo/", {}, content_type="application/json").status_code == 200

    viewer = User.objects.create_user("viewer", is_staff=True)
    assert not may_write(viewer)
    viewer.user_permissions.add(Permission.objects.get(codename="change_item"))
    assert may_write(viewer)
    assert may_write(User.objects.create_superuser("admin"))
    client.force_login(User.objects.create_user("visitor"))
    assert client.get("/echo/").status_code == 403


def test_a_signed_in_call_that_writes_needs_a_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.post("/echo/", {}, content_type="application/json").status_code == 403


def test_a_domain_error_is_an_api_error_with_its_code_and_status(client: Client) -> None:
    _, secret = api_keys.create("shop", ["write"])
    response = client.post("/echo/", {"conflict": True}, content_type="application/json", **with_key(secret))
    assert response.status_code == 409
    assert response.json()["errors"] == [{"code": "conflict", "detail": "Item sku-1 exists; use PUT.", "attr": None}]


@pytest.mark.parametrize("scopes", [[], ["read", "admin"]])
def test_a_key_needs_known_scopes(scopes: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="use one or more of read, write"):
        api_keys.create("shop", scopes)
    assert ApiKey.objects.count() == 0


def test_the_secret_is_not_stored() -> None:
    key, secret = api_keys.create("shop", ["read"])
    stored = ApiKey.objects.filter(pk=key.pk).values_list()[0]
    assert secret.partition(".")[2] not in " ".join(str(value) for value in stored)


def test_the_storefronts_key_lies_in_a_closed_file_and_is_kept(tmp_path: Path) -> None:
    path = api_keys.ensure_storefront_key(tmp_path)
    secret = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert api_keys.ensure_storefront_key(tmp_path).read_text() == secret
    assert list(ApiKey.objects.values_list("name", "scopes")) == [("storefront", ["read", "write"])]


def test_a_revoked_storefront_key_is_replaced(tmp_path: Path) -> None:
    secret = api_keys.ensure_storefront_key(tmp_path).read_text()
    api_keys.revoke(ApiKey.objects.get())
    assert api_keys.ensure_storefront_key(tmp_path).read_text() != secret
    assert ApiKey.objects.filter(revoked=False).count() == 1
