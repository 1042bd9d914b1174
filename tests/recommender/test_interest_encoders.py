"""Versions of the interest encoder: trained on events, live only if better, served, rolled back."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import ItemEmbedding
from recommender import encoding, interest_encoders, interests, tasks
from recommender.algorithms import interest_transform
from recommender.algorithms.interest_transform import InterestTransform
from recommender.models import EndUser, InterestEncoder, InterestVector
from recommender.slates import recommend
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import Job
from tests.factories import (
    MODEL,
    EndUserFactory,
    EventFactory,
    ItemFactory,
    LabelEmbeddingFactory,
    LabelFactory,
    StaffFactory,
    TaxonomyFactory,
    axis,
)
from tests.recommender.partners import learns_fast, live, partners, take

pytestmark = pytest.mark.django_db
DIM = 384


@pytest.fixture(autouse=True)
def bell(monkeypatch):
    rung: list[str] = []
    monkeypatch.setattr(jobs, "ring", lambda job: rung.append(job.kind))
    return rung


def swapped(first=0, second=1):
    """An encoder that turns one axis into another."""
    w1 = np.eye(DIM, dtype=np.float32)
    w1[[first, second]] = w1[[second, first]]
    return InterestTransform(w1, np.zeros(DIM, dtype=np.float32))


def version(number, transform, status="live", *, model=MODEL):
    return InterestEncoder.objects.create(
        version=number,
        status=status,
        weights=interest_transform.to_bytes(transform),
        model=model,
        histories=10,
        went_live_at=timezone.now() if status == "live" else None,
    )


def vectors_of(user):
    return [np.array(each.vector) for each in InterestVector.objects.filter(user=user).order_by("position")]


def test_what_is_taken_next_is_learned_goes_live_and_changes_interests(monkeypatch, django_capture_on_commit_callbacks):
    learns_fast(monkeypatch)
    pairs = partners()
    take(pairs, 120)
    with django_capture_on_commit_callbacks(execute=True):
        encoder = interest_encoders.train()
    assert (encoder.version, encoder.status, encoder.model) == (1, "live", MODEL)
    assert encoder.report["live_ndcg"] == encoder.report["without_ndcg"] < 0.5
    assert encoder.report["new_ndcg"] > 0.9
    assert encoder.report["ci95"][0] > 0
    assert encoder.reason.startswith("Went live: NDCG@10 ")
    assert Job.objects.get().title == "Rebuild interests with encoder version 1"
    user = EndUserFactory()
    EventFactory(user=user, item=pairs[0][0])
    interests.rebuild(user.pk)
    others = ItemEmbedding.objects.exclude(item=pairs[0][0])
    closest = max(others, key=lambda each: float(np.array(each.vector) @ vectors_of(user)[0]))
    assert closest.item_id == pairs[0][1].pk


def test_a_version_that_is_not_better_is_kept_but_never_live(monkeypatch, bell):
    learns_fast(monkeypatch)
    pairs = partners()
    take(pairs, 60)
    monkeypatch.setattr(
        interest_encoders.algorithm,
        "train",
        lambda *args, **options: interest_encoders.algorithm.TrainedEncoder(
            swapped(), interest_encoders.algorithm.TrainingReport(0.1, 1, 0.0, 0.0)
        ),
    )
    encoder = interest_encoders.train()
    assert (encoder.status, encoder.went_live_at) == ("refused", None)
    assert encoder.reason.startswith("Not live, for ")
    assert InterestEncoder.objects.live() is None
    assert encoding.live_transform() is None
    assert (bell, Job.objects.count()) == ([], 0)
    with pytest.raises(ConflictError, match="Version 1 was not better"):
        interest_encoders.roll_back(encoder.pk, staff=StaffFactory())
    assert InterestEncoder.objects.live() is None


def test_the_next_version_is_compared_with_the_live_one(monkeypatch):
    learns_fast(monkeypatch)
    pairs = partners()
    take(pairs, 120)
    interest_encoders.train()
    second = interest_encoders.train()
    assert (second.report["against"], second.report["live_ndcg"]) == (1, live().report["new_ndcg"])
    assert second.status == "refused"  # as good, so not better
    assert live().version == 1


def test_too_few_moments_train_nothing():
    take(partners(), 5)
    with pytest.raises(InvalidInputError, match=r"moments to train on and .* training takes 300 and 50"):
        interest_encoders.train()
    assert not InterestEncoder.objects.exists()


def test_no_events_no_job():
    with pytest.raises(InvalidInputError, match="no events to learn from"):
        interest_encoders.request_training(staff=StaffFactory())
    assert not Job.objects.exists()


def test_one_event_at_a_time_and_all_at_once_give_the_same_encoded_interests():
    items = [ItemFactory(vector=axis(place // 2)) for place in range(6)]
    version(1, swapped())
    users = [EndUserFactory() for _ in range(3)]
    for place, user in enumerate(users):
        for item in (items[place], items[place + 2]):
            EventFactory(user=user, item=item)
            interests.rebuild(user.pk, only_if_stale=True)
    one_by_one = {user.pk: vectors_of(user) for user in users}
    interests.rebuild_all()
    for user in users:
        assert [each.tolist() for each in vectors_of(user)] == [each.tolist() for each in one_by_one[user.pk]]
        assert [np.linalg.norm(each) for each in vectors_of(user)] == pytest.approx([1.0] * 2, abs=1e-3)


def test_the_identity_leaves_interests_and_lists_as_they_are():
    items = [ItemFactory(vector=axis(place // 2)) for place in range(6)]
    user = EndUserFactory(external_id="ada")
    EventFactory(user=user, item=items[0])
    EventFactory(user=user, item=items[2], type="view")
    interests.rebuild_all()
    before = [each.tolist() for each in vectors_of(user)]
    listed = [(one.item.pk, one.score) for one in recommend("ada", n=4).items]
    version(1, InterestTransform.identity(DIM))
    interests.rebuild_all()
    assert [each.tolist() for each in vectors_of(user)] == before
    assert [(one.item.pk, one.score) for one in recommend("ada", n=4).items] == listed


def test_an_interest_is_named_by_what_was_taken_not_by_where_it_was_moved():
    """The label head knows the items' own space: bread stays bread although the encoder points to soap."""
    items = [ItemFactory(vector=axis(place // 2)) for place in range(6)]
    taxonomy = TaxonomyFactory()
    bread, soap = (LabelFactory(taxonomy=taxonomy) for _ in range(2))
    for label, place in ((bread, 0), (soap, 1)):
        LabelEmbeddingFactory(label=label, vector=axis(place))
    version(1, swapped(0, 1))
    user = EndUserFactory()
    EventFactory(user=user, item=items[0])
    interests.rebuild(user.pk)
    (interest,) = InterestVector.objects.filter(user=user)
    assert interest.labels[0]["label"] == bread.pk
    assert interest.medoid_id == items[0].pk
    assert int(np.argmax(np.array(interest.vector))) == 1


def test_a_version_for_another_embedding_model_is_ignored_and_cannot_go_live():
    items = [ItemFactory(vector=axis(place)) for place in range(3)]
    user = EndUserFactory()
    EventFactory(user=user, item=items[0])
    interests.rebuild(user.pk)
    before = [each.tolist() for each in vectors_of(user)]
    other = version(1, swapped(), model="another-embedder")
    assert encoding.live_transform() is None
    interests.rebuild(user.pk)
    assert [each.tolist() for each in vectors_of(user)] == before
    InterestEncoder.objects.update(status="retired")
    with pytest.raises(ConflictError, match="reads vectors of another-embedder, but items have vectors of"):
        interest_encoders.roll_back(other.pk, staff=StaffFactory())
    assert InterestEncoder.objects.live() is None


def test_rolling_back_makes_a_version_live_and_a_job_rebuilds_everybody(django_capture_on_commit_callbacks, bell):
    items, staff = [ItemFactory(vector=axis(place)) for place in range(4)], StaffFactory()
    user = EndUserFactory()
    EventFactory(user=user, item=items[0])
    old, new = version(1, swapped(0, 1), "retired"), version(2, swapped(0, 2))
    interests.rebuild_all()
    assert int(np.argmax(vectors_of(user)[0])) == 2
    with django_capture_on_commit_callbacks(execute=True):
        back = interest_encoders.roll_back(old.pk, staff=staff)
    assert (back.status, back.reason) == ("live", f"Live again: {staff.get_username()} rolled back to it.")
    assert dict(InterestEncoder.objects.values_list("version", "status")) == {1: "live", 2: "retired"}
    assert bell == ["rebuild_interests"]
    tasks.rebuild_all_interests.apply(args=(Job.objects.get().pk,))
    assert int(np.argmax(vectors_of(user)[0])) == 1
    new.refresh_from_db()
    with pytest.raises(NotFoundError):
        interest_encoders.roll_back(10**9, staff=staff)


def test_doing_without_brings_interests_back_as_they_were():
    items, staff = [ItemFactory(vector=axis(place)) for place in range(4)], StaffFactory()
    user = EndUserFactory()
    EventFactory(user=user, item=items[0])
    interests.rebuild_all()
    before = vectors_of(user)[0].tolist()
    encoder = version(1, swapped(0, 1))
    interests.rebuild_all()
    assert vectors_of(user)[0].tolist() != before
    interest_encoders.retire(encoder.pk, staff=staff)
    tasks.rebuild_all_interests.apply(args=(Job.objects.get().pk,))
    assert vectors_of(user)[0].tolist() == before
    with pytest.raises(ConflictError, match="not live any more"):
        interest_encoders.retire(encoder.pk, staff=staff)


def test_a_rebuild_is_queued_beside_a_running_one_which_may_have_passed_some_users():
    EventFactory(item=ItemFactory(vector=True))
    old = version(1, swapped(), "retired")
    running = jobs.create("rebuild_interests", "Running")
    Job.objects.filter(pk=running.pk).update(status=Job.Status.RUNNING)
    interest_encoders.roll_back(old.pk, staff=StaffFactory())
    assert Job.objects.filter(kind="rebuild_interests").count() == 2
    interest_encoders.retire(old.pk, staff=StaffFactory())  # one that has not begun will see it
    assert Job.objects.filter(kind="rebuild_interests").count() == 2


def test_the_job_says_how_it_ended(monkeypatch):
    learns_fast(monkeypatch)
    take(partners(), 60)
    job = interest_encoders.request_training(staff=StaffFactory())
    with pytest.raises(ConflictError, match="being trained already"):
        interest_encoders.request_training()
    tasks.train_interests.apply(args=(job.pk,))
    job.refresh_from_db()
    encoder = InterestEncoder.objects.get()
    assert (job.status, job.details["said"]) == ("succeeded", encoder.reason)


def test_it_is_trained_by_itself_once_a_week_where_enough_is_new(monkeypatch):
    learns_fast(monkeypatch)
    assert interest_encoders.train_where_due() is None
    pairs = partners()
    take(pairs, 30)
    assert interest_encoders.train_where_due() is not None
    assert interest_encoders.train_where_due() is None  # under way
    Job.objects.update(status=Job.Status.FAILED)
    assert interest_encoders.train_where_due() is None  # tried this week
    Job.objects.update(created_at=timezone.now() - timedelta(days=8))
    encoder = version(1, swapped(), "refused")
    assert interest_encoders.train_where_due() is None  # nothing came since
    InterestEncoder.objects.filter(pk=encoder.pk).update(created_at=timezone.now() - timedelta(days=8))
    assert EndUser.objects.count() == 30
    assert interest_encoders.train_where_due() is not None
