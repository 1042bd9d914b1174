"""Rules over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from recommender import rule_versions
from recommender.rule_versions import draft_new
from tests.factories import ApiKeyFactory, RuleFactory, StaffFactory
from tests.recommender.ruled_shop import build, exclude, pin, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    build()
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=ApiKeyFactory(scopes=["read"]).secret)
    return client


def get(api: APIClient, address: str) -> Any:
    response = api.get(f"/api/v1/{address}")
    assert response.status_code == 200
    return response.json()


def test_published_rules_are_listed_the_first_in_priority_first(api: APIClient) -> None:
    published("low", exclude("a1"))
    published("high", pin(2, "a9", priority=5, placement="basket", starts_at=timezone.now() + timedelta(days=1)))
    stopped = published("stopped", exclude("a1"))
    rule_versions.stop(stopped.pk, staff=StaffFactory())
    draft_new("secret", exclude("a1"), staff=StaffFactory())
    found = get(api, "rules/")
    assert [(each["name"], each["state"]) for each in found] == [("high", "scheduled"), ("low", "running")]
    assert (found[0]["scope"], found[0]["position"], found[0]["version"]) == ({"items": ["a9"]}, 2, 1)
    assert [each["name"] for each in get(api, "rules/?state=running")] == ["low"]
    assert [each["name"] for each in get(api, "rules/?state=stopped")] == ["stopped"]
    assert [each["name"] for each in get(api, "rules/?placement=home")] == ["low"]
    assert api.get("/api/v1/rules/?state=draft").status_code == 400


def test_one_has_every_version_that_was_published(api: APIClient) -> None:
    first = published("x y", exclude("a1"))
    draft = rule_versions.draft_version(first.pk, staff=StaffFactory())
    answer = get(api, "rules/x%20y/")
    assert (answer["published_version"], [each["version"] for each in answer["versions"]]) == (1, [1])
    rule_versions.publish(draft.pk, expected=rule_versions.digest_of(draft), staff=StaffFactory())
    answer = get(api, "rules/x%20y/")
    assert [(each["version"], each["state"]) for each in answer["versions"]] == [(2, "running"), (1, "stopped")]
    draft_new("secret", exclude("a1"), staff=StaffFactory())
    for name in ("secret", "nobody"):
        response = api.get(f"/api/v1/rules/{name}/")
        assert (response.status_code, response.json()["errors"][0]["code"]) == (404, "not_found")


def test_the_list_takes_one_query_however_many_rules(api: APIClient, django_assert_num_queries: Any) -> None:
    staff = StaffFactory()
    client = APIClient()
    client.force_authenticate(staff)
    for place in range(9):
        RuleFactory(name=f"r{place}")
        with django_assert_num_queries(1):
            assert len(client.get("/api/v1/rules/").json()) == place + 1


def test_a_key_that_may_only_write_reads_none_and_nobody_writes(api: APIClient) -> None:
    writer = APIClient()
    writer.credentials(HTTP_X_API_KEY=ApiKeyFactory(scopes=["write"]).secret)
    published("x", exclude("a1"))
    for address in ("/api/v1/rules/", "/api/v1/rules/x/"):
        assert writer.get(address).status_code == 403
        assert APIClient().get(address).status_code == 401
        assert writer.post(address, {}).status_code == 405
