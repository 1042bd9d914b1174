"""Strategies over the API, and lists by one of them."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from recommender.strategies import Recipe, live_strategy
from recommender.strategy_versions import create_draft
from tests.factories import ApiKeyFactory, ItemFactory, StaffFactory, StrategyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=ApiKeyFactory(scopes=["read"]).secret)
    return client


def get(api: APIClient, address: str) -> Any:
    response = api.get(f"/api/v1/{address}")
    assert response.status_code == 200
    return response.json()


def test_strategies_are_listed_without_drafts(api: APIClient) -> None:
    assert get(api, "strategies/") == [{"name": "default", "live_version": 1, "newest_version": 1}]
    StrategyFactory(name="summer", version=1)
    summer = StrategyFactory(name="summer", version=2)
    create_draft(summer.pk, staff=StaffFactory())
    create_draft(summer.pk, staff=StaffFactory(), name="secret")
    assert get(api, "strategies/") == [
        {"name": "default", "live_version": 1, "newest_version": 1},
        {"name": "summer", "live_version": None, "newest_version": 2},
    ]


def test_one_has_its_published_versions_newest_first_each_with_its_whole_recipe(api: APIClient) -> None:
    StrategyFactory(name="summer sale", recipe={})
    newest = StrategyFactory(name="summer sale", version=2, recipe={"repeats": "allow"}, note="why")
    create_draft(newest.pk, staff=StaffFactory())
    answer = get(api, "strategies/summer%20sale/")
    assert (answer["name"], answer["live_version"], answer["newest_version"]) == ("summer sale", None, 2)
    assert [(each["version"], each["note"]) for each in answer["versions"]] == [(2, "why"), (1, "")]
    recipe = answer["versions"][0]["recipe"]
    assert recipe["repeats"] == "allow"
    assert recipe["weights"] == Recipe().weights


def test_a_name_without_a_published_version_is_not_found(api: APIClient) -> None:
    create_draft(live_strategy().pk, staff=StaffFactory(), name="secret")
    for address in ("strategies/secret/", "strategies/nobody/", "users/ada/recommendations/?strategy=secret"):
        response = api.get(f"/api/v1/{address}")
        assert (response.status_code, response.json()["errors"][0]["code"]) == (404, "not_found")


def test_a_list_by_name_is_made_by_the_newest_published_version(api: APIClient) -> None:
    ItemFactory(vector=True)
    summer = StrategyFactory(name="summer")
    create_draft(summer.pk, staff=StaffFactory())
    assert get(api, "users/ada/recommendations/?strategy=summer")["strategy"] == "summer v1"
    assert get(api, "users/ada/recommendations/")["strategy"] == "default v1"


def test_a_key_that_may_only_write_reads_none_and_nobody_writes(api: APIClient) -> None:
    writer = APIClient()
    writer.credentials(HTTP_X_API_KEY=ApiKeyFactory(scopes=["write"]).secret)
    for address in ("/api/v1/strategies/", "/api/v1/strategies/default/"):
        assert writer.get(address).status_code == 403
        assert APIClient().get(address).status_code == 401
        assert writer.post(address, {}).status_code == 405
