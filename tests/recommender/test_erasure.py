"""What an erased user leaves beside their own rows: exports, jobs and the log of changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender import erasure, golden_expectations, rule_versions, slate_exports, tasks
from recommender.models import Slate
from recommender.rule_content import RuleContent
from recommender.scopes import Audience, Scope
from recommender.slate_filters import SlateFilters
from recsite.operations import changes, jobs
from recsite.operations.change_context import written_by
from recsite.operations.errors import NotFoundError
from recsite.operations.models import Change, Job
from tests.factories import ApiKeyFactory, EndUserFactory, ItemFactory, SlateFactory, SlateItemFactory, StaffFactory
from tests.pages import staff_client, text_of

pytestmark = pytest.mark.django_db

ODD = '=u,"1"'


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.RECSITE_HOME = tmp_path
    return tmp_path


def exported(format_: str, **asked: str) -> Job:
    job = slate_exports.request_export(SlateFilters(**asked), format_, staff=StaffFactory())
    tasks.export_slates(job.pk)
    return job


@pytest.mark.parametrize("format_", slate_exports.FORMATS)
@pytest.mark.parametrize("external_id", ["u1", ODD])
def test_exports_that_hold_their_lists_are_deleted_and_the_page_says_why(
    format_: str, external_id: str, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    other = SlateFactory(user=EndUserFactory(external_id="u12"))
    SlateItemFactory(slate=other, item=ItemFactory(external_id=external_id, title=external_id))
    without = exported(format_)  # has the id, but as that of an item
    SlateFactory(user=EndUserFactory(external_id=external_id))
    with_them = exported(format_)
    path = slate_exports.file_of(with_them.pk)
    client = staff_client()
    assert f"/audit/exports/{with_them.pk}/" in client.get(f"/operations/jobs/{with_them.pk}/").content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase(external_id)
    assert not path.exists()
    assert slate_exports.file_of(without.pk).is_file()
    page = client.get(f"/operations/jobs/{with_them.pk}/")
    said = "The file was deleted, as a user whose lists it held was erased."
    assert said in text_of(page) and f"/audit/exports/{with_them.pk}/" not in page.content.decode()
    asked_for = client.get(f"/audit/exports/{with_them.pk}/", follow=True)
    assert asked_for.redirect_chain == [(f"/operations/jobs/{with_them.pk}/", 302)]
    assert text_of(asked_for).count(said) == 2  # as a message, too
    with pytest.raises(NotFoundError, match="a user whose lists it held was erased"):
        slate_exports.file_of(with_them.pk)


def test_lists_that_are_past_their_time_are_erased_from_exports_too(
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    slate = SlateFactory(user=None, user_external_id="visitor")
    job = exported("csv")
    Slate.objects.filter(pk=slate.pk).delete()
    with django_capture_on_commit_callbacks(execute=True):
        assert erasure.erase("visitor") == erasure.Erased(events=0, slates=0)
    with pytest.raises(NotFoundError, match="was erased"):
        slate_exports.file_of(job.pk)
    with pytest.raises(NotFoundError, match="nothing to erase"):
        erasure.erase("visitor")


def test_nothing_is_deleted_where_the_erasure_is_taken_back() -> None:
    SlateFactory(user=EndUserFactory(external_id="u1"))
    job = exported("csv")
    erasure.erase("u1")  # within the transaction of this test, which is never committed
    assert slate_exports.file_of(job.pk).is_file()


def test_an_export_that_is_being_written_leaves_no_file(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    SlateFactory(user=EndUserFactory(external_id="u1"))
    job = slate_exports.request_export(SlateFilters(), "csv", staff=StaffFactory())
    written = slate_exports.lines

    def erased_meanwhile(*given: Any) -> Any:
        yield from list(written(*given))
        erasure.erase("u1")

    monkeypatch.setattr(slate_exports, "lines", erased_meanwhile)
    tasks.export_slates(job.pk)
    job.refresh_from_db()
    assert job.status == "cancelled" and "address" not in job.details
    assert list((home / "exports").iterdir()) == []


def test_jobs_name_nobody_in_their_place_and_those_of_others_go_on() -> None:
    for user in ("u1", "u2"):
        SlateFactory(user=EndUserFactory(external_id=user))
    theirs, another = exported("csv", user="u1"), exported("csv", user="u2")
    Job.objects.filter(pk__in=[theirs.pk, another.pk]).update(status="running")
    erasure.erase("u1")
    theirs.refresh_from_db()
    another.refresh_from_db()
    assert (theirs.parameters["filters"]["user"], theirs.cancel_requested) == ("(erased)", True)
    assert (another.parameters["filters"]["user"], another.cancel_requested) == ("u2", False)
    with pytest.raises(jobs.JobCancelled):
        jobs.Progress(theirs).describe()


def test_the_log_of_changes_names_them_no_more_and_their_erasure_is_in_none() -> None:
    staff, item = StaffFactory(), ItemFactory()
    for user in ("u1", "u2"):
        EndUserFactory(external_id=user)
    content = RuleContent(
        action="exclude", scope=Scope(items=(item.external_id,)), audience=Audience(users=("u1", "u2"))
    )
    with written_by(staff):
        for user in ("u1", "u2"):
            golden_expectations.store(
                {"user_external_id": user, "kind": "never", "scope": {"items": [item.external_id]}, "is_active": False},
                staff=staff,
            )
        rule = rule_versions.draft_new("For two", content, staff=staff)
    with written_by(staff):
        rule_versions.discard(rule.pk, staff=staff)
    key = ApiKeyFactory(scopes=["read", "write"])
    count = Change.objects.count()
    answer = staff_client().delete("/api/v1/users/u1/", headers={"X-API-Key": key.secret})
    assert answer.status_code == 204
    assert Change.objects.count() == count - 1
    kept = [(one.object_name, one.before, one.after, one.path) for one in Change.objects.order_by("pk")]
    assert "u1" not in str(kept) and "u2" in str(kept)
    deletion = Change.objects.get(kind="rule", act="deleted")
    changes.revert(deletion.pk, staff=staff)
    assert Change.objects.get(kind="rule", reverts=deletion).object_id == deletion.object_id
    assert rule_versions.Rule.objects.get(pk=deletion.object_id).audience == {"users": ["(erased)", "u2"]}
