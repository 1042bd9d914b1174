"""Lists and neighbours over the API, and the same list from the command line."""

from __future__ import annotations

import json
from io import StringIO
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient
from rest_framework.utils.encoders import JSONEncoder

from recommender import interests, neighbours
from recommender.models import Slate
from recommender.serializers.recommendations import RecommendedListSerializer
from tests.factories import (
    ApiKeyFactory,
    EndUserFactory,
    EventFactory,
    ItemFactory,
    ItemLabelFactory,
    LabelFactory,
    StrategyFactory,
    axis,
)
from tests.pages import staff_client

pytestmark = pytest.mark.django_db


@pytest.fixture()
def api():
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=ApiKeyFactory(scopes=["read"]).secret)
    return client


@pytest.fixture()
def shop():
    label = LabelFactory(name="Snacks")
    items = [ItemFactory(external_id=f"a/{place}", vector=axis(place % 4)) for place in range(8)]
    for item in items:
        ItemLabelFactory(item=item, label=label)
    for place in range(4):
        user = EndUserFactory(external_id=f"u/{place}")
        for item in items[place : place + 3]:
            EventFactory(user=user, item=item)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    return items


def errors(response):
    return [(error["code"], error["attr"]) for error in response.json()["errors"]]


def without_moment(answer):
    return {name: value for name, value in answer.items() if name not in ("took_ms", "slate")}


def test_the_list_with_its_parts_and_reasons(api, shop):
    response = api.get("/api/v1/users/u/0/recommendations/?n=3")
    assert response.status_code == 200
    answer = response.json()
    of_the_list = {"user", "is_known_user", "notice", "strategy", "experiment", "arm", "slate", "n", "took_ms", "items"}
    assert set(answer) == of_the_list
    assert (answer["user"], answer["is_known_user"], answer["n"], answer["strategy"]) == ("u/0", True, 3, "default v1")
    first = answer["items"][0]
    assert set(first) == {"position", "item", "score", "parts", "why", "rules"}
    assert first["rules"] == []
    assert first["item"]["external_id"].startswith("a/")
    assert first["item"]["labels"][0]["label"] == "Snacks"
    assert sum(part["contribution"] for part in first["parts"]) == first["score"]
    assert set(first["parts"][0]) == {"source", "raw", "z", "weight", "by_trees", "contribution", "words"}
    assert first["why"]
    assert Slate.objects.get().public_id.hex == answer["slate"].replace("-", "")


def test_a_stranger_gets_a_list_and_the_answer_says_so(api, shop):
    answer = api.get("/api/v1/users/who is this/recommendations/?n=4").json()
    assert answer["is_known_user"] is False
    assert "Nobody knows this user yet" in answer["notice"]
    assert len(answer["items"]) == 4


def test_notices_and_errors_are_in_the_language_of_the_request(api, shop):
    chinese = {"Accept-Language": "zh-hans"}
    answer = api.get("/api/v1/users/who is this/recommendations/?n=4", headers=chinese).json()
    assert answer["notice"].startswith("尚不认识该用户")
    refused = api.get("/api/v1/users/who is this/recommendations/", {"labels": "9" * 15}, headers=chinese)
    assert refused.status_code == 400 and "没有标签" in refused.json()["errors"][0]["detail"]
    assert api.get("/api/v1/users/who is this/recommendations/?n=4").json()["notice"].startswith("Nobody knows")


@pytest.mark.parametrize("n", ["0", "101", "-3", "many", "1.5", "NaN", "1e2"])
def test_a_length_out_of_range_is_a_clear_400(api, shop, n):
    response = api.get("/api/v1/users/u/0/recommendations/", {"n": n})
    assert response.status_code == 400
    assert errors(response)[0][1] == "n"
    assert Slate.objects.count() == 0


def test_the_length_is_12_where_none_is_named(api, shop):
    assert api.get("/api/v1/users/u/0/recommendations/").json()["n"] == 12


def test_repeats_and_strategy_are_chosen_by_the_caller(api, shop):
    StrategyFactory(name="popular only", recipe={"weights": {"popular": 1.0}})
    url = "/api/v1/users/u/0/recommendations/"
    excluded = api.get(url, {"repeats": "exclude", "strategy": "popular only"}).json()
    allowed = api.get(url, {"repeats": "allow", "strategy": "popular only"}).json()
    assert excluded["strategy"] == allowed["strategy"] == "popular only v1"
    assert (len(excluded["items"]), len(allowed["items"])) == (5, 8)
    assert errors(api.get(url, {"repeats": "maybe"})) == [("invalid_choice", "repeats")]
    missing = api.get(url, {"strategy": "nope"})
    assert (missing.status_code, errors(missing)[0][0]) == (404, "not_found")


def test_a_caller_without_a_key_gets_nothing(shop):
    assert APIClient().get("/api/v1/users/u/0/recommendations/").status_code == 401
    assert Slate.objects.count() == 0


def test_neighbours_of_an_item_strongest_first(api, shop):
    answer = api.get("/api/v1/items/a/2/neighbours/?n=2").json()
    assert answer["item"] == "a/2"
    assert len(answer["neighbours"]) == 2
    assert answer["neighbours"][0]["score"] >= answer["neighbours"][1]["score"]
    assert {each["item"]["external_id"] for each in answer["neighbours"]} == {"a/1", "a/3"}
    assert {each["users"] for each in answer["neighbours"]} == {2}
    assert api.get("/api/v1/items/nothing/neighbours/").status_code == 404
    assert api.get("/api/v1/items/a/2/neighbours/?n=0").status_code == 400


def test_the_command_prints_the_same_list_as_the_api(api, shop):
    out = StringIO()
    call_command("recommend", "u/1", "--n", "4", "--json", stdout=out)
    answer = api.get("/api/v1/users/u/1/recommendations/?n=4").json()
    assert without_moment(json.loads(out.getvalue())) == without_moment(answer)


def test_the_command_prints_a_table_with_reasons(shop):
    out = StringIO()
    call_command("recommend", "u/1", "--n", "2", "--no-record", stdout=out)
    text = out.getvalue()
    assert text.startswith("2 items for user u/1, default v1, ")
    assert "\n  1. " in text
    assert "neighbours +" in text
    assert Slate.objects.count() == 0


def test_the_command_refuses_a_length_out_of_range(shop):
    with pytest.raises(CommandError, match="n is 0; ask for 1 to 100 items"):
        call_command("recommend", "u/1", "--n", "0")
    with pytest.raises(CommandError, match="no strategy named 'nope'"):
        call_command("recommend", "u/1", "--strategy", "nope")


def test_rebuild_commands_say_what_they_did_and_refuse_strangers(shop):
    out = StringIO()
    call_command("rebuild_interests", "u/0", "u/2", stdout=out)
    call_command("rebuild_interests", stdout=out)
    call_command("rebuild_statistics", stdout=out)
    assert "Rebuilt the interests of 2 users." in out.getvalue()
    assert "Rebuilt the interests of 4 users." in out.getvalue()
    assert "Wrote " in out.getvalue()
    with pytest.raises(CommandError, match="no user 'x'; nothing was rebuilt"):
        call_command("rebuild_interests", "u/0", "x")


@pytest.mark.parametrize("user", ["u/2", "用户 é 100%", "nobody?#&"])
def test_the_api_the_command_and_the_page_give_the_same_list(api, shop, user):
    """Whatever the id: slashes, spaces, percent, any script."""
    EventFactory(user=EndUserFactory(external_id="用户 é 100%"), item=shop[1])
    interests.rebuild_all()
    answer = api.get(f"/api/v1/users/{quote(user)}/recommendations/?n=5").json()
    out = StringIO()
    call_command("recommend", user, n=5, json=True, stdout=out)
    printed = json.loads(out.getvalue())
    made = staff_client().get(f"/users/{quote(user)}/?n=5").context["list"]
    shown = json.loads(json.dumps(RecommendedListSerializer(made).data, cls=JSONEncoder))
    assert len(answer["items"]) == 5
    assert (answer["user"], answer["is_known_user"]) == (user, user != "nobody?#&")
    for other in (printed, shown):
        for key in set(answer) - {"slate", "took_ms"}:
            assert other[key] == answer[key]


def test_neighbours_of_an_id_that_no_item_can_have_are_not_found(api):
    assert api.get("/api/v1/items/a%00b/neighbours/").status_code == 404
