"""One suggestion at a time: what the page shows, what a post does, and what comes next."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog import review
from catalog.models import DecisionRecord, ItemLabel, LabelName
from catalog.review_focus import focus_on
from catalog.review_progress import pace_of
from tests.factories import ItemFactory, ItemLabelFactory, LabelFactory, StaffFactory, TaxonomyFactory, axis
from tests.pages import HTMX, queries_of, text_of, told

pytestmark = pytest.mark.django_db

FOCUS = "/admin/catalog/itemlabel/focus/"


@pytest.fixture
def taxonomy():
    return TaxonomyFactory(slug="groceries", abstain_below=0.2)


@pytest.fixture
def bread(taxonomy):
    return LabelFactory(taxonomy=taxonomy, name="Bread", path="Bakery > Bread")


@pytest.fixture
def rolls(taxonomy):
    return LabelFactory(taxonomy=taxonomy, name="Rolls", path="Bakery > Rolls")


@pytest.fixture
def suggestion(bread, rolls):
    item = ItemFactory(title="Soft wheat bread, 24 oz", description="A loaf.", vector=axis(0))
    opinions = {"embedding": [[bread.pk, 0.7]], "head": [[bread.pk, 0.6]], "language_model": [[rolls.pk, 0.8]]}
    first = ItemLabelFactory(item=item, label=bread, evidence="wheat bread", gain=0.9, opinions=opinions)
    ItemLabelFactory(item=item, label=rolls, rank=2, confidence=0.1, is_assigned=False)
    return first


def post(client, row, act, **values):
    answer = client.post(FOCUS, {"row": row.pk, "act": act, "expected": "", **values}, headers=HTMX)
    assert answer.status_code == 200
    return answer


def said(answer):
    return re.search(r'data-said="([^"]*)"', answer.content.decode()).group(1)


def shown(answer):
    found = re.search(r'data-row="(\d*)"', answer.content.decode()).group(1)
    return int(found) if found else None


def decided(row):
    row.refresh_from_db()
    return (row.decision, row.final_label_id, row.reviewer_id)


def test_the_page_shows_the_item_the_suggestion_and_who_thinks_what(admin, suggestion, rolls):
    page = admin.get(FOCUS)
    words = text_of(page)
    assert "<mark>wheat bread</mark>" in page.content.decode()
    for part in (
        "Millstone",
        "3.49",
        "Bakery &gt; Bread",
        "Confidence 0.80",
        "Embeddings and Label head: Bread; Language model: Rolls",
        "Nobody has decided about this label yet",
        "1 left in this taxonomy",
    ):
        assert part in words
    assert f'value="choose:{rolls.pk}" class="rv-alternative" data-key="1"' in page.content.decode()


def test_evidence_that_is_not_in_the_text_is_not_shown(admin, suggestion):
    ItemLabel.objects.filter(pk=suggestion.pk).update(evidence="rye bread")
    page = admin.get(FOCUS).content.decode()
    assert ("<mark>" in page, "rye bread" in page) == (False, False)


def test_hostile_text_is_shown_as_text(admin, suggestion):
    suggestion.item.title = "<script>alert(1)</script> bread"
    suggestion.item.save()
    ItemLabel.objects.filter(pk=suggestion.pk).update(evidence="<script>alert(1)</script>")
    page = admin.get(FOCUS).content.decode()
    assert "<script>alert(1)" not in page
    assert "<mark>&lt;script&gt;alert(1)&lt;/script&gt;</mark>" in page


@pytest.mark.parametrize(("act", "decision"), [("accept", "accepted"), ("reject", "rejected")])
def test_a_decision_is_stored_and_answered_with_the_next(act, decision, admin, staff, suggestion, bread):
    later = ItemLabelFactory(label=bread, gain=0.1)
    answer = post(admin, suggestion, act)
    assert decided(suggestion) == (decision, bread.pk if act == "accept" else None, staff.pk)
    assert shown(answer) == later.pk
    assert said(answer).startswith(decision.capitalize() + ": Soft wheat bread")
    assert "<html" not in answer.content.decode()


def test_an_alternative_and_a_typed_label_are_corrections(admin, staff, suggestion, rolls, bread):
    post(admin, suggestion, f"choose:{rolls.pk}")
    assert decided(suggestion) == ("corrected", rolls.pk, staff.pk)
    other = ItemLabelFactory(label=rolls)
    cakes = LabelFactory(taxonomy=bread.taxonomy, name="Cakes", path="Bakery > Cakes")
    post(admin, other, "correct", label="bakery > cakes")
    assert decided(other) == ("corrected", cakes.pk, staff.pk)
    assert list(ItemLabel.objects.awaiting_review()) == []


def test_the_second_choice_itself_can_be_accepted(admin, staff, suggestion, rolls):
    second = ItemLabel.objects.get(rank=2)
    assert shown(admin.get(f"{FOCUS}?row={second.pk}", headers=HTMX)) == second.pk
    post(admin, second, "accept")
    assert decided(second) == ("accepted", rolls.pk, staff.pk)
    suggestion.refresh_from_db()
    assert (suggestion.is_assigned, suggestion.decision) == (False, "")


@pytest.mark.parametrize(
    ("act", "values"),
    [("correct", {"label": "Nonsense"}), ("choose:0", {}), ("choose:99999999999999999999", {}), ("dance", {})],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_trace(act, values, admin, suggestion):
    answer = post(admin, suggestion, act, **values)
    assert 'data-kind="danger"' in answer.content.decode()
    assert shown(answer) == suggestion.pk
    assert decided(suggestion) == ("", None, None)
    assert not DecisionRecord.objects.exists()


def test_a_label_of_another_taxonomy_is_refused(admin, suggestion):
    elsewhere = LabelFactory(name="Elsewhere")
    post(admin, suggestion, f"choose:{elsewhere.pk}")
    post(admin, suggestion, "correct", label="Elsewhere")
    assert decided(suggestion) == ("", None, None)


def test_a_page_from_before_somebody_elses_decision_overwrites_nothing(admin, suggestion, bread):
    bob = StaffFactory(username="bob")
    review.accept([suggestion.pk], reviewer=bob)
    answer = post(admin, suggestion, "reject")
    assert decided(suggestion) == ("accepted", bread.pk, bob.pk)
    assert "already accepted by bob" in said(answer)
    assert shown(answer) == suggestion.pk
    post(admin, suggestion, "reject", expected="accepted")
    assert decided(suggestion)[0] == "rejected"


def test_undo_takes_back_the_last_act_and_again_the_one_before(admin, staff, suggestion, bread):
    later = ItemLabelFactory(label=bread, gain=0.1)
    post(admin, suggestion, "accept")
    post(admin, later, "reject")
    assert shown(post(admin, suggestion, "undo")) == later.pk
    assert shown(post(admin, suggestion, "undo")) == suggestion.pk
    assert decided(suggestion) == decided(later) == ("", None, None)
    assert said(post(admin, suggestion, "undo")) == "You have nothing left to take back."


def test_undo_goes_back_through_several_acts_about_the_same_suggestion(admin, staff, suggestion, bread, rolls):
    earlier = ItemLabelFactory(label=bread, gain=0.95)
    post(admin, earlier, "reject")
    post(admin, suggestion, "accept")
    post(admin, suggestion, f"choose:{rolls.pk}", expected="accepted")
    post(admin, suggestion, "reject", expected="corrected")
    for expected in (("corrected", rolls.pk, staff.pk), ("accepted", bread.pk, staff.pk), ("", None, None)):
        assert shown(post(admin, suggestion, "undo")) == suggestion.pk
        assert decided(suggestion) == expected
    assert shown(post(admin, suggestion, "undo")) == earlier.pk
    assert decided(earlier) == ("", None, None)
    assert 'data-kind="danger"' in post(admin, suggestion, "undo").content.decode()


def test_a_plain_undo_ends_what_undo_can_go_back_to(admin, staff, suggestion):
    post(admin, suggestion, "accept")
    post(admin, suggestion, "reject", expected="accepted")
    review.undo(suggestion.pk, reviewer=staff)
    assert said(post(admin, suggestion, "undo")) == "You have nothing left to take back."
    assert decided(suggestion) == ("", None, None)


def test_undo_never_takes_back_what_others_did(admin, suggestion):
    review.accept([suggestion.pk], reviewer=StaffFactory(username="bob"))
    assert 'data-kind="danger"' in post(admin, suggestion, "undo").content.decode()
    assert decided(suggestion)[0] == "accepted"


def test_what_was_skipped_comes_back_when_the_queue_is_through(admin, suggestion, bread):
    later = ItemLabelFactory(label=bread, gain=0.1)
    assert shown(post(admin, suggestion, "skip")) == later.pk
    end = post(admin, later, "skip")
    assert shown(end) is None
    assert "You skipped 2 suggestions." in text_of(end)
    assert not DecisionRecord.objects.exists()
    again = admin.post(FOCUS, {"act": "again"}, headers=HTMX)
    assert shown(again) == suggestion.pk


def test_it_works_without_javascript(admin, suggestion, bread):
    later = ItemLabelFactory(label=bread, gain=0.1)
    address = f"{FOCUS}?taxonomy={bread.taxonomy_id}"
    response = admin.post(address, {"row": suggestion.pk, "act": "accept", "expected": ""}, follow=True)
    assert response.redirect_chain == [(f"{address}&row={later.pk}&from={suggestion.pk}", 302)]
    assert told(response)[0].startswith("Accepted: Soft wheat bread")
    assert f'href="?taxonomy={bread.taxonomy_id}&amp;row={suggestion.pk}"' in response.content.decode()
    assert decided(suggestion)[0] == "accepted"


def test_how_often_the_label_was_right_counts_peoples_decisions_only(staff, suggestion, bread, rolls):
    for decision in ("accepted", "accepted", "corrected", "rejected"):
        ItemLabelFactory(label=bread, decision=decision)
    ItemLabelFactory(label=bread, decision="accepted", is_automatic=True)
    ItemLabelFactory(label=rolls, decision="rejected")
    precision = focus_on(suggestion.pk, staff).precision
    assert (precision.right, precision.n, precision.share) == (2, 4, 0.5)


def test_neighbours_are_the_nearest_items_that_people_decided(staff, suggestion, bread, rolls):
    def neighbour(closeness, label, **fields):
        item = ItemFactory(vector=axis(0) + (1 - closeness) * axis(1))
        return ItemLabelFactory(item=item, label=label, **fields).item

    same = neighbour(0.9, bread, decision="accepted", final_label=bread)
    other = neighbour(0.5, bread, decision="corrected", final_label=rolls)
    refused = neighbour(0.3, rolls, decision="rejected", is_assigned=False)
    neighbour(1.0, bread)
    neighbour(1.0, bread, decision="accepted", is_automatic=True)
    found = focus_on(suggestion.pk, staff).neighbours
    assert [(one.item.pk, one.label, one.is_same) for one in found] == [
        (same.pk, bread, True),
        (other.pk, rolls, False),
        (refused.pk, None, False),
    ]
    assert found[0].likeness == pytest.approx(0.995, abs=0.001)


def test_a_rejected_alternative_is_not_offered_again(staff, suggestion):
    ItemLabel.objects.filter(rank=2).update(decision="rejected")
    assert focus_on(suggestion.pk, staff).alternatives == ()


def test_an_item_of_several_labels_shows_all_with_yes_and_no(admin, staff):
    taxonomy = TaxonomyFactory(choice="multiple")
    item = ItemFactory()
    rows = [
        ItemLabelFactory(item=item, label=LabelFactory(taxonomy=taxonomy), rank=rank, confidence=confidence)
        for rank, confidence in ((1, 0.9), (2, 0.6))
    ]
    page = admin.get(FOCUS, headers=HTMX)
    assert page.content.decode().count('value="reject"') == 3
    assert shown(post(admin, rows[0], "accept")) == rows[1].pk
    assert shown(post(admin, rows[1], "reject")) is None
    assert [decided(row)[0] for row in rows] == ["accepted", "rejected"]


def test_who_may_only_look_sees_the_suggestion_and_cannot_decide(suggestion):
    reader = StaffFactory(is_superuser=False)
    reader.user_permissions.add(Permission.objects.get(codename="view_itemlabel"))
    client = Client()
    client.force_login(reader)
    page = client.get(FOCUS)
    assert ("Bakery &gt; Bread" in page.content.decode(), 'name="act"' in page.content.decode()) == (True, False)
    for act in ("accept", "undo", "skip"):
        assert client.post(FOCUS, {"row": suggestion.pk, "act": act}).status_code == 403
    assert decided(suggestion) == ("", None, None)


@pytest.mark.parametrize("name", ["focus", "bulk", "accept_all", "progress"])
def test_review_needs_a_signed_in_member_of_staff_with_the_permission(name, admin):
    address = reverse(f"admin:catalog_itemlabel_{name}")
    assert Client().get(address).status_code == 302
    visitor = Client()
    visitor.force_login(StaffFactory(is_superuser=False))
    assert visitor.get(address).status_code == 403
    assert admin.get(address).status_code == 200
    assert admin.put(address).status_code == 405


def test_a_decision_takes_a_constant_number_of_queries(admin, suggestion, bread):
    def queries():
        row = ItemLabel.objects.get(pk=shown(admin.get(FOCUS, headers=HTMX)))
        with CaptureQueriesContext(connection) as captured:
            post(admin, row, "accept")
        return len(captured)

    for _ in range(3):
        ItemLabelFactory(label=bread, item=ItemFactory(vector=axis(0)))
    few = queries()
    for _ in range(12):
        ItemLabelFactory(label=bread, item=ItemFactory(vector=axis(0)))
    assert queries() <= few <= 24


def test_the_page_takes_a_constant_number_of_queries(admin, suggestion, bread):
    ItemLabelFactory(label=bread, item=ItemFactory(vector=axis(0)))
    few = queries_of(admin, FOCUS)
    for _ in range(8):
        ItemLabelFactory(label=bread, item=ItemFactory(vector=axis(0)))
    assert queries_of(admin, FOCUS) <= few <= 22


def test_a_suggestion_that_was_replaced_leads_back_to_the_queue(admin, suggestion):
    gone = admin.get(f"{FOCUS}?row=999999")
    assert gone.status_code == 200
    assert "replaced by a newer one" in text_of(gone)


def test_nothing_to_review_says_so(admin):
    assert "Nothing waits for review" in text_of(admin.get(FOCUS))
    assert "Nothing that matches is waiting" in text_of(admin.get(f"{FOCUS}?q=zebra"))


def test_the_pace_is_of_the_present_sitting():
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    sitting = [now - timedelta(seconds=6 * n) for n in range(11)]
    assert pace_of(sitting, now=now) == pytest.approx(10.0)
    assert pace_of([*sitting, now - timedelta(hours=2)], now=now) == pytest.approx(10.0)
    assert pace_of(sitting, now=now + timedelta(hours=1)) is None
    assert pace_of(sitting[:4], now=now) is None


def test_labels_are_named_in_the_reader_s_language(admin, suggestion, bread, rolls):
    LabelName.objects.create(label=bread, language="zh-hans", name="面包")
    LabelName.objects.create(label=rolls, language="zh-hans", name="小面包")
    words = text_of(admin.get(FOCUS, headers={**HTMX, "accept-language": "zh-hans"}))
    assert "面包" in words
    assert "小面包" in words
    bulk = text_of(admin.get("/admin/catalog/itemlabel/bulk/", headers={"accept-language": "zh-hans"}))
    assert "面包" in bulk
    assert "面包" not in text_of(admin.get(FOCUS, headers=HTMX))
