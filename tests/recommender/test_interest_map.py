"""The interest map: every item gets a place, again by a job, and a user's page shows where they stand on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import Item, ItemEmbedding
from recommender import interest_maps, upkeep
from recommender.models import EndUser, ItemPlace
from recommender.tasks import build_interest_map
from recommender.user_map import BACKGROUND, user_map
from recsite.operations import jobs
from recsite.operations.errors import ConflictError
from recsite.operations.models import Job
from tests.factories import (
    EndUserFactory,
    EventFactory,
    InterestVectorFactory,
    ItemFactory,
    ItemLabelFactory,
    JobFactory,
    LabelFactory,
    axis,
    unit_vector,
)
from tests.pages import assert_guarded, queries_of, shopper_client, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


def near(index: int, seed: int) -> np.ndarray:
    vector = axis(index) * 3 + unit_vector(seed)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def shop(n: int = 24) -> tuple[EndUser, list[Item]]:
    """Items of two kinds, labelled, and a user who is after the first kind."""
    labels = [LabelFactory(name=name, taxonomy__slug="kinds") for name in ("Rye", "Soap")]
    items = [ItemFactory(title=f"{labels[n % 2].name} {n}", vector=near(n % 2, n)) for n in range(n)]
    for place, item in enumerate(items):
        ItemLabelFactory(item=item, label=labels[place % 2])
    user = EndUserFactory(external_id="ada")
    for item in items[:6:2]:
        EventFactory(user=user, item=item)
    InterestVectorFactory(
        user=user,
        medoid=items[0],
        vector=axis(0),
        weight=0.7,
        labels=[{"taxonomy": labels[0].taxonomy_id, "label": labels[0].pk, "share": 0.9}],
    )
    return user, items


def places() -> dict[int, tuple[float, float]]:
    return {each.item_id: (each.x, each.y) for each in ItemPlace.objects.all()}


# ---------------------------------------------------------------- building it
def test_every_item_with_a_vector_gets_a_place_within_the_map_and_the_same_one_again() -> None:
    _, items = shop()
    ItemFactory()  # no vector yet
    assert interest_maps.build() == len(items)
    first = places()
    assert set(first) == {item.pk for item in items}
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in first.values())
    ItemPlace.objects.all().delete()
    interest_maps.build()
    assert places() == first


def test_items_beyond_the_sample_stand_beside_those_they_resemble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interest_maps, "SAMPLE", 20)
    monkeypatch.setattr(interest_maps, "CHUNK", 7)
    _, items = shop(40)
    said: list[tuple[int, str]] = []
    assert interest_maps.build(lambda done, total, message: said.append((done, message))) == 40
    found = places()
    kinds = [np.array([found[item.pk] for item in items[kind::2]]) for kind in (0, 1)]
    apart = np.linalg.norm(kinds[0].mean(axis=0) - kinds[1].mean(axis=0))
    assert all(np.linalg.norm(kind - kind.mean(axis=0), axis=1).mean() < apart for kind in kinds)
    shares = [done for done, _ in said]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert {"Reading vectors", "Arranging items by likeness", "Placing the other items"} <= {each for _, each in said}


def test_a_new_map_forgets_items_that_have_no_vector_any_more_and_stays_close() -> None:
    _, items = shop()
    interest_maps.build()
    before, built_at = places(), ItemPlace.objects.all().built_at()
    ItemEmbedding.objects.filter(item=items[3]).delete()
    items.append(ItemFactory(vector=near(0, 99)))
    interest_maps.build()
    after = places()
    assert items[3].pk not in after
    assert items[-1].pk in after
    assert ItemPlace.objects.values("built_at").distinct().count() == 1
    assert ItemPlace.objects.all().built_at() > built_at
    both = [pk for pk in after if pk in before]
    assert np.median([np.hypot(after[pk][0] - before[pk][0], after[pk][1] - before[pk][1]) for pk in both]) < 0.2


def test_an_item_deleted_while_the_map_was_computed_is_left_out() -> None:
    item, gone = ItemFactory(), ItemFactory()
    pk = gone.pk
    gone.delete()
    now = timezone.now()
    assert ItemPlace.objects.all().replace_all([item.pk, pk], np.array([[0.1, 0.2], [0.3, 0.4]]), now) == 1
    assert places() == {item.pk: (0.1, 0.2)}


# ---------------------------------------------------------------- the job
def test_the_job_builds_and_says_by_which_model(rung: Callable[[str], list[list[object]]]) -> None:
    shop()
    job = interest_maps.request()
    assert interest_maps.request() == job
    assert rung("models") == [[job.pk]]
    build_interest_map(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, job.total) == ("succeeded", 100, 100)
    assert job.details == {"model": "test-embedder", "items": 24}


def test_a_cancelled_job_leaves_the_map_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    shop()
    interest_maps.build()
    before = places()
    ItemFactory(vector=near(1, 77))
    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0.0)
    job = interest_maps.request()
    with jobs.running(job.pk) as progress:
        assert progress is not None
        jobs.cancel(job)
        interest_maps.run(progress)
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert places() == before


def test_without_vectors_there_is_nothing_to_map() -> None:
    with pytest.raises(ConflictError, match="import items"):
        interest_maps.request()
    assert interest_maps.build() == 0
    assert not Job.objects.exists()


def built(days_ago: float = 0, *, model: str = "test-embedder", status: str = "succeeded") -> None:
    moment = timezone.now() - timedelta(days=days_ago)
    ItemPlace.objects.update(built_at=moment)
    job = JobFactory(kind=interest_maps.KIND, status=status, details={"model": model})
    Job.objects.filter(pk=job.pk).update(created_at=moment)


def test_the_first_map_comes_once_every_item_has_its_vector(rung: Callable[[str], list[list[object]]]) -> None:
    assert interest_maps.build_where_due() is None
    shop()
    late = ItemFactory()
    assert interest_maps.build_where_due() is None
    late.delete()
    upkeep.sweep()
    job = interest_maps.active_job()
    assert job is not None
    assert rung("models") == [[job.pk]]


@pytest.mark.parametrize(
    ("days_ago", "model", "status", "is_due"),
    [
        (6, "test-embedder", "succeeded", False),
        (8, "test-embedder", "succeeded", True),
        (0.1, "another-model", "succeeded", True),
        (0.1, "another-model", "failed", False),
        (8, "test-embedder", "cancelled", True),
    ],
)
def test_it_is_built_again_weekly_and_for_another_model(
    days_ago: float, model: str, status: str, is_due: bool, broker_away: None
) -> None:
    shop()
    interest_maps.build()
    built(days_ago, model=model, status=status)
    assert (interest_maps.build_where_due() is not None) is is_due


# ---------------------------------------------------------------- the page
def test_only_staff_see_it_and_others_start_nothing() -> None:
    user, _ = shop()
    assert_guarded(f"/user-parts/{user.pk}/interest-map/data/")
    assert shopper_client().post(f"/user-parts/{user.pk}/interest-map/").status_code == 403
    assert not Job.objects.exists()


def test_a_page_without_a_map_offers_to_build_it_and_follows_the_job(broker_away: None) -> None:
    user, _ = shop()
    client = staff_client()
    assert "There is no map yet" in text_of(client.get("/users/ada/?show=map"))
    part = f"/user-parts/{user.pk}/interest-map/"
    asked = client.post(part)
    assert "Waiting for a worker" in text_of(asked)
    job = interest_maps.active_job()
    assert job is not None
    assert job.started_by.username == "staff"
    assert "every 2s" in client.get(part).content.decode()
    interest_maps.build()
    Job.objects.update(status="succeeded")
    done = client.get(part)
    assert done["HX-Retarget"] == "#interest-map"
    assert "Built just now" in text_of(done)


def test_a_refused_build_says_why_and_leaves_no_trace() -> None:
    user = EndUserFactory()
    response = staff_client().post(f"/user-parts/{user.pk}/interest-map/")
    assert "nothing to map" in toast_of(response)["message"]
    assert not Job.objects.exists()


def test_the_page_says_in_words_and_in_a_table_what_the_map_shows() -> None:
    shop()
    interest_maps.build()
    words = text_of(staff_client().get("/users/ada/?show=map"))
    assert "The one interest is “Rye 0”." in words
    assert "3 items of theirs lie in 1 of" in words
    assert "most in Rye (3)" in words
    assert "Rye 0 70% Rye 3" in words


def test_the_drawing_gets_points_interests_and_regions() -> None:
    user, items = shop()
    interest_maps.build()
    data = staff_client().get(f"/user-parts/{user.pk}/interest-map/data/").json()
    assert len(data["background"]) == len(items)
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y, _ in data["background"])
    (interest,) = data["interests"]
    assert (interest["title"], interest["words"], interest["weight"]) == ("Rye 0", "70% · Rye", 0.7)
    assert {each["title"] for each in data["items"]} == {"Rye 0", "Rye 2", "Rye 4"}
    assert {each["name"] for each in data["regions"]} == {"Rye", "Soap"}
    assert data["items"][0]["address"] == f"/catalog/{items[4].external_id}/"


def test_an_interest_whose_item_came_after_the_map_is_listed_without_a_place() -> None:
    user, _ = shop()
    interest_maps.build()
    new = ItemFactory(title="Brand new", vector=axis(5))
    EventFactory(user=user, item=new)
    InterestVectorFactory(user=user, position=1, medoid=new, weight=0.3)
    found = user_map(user)
    assert [each.place is None for each in found.interests] == [False, True]
    assert found.missing == 1
    words = text_of(staff_client().get("/users/ada/?show=map"))
    assert "not on the map yet" in words
    assert "1 item of theirs is not on it yet." in words


def test_the_background_is_a_spread_of_at_most_so_many_points() -> None:
    random = np.random.default_rng(1)
    Item.objects.bulk_create([Item(external_id=f"x{n}", title=f"X {n}") for n in range(3_000)])
    ids = list(Item.objects.order_by("pk").values_list("pk", flat=True))
    crowd = random.normal(0.5, 0.02, (3_000, 2)).clip(0, 1)
    crowd[-1] = [0.99, 0.01]  # alone in its corner
    ItemPlace.objects.all().replace_all(ids, crowd, timezone.now())
    found = ItemPlace.objects.all().spread(BACKGROUND, grid=32)
    assert BACKGROUND * 0.8 <= len(found) <= BACKGROUND
    assert ids[-1] in {row[0] for row in found}


def test_the_map_takes_as_many_queries_for_many_interests_as_for_one() -> None:
    user, items = shop()
    interest_maps.build()
    client = staff_client()
    address = f"/user-parts/{user.pk}/interest-map/data/"
    few, page = queries_of(client, address), queries_of(client, "/users/ada/?show=map")
    for place in range(1, 6):
        InterestVectorFactory(user=user, position=place, medoid=items[place])
        EventFactory(user=user, item=items[place + 6])
    assert queries_of(client, address) == few
    assert queries_of(client, "/users/ada/?show=map") - page <= 1
    assert few <= 10
