"""Fits of the live strategy, and the site's own events evaluated: on real rows, with what is served afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from recommender import encoding, evaluation_database, evaluation_encoder, evaluation_rows, ranker_fits, tuning
from recommender.algorithms.histories import DAY_S
from recommender.algorithms.interest_transform import InterestTransform
from recommender.algorithms.sources import SOURCES
from recommender.algorithms.weights import BUCKETS
from recommender.models import Event, RankerFit
from recommender.slates import recommend
from recommender.strategies import live_strategy, ranker_of, recipe_of
from recsite.operations import jobs
from recsite.operations.errors import InvalidInputError
from tests.recommender.served_shop import NEWEST, build

pytestmark = pytest.mark.django_db


def test_a_fit_is_kept_with_its_reason_and_served_only_where_it_was_better(monkeypatch):
    monkeypatch.setattr(ranker_fits, "LEAST_CASES", 1)
    build()
    strategy = live_strategy()
    fit = ranker_fits.fit_strategy(strategy)
    assert fit == RankerFit.objects.get()
    assert fit.is_in_use == (fit.report["difference"] > 0)
    assert ("in use" in fit.reason) == fit.is_in_use
    assert set(fit.parameters["weights"]) == set(BUCKETS)
    for weights in fit.parameters["weights"].values():
        assert set(weights) == set(SOURCES)
        assert sum(weights.values()) == pytest.approx(1.0, abs=0.01)
    assert ranker_of(strategy).fit_id == (fit.pk if fit.is_in_use else None)


def test_a_fit_in_use_makes_the_lists(monkeypatch):
    monkeypatch.setattr(ranker_fits, "LEAST_CASES", 1)
    build()
    strategy = live_strategy()
    fit = ranker_fits.fit_strategy(strategy)
    RankerFit.objects.update(is_in_use=True)
    ranker = ranker_of(strategy)
    assert ranker.fit_id == fit.pk
    made = recommend("u0", n=5, record=False)
    expected = ranker.weights(200)
    for part in made.items[0].parts:
        assert (part.weight > 0) <= (expected[part.source] > 0)


def test_with_few_lists_of_validation_the_weeks_before_are_tuned_on_too(monkeypatch):
    build()
    split_at = NEWEST - timedelta(days=10)
    data = evaluation_database.dataset(split_at, max_users=30)
    assert len(data.earlier) == evaluation_rows.MOST_EARLIER
    until_s = split_at.timestamp()
    for moment in (data.validation, *data.earlier):
        start_s = until_s - evaluation_database.VALIDATION_DAYS * DAY_S
        assert moment.learned_from.newest_s < start_s
        assert moment.cases
        assert all(start_s <= case.as_of_s < until_s for case in moment.cases)
        until_s = start_s
    monkeypatch.setattr(evaluation_rows, "FEW_LISTS", len(data.validation.cases))
    assert evaluation_database.dataset(split_at, max_users=30).earlier == ()
    assert evaluation_database.dataset(split_at, max_users=30, tuned_share=0.5).earlier
    assert evaluation_database.dataset(split_at, max_users=30, tuned_share=0.0).earlier == ()


def test_of_users_kept_apart_a_fit_knows_no_list_and_the_live_encoder_has_no_say(monkeypatch):
    monkeypatch.setattr(ranker_fits, "LEAST_CASES", 1)
    monkeypatch.setattr(encoding, "live_transform", lambda: InterestTransform.identity(settings.EMBEDDING_DIM))
    tune, trained, told = tuning.tune, [], []

    def kept(data, recipe, **more):
        told.append(data)
        return tune(data, recipe, **more)

    def train(data, **more):
        trained.append(data)
        return evaluation_encoder.Encoder(None, {})

    monkeypatch.setattr(tuning, "tune", kept)
    monkeypatch.setattr(evaluation_encoder, "train", train)
    build()
    ranker_fits.fit_strategy(live_strategy())
    (data,) = told
    tuned_on = {case.user for moment in (data.validation, *data.earlier) for case in moment.cases}
    assert data.earlier
    assert tuned_on.isdisjoint(case.user for case in data.test.cases)
    assert data.transform is None
    assert [case.user for case in trained[0].validation.cases] == [case.user for case in data.validation.cases]


def test_too_few_users_leave_no_fit():
    build()
    assert ranker_fits.fit_strategy(live_strategy()) is None
    assert not RankerFit.objects.exists()


def test_a_fit_is_due_once_there_are_events_and_not_again_within_the_week():
    assert not ranker_fits.is_due()
    build()
    assert ranker_fits.is_due()
    jobs.create(ranker_fits.KIND, "Fit")
    assert not ranker_fits.is_due()


def test_the_sites_events_are_evaluated_as_files_are():
    build()
    split_at = NEWEST - timedelta(days=10)
    assert Event.objects.filter(occurred_at__gte=split_at).exists()
    report = evaluation_database.evaluate_database(live_strategy(), split_at=split_at, max_users=30, baselines=("pop",))
    assert report["strategy"] == "default v1"
    assert 0 < report["users"] <= 30
    assert 0.0 <= report["hr@10"] <= 1.0
    assert set(report["baselines"]) == {"pop"}
    assert report["warnings"]


def test_a_date_after_everything_is_refused():
    build()
    with pytest.raises(InvalidInputError, match="choose an earlier date"):
        evaluation_database.evaluate_database(
            live_strategy(), split_at=NEWEST + timedelta(days=1), max_users=30, baselines=()
        )


def evaluated(**more):
    return evaluation_database.evaluate_database(
        live_strategy(), split_at=NEWEST - timedelta(days=10), max_users=30, baselines=(), **more
    )


def test_weights_in_use_are_what_is_judged_and_the_report_says_which(monkeypatch):
    monkeypatch.setattr(ranker_fits, "LEAST_CASES", 1)
    build()
    assert evaluated()["weights_from"] == {"kind": "validation"}
    own = evaluated(fit="live")
    assert own["weights_from"] == {"kind": "recipe"}
    assert own["weights"]["many"] == dict(recipe_of(live_strategy()).weights)
    ranker_fits.fit_strategy(live_strategy())
    RankerFit.objects.update(is_in_use=True)
    fit = RankerFit.objects.get()
    for judged in (evaluated(), evaluated(fit="live")):
        assert judged["weights_from"]["fit"] == fit.pk
        assert judged["weights"] == fit.parameters["weights"]
        assert judged["parameters"] == fit.parameters
        assert any("after the split" in warning for warning in judged["warnings"])
    anew = evaluated(fit="anew")
    assert anew["weights_from"] == {"kind": "validation"}
    assert not any("after the split" in warning for warning in anew["warnings"])


def test_before_the_first_event_there_are_no_earlier_weeks():
    build()
    first = Event.objects.order_by("occurred_at").values_list("occurred_at", flat=True)[0]
    data = evaluation_database.dataset(first + timedelta(days=40), max_users=30)
    assert len(data.validation.learned_from)
    assert data.earlier == ()
    assert evaluation_database.dataset(first, max_users=30).validation.cases == ()
