"""Experiments over the API, and what a list says of the one that decided it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from recommender import experiment_figures, tasks
from recommender.algorithms.experiments import arm_of
from recommender.models import Slate
from recommender.strategies import live_strategy
from tests.factories import ApiKeyFactory, ExperimentFactory, ItemFactory
from tests.recommender.served_experiment import many_served, running_experiment

pytestmark = pytest.mark.django_db


def get(address: str, **scopes: Any) -> Any:
    return APIClient().get(f"/api/v1/{address}", headers={"X-API-Key": ApiKeyFactory(**scopes).secret})


def test_the_list_names_experiments_newest_first() -> None:
    old, new = running_experiment(name="old"), ExperimentFactory(name="new")
    found = get("experiments/").json()
    assert [each["id"] for each in found["results"]] == [new.pk, old.pk]
    assert found["results"][1]["arms"] == [
        {"name": name, "strategy": live_strategy().pk, "share": 1.0} for name in ("a", "b")
    ]
    assert found["results"][1]["state"] == "running"
    assert APIClient().get("/api/v1/experiments/").status_code in (401, 403)
    assert get("experiments/", scopes=["write"]).status_code == 403


def test_one_has_its_results_once_they_are_counted() -> None:
    experiment = running_experiment()
    assert get(f"experiments/{experiment.pk}/").json()["results"] is None
    many_served(experiment, users=(400, 400), buyers=(40, 60))
    tasks.measure_experiment(experiment_figures.request(experiment).pk)
    results = get(f"experiments/{experiment.pk}/").json()["results"]
    purchase = results["arms"][1]["types"]["purchase"]
    assert (purchase["users"], purchase["share"], purchase["events"]) == (60, 0.15, 60)
    deciding = next(each for each in results["differences"] if each["measure"] == "purchase")
    assert (deciding["arm"], round(deciding["difference"], 6), deciding["verdict"]) == ("b", 0.05, "open")
    assert results["words"][0].startswith("After 10 days, 15.0% of the users of arm b bought")
    assert (results["mismatch_p"], results["users_in_two_arms"]) == (1.0, 0)
    assert get("experiments/999999/").status_code == 404


def test_the_list_takes_as_many_queries_for_many() -> None:
    key = {"X-API-Key": ApiKeyFactory().secret}

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert APIClient().get("/api/v1/experiments/", headers=key).status_code == 200
        return len(captured)

    ExperimentFactory()
    queries()
    one = queries()
    for _ in range(10):
        ExperimentFactory()
    assert queries() == one


def test_a_list_says_which_experiment_and_arm_it_is_of() -> None:
    ItemFactory.create_batch(3, vector=True)
    plain = get("users/u1/recommendations/?n=2").json()
    assert (plain["experiment"], plain["arm"]) == (None, None)
    experiment = running_experiment(salt="s", traffic_share=0.5)
    seen = set()
    for place in range(12):
        made = get(f"users/u{place}/recommendations/?n=2").json()
        arm = arm_of(f"u{place}", salt="s", traffic_share=0.5, shares=[1, 1])
        wanted = (None, None) if arm is None else (experiment.name, "ab"[arm])
        assert (made["experiment"], made["arm"]) == wanted
        slate = Slate.objects.get(public_id=made["slate"])
        assert (slate.experiment, slate.arm) == ((experiment, wanted[1]) if arm is not None else (None, ""))
        seen.add(arm)
    assert seen == {None, 0, 1}
