"""The page of the interest encoder: versions with figures, training, rolling back with an undo."""

from __future__ import annotations

import pytest
from django.utils import timezone

from recommender.algorithms import interest_transform
from recommender.algorithms.interest_transform import InterestTransform
from recommender.models import InterestEncoder
from recsite.operations import jobs
from recsite.operations.models import Job
from tests.factories import MODEL, EventFactory, ItemFactory, JobFactory
from tests.pages import HTMX, assert_guarded, queries_of, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db

PAGE = "/operations/interest-encoder/"
REPORT = {
    "held_out": 812,
    "live_ndcg": 0.021,
    "new_ndcg": 0.0253,
    "without_ndcg": 0.021,
    "live_hr": 0.05,
    "new_hr": 0.061,
    "without_hr": 0.05,
    "difference": 0.0043,
    "ci95": [0.0011, 0.0075],
    "against": 0,
}


@pytest.fixture(autouse=True)
def bell(monkeypatch):
    monkeypatch.setattr(jobs, "ring", lambda job: None)


def version(number, status, *, model=MODEL, reason="Went live: so said the test.", report=REPORT):
    return InterestEncoder.objects.create(
        version=number,
        status=status,
        model=model,
        histories=1234,
        weights=interest_transform.to_bytes(InterestTransform.identity(384)),
        report=report,
        reason=reason,
        went_live_at=timezone.now() if status == "live" else None,
    )


def test_the_page_is_for_staff():
    assert_guarded(PAGE)


def test_without_a_version_it_says_what_to_do():
    text = text_of(staff_client().get(PAGE))
    assert "None yet. Train one, or wait" in text
    assert "Train now" in text


def test_versions_show_their_figures_interval_and_reason():
    ItemFactory(vector=True)
    version(1, "live")
    version(2, "refused", reason="Not live, for that may be chance: so said the test.")
    text = text_of(staff_client().get(PAGE))
    assert "0.0253" in text
    assert "0.0210 without any" in text
    assert "NDCG@10 0.0210 → 0.0253 on 812 moments" in text
    assert "+0.43 points, 95% interval +0.11 to +0.75" in text
    assert "Not live, for that may be chance" in text
    assert "1,234 users" in text


def test_a_version_for_other_vectors_is_said_to_be_ignored_and_offers_nothing():
    ItemFactory(vector=True)
    version(1, "retired", model="another-embedder")
    text = text_of(staff_client().get(PAGE))
    assert "It reads vectors of another-embedder, which items do not have any more: ignored." in text
    assert "Make live" not in text


def test_training_is_a_job_and_a_second_one_is_refused():
    EventFactory(item=ItemFactory(vector=True))
    staff = staff_client()
    response = staff.post(PAGE, {"act": "train"}, headers=HTMX)
    assert Job.objects.get().kind == "train_interests"
    assert "every 2s" in response.content.decode()
    assert toast_of(staff.post(PAGE, {"act": "train"}, headers=HTMX))["kind"] == "danger"
    assert Job.objects.count() == 1


def test_rolling_back_offers_to_undo_it_and_so_does_doing_without():
    EventFactory(item=ItemFactory(vector=True))
    old, new = version(1, "retired"), version(2, "live")
    staff = staff_client()
    told = toast_of(staff.post(PAGE, {"act": "roll_back", "encoder": old.pk}, headers=HTMX))
    assert told["undo"]["values"] == {"act": "roll_back", "encoder": str(new.pk)}
    assert InterestEncoder.objects.live() == old
    staff.post(PAGE, told["undo"]["values"], headers=HTMX)
    assert InterestEncoder.objects.live() == new
    told = toast_of(staff.post(PAGE, {"act": "retire", "encoder": new.pk}, headers=HTMX))
    assert InterestEncoder.objects.live() is None
    told = toast_of(staff.post(PAGE, told["undo"]["values"], headers=HTMX))
    assert InterestEncoder.objects.live() == new
    assert told["undo"]["values"] == {"act": "retire", "encoder": str(new.pk)}


@pytest.mark.parametrize("key", ["", "abc", "0", "99999999999999999999"])
def test_nonsense_is_refused_and_changes_nothing(key):
    kept = version(1, "live")
    told = toast_of(staff_client().post(PAGE, {"act": "roll_back", "encoder": key}, headers=HTMX))
    assert told["kind"] == "danger"
    assert (InterestEncoder.objects.live(), Job.objects.count()) == (kept, 0)


def test_a_training_that_failed_says_why():
    job = JobFactory(kind="train_interests", status="failed", error="There are 3 moments to train on.")
    text = text_of(staff_client().get(PAGE))
    assert "The last training failed" in text
    assert job.error in text


def test_the_number_of_queries_does_not_grow_with_the_versions():
    ItemFactory(vector=True)
    staff = staff_client()
    version(1, "live")
    few = queries_of(staff, PAGE)
    for number in range(2, 8):
        version(number, "refused")
    assert queries_of(staff, PAGE) == few


def test_the_models_page_leads_there():
    assert f'href="{PAGE}"' in staff_client().get("/operations/models/").content.decode()
