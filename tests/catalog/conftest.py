"""Who is signed in where the admin is tested, and the embedder where labelling is."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog import learning, readings
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


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, embedder: FakeEmbedder) -> None:
    """The fake embedder alone, and nothing remembered of another test's catalog."""
    monkeypatch.setattr(readings, "get_embedder", lambda: embedder)
    monkeypatch.setattr(readings, "get_label_embedder", lambda: None)
    monkeypatch.setattr(learning, "get_label_embedder", lambda: None)
    readings.forget()
