"""Pages about jobs, signing in, errors, and what holds for every page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from celery import current_app
from django.test import Client
from django.utils import timezone, translation

from recsite.operations.models import Job
from recsite.operations.templatetags import console
from tests.factories import PASSWORD, EndUserFactory, EventFactory, ItemFactory, JobFactory, StaffFactory
from tests.pages import HTMX, assert_guarded, queries_of, shopper_client, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """Messages to workers, kept instead of sent."""
    messages: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args: messages.append((name, args)))
    return messages


def test_jobs_are_for_staff() -> None:
    job = JobFactory()
    for address in ("/operations/jobs/", f"/operations/jobs/{job.pk}/", "/operations/jobs/tray/"):
        assert_guarded(address)


def test_the_list_takes_as_many_queries_for_twenty_jobs_as_for_one() -> None:
    JobFactory(started_by=StaffFactory())
    client = staff_client()
    few = queries_of(client, "/operations/jobs/")
    for _ in range(19):
        JobFactory(started_by=StaffFactory())
    assert queries_of(client, "/operations/jobs/") == few
    assert few <= 12


def test_a_running_job_shows_progress_and_an_estimate_and_is_asked_again() -> None:
    started = timezone.now() - timedelta(seconds=40)
    JobFactory(title="Load", status="running", total=1_000, done=250, rejected=3, started_at=started)
    page = staff_client().get("/operations/jobs/")
    assert "250 of 1,000 · 3 left out · about 2 min left" in text_of(page)
    assert 'hx-trigger="every 2s, jobs from:body"' in page.content.decode()
    assert "--part:25.00%" in page.content.decode()


def test_ended_jobs_are_not_asked_about_again() -> None:
    job, client = JobFactory(status="succeeded", total=4, done=4), staff_client()
    for address in ("/operations/jobs/", f"/operations/jobs/{job.pk}/"):
        assert "every 2s" not in client.get(address).content.decode()
    assert "every 3s" not in client.get("/operations/jobs/tray/").content.decode()
    JobFactory(status="queued")
    assert "every 3s" in client.get("/operations/jobs/tray/").content.decode()


def test_a_job_page_shows_counts_the_error_and_the_rows_left_out() -> None:
    rows = [{"row": 17, "external_id": "sku-17", "field": "price", "message": "'12,9' is not a number."}]
    job = JobFactory(
        status="failed", error="It broke.", details={"created": 1650, "rejected_rows": rows, "source": "a.csv"}
    )
    words = text_of(staff_client().get(f"/operations/jobs/{job.pk}/"))
    for expected in ("It broke.", "Created 1,650", "Source a.csv", "17 sku-17 price &#x27;12,9&#x27; is not a number."):
        assert expected in words


def test_a_job_that_counts_items_has_a_page_with_its_parts_and_its_tables() -> None:
    """A template takes `details.items` for the entry of that name, which is a number in most jobs."""
    left_out = [{"rows": 14697, "reason": "fuel", "products": 35}, {"rows": 411, "reason": "coupon", "products": 40}]
    details = {"items": 2748, "seconds": {"statistics": 29.6}, "left_out": left_out, "is_partial": True}
    job = JobFactory(status="succeeded", details=details, parameters={"items": "all"})
    page = staff_client().get(f"/operations/jobs/{job.pk}/")
    words = text_of(page)
    for expected in ("Items 2,748", "Seconds, statistics 29.6", "Items all", "Is partial True"):
        assert expected in words
    assert "Left out Reason Products Rows fuel 35 14,697 coupon 40 411" in words
    assert "--part:100%" in page.content.decode()


def test_jobs_are_narrowed_by_state_kind_who_and_title_and_say_who_started_them_and_what_the_model_cost() -> None:
    ann = StaffFactory(username="ann")
    use = {"language_model": {"calls": 12, "prompt_tokens": 3000, "completion_tokens": 400}}
    JobFactory(title="Describe labels", kind="describe_labels", status="failed", started_by=ann, details=use)
    JobFactory(title="Load it", kind="load_demo", status="succeeded")
    client = staff_client()
    both = text_of(client.get("/operations/jobs/"))
    assert "12 calls, 3,400 tokens" in both
    assert "by itself" in both
    for query, found in (("status=failed", 1), ("kind=load_demo", 1), ("who=ann", 1), ("who=system", 1), ("q=LOAD", 1)):
        page = client.get(f"/operations/jobs/?{query}")
        assert len(page.context["page"].object_list) == found, query
    nothing = client.get("/operations/jobs/?kind=load_demo&status=failed")
    assert "No such jobs" in text_of(nothing)
    assert 'href="?kind=load_demo&amp;status=succeeded"' in nothing.content.decode()


def test_a_queued_job_is_cancelled_and_an_ended_one_says_that_it_ended() -> None:
    job, client = JobFactory(), staff_client()
    response = client.post(f"/operations/jobs/{job.pk}/cancel/", headers=HTMX)
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert toast_of(response)["kind"] == "success"
    again = client.post(f"/operations/jobs/{job.pk}/cancel/", headers=HTMX)
    assert toast_of(again) == {
        "message": f"Job {job.pk} has already ended; there is nothing to cancel.",
        "kind": "danger",
    }


def test_a_failed_job_is_queued_again_and_its_worker_told(
    sent: list[tuple[str, list[int]]], django_capture_on_commit_callbacks
) -> None:
    job = JobFactory(kind="load_demo", status="failed", error="It broke.", done=5)
    with django_capture_on_commit_callbacks(execute=True):
        response = staff_client().post(f"/operations/jobs/{job.pk}/retry/")
    job.refresh_from_db()
    assert (job.status, job.error, job.done) == (Job.Status.QUEUED, "", 0)
    assert sent == [("recommender.tasks.load_demo", [job.pk])]
    assert response["Location"] == f"/operations/jobs/{job.pk}/"


@pytest.mark.parametrize(("kind", "status"), [("import_items", "failed"), ("load_demo", "succeeded")])
def test_what_can_not_be_retried_stays_as_it_is(sent: list[tuple[str, list[int]]], kind: str, status: str) -> None:
    job = JobFactory(kind=kind, status=status, error="It broke.")
    response = staff_client().post(f"/operations/jobs/{job.pk}/retry/", headers=HTMX)
    job.refresh_from_db()
    assert (job.status, job.error) == (status, "It broke.")
    assert sent == []
    assert toast_of(response)["kind"] == "danger"


def test_jobs_change_by_post_only_and_for_staff_only() -> None:
    job = JobFactory()
    assert staff_client().get(f"/operations/jobs/{job.pk}/cancel/").status_code == 405
    assert shopper_client().post(f"/operations/jobs/{job.pk}/cancel/").status_code == 403
    assert Client(enforce_csrf_checks=True).post(f"/operations/jobs/{job.pk}/cancel/").status_code == 403
    job.refresh_from_db()
    assert job.status == Job.Status.QUEUED


# ---------------------------------------------------------------- signing in, errors


def test_signing_in_leads_to_the_page_that_was_asked_for() -> None:
    staff, client = StaffFactory(), Client()
    assert client.get("/users/")["Location"] == "/login/?next=/users/"
    page = client.get("/login/?next=/users/")
    assert 'name="next" value="/users/"' in page.content.decode()
    wrong = client.post("/login/", {"username": staff.username, "password": "wrong", "next": "/users/"})
    assert "Please enter a correct username and password" in text_of(wrong)
    assert f'value="{staff.username}"' in wrong.content.decode()
    right = client.post("/login/", {"username": staff.username, "password": PASSWORD, "next": "/users/"})
    assert right["Location"] == "/users/"
    assert client.post("/logout/")["Location"] == "/login/"


def test_other_accounts_are_told_who_may_enter() -> None:
    response = shopper_client().get("/")
    assert response.status_code == 403
    assert "This is for members of staff" in text_of(response)


def test_an_error_page_needs_neither_database_nor_session(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(StaffFactory())
    client.raise_request_exception = False
    monkeypatch.setattr("recommender.views.home.overview", lambda: 1 / 0)
    response = client.get("/")
    assert response.status_code == 500
    assert "The server could not do this" in text_of(response)


# ---------------------------------------------------------------- every page


def test_every_page_obeys_the_content_security_policy() -> None:
    event = EventFactory(user=EndUserFactory(external_id="u1"), item=ItemFactory(external_id="i1"))
    job, client = JobFactory(status="running", started_at=timezone.now()), staff_client()
    addresses = [
        *("/", "/events-chart/", "/catalog/", "/catalog/i1/", "/users/", "/users/u1/", "/users/nobody/", "/nowhere/"),
        *("/operations/jobs/", f"/operations/jobs/{job.pk}/", f"/items/{event.item.pk}/activity/", "/search/?q=wheat"),
    ]
    for address in addresses:
        response = client.get(address)
        page = response.content.decode()
        for script in re.findall(r"<script[^>]*>", page):
            if "application/json" in script:
                continue
            nonce = re.search(r'nonce="([^"]+)"', script)
            assert nonce is not None, (address, script)
            assert f"'nonce-{nonce[1]}'" in response["Content-Security-Policy"]
            assert 'src="/static/' in script
        assert not re.search(r"\son[a-z]+=|javascript:|https?://(?!www\.w3\.org)[^\"]+\.(js|css)", page), address
        assert page.count("<h1") == (1 if "<html" in page else 0), address
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert sorted(ids) == sorted(set(ids)), (address, ids)


def test_the_language_is_switched_and_kept() -> None:
    client = staff_client()
    with translation.override("en"):  # puts the language of the tests back afterwards
        client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/"})
        page = client.get("/operations/jobs/").content.decode()
    assert '<html lang="zh-hans"' in page
    assert "任务" in page


# ---------------------------------------------------------------- how things are written


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=3, seconds=50), "3 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=1, hours=3), "1 day ago"),
        (timedelta(days=12), "12 days ago"),
    ],
)
def test_recent_times_are_relative(age: timedelta, expected: str) -> None:
    assert f">{expected}</time>" in console.ago(timezone.now() - age)


def test_older_and_future_times_are_dates() -> None:
    old = timezone.now() - timedelta(days=40)
    assert f"{old.day} {old:%b} {old:%Y}</time>" in console.ago(old)
    ahead = timezone.now() + timedelta(days=2)
    assert f"{ahead.day} {ahead:%b} {ahead:%Y}</time>" in console.ago(ahead)


def test_shares_never_round_to_all_or_nothing() -> None:
    assert [console.percent(share) for share in (0, 0.001, 0.5, 0.999, 1, None)] == [
        "0%",
        "<1%",
        "50%",
        ">99%",
        "100%",
        "–",
    ]


def test_durations_badges_and_signs() -> None:
    assert [console.duration(s) for s in (0.25, 8, 89, 180, 7500)] == ["250 ms", "8 s", "89 s", "3 min", "2 h 5 min"]
    assert [console.short(n) for n in (7, 999, 1_000, 9_949, 13_400)] == ["7", "999", "1.0k", "9.9k", "13k"]
    assert [console.signed(value) for value in (0.5, -0.25, -0.001)] == ["+0.50", "−0.25", "0.00"]


def test_initials_of_latin_chinese_and_nothing() -> None:
    assert [console.initials(t) for t in ("Rye bread", "有机全脂牛奶", "!!!", "7 up", "🍕 pizza")] == [
        "RB",
        "有机",
        "·",
        "7U",
        "P",
    ]


def test_a_sparkline_runs_from_zero_to_the_largest_value() -> None:
    drawn = console.sparkline([0, 5, 10])
    assert drawn["line"] == "0.0,26.0 50.0,14.0 100.0,2.0"
    assert console.sparkline([3])["is_drawn"] is False
    assert console.sparkline([])["is_drawn"] is False


def test_a_change_is_good_or_bad_by_what_is_measured() -> None:
    assert console.change(110, 100) == {
        "is_known": True,
        "is_steady": False,
        "is_up": True,
        "is_good": True,
        "share": "10%",
    }
    assert console.change(110, 100, lower_is_better=True)["is_good"] is False
    assert console.change(100.1, 100)["is_steady"] is True
    assert console.change(5, 0) == {"is_known": False}


def test_an_icon_that_the_sprite_lacks_becomes_a_box() -> None:
    assert "#milk" in console.icon("milk")
    assert "#package" in console.icon("no-such-icon")
    assert 'role="img" aria-label="Milk"' in console.icon("milk", "", "Milk")


@pytest.mark.parametrize(
    "address", ["/catalog/a%00b/", "/users/a%00b/", "/user-parts/list/", "/user-parts/list/?user=%00"]
)
def test_an_address_that_no_id_can_have_is_not_found(address: str) -> None:
    assert staff_client().get(address).status_code == 404
