"""Who is signed in where the admin is tested."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import StaffFactory


@pytest.fixture()
def staff(db: None) -> User:
    return StaffFactory()


@pytest.fixture()
def admin(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client
