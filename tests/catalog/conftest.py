"""Who is signed in where the admin is tested, and the embedder where labelling is."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import StaffFactory
from tests.fakes import FakeEmbedder


@pytest.fixture()
def staff(db: None) -> User:
    return StaffFactory()


@pytest.fixture()
def admin(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


@pytest.fixture
def embedder():
    return FakeEmbedder()
