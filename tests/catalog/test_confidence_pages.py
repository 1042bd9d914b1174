"""The page of a taxonomy's confidence, what staff set there, and the same figures over the API."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from catalog import auto_accept, label_head, tasks
from catalog.label_head import Head
from catalog.models import AutoAccept, ItemLabel, LabelHead, OpinionFit, Taxonomy
from recsite.operations.models import Job
from tests.catalog.opinions import decided, suggested
from tests.factories import ItemLabelFactory, LabelFactory, TaxonomyFactory
from tests.pages import HTMX, assert_guarded, queries_of, shopper_client, staff_client, text_of, toast_of

pytestmark = pytest.mark.django_db

PAGE = "/taxonomies/aisle/confidence/"


@pytest.fixture(autouse=True)
def bell(monkeypatch):
    rung = []
    monkeypatch.setattr(tasks.settle_auto_accept, "apply_async", lambda args=(), **options: rung.append(args))
    return rung


@pytest.fixture
def aisle() -> Taxonomy:
    return TaxonomyFactory(slug="aisle", name="Aisle")


@pytest.fixture
def bread(aisle):
    return LabelFactory(taxonomy=aisle, name="Bread")


def head(taxonomy, version, status, **fields):
    ids = tuple(taxonomy.labels.order_by("pk").values_list("pk", flat=True))
    none = np.zeros((len(ids), 2), dtype=np.float32)
    weights = label_head.to_bytes(Head(none, none[:, 0]), ids)
    return LabelHead.objects.create(
        taxonomy=taxonomy, version=version, status=status, weights=weights, model="m", decisions=60, **fields
    )


# ---------------------------------------------------------------- who may look, and what it costs


def test_the_page_is_for_staff_and_of_taxonomies_that_are_there(aisle):
    for address in (PAGE, "/taxonomies/aisle/abstaining/", "/taxonomies/aisle/auto-accept/"):
        assert_guarded(address)
    assert staff_client().get("/taxonomies/none/confidence/").status_code == 404


def test_nobody_but_staff_changes_anything(aisle, bread):
    row = suggested(bread, confidence=0.3)
    for client in (Client(), shopper_client()):
        client.post("/taxonomies/aisle/abstaining/", {"value": "90"})
        client.post("/taxonomies/aisle/auto-accept/", {"act": "on", "wanted_precision": "80"})
        client.post("/taxonomies/aisle/take-back/", {"since": "2020-01-01T00:00"})
        client.post("/taxonomies/aisle/heads/", {"act": "train"})
    aisle.refresh_from_db()
    row.refresh_from_db()
    assert (aisle.abstain_below, row.is_assigned, AutoAccept.objects.count()) == (0.2, True, 0)


def test_the_page_takes_as_many_queries_for_many_rows_as_for_few(aisle, bread):
    milk = LabelFactory(taxonomy=aisle, name="Milk")
    decided(bread, right=True)
    client = staff_client()
    few = queries_of(client, PAGE)
    for place in range(30):
        decided(LabelFactory(taxonomy=aisle), right=place % 2 == 0, final_label=milk, is_audit=place % 3 == 0)
        head(aisle, place + 1, "retired")
        suggested(bread, confidence=place / 30)
    assert queries_of(client, PAGE) == few
    assert few <= 24


# ---------------------------------------------------------------- what it says


def test_a_fresh_taxonomy_says_what_is_missing(aisle):
    words = text_of(staff_client().get(PAGE))
    for expected in ("Nothing decided yet", "No suggestions yet", "No labels were suggested yet", "None yet."):
        assert expected in words


def test_the_page_tells_the_figures_and_that_queue_decisions_underestimate(aisle, bread):
    for place in range(10):
        decided(bread, right=place < 6, confidence=0.9)
    words = text_of(staff_client().get(PAGE))
    assert "Of 10 decided suggestions 60% were right (95% interval 31% to 83%)" in words
    assert "they claimed 90% on average: too sure." in words
    assert "the curve underestimates how often suggestions are right" in words
    decided(bread, right=True, confidence=0.95, is_audit=True)
    assert "Of the 1 audits among them, drawn at random from sure labels, 100% were right" in text_of(
        staff_client().get(PAGE)
    )


def test_labels_are_sorted_and_paged_and_htmx_gets_them_alone(aisle, bread):
    decided(bread, right=True)
    decided(LabelFactory(taxonomy=aisle, name="Ale"), right=False, final_label=bread)
    client = staff_client()
    target = {**HTMX, "HX-Target": "confidence-labels"}
    part = client.get(PAGE, headers=target)
    assert b"<html" not in part.content
    assert [one.label.name for one in part.context["labels"]] == ["Ale", "Bread"]
    assert "Bread 1×" in text_of(part)
    best = client.get(f"{PAGE}?sort=best", headers=target)
    assert [one.label.name for one in best.context["labels"]] == ["Bread", "Ale"]
    for _ in range(30):
        suggested(LabelFactory(taxonomy=aisle))
    last = client.get(f"{PAGE}?sort=nonsense&page=99")
    assert (last.context["labels"].number, len(last.context["labels"])) == (2, 7)


def test_the_files_hold_the_same_figures(aisle, bread):
    ale = LabelFactory(taxonomy=aisle, name="=Ale")
    decided(ale, right=False, final_label=bread, confidence=0.55)
    client = staff_client()
    curve = client.get(f"{PAGE}?format=csv")
    assert curve["Content-Disposition"] == 'attachment; filename="aisle-confidence-curve.csv"'
    assert curve.content.decode().splitlines()[1] == "queue,0.5,0.6,0.55,0,1,0.0,0.0,0.7935"
    labels = client.get(f"{PAGE}?format=csv&what=labels").content.decode().splitlines()
    assert labels[1] == "'=Ale,1,1,0,0.0,0.0,0.7935,Bread,1"
    histogram = client.get(f"{PAGE}?format=csv&what=histogram").content.decode().splitlines()
    assert len(histogram) == 21
    assert "0.55,0.6,1,0,0" in histogram


def test_the_opinions_weights_and_the_heads_versions_are_told(aisle):
    OpinionFit.objects.create(
        taxonomy=aisle,
        parameters={"weights": {"head": 1.5, "embedding": 0.5}, "calibration": {}},
        decisions=80,
        report={"held_out": 20, "ece_before": 0.2, "ece_after": 0.05, "accuracy_prior": 0.5, "accuracy_fitted": 0.7},
    )
    report = {"held_out": 20, "live_accuracy": 0.5, "new_accuracy": 0.7, "difference": 0.2, "ci95": [0.05, 0.35]}
    head(aisle, 2, "live", report=report, reason="Surely better than version 1.")
    head(aisle, 1, "retired")
    words = text_of(staff_client().get(PAGE))
    for expected in (
        "Label head, trained on decisions 75%",
        "Fitted on 80 decisions",
        "50% right before, 70% after; calibration error 0.200 before, 0.050 after",
        "held-out accuracy 50% → 70% on 20 (+20.0 points, 95% interval +5.0 to +35.0)",
        "Surely better than version 1.",
        "Go back to version 1?",
    ):
        assert expected in words
    assert "Go back to version 2?" not in words


def test_training_is_followed_on_its_card_and_the_figures_follow_it(aisle):
    job = Job.objects.create(kind="learn_labels", title="Train", parameters={"taxonomy": aisle.pk, "train": True})
    client, part = staff_client(), {**HTMX, "HX-Target": "confidence-learning"}
    running = client.get(PAGE, headers=part)
    assert 'hx-trigger="every 2s"' in running.content.decode()
    assert f'href="/operations/jobs/{job.pk}/"' in running.content.decode()
    assert "HX-Trigger" not in running
    Job.objects.update(status=Job.Status.SUCCEEDED)
    done = client.get(PAGE, headers=part)
    assert "every 2s" not in done.content.decode()
    assert "confidence-changed" in done["HX-Trigger"]


def test_a_taxonomy_its_confidence_and_its_review_lead_to_each_other(aisle, bread):
    suggested(bread, confidence=0.9)
    client = staff_client()
    review = f'href="/admin/catalog/itemlabel/focus/?taxonomy={aisle.pk}"'
    for address in (PAGE, "/taxonomies/aisle/"):
        page = client.get(address).content.decode()
        assert all(
            link in page for link in (review, f'href="{PAGE}"', 'href="/taxonomies/aisle/"', 'href="/taxonomies/"')
        )
    focus = client.get(f"/admin/catalog/itemlabel/focus/?taxonomy={aisle.pk}").content.decode()
    assert f'href="/taxonomies/aisle/?label={bread.pk}"' in focus
    progress = client.get("/admin/catalog/itemlabel/progress/").content.decode()
    assert f'href="{PAGE}"' in progress


# ---------------------------------------------------------------- abstaining


def test_abstaining_is_previewed_set_and_undone(aisle, bread):
    row = suggested(bread, confidence=0.3)
    client = staff_client()
    preview = client.get("/taxonomies/aisle/abstaining/?value=40")
    assert (preview.context["preview"].withheld, preview.context["preview"].withheld_now) == (1, 0)
    row.refresh_from_db()
    assert row.is_assigned is True
    toast = toast_of(client.post("/taxonomies/aisle/abstaining/", {"value": "40"}, headers=HTMX))
    row.refresh_from_db()
    assert (toast["message"], row.is_assigned, row.is_abstained) == ("Saved; 1 label changed.", False, True)
    client.post(toast["undo"]["url"], toast["undo"]["values"], headers=HTMX)
    row.refresh_from_db()
    aisle.refresh_from_db()
    assert (row.is_assigned, row.is_abstained, aisle.abstain_below) == (True, False, 0.2)


def test_what_depends_on_it_is_asked_for_again(aisle, bread):
    suggested(bread, confidence=0.3)
    client = staff_client()
    response = client.post("/taxonomies/aisle/abstaining/", {"value": "40"}, headers=HTMX)
    assert "confidence-changed" in response["HX-Trigger"]
    figures = client.get(PAGE, headers={**HTMX, "HX-Target": "confidence-figures"})
    assert b"<html" not in figures.content
    assert "Withheld for being unsure 1 of 1 first suggestions" in text_of(figures)
    histogram = client.get(PAGE, headers={**HTMX, "HX-Target": "confidence-histogram"})
    assert "0% of them are sure of at least 90%, 1 are withheld." in text_of(histogram)


@pytest.mark.parametrize("value", ["", "much", "101", "nan", "-1"])
def test_an_impossible_value_is_refused_in_words(value, aisle, bread):
    suggested(bread, confidence=0.3)
    response = staff_client().post("/taxonomies/aisle/abstaining/", {"value": value}, headers=HTMX)
    assert toast_of(response)["kind"] == "danger"
    aisle.refresh_from_db()
    assert (aisle.abstain_below, ItemLabel.objects.filter(is_abstained=True).count()) == (0.2, 0)


def test_a_taxonomy_of_several_choices_says_why_it_has_no_such_setting():
    TaxonomyFactory(slug="occasion", choice=Taxonomy.Choice.MULTIPLE)
    assert "Withholding is for taxonomies of one label an item." in text_of(
        staff_client().get("/taxonomies/occasion/confidence/")
    )


# ---------------------------------------------------------------- auto-accept


def on(client, **values):
    asked = {"act": "on", "wanted_precision": "80", "threshold": "90", "audit_share": "5", **values}
    return client.post("/taxonomies/aisle/auto-accept/", asked, headers=HTMX)


def test_auto_accept_is_switched_on_and_off(aisle, bread, bell, django_capture_on_commit_callbacks):
    for _ in range(3):
        suggested(bread, confidence=0.95)
    client = staff_client()
    with django_capture_on_commit_callbacks(execute=True):
        response = on(client)
    setting = AutoAccept.objects.get()
    assert (setting.state, setting.wanted_precision, setting.threshold, setting.audit_share) == (
        "gathering",
        0.8,
        0.9,
        0.05,
    )
    assert toast_of(response)["message"] == "Switched on: 3 labels were put among the review queue at random."
    assert "Too few labels are this sure: it takes 17 more" in text_of(response)
    assert bell == [(aisle.pk,)]
    response = client.post("/taxonomies/aisle/auto-accept/", {"act": "off"}, headers=HTMX)
    assert (AutoAccept.objects.get().state, toast_of(response)["message"][:13]) == ("off", "Switched off.")


@pytest.mark.parametrize("values", [{"threshold": "190"}, {"wanted_precision": "nan"}, {"audit_share": "0"}])
def test_impossible_settings_are_refused_in_words_and_leave_no_trace(values, aisle):
    assert toast_of(on(staff_client(), **values))["kind"] == "danger"
    assert not AutoAccept.objects.exists()


@pytest.mark.parametrize(
    "asked", ["wanted_precision=500&threshold=-3&audit_share=x", "wanted_precision=nan&threshold=inf"]
)
def test_the_preview_makes_the_best_of_nonsense(asked, aisle):
    assert staff_client().get(f"/taxonomies/aisle/auto-accept/?{asked}").status_code == 200
    assert not AutoAccept.objects.exists()


def test_the_preview_says_what_other_values_would_mean(aisle, bread):
    for _ in range(16):
        decided(bread, right=True, confidence=0.8)
    suggested(bread, confidence=0.81)
    words = text_of(staff_client().get("/taxonomies/aisle/auto-accept/?wanted_precision=80&threshold=70&audit_share=5"))
    assert "1 label that waits is this sure" in words
    assert "Of 16 decided ones this sure 16 were right (81% to 100%)." in words
    assert "Suggested: from 80% , where 16 of 16 decided ones were right; 1 that wait are this sure." in words
    assert "It starts after 20 audits if all are right" in words


def test_a_running_one_tells_its_audits_and_a_stopped_one_why(aisle, bread):
    AutoAccept.objects.create(taxonomy=aisle, state="running", wanted_precision=0.8)
    for _ in range(20):
        decided(bread, right=True, confidence=0.95, is_audit=True)
    words = text_of(staff_client().get(PAGE))
    assert "Of the newest 20 audits 20 were right: with 95% certainty between 84% and 100% of such labels are." in words
    AutoAccept.objects.update(state="stopped", reason="Of 22 audits 20 were right.")
    client = staff_client()
    words = text_of(client.get(PAGE))
    assert "Of 22 audits 20 were right." in words
    assert "Switch on again…" in words
    client.post("/taxonomies/aisle/auto-accept/", {"act": "off"}, headers=HTMX)
    assert AutoAccept.objects.get().state == "off"


def test_a_day_is_taken_back_from_the_page(aisle, bread, monkeypatch):
    monkeypatch.setattr(auto_accept, "lot", lambda pk: 1.0)
    AutoAccept.objects.create(taxonomy=aisle, state="running", wanted_precision=0.8)
    row = suggested(bread, confidence=0.95)
    auto_accept.accept_sure(aisle.pk)
    client = staff_client()
    day = timezone.now().date().isoformat()
    assert f'value="{day}"' in client.get(PAGE).content.decode()
    for values in ({}, {"day": "2026-02-31"}, {"since": "yesterday"}):
        assert toast_of(client.post("/taxonomies/aisle/take-back/", values, headers=HTMX))["kind"] == "danger"
    response = client.post("/taxonomies/aisle/take-back/", {"day": day}, headers=HTMX)
    row.refresh_from_db()
    assert (toast_of(response)["message"], row.decision) == ("1 label waits for review again.", "")


def test_a_chip_says_that_nobody_looked(aisle, bread):
    row = ItemLabelFactory(label=bread, decision="accepted", final_label=bread, is_automatic=True)
    words = staff_client().get(f"/catalog/{row.item.external_id}/").content.decode()
    assert "Accepted automatically, nobody has looked at it" in words
    assert 'aria-label="Accepted automatically"' in words


# ---------------------------------------------------------------- the label head


def test_training_now_is_a_job_and_needs_decisions(aisle, bread):
    client = staff_client()
    address = "/taxonomies/aisle/heads/"
    toast = toast_of(client.post(address, {"act": "train"}, headers=HTMX))
    assert (toast["kind"], Job.objects.count()) == ("danger", 0)
    assert "decisions about 0 items; training takes 10" in toast["message"]
    for _ in range(10):
        decided(bread, right=True, confidence=0.9)
    assert "Training has begun" in toast_of(client.post(address, {"act": "train"}, headers=HTMX))["message"]
    job = Job.objects.get()
    assert (job.kind, job.parameters, job.status) == ("learn_labels", {"taxonomy": aisle.pk, "train": True}, "queued")


def test_rolling_back_can_be_undone(aisle, bread):
    first, second = head(aisle, 1, "retired"), head(aisle, 2, "live")
    client = staff_client()
    toast = toast_of(client.post("/taxonomies/aisle/heads/", {"act": "roll_back", "head": str(first.pk)}, headers=HTMX))
    assert toast["message"] == "Version 1 is live."
    assert statuses(aisle) == {1: "live", 2: "retired"}
    client.post(toast["undo"]["url"], toast["undo"]["values"], headers=HTMX)
    assert statuses(aisle) == {1: "retired", 2: "live"}
    assert [job.parameters["train"] for job in Job.objects.order_by("pk")] == [False, False]
    assert second.pk == LabelHead.objects.live(aisle.pk).pk


def test_a_version_for_other_labels_does_not_go_live(aisle, bread):
    old = head(aisle, 1, "retired")
    LabelFactory(taxonomy=aisle, name="Cakes", path="Cakes")
    toast = toast_of(
        staff_client().post("/taxonomies/aisle/heads/", {"act": "roll_back", "head": str(old.pk)}, headers=HTMX)
    )
    assert "was trained for other labels" in toast["message"]
    assert (statuses(aisle), Job.objects.count()) == ({1: "retired"}, 0)


def statuses(taxonomy):
    return dict(LabelHead.objects.filter(taxonomy=taxonomy).values_list("version", "status"))


def test_a_version_of_another_taxonomy_is_not_found(aisle):
    other = head(TaxonomyFactory(), 1, "retired")
    client = staff_client()
    for key in (str(other.pk), "x", "²", "9" * 30, ""):
        response = client.post("/taxonomies/aisle/heads/", {"act": "roll_back", "head": key}, headers=HTMX)
        assert response.status_code == 404
    assert LabelHead.objects.get(pk=other.pk).status == "retired"
