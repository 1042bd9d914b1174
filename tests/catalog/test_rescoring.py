"""Labels said anew: beside decisions, beside other workers, and a turn at a time."""

from __future__ import annotations

import pytest

from catalog import asking, labelling, learning, readings, rescoring, review, suggestions, tasks
from catalog.models import DecisionRecord, ItemLabel, LabelRequest, OpinionFit, Taxonomy
from catalog.rescoring import Rescoring
from recsite.operations.models import Job
from tests.catalog.shelves import (
    current,
    dairy_lover,
    decide,
    drain,
    make_item,
    make_taxonomy,
    retitle,
    retrain,
    shelf,
    told,
)
from tests.factories import StaffFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("models")]


def accept_automatically(item) -> ItemLabel:
    row = current(item)[0]
    row.decision, row.final_label_id, row.is_automatic = ItemLabel.Decision.ACCEPTED, row.label_id, True
    row.save()
    return row


# ---------------------------------------------------------------- beside decisions
def test_an_automatic_label_stays_with_its_text_and_goes_with_it(embedder):
    make_taxonomy()
    item = make_item("a", "milk cheese butter")
    labelling.request_labels([item.pk])
    drain(embedder=embedder)
    automatic = accept_automatically(item)
    labelling.request_again(LabelRequest.objects.all())
    drain(embedder=embedder)
    assert [row.pk for row in current(item) if row.is_assigned] == [automatic.pk]
    retitle(item, "chips popcorn pretzels")
    labelling.request_labels([item.pk])
    drain(embedder=embedder)
    assert told(item)[0] == ("Snacks", "embedding", True)
    automatic.refresh_from_db()
    assert automatic.superseded_at is not None
    assert (automatic.decision, automatic.is_automatic) == ("accepted", True)  # the history is as it was


def test_a_persons_label_stays_whatever_the_text_becomes(embedder):
    make_taxonomy()
    item, staff = make_item("a", "milk cheese butter"), StaffFactory()
    labelling.request_labels([item.pk])
    drain(embedder=embedder)
    accepted = accept_automatically(item)
    review.accept([accepted.pk], reviewer=staff)  # confirms it
    retitle(item, "chips popcorn pretzels")
    labelling.request_labels([item.pk])
    drain(embedder=embedder)
    assert [row.pk for row in current(item) if row.is_assigned] == [accepted.pk]


def test_an_item_whose_first_label_was_rejected_is_said_anew_once_and_keeps_who_thought_what(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    item = make_item("mix", "milk bread")
    labelling.request_labels([item.pk])
    drain(embedder=embedder, chat_model=dairy_lover())
    review.reject([current(item)[0].pk], reviewer=staff)
    rescoring.rescore(taxonomy.pk)
    first = next(row for row in current(item) if not row.decision and row.rank == 1)
    assert (first.label.name, first.is_assigned) == ("Bakery", True)
    assert set(first.opinions) == {"embedding", "head", "language_model"}
    assert rescoring.rescore(taxonomy.pk) == Rescoring(changed=0, left=0)
    assert next(row for row in current(item) if not row.decision and row.rank == 1) == first


def test_a_twin_that_was_decided_keeps_no_other_from_what_was_learned(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    reviewed = shelf(12, "tofu", "a")
    decided, twin = make_item("one", "bread tofu same"), make_item("two", "bread tofu same")
    labelling.request_labels([decided.pk, twin.pk])
    drain(embedder=embedder)
    decide([*reviewed, decided], taxonomy, "Dairy", staff)
    before = list(ItemLabel.objects.exclude(decision="").order_by("pk").values())
    retrain(taxonomy.pk)
    assert told(twin)[0] == ("Dairy", "head", True)
    assert list(ItemLabel.objects.exclude(decision="").order_by("pk").values()) == before
    assert rescoring.rescore(taxonomy.pk).changed == 0


def test_of_several_choices_any_that_moves_has_them_said_anew(embedder):
    taxonomy, staff = make_taxonomy(choice=Taxonomy.Choice.MULTIPLE), StaffFactory()
    # Milk twice: dairy is first, and stays so.
    items = [make_item(f"t-{place}", f"milk cheese butter tofu t{place}") for place in range(14)]
    labelling.request_labels([item.pk for item in items])
    drain(embedder=embedder)
    dairy = current(items[13])[0]
    snacks = [next(row for row in current(item) if row.label.name == "Snacks") for item in items[:12]]
    review.accept([row.pk for row in snacks], reviewer=staff)
    retrain(taxonomy.pk)
    after = {row.label.name: row.confidence for row in current(items[13])}
    assert after["Dairy"] == pytest.approx(dairy.confidence, abs=rescoring.CONFIDENCE_STEP)
    assert after["Snacks"] > 0.1


# ---------------------------------------------------------------- beside other workers
def test_what_was_said_meanwhile_is_not_said_over_with_what_was_known_before(embedder):
    taxonomy = make_taxonomy()
    item = make_item("mix", "milk bread")
    labelling.request_labels([item.pk])
    labelling.label_waiting(10, embedder=embedder)
    read = list(LabelRequest.objects.select_related("item", "taxonomy"))
    works = labelling.works_of(read, readings.present_reader())
    old = {
        work.key: asking.suggest(work, None, chat_model="", evidence_for=lambda work, place: "milk") for work in works
    }
    drain(embedder=embedder, chat_model=dairy_lover())
    said = [row.pk for row in current(item)]
    assert suggestions.store(read, old, status=None) == 0
    assert [row.pk for row in current(item)] == said
    # Read again, it may: nothing happened since.
    again = list(LabelRequest.objects.select_related("item", "taxonomy"))
    assert suggestions.store(again, old, status=None) == 1
    assert suggestions.store(again, old, status=None) == 0
    assert taxonomy.item_labels.count() == 9


def test_a_version_that_goes_live_while_the_model_is_asked_counts(embedder, monkeypatch):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = [make_item(f"mix-{place}", f"milk bread mix{place}") for place in range(13)]
    labelling.request_labels([item.pk for item in items])
    drain(embedder=embedder)
    *reviewed, mixed = items
    decide(reviewed, taxonomy, "Snacks", staff)
    mine = LabelRequest.objects.filter(item=mixed)
    ask = asking.ask

    def ask_slowly(works, model):
        retrain(taxonomy.pk)
        return ask(works, model)

    monkeypatch.setattr(asking, "ask", ask_slowly)
    report = labelling.label_waiting(10, requests=mine, embedder=embedder, chat_model=dairy_lover())
    assert (report.done, taxonomy.heads.get().status) == (1, "live")
    first = current(mixed)[0]
    assert first.opinions["head"] != first.opinions["embedding"]
    assert first.opinions["language_model"][0][0] == taxonomy.labels.get(name="Dairy").pk


def test_a_label_that_was_deprecated_meanwhile_is_not_suggested(embedder):
    taxonomy = make_taxonomy()
    item = make_item("mix", "milk bread")
    labelling.request_labels([item.pk])
    drain(embedder=embedder)
    read = list(LabelRequest.objects.select_related("item", "taxonomy"))
    works = labelling.works_of(read, readings.present_reader())
    said = {work.key: asking.suggest(work, None, chat_model="", evidence_for=lambda *_: "milk") for work in works}
    taxonomy.labels.filter(name="Dairy").update(is_deprecated=True)
    suggestions.store(read, said, status=None)
    assert [row.label.name for row in current(item)] == ["Bakery", "Snacks"]
    assert current(item)[0].is_assigned


def test_what_one_learns_is_kept_by_who_writes_something_else():
    taxonomy = make_taxonomy()
    OpinionFit.objects.remember(taxonomy.pk, weights={"head": 2.0}, scored={"head": 1})
    OpinionFit.objects.remember(taxonomy.pk, scored={"head": 2})
    OpinionFit.objects.remember(taxonomy.pk, rescoring={"after": 3})
    OpinionFit.objects.remember(taxonomy.pk, rescoring=None)
    assert OpinionFit.objects.parameters_of(taxonomy.pk) == {"weights": {"head": 2.0}, "scored": {"head": 2}}


# ---------------------------------------------------------------- a turn at a time
def test_what_a_turn_leaves_the_next_one_goes_on_with(embedder, monkeypatch):
    monkeypatch.setattr(rescoring, "RESCORED_AT_ONCE", 5)
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = shelf(22, "tofu", "a")
    drain(embedder=embedder)
    learning.learn()
    decide(items[:10], taxonomy, "Dairy", staff)
    learning.train(taxonomy.pk)
    assert rescoring.rescore(taxonomy.pk, seconds=0.0) == Rescoring(changed=0, left=17)
    assert learning.is_due() is True
    assert rescoring.rescore(taxonomy.pk, seconds=0.0) == Rescoring(changed=0, left=12)
    assert rescoring.rescore(taxonomy.pk) == Rescoring(changed=12, left=0)
    assert learning.is_due() is False
    assert {told(item)[0][0] for item in items[10:]} == {"Dairy"}


def test_a_job_that_is_long_takes_turns(embedder, monkeypatch):
    monkeypatch.setattr(rescoring, "RESCORED_AT_ONCE", 5)
    monkeypatch.setattr(learning, "TURN_S", 0.0)
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = shelf(13, "tofu", "a")
    drain(embedder=embedder)
    decide(items[:10], taxonomy, "Dairy", staff)
    job = learning.request_training(taxonomy.pk, staff=staff)
    turns = 0
    while job.status == Job.Status.QUEUED:
        tasks.learn_labels.apply(args=(job.pk,))
        job.refresh_from_db()
        turns += 1
    assert (turns, job.status, taxonomy.heads.count()) == (3, "succeeded", 1)
    assert job.details["said"].startswith("Went live: ")
    assert job.details["changed"] == 3
    assert {told(item)[0][0] for item in items[10:]} == {"Dairy"}
    assert DecisionRecord.objects.count() == 10


def test_evidence_that_was_found_is_not_looked_for_again(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    reviewed, others = shelf(12, "tofu", "a"), shelf(3, "tofu", "b")
    drain(embedder=embedder)
    before = {row.label_id: row.evidence for row in current(others[0])}
    decide(reviewed, taxonomy, "Dairy", staff)
    learning.train(taxonomy.pk)
    embedder.texts.clear()
    assert rescoring.rescore(taxonomy.pk).changed == 3
    assert "tofu" not in embedder.texts
    assert {row.label_id: row.evidence for row in current(others[0])} == before
