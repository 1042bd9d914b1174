"""What tests of pages share: who is signed in, how many queries a page takes, what a toast or the admin says."""

from __future__ import annotations

import json
import re
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

HTMX = {"HX-Request": "true"}


def staff_client() -> Client:
    client = Client()
    client.force_login(User.objects.get_or_create(username="staff", is_staff=True, is_superuser=True)[0])
    return client


def shopper_client() -> Client:
    """Signed in, but no member of staff."""
    client = Client()
    client.force_login(User.objects.get_or_create(username="shopper")[0])
    return client


def queries_of(client: Client, address: str, **headers: str) -> int:
    """How many queries the page takes once it is warm."""
    client.get(address, headers=headers)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = client.get(address, headers=headers)
    assert response.status_code == 200
    return len(captured)


def toast_of(response: HttpResponse) -> dict[str, Any]:
    toast: dict[str, Any] = json.loads(response["HX-Trigger"])["toast"]
    return toast


def list_url(model: str) -> str:
    """The admin's list of "app_model"."""
    return reverse(f"admin:{model}_changelist")


def change_url(model: str, row: Model) -> str:
    return reverse(f"admin:{model}_change", args=[row.pk])


def told(response: Any) -> list[str]:
    """What the admin's messages say."""
    return [str(message) for message in response.context["messages"]]


def text_of(response: HttpResponse) -> str:
    """The page's words without its tags, runs of white space made one."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def assert_guarded(address: str) -> None:
    """Strangers are sent to sign in, other accounts are refused, staff see the page."""
    stranger = Client().get(address)
    assert stranger.status_code == 302
    assert stranger["Location"].startswith("/login/?next=/")
    fragment = Client().get(address, headers=HTMX)
    assert (fragment.status_code, fragment["HX-Redirect"], fragment.content) == (204, "/login/", b"")
    assert shopper_client().get(address).status_code == 403
    assert staff_client().get(address).status_code == 200
