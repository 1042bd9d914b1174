"""Who is signed in where the admin is tested, the embedder where labelling is, and a taxonomy with two labels."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog import auto_accept, learning, readings
from catalog.models import Taxonomy
from tests.factories import LabelFactory, StaffFactory, TaxonomyFactory
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


@pytest.fixture
def real_lot(monkeypatch):
    """No label is drawn as an audit by chance; tests about that put the real lot back."""
    real = auto_accept.lot
    monkeypatch.setattr(auto_accept, "lot", lambda pk: 1.0)
    return real


@pytest.fixture
def aisle() -> Taxonomy:
    return TaxonomyFactory(slug="aisle")


@pytest.fixture
def bread(aisle):
    return LabelFactory(taxonomy=aisle, name="Bread")


@pytest.fixture
def milk(aisle):
    return LabelFactory(taxonomy=aisle, name="Milk")
