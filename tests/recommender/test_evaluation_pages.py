"""The pages of evaluations, and the same for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from recommender.models import Evaluation, Event
from recsite.operations.models import Job
from tests.factories import (
    ApiKeyFactory,
    EndUserFactory,
    EvaluationFactory,
    ItemFactory,
    JobFactory,
    StrategyFactory,
)
from tests.pages import HTMX, assert_guarded, queries_of, staff_client, text_of, toast_of
from tests.recommender.evaluation_reports import whole_report

pytestmark = pytest.mark.django_db
NEWEST = datetime(2026, 3, 31, 12, tzinfo=UTC)


def put_events() -> None:
    user, item = EndUserFactory(), ItemFactory()
    Event.objects.bulk_create(
        Event(user=user, item=item, type="purchase", occurred_at=NEWEST - timedelta(hours=16 * step))
        for step in range(200)
    )


def running(**fields: Any) -> Evaluation:
    job = JobFactory(kind="evaluate", status="running", message="Making lists", total=10, done=3, started_at=NEWEST)
    return EvaluationFactory(job=job, **fields)


def form(**changes: Any) -> dict[str, Any]:
    found = {"split_at": "2026-03-03", "users": "500", "baselines": ["pop", "ease"], **changes}
    return {"strategy": StrategyFactory().pk, **found} if "strategy" not in found else found


def test_evaluation_is_for_staff() -> None:
    first, second = (EvaluationFactory(report=whole_report()).pk for _ in range(2))
    for address in (
        *("/evaluation/", "/evaluation/list/", f"/evaluation/compare/?e={first}&e={second}"),
        *(f"/evaluation/{first}/", f"/evaluation/{first}/chart/", f"/evaluation/{first}/download/"),
    ):
        assert_guarded(address)


# ---------------------------------------------------------------- reading


def test_without_events_the_page_says_what_an_evaluation_is_and_what_is_missing() -> None:
    words = text_of(staff_client().get("/evaluation/"))
    assert "An evaluation goes back to a day" in words
    assert "It needs events: POST /api/v1/events/" in words
    assert 'data-opens="run"' not in staff_client().get("/evaluation/").content.decode()


def test_with_events_the_empty_page_has_a_button_and_a_form_that_is_filled_in() -> None:
    put_events()
    page = staff_client().get("/evaluation/")
    assert page.content.decode().count('data-opens="run"') == 2
    assert 'name="split_at" required value="2026-03-03"' in page.content.decode()
    assert "default v1 (live)" in text_of(page)


def test_the_newest_finished_one_is_shown_in_words_with_baselines_sources_and_slices() -> None:
    EvaluationFactory(report=whole_report(strategy="older v1"))
    EvaluationFactory(report=whole_report(strategy="newer v2", warnings=["Only 812 users had events after the split."]))
    running()
    words = text_of(staff_client().get("/evaluation/"))
    assert "In 100 lists of ten, 36 held an item the user took next (with other users: 34 to 38)" in words
    assert "newer v2 the newest evaluation" in words
    assert (
        "Better than EASE; chance alone would do this once in 80 times. EASE is the strongest baseline here." in words
    )
    assert "Difference in NDCG +0.011 (95% interval +0.003 to +0.019)." in words
    assert "Only 812 users had events after the split." in words
    assert "Bought together 0.071 +0.041 earns its place" in words
    assert "New 0.115 −0.003 does harm here" in words
    assert "New items, that nobody had taken before 46 0.065 0.031" in words
    assert "Many items" in words
    assert "Making lists · 30%" in words
    assert "How near the top of the list the taken items stand" in words


def test_a_report_whose_slices_are_missing_or_null_is_shown_with_dashes() -> None:
    slices = {"cold": {"n": 0, "hr@10": None, "ndcg@10": None}, "by_history": {}, "repeats": {"in": None}}
    report = whole_report(slices=slices, ablation={}, weights={}, baselines={}, fit_seconds=None, **{"f1@10": None})
    made = EvaluationFactory(report=report)
    words = text_of(staff_client().get(f"/evaluation/{made.pk}/"))
    assert "New items, that nobody had taken before 0 – –" in words
    assert "This report has no ablation." in words
    assert "This report says nothing about weights." in words
    assert "could not be computed" in words
    assert "no baseline was measured" in words


def test_a_failed_one_says_why_and_offers_to_try_again() -> None:
    job = JobFactory(kind="evaluate", status="failed", error="Too few users took anything after the split.")
    made = EvaluationFactory(job=job)
    for address in ("/evaluation/", f"/evaluation/{made.pk}/"):
        page = staff_client().get(address)
        assert "Too few users took anything after the split." in text_of(page)
        assert f"/operations/jobs/{job.pk}/retry/" in page.content.decode()


def test_pages_take_as_many_queries_for_many_evaluations_as_for_few() -> None:
    put_events()
    first, second = EvaluationFactory(report=whole_report()), EvaluationFactory(report=whole_report())
    running()
    client = staff_client()
    addresses = (
        *("/evaluation/", "/evaluation/list/", f"/evaluation/{first.pk}/", f"/evaluation/{first.pk}/chart/"),
        f"/evaluation/compare/?e={first.pk}&e={second.pk}",
    )
    few = [queries_of(client, address) for address in addresses]
    third = EvaluationFactory(report=whole_report())
    for _ in range(8):
        EvaluationFactory(report=whole_report())
        running()
    more = (*addresses[:-1], f"{addresses[-1]}&e={third.pk}")
    assert [queries_of(client, address) for address in more] == few
    assert max(few) <= 22


def test_the_list_is_asked_for_again_while_one_runs_and_rings_once_another_has_finished() -> None:
    client = staff_client()
    assert "every 2s" not in client.get("/evaluation/list/", headers=HTMX).content.decode()
    made = running()
    asked_again = client.get("/evaluation/list/?newest=0", headers=HTMX)
    assert "every 2s" in asked_again.content.decode()
    assert "HX-Trigger" not in asked_again
    Evaluation.objects.filter(pk=made.pk).update(report=whole_report(), finished_at=NEWEST)
    Job.objects.update(status="succeeded")
    after = client.get("/evaluation/list/?newest=0", headers=HTMX)
    assert json.loads(after["HX-Trigger"]) == {"evaluation-finished": True}
    assert "every 2s" not in after.content.decode()
    assert "HX-Trigger" not in client.get(f"/evaluation/list/?newest={made.pk}", headers=HTMX)
    part = client.get("/evaluation/", headers=HTMX).content.decode()
    assert "In 100 lists of ten" in part
    assert "<html" not in part


def test_what_was_chosen_to_compare_stays_chosen_when_the_list_is_read_again() -> None:
    made, other = EvaluationFactory(report=whole_report()), EvaluationFactory(report=whole_report())
    part = staff_client().get(f"/evaluation/list/?e={made.pk}", headers=HTMX).content.decode()
    assert part.count(" checked") == 1
    assert f'id="choose-{made.pk}"' in part
    assert f'id="choose-{other.pk}"' in part


def test_the_chart_is_drawn_in_another_metric() -> None:
    made = EvaluationFactory(report=whole_report())
    part = text_of(staff_client().get(f"/evaluation/{made.pk}/chart/?metric=recall@10", headers=HTMX))
    assert "default v1 has Recall 0.095" in part
    assert "NDCG 0.112" in text_of(staff_client().get(f"/evaluation/{made.pk}/chart/?metric=magic", headers=HTMX))
    assert staff_client().get(f"/evaluation/{running().pk}/chart/").status_code == 404


def test_a_report_is_downloaded_as_it_is_and_as_a_table() -> None:
    made = EvaluationFactory(report=whole_report())
    client = staff_client()
    plain = client.get(f"/evaluation/{made.pk}/download/?format=json")
    assert json.loads(plain.content) == whole_report()
    assert plain["Content-Disposition"] == f'attachment; filename="evaluation-{made.pk}.json"'
    table = client.get(f"/evaluation/{made.pk}/download/?format=csv").content.decode()
    assert "all,,ndcg@10,0.112,0.104,0.121" in table
    assert client.get(f"/evaluation/{running().pk}/download/").status_code == 404


def test_evaluations_are_compared_side_by_side_with_a_warning_where_they_cannot_be() -> None:
    first = EvaluationFactory(report=whole_report())
    second = EvaluationFactory(report=whole_report(**{"ndcg@10": 0.09, "strategy": "calm v2"}))
    client = staff_client()
    words = text_of(client.get(f"/evaluation/compare/?e={first.pk}&e={second.pk}"))
    assert "default v1 has the highest NDCG, 0.022 above calm v2; their intervals overlap" in words
    Evaluation.objects.filter(pk=second.pk).update(split_at=NEWEST)
    words = text_of(client.get(f"/evaluation/compare/?e={first.pk}&e={second.pk}"))
    assert "They were split at different dates, so they are not comparable." in words
    assert "has the highest NDCG" not in words
    assert "Choose two to four evaluations" in text_of(client.get(f"/evaluation/compare/?e={first.pk}&e=x"))
    assert client.get(f"/evaluation/compare/?e={first.pk}&e=99999999").status_code == 404


# ---------------------------------------------------------------- acts


def test_the_form_starts_an_evaluation() -> None:
    put_events()
    answer = staff_client().post("/evaluation/", form(), headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, "/evaluation/")
    made = Evaluation.objects.get()
    assert made.split_at == datetime(2026, 3, 3, tzinfo=UTC)
    assert made.parameters == {"users": 500, "baselines": ["pop", "ease"]}
    assert made.started_by is not None
    assert staff_client().post("/evaluation/", form()).status_code == 302


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"split_at": "2026-02-30"}, "Choose the day"),
        ({"split_at": "soon"}, "Choose the day"),
        ({"split_at": "2026-03-31"}, "Choose an earlier day"),
        ({"users": "many"}, "as a whole number"),
        ({"users": "50"}, "50 users cannot be drawn"),
        ({"baselines": ["magic"]}, "no baseline"),
        ({"strategy": "x"}, "no longer there"),
    ],
)
def test_a_refused_form_says_why_keeps_what_was_typed_and_starts_nothing(changes: dict[str, Any], says: str) -> None:
    put_events()
    answer = staff_client().post("/evaluation/", form(**{"users": "777", **changes}), headers=HTMX)
    assert answer.status_code == 200
    assert says in text_of(answer)
    typed = changes.get("users", "777")
    assert f'value="{typed}"' in answer.content.decode()
    assert (Evaluation.objects.count(), Job.objects.count()) == (0, 0)
    assert staff_client().post("/evaluation/", form(**changes)).status_code == 302
    assert Evaluation.objects.count() == 0


def test_keeping_and_deleting_answer_with_words() -> None:
    made = EvaluationFactory(report=whole_report())
    client = staff_client()
    kept = client.post(f"/evaluation/{made.pk}/keep/", {"keep": "1"}, headers=HTMX)
    assert toast_of(kept)["message"] == "Kept; it cannot be deleted until it is let go."
    refused = client.post(f"/evaluation/{made.pk}/delete/", headers=HTMX)
    assert (toast_of(refused)["kind"], Evaluation.objects.count()) == ("danger", 1)
    client.post(f"/evaluation/{made.pk}/keep/", {"keep": "0"}, headers=HTMX)
    gone = client.post(f"/evaluation/{made.pk}/delete/", headers=HTMX)
    assert (gone["HX-Redirect"], Evaluation.objects.count()) == ("/evaluation/", 0)
    assert client.post(f"/evaluation/{made.pk}/delete/", headers=HTMX).status_code == 404
    assert client.get(f"/evaluation/{made.pk}/delete/").status_code == 405


# ---------------------------------------------------------------- for programs


def api() -> APIClient:
    return APIClient(headers={"X-API-Key": ApiKeyFactory(scopes=["read"]).secret})


def test_the_api_lists_evaluations_newest_first_and_gives_one_with_its_report() -> None:
    older, newer = EvaluationFactory(report=whole_report()), running()
    listed = api().get("/api/v1/evaluations/").json()
    assert [one["id"] for one in listed["results"]] == [newer.pk, older.pk]
    assert [one["status"] for one in listed["results"]] == ["running", "succeeded"]
    assert "report" not in listed["results"][0]
    one = api().get(f"/api/v1/evaluations/{older.pk}/").json()
    assert (one["report"], one["max_users"], one["error"]) == (whole_report(), 1_000, "")
    assert one["strategy"] == str(older.strategy)
    assert api().get(f"/api/v1/evaluations/{newer.pk}/").json()["report"] == {}


def test_the_api_refuses_strangers_writing_and_what_is_not_there() -> None:
    made = EvaluationFactory(report=whole_report())
    assert APIClient().get("/api/v1/evaluations/").status_code in (401, 403)
    writer = APIClient(headers={"X-API-Key": ApiKeyFactory(scopes=["write"]).secret})
    assert writer.get(f"/api/v1/evaluations/{made.pk}/").status_code == 403
    both = APIClient(headers={"X-API-Key": ApiKeyFactory().secret})
    assert both.delete(f"/api/v1/evaluations/{made.pk}/").status_code == 405
    missing = api().get("/api/v1/evaluations/999999/")
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, "not_found")
    assert Evaluation.objects.count() == 1


def test_the_api_takes_as_many_queries_for_many_as_for_few() -> None:
    EvaluationFactory(report=whole_report())
    client = staff_client()
    few = queries_of(client, "/api/v1/evaluations/")
    for _ in range(6):
        running()
    assert queries_of(client, "/api/v1/evaluations/") == few
