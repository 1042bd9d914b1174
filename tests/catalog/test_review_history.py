"""Who decided what and when, restoring it, and the figures that are read from it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog import review, review_progress
from catalog.models import DecisionRecord, ItemLabel
from catalog.review_progress import Agreement, Precision
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, StaffFactory, TaxonomyFactory
from tests.pages import change_url, list_url, text_of, told

pytestmark = pytest.mark.django_db

HISTORY = "/admin/catalog/decisionrecord/"
PROGRESS = "/admin/catalog/itemlabel/progress/"


@pytest.fixture
def bob():
    return StaffFactory(username="bob")


@pytest.fixture
def suggestion():
    return ItemLabelFactory(label=LabelFactory(taxonomy=TaxonomyFactory(slug="groceries"), name="Bread", path="Bread"))


def found(admin, **query):
    return [record.pk for record in admin.get(HISTORY, query).context["cl"].result_list]


def decide(suggestion, bob):
    """Accepted, then rejected by bob, then a suggestion of something else accepted."""
    staff = StaffFactory(username="ann")
    review.accept([suggestion.pk], reviewer=staff)
    review.reject([suggestion.pk], reviewer=bob, expected_decision="accepted")
    review.accept([ItemLabelFactory().pk], reviewer=bob)
    return staff, list(DecisionRecord.objects.order_by("id"))


def test_all_decisions_are_listed_newest_first_and_filtered(admin, suggestion, bob):
    ann, (accepted, rejected, other) = decide(suggestion, bob)
    assert found(admin) == [other.pk, rejected.pk, accepted.pk]
    assert found(admin, reviewer=ann.pk) == [accepted.pk]
    assert found(admin, act__in="reject") == [rejected.pk]
    assert found(admin, item_label=suggestion.pk) == [rejected.pk, accepted.pk]
    assert found(admin, label=suggestion.label_id) == [rejected.pk, accepted.pk]
    assert found(admin, batch=accepted.batch) == [accepted.pk]
    day = accepted.at.strftime("%Y-%m-%d")
    assert len(found(admin, at_from=day, at_to=day)) == len(found(admin, at_from="nonsense")) == 3
    assert found(admin, at_to="2020-01-01") == []
    assert found(admin, q="bread") == [rejected.pk, accepted.pk]
    for nonsense in ({"batch": "x"}, {"item_label": "x"}, {"label": "x"}, {"reviewer": "x"}, {"label": "0"}):
        assert found(admin, **nonsense) == []


def test_the_page_of_a_suggestion_leads_to_its_history(admin, suggestion):
    page = admin.get(change_url("catalog_itemlabel", suggestion)).content.decode()
    assert f'href="{HISTORY}?item_label={suggestion.pk}"' in page


def test_an_earlier_decision_is_restored_by_its_button(admin, staff, suggestion, bob):
    _, (accepted, rejected, _) = decide(suggestion, bob)
    page = admin.get(HISTORY).content.decode()
    assert f'value="{accepted.pk}:rejected"' in page
    assert f'value="{rejected.pk}:' not in page  # what is there already needs no restoring
    response = admin.post(HISTORY, {"restore": f"{accepted.pk}:rejected"}, follow=True)
    suggestion.refresh_from_db()
    assert (suggestion.decision, suggestion.reviewer) == ("accepted", staff)
    assert told(response) == ["Restored, as a decision of yours."]


def test_restoring_over_what_was_not_seen_is_refused(admin, suggestion, bob):
    _, (accepted, _, _) = decide(suggestion, bob)
    before = DecisionRecord.objects.count()
    for posted in (f"{accepted.pk}:", f"{accepted.pk}:corrected", "x:y", "0:rejected"):
        admin.post(HISTORY, {"restore": posted})
    suggestion.refresh_from_db()
    assert (suggestion.decision, suggestion.reviewer, DecisionRecord.objects.count()) == ("rejected", bob, before)


def test_a_batch_is_taken_back_from_the_history(admin, staff):
    rows = [ItemLabelFactory() for _ in range(3)]
    review.accept([row.pk for row in rows], reviewer=staff)
    batch = DecisionRecord.objects.first().batch
    assert f'name="undo_batch" value="{batch}"' in admin.get(HISTORY, {"batch": batch}).content.decode()
    response = admin.post(f"{HISTORY}?batch={batch}", {"undo_batch": batch}, follow=True)
    assert told(response) == ["3 taken back."]
    assert set(ItemLabel.objects.values_list("decision", flat=True)) == {""}
    assert "Nothing of that is left" in told(admin.post(HISTORY, {"undo_batch": batch}, follow=True))[0]


def test_who_may_only_look_sees_the_history_and_restores_nothing(suggestion, bob):
    _, (accepted, _, _) = decide(suggestion, bob)
    reader = StaffFactory(is_superuser=False)
    reader.user_permissions.add(Permission.objects.get(codename="view_itemlabel"))
    client = Client()
    client.force_login(reader)
    page = client.get(HISTORY, {"batch": accepted.batch})
    assert ("bob" in client.get(HISTORY).content.decode(), "undo_batch" in page.content.decode()) == (True, False)
    assert 'name="restore"' not in client.get(HISTORY).content.decode()
    for posted in ({"restore": f"{accepted.pk}:rejected"}, {"undo_batch": accepted.batch}):
        assert client.post(HISTORY, posted).status_code == 403
    suggestion.refresh_from_db()
    assert suggestion.decision == "rejected"
    stranger = Client()
    stranger.force_login(StaffFactory(is_superuser=False))
    assert stranger.get(HISTORY).status_code == 403


def test_the_history_opens_with_a_constant_number_of_queries(admin, suggestion, bob):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(HISTORY).status_code == 200
        return len(captured)

    decide(suggestion, bob)
    queries()  # what is remembered between requests is read once
    few = queries()
    for _ in range(8):
        review.accept([ItemLabelFactory().pk], reviewer=bob)
    assert queries() == few <= 12


def test_the_history_cannot_be_changed_or_deleted(admin, suggestion, bob):
    _, (accepted, _, _) = decide(suggestion, bob)
    assert admin.get(f"{HISTORY}add/").status_code == 403
    assert admin.post(f"{HISTORY}{accepted.pk}/delete/", {"post": "yes"}).status_code == 403
    assert DecisionRecord.objects.filter(pk=accepted.pk).exists()


def test_progress_counts_by_taxonomy_reviewer_and_label(admin, suggestion, bob):
    ann = StaffFactory(username="ann")
    taxonomy, bread = suggestion.taxonomy, suggestion.label
    rows = [ItemLabelFactory(label=bread) for _ in range(4)]
    ItemLabelFactory(label=bread, decision="accepted", is_automatic=True)
    review.accept([rows[0].pk, rows[1].pk], reviewer=ann)
    review.reject([rows[2].pk], reviewer=bob)
    (progress,) = review_progress.by_taxonomy()
    assert (progress.taxonomy, progress.today, progress.decided, progress.automatic, progress.left) == (
        taxonomy, 3, 3, 1, 2,
    )  # fmt: skip
    assert progress.share == pytest.approx(4 / 6)
    assert [
        (one.username, one.today, one.accepted, one.corrected, one.rejected) for one in review_progress.by_reviewer()
    ] == [
        ("ann", 2, 2, 0, 0),
        ("bob", 1, 0, 0, 1),
    ]
    assert [(one.path, one.precision) for one in review_progress.by_label()] == [("Bread", Precision(2, 3))]
    assert review_progress.by_label(taxonomy.pk + 1) == ()
    words = text_of(admin.get(PROGRESS))
    assert ("ann" in words, "67%" in words) == (True, True)


def test_agreement_compares_the_last_words_of_different_people(suggestion, bob):
    ann = StaffFactory(username="ann")
    assert review_progress.agreement() == Agreement(0, 0)
    same, differs, alone, withdrawn = (ItemLabelFactory(item=ItemFactory()) for _ in range(4))
    review.accept([same.pk, differs.pk, withdrawn.pk], reviewer=ann)
    review.accept([same.pk], reviewer=bob, expected_decision="accepted")
    review.reject([differs.pk], reviewer=bob, expected_decision="accepted")
    review.undo(withdrawn.pk, reviewer=ann)
    review.reject([withdrawn.pk], reviewer=bob)
    review.accept([alone.pk], reviewer=ann)
    review.reject([alone.pk], reviewer=ann, expected_decision="accepted")
    assert review_progress.agreement() == Agreement(1, 2)
    review.reject([differs.pk], reviewer=ann, expected_decision="rejected")
    assert review_progress.agreement() == Agreement(2, 2)


def test_progress_takes_a_constant_number_of_queries(admin, suggestion, bob):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(PROGRESS).status_code == 200
        return len(captured)

    queries()  # what is remembered between requests is read once
    few = queries()
    for _ in range(6):
        review.accept([ItemLabelFactory().pk], reviewer=StaffFactory())
    assert queries() == few <= 14


def test_rows_that_were_accepted_automatically_offer_a_decision(admin, suggestion):
    ItemLabel.objects.filter(pk=suggestion.pk).update(decision="accepted", is_automatic=True)
    page = admin.get(list_url("catalog_itemlabel"), {"decision": "automatic"}).content.decode()
    assert ("Accepted automatically" in page, f'value="reject:{suggestion.pk}"' in page) == (True, True)
