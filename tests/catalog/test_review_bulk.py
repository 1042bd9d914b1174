"""Many at once: what is counted is what is accepted, the unsure ones only where asked for, undone as one."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog import review, review_bulk, tasks
from catalog.models import DecisionRecord, ItemLabel
from catalog.review_filters import ReviewFilter
from recsite.operations import jobs
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.models import Job
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, StaffFactory, axis
from tests.pages import queries_of, text_of, told

pytestmark = pytest.mark.django_db

BULK = "/admin/catalog/itemlabel/bulk/"
ACCEPT = "/admin/catalog/itemlabel/bulk/accept/"


@pytest.fixture
def bread():
    return LabelFactory(name="Bread", path="Bread")


@pytest.fixture
def rows(bread):
    return [ItemLabelFactory(label=bread, confidence=confidence) for confidence in (0.9, 0.7, 0.5, 0.49, 0.1)]


def decisions(rows):
    return [ItemLabel.objects.get(pk=row.pk).decision for row in rows]


def as_of(page):
    return re.search(r'name="as_of" value="([^"]+)"', page.content.decode()).group(1)


def test_suggestions_are_grouped_by_label_the_surest_first(admin, bread, rows):
    cakes = ItemLabelFactory(label=LabelFactory(taxonomy=bread.taxonomy, name="Cakes", path="Cakes"))
    groups = admin.get(BULK).context["groups"]
    assert [(group.label, group.matching) for group in groups] == [(bread, 5), (cakes.label, 1)]
    assert list(groups[0].rows) == rows
    assert [group.label for group in admin.get(f"{BULK}?label={cakes.label_id}").context["groups"]] == [cakes.label]


def test_selected_ones_are_decided_and_taken_back_together(admin, staff, rows):
    chosen = [rows[0].pk, rows[4].pk]
    response = admin.post(BULK, {"act": "accept", "row": chosen}, follow=True)
    assert told(response) == ["2 accepted. z takes them back."]
    assert decisions(rows) == ["accepted", "", "", "", "accepted"]
    admin.post(BULK, {"act": "reject", "row": [rows[1].pk]})
    admin.post(BULK, {"act": "undo"})
    admin.post(BULK, {"act": "undo"})
    assert decisions(rows) == [""] * 5


@pytest.mark.parametrize(
    "values", [{"act": "accept"}, {"act": "dance", "row": "1"}, {"act": "undo"}, {"act": "undo", "batch": "x"}]
)
def test_what_makes_no_sense_is_refused(values, admin, rows):
    assert len(told(admin.post(BULK, values, follow=True))) == 1
    assert decisions(rows) == [""] * 5
    assert not DecisionRecord.objects.exists()


def test_all_that_match_are_counted_first_and_the_unsure_left_out_unless_ticked(admin, rows):
    page = admin.get(ACCEPT)
    preview = page.context["preview"]
    assert (preview.total, preview.sure, preview.unsure) == (5, 3, 2)
    assert [row.confidence for row in preview.sample] == [0.1, 0.49, 0.5, 0.7, 0.9]
    assert "Also the 2 unsure ones (confidence below 0.50)." in text_of(page)
    response = admin.post(ACCEPT, {"as_of": as_of(page)}, follow=True)
    assert "3 accepted." in told(response)[0]
    assert decisions(rows) == ["accepted"] * 3 + ["", ""]
    page = admin.get(ACCEPT)
    admin.post(ACCEPT, {"as_of": as_of(page), "include_unsure": "1"})
    assert decisions(rows) == ["accepted"] * 5
    assert len(set(DecisionRecord.objects.values_list("batch", flat=True))) == 2


def test_where_all_are_unsure_nothing_is_accepted_unticked(admin, bread):
    row = ItemLabelFactory(label=bread, confidence=0.2)
    response = admin.post(ACCEPT, {"as_of": as_of(admin.get(ACCEPT))}, follow=True)
    assert "Nothing that matches is waiting" in told(response)[0]
    assert decisions([row]) == [""]


def test_what_came_in_after_the_count_is_not_accepted(admin, bread, rows):
    page = admin.get(ACCEPT)
    newer = ItemLabelFactory(label=bread, confidence=0.9)
    admin.post(ACCEPT, {"as_of": as_of(page), "include_unsure": "1"})
    assert decisions([*rows, newer]) == ["accepted"] * 5 + [""]
    for nonsense in ("", "yesterday", "2026-01-01", "2026-13-45T00:00"):
        admin.post(ACCEPT, {"as_of": nonsense, "include_unsure": "1"})
    assert decisions([newer]) == [""]


def test_all_similar_are_the_nearest_with_the_same_suggestion(admin, bread):
    near = ItemLabelFactory(label=bread, item=ItemFactory(vector=axis(0)))
    also = ItemLabelFactory(label=bread, item=ItemFactory(vector=axis(0) + 0.1 * axis(1)))
    other = ItemLabelFactory(item=ItemFactory(vector=axis(0)))
    address = f"{ACCEPT}?similar={near.pk}"
    page = admin.get(address)
    assert page.context["preview"].total == 2
    admin.post(address, {"as_of": as_of(page)})
    assert decisions([near, also, other]) == ["accepted", "accepted", ""]


def test_what_somebody_decided_meanwhile_is_left_out_and_counted(staff, rows):
    bob = StaffFactory(username="bob")
    review.reject([rows[0].pk], reviewer=bob)
    batch = review_bulk.uuid4()
    assert review_bulk.accept_free([row.pk for row in rows], reviewer=staff, batch=batch) == (4, 1)
    assert decisions(rows) == ["rejected"] + ["accepted"] * 4


def test_a_conflict_inside_a_batch_costs_only_its_own_row(staff, rows, monkeypatch):
    """Somebody decides between the look and the act: the whole call is refused, then each is tried by itself."""
    bob, accept = StaffFactory(username="bob"), review.accept

    def late(ids, **options):
        if len(ids) > 1:
            review.reject([rows[2].pk], reviewer=bob)
        return accept(ids, **options)

    monkeypatch.setattr(review, "accept", late)
    assert review_bulk.accept_free([row.pk for row in rows], reviewer=staff, batch=review_bulk.uuid4()) == (4, 1)
    assert decisions(rows) == ["accepted", "accepted", "rejected", "accepted", "accepted"]


@pytest.fixture
def large(monkeypatch):
    """Two are many already, and a chunk holds two."""
    monkeypatch.setattr(review_bulk, "AT_ONCE", 2)
    monkeypatch.setattr(review_bulk, "CHUNK", 2)
    monkeypatch.setattr(jobs, "ring", lambda job: None)


def test_large_numbers_run_as_a_job_and_are_taken_back_as_one_batch_by_a_job(admin, staff, rows, large):
    review.reject([rows[1].pk], reviewer=staff)
    response = admin.post(ACCEPT, {"as_of": as_of(admin.get(ACCEPT)), "include_unsure": "1"}, follow=True)
    assert "Queued: Accept 4 suggested labels." in told(response)[0]
    assert decisions(rows) == ["", "rejected", "", "", ""]
    job = Job.objects.get()
    tasks.accept_labels(job.pk)
    job.refresh_from_db()
    assert (job.status, job.total, job.done, job.details["accepted"]) == ("succeeded", 4, 4, 4)
    assert decisions(rows) == ["accepted", "rejected", "accepted", "accepted", "accepted"]
    batch = job.details["batch"]
    assert set(DecisionRecord.objects.filter(act="accept").values_list("batch", flat=True)) == {review_bulk.UUID(batch)}
    with pytest.raises(ConflictError, match="history page"):
        review_bulk.undo_last(reviewer=staff)
    admin.post(BULK, {"act": "undo", "batch": batch})
    undoing = Job.objects.get(kind="undo_decisions")
    tasks.undo_decisions(undoing.pk)
    undoing.refresh_from_db()
    assert (undoing.status, undoing.done, undoing.rejected) == ("succeeded", 4, 0)
    assert decisions(rows) == ["", "rejected", "", "", ""]


def test_a_job_that_was_interrupted_goes_on_where_it_stopped(staff, rows, large, monkeypatch):
    outcome = review_bulk.accept_matching(ReviewFilter(), as_of=timezone.now(), include_unsure=True, reviewer=staff)
    free, calls = review_bulk.accept_free, []

    def breaks(ids, **options):
        calls.append(ids)
        if len(calls) == 2:
            raise RuntimeError("the worker died")
        return free(ids, **options)

    monkeypatch.setattr(review_bulk, "accept_free", breaks)
    with pytest.raises(RuntimeError):
        tasks.accept_labels(outcome.job.pk)
    assert decisions(rows).count("accepted") == 2
    jobs.retry(outcome.job)
    tasks.accept_labels(outcome.job.pk)
    assert decisions(rows) == ["accepted"] * 5
    assert DecisionRecord.objects.count() == 5


def test_a_cancelled_job_keeps_what_it_accepted_and_the_batch_can_be_taken_back(staff, rows, large, monkeypatch):
    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0.0)
    outcome = review_bulk.accept_matching(ReviewFilter(), as_of=timezone.now(), include_unsure=True, reviewer=staff)
    free = review_bulk.accept_free

    def cancels(ids, **options):
        Job.objects.update(cancel_requested=True)
        return free(ids, **options)

    monkeypatch.setattr(review_bulk, "accept_free", cancels)
    tasks.accept_labels(outcome.job.pk)
    outcome.job.refresh_from_db()
    assert (outcome.job.status, decisions(rows).count("accepted")) == ("cancelled", 2)
    assert review.undo_batch(outcome.batch, reviewer=staff) == 2


def test_nothing_to_accept_says_so(staff):
    with pytest.raises(InvalidInputError, match="Nothing that matches"):
        review_bulk.accept_matching(ReviewFilter(), as_of=timezone.now(), include_unsure=True, reviewer=staff)


def test_who_may_only_look_cannot_decide(rows):
    reader = StaffFactory(is_superuser=False)
    reader.user_permissions.add(Permission.objects.get(codename="view_itemlabel"))
    client = Client()
    client.force_login(reader)
    page = client.get(BULK).content.decode()
    assert ("Bread" in page, 'name="act"' in page, "Accept all" in page) == (True, False, False)
    assert 'name="as_of"' not in client.get(ACCEPT).content.decode()
    assert client.post(BULK, {"act": "accept", "row": rows[0].pk}).status_code == 403
    assert client.post(ACCEPT, {"as_of": timezone.now().isoformat()}).status_code == 403
    assert decisions(rows) == [""] * 5


@pytest.mark.parametrize("address", [BULK, ACCEPT])
def test_a_page_takes_a_constant_number_of_queries(address, admin, rows, bread):
    few = queries_of(admin, address)
    for _ in range(30):
        ItemLabelFactory(label=LabelFactory(taxonomy=bread.taxonomy))
    assert queries_of(admin, address) == few <= 16


def test_pages_end_where_counting_ends(admin, rows, monkeypatch):
    monkeypatch.setattr("catalog.review_bulk_views.PER_PAGE", 2)
    monkeypatch.setattr("catalog.review_bulk_views.LAST_PAGE", 2)
    last = admin.get(f"{BULK}?page=999")
    assert last.context["page"].number == 2
    assert "narrow the list" in text_of(last)
    for nonsense in ("x", "0", "-1", "9" * 30):
        assert admin.get(BULK, {"page": nonsense}).status_code == 200


def test_accepting_costs_no_more_queries_for_many_than_for_few(staff, bread):
    def queries(n):
        ids = [ItemLabelFactory(label=LabelFactory(taxonomy=bread.taxonomy)).pk for _ in range(n)]
        with CaptureQueriesContext(connection) as captured:
            review.accept(ids, reviewer=staff)
        return len(captured)

    assert queries(2) == queries(40)
