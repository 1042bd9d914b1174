"""The figures of a taxonomy's confidence over the API."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.catalog.opinions import decided
from tests.factories import ApiKeyFactory, StaffFactory

pytestmark = pytest.mark.django_db


def test_the_api_gives_the_same_figures_to_a_key_that_may_read(aisle, bread):
    decided(bread, right=True, confidence=0.9)
    decided(bread, right=False, confidence=0.9, is_audit=True)
    StaffFactory()
    address = "/api/v1/taxonomies/aisle/confidence/"
    assert Client().get(address).status_code in (401, 403)
    key = {"X-API-Key": ApiKeyFactory(scopes=["read"]).secret}
    body = Client().get(address, headers=key).json()
    assert (body["taxonomy"], body["suggested"]) == ("aisle", 2)
    assert (body["queue"]["n"], body["queue"]["accuracy"], body["audits"]["accuracy"]) == (1, 1.0, 0.0)
    assert body["queue"]["curve"][0]["n"] == 1
    assert body["labels"][0] == {
        "label": "Bread",
        "suggested": 2,
        "decided": 2,
        "right": 1,
        "precision": 0.5,
        "interval": pytest.approx([0.0945, 0.9055], abs=1e-4),
        "often_really": None,
        "often_really_times": 0,
    }
    assert body["auto_accept"]["state"] == "off"
    assert len(body["histogram"]) == 20
    missing = Client().get("/api/v1/taxonomies/none/confidence/", headers=key)
    assert (missing.status_code, "GET /api/v1/taxonomies/" in missing.content.decode()) == (404, True)
    assert Client().post(address, headers=key).status_code in (403, 405)
