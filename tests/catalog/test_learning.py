"""What decisions teach: versions of a head, weights of opinions, labels said anew; and the order of the queue."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from catalog import labelling, learning, readings, rescoring, review, tasks
from catalog.models import ItemLabel, LabelHead, LabelRequest, Lease, OpinionFit, Taxonomy
from catalog.readings import Reader
from recsite.operations.errors import ConflictError, InvalidInputError
from recsite.operations.models import Job
from tests.catalog.shelves import current, dairy_lover, decide, drain, make_item, make_taxonomy, retrain, shelf, told
from tests.factories import StaffFactory
from tests.fakes import FakeEmbedder

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("models")]


def test_decisions_about_some_items_change_the_labels_of_others_like_them(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    reviewed, others = shelf(12, "tofu", "a"), shelf(6, "tofu", "b")
    plain = make_item("plain", "bread rolls")
    labelling.request_labels([plain.pk])
    drain(embedder=embedder)
    assert {told(item)[0][0] for item in others} == {"Bakery"}
    decide(reviewed, taxonomy, "Dairy", staff)
    head = retrain(taxonomy.pk)
    assert (head.version, head.status, head.decisions) == (1, "live", 12)
    assert head.report["held_out"] == 12
    assert (head.report["live_accuracy"], head.report["new_accuracy"]) == (0.0, 1.0)
    assert head.reason == "Went live: 100% against 0% right on 12 decisions that neither had seen."
    assert {told(item)[0] for item in others} == {("Dairy", "head", True)}
    assert {current(item)[0].model for item in others} == {"fake-embedder, head 1"}
    assert told(plain)[0][0] == "Bakery"
    # What was said before is kept beside it, and the decisions are as they were.
    assert ItemLabel.objects.filter(item=others[0], superseded_at__isnull=False).count() == 3
    assert {row.decision for item in reviewed for row in current(item) if row.decision} == {"corrected"}


def test_too_few_decisions_train_nothing(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = shelf(learning.MIN_DECISIONS - 1, "tofu", "a")
    drain(embedder=embedder)
    decide(items, taxonomy, "Dairy", staff)
    assert retrain(taxonomy.pk) is None
    assert not LabelHead.objects.exists()
    with pytest.raises(InvalidInputError, match="decisions about 9 items; training takes 10"):
        learning.request_training(taxonomy.pk, staff=staff)
    assert not Job.objects.exists()


def test_a_version_that_is_not_better_is_kept_but_never_live(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = [make_item(f"m-{place}", f"milk cheese m{place}") for place in range(12)]
    labelling.request_labels([item.pk for item in items])
    drain(embedder=embedder)
    review.accept([current(item)[0].pk for item in items], reviewer=staff)
    head = retrain(taxonomy.pk)
    assert (head.status, head.went_live_at, head.report["difference"]) == ("refused", None, 0.0)
    assert head.reason.startswith("Not live, for it is not better: 100% against 100% right on 12 decisions")
    assert {told(item)[0][1] for item in items} == {"embedding"}
    with pytest.raises(ConflictError, match="since version 1 was trained"):
        retrain(taxonomy.pk)


def test_the_live_version_is_compared_on_decisions_made_since_it_was_trained(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    first, second = shelf(12, "tofu", "a"), shelf(4, "seitan", "b")
    drain(embedder=embedder)
    decide(first, taxonomy, "Dairy", staff)
    retrain(taxonomy.pk)
    decide(second, taxonomy, "Snacks", staff)
    head = retrain(taxonomy.pk)
    assert (head.version, head.decisions, head.report["held_out"]) == (2, 16, 4)
    assert dict(LabelHead.objects.values_list("version", "status")) == {1: "retired", 2: "live"}


def test_rolling_back_makes_a_version_live_and_a_job_says_labels_anew(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    reviewed, other = shelf(12, "tofu", "a"), shelf(1, "tofu", "b")[0]
    drain(embedder=embedder)
    decide(reviewed, taxonomy, "Dairy", staff)
    retrain(taxonomy.pk)
    more = shelf(12, "tofu", "c")
    drain(embedder=embedder)
    decide(more, taxonomy, "Snacks", staff)
    retrain(taxonomy.pk)
    head = learning.roll_back(LabelHead.objects.get(version=1).pk, staff=staff)
    assert (head.status, head.reason) == ("live", f"Live again: {staff.get_username()} rolled back to it.")
    assert LabelHead.objects.live(taxonomy.pk).version == 1
    job = Job.objects.get()
    tasks.learn_labels.apply(args=(job.pk,))
    job.refresh_from_db()
    assert job.status == "succeeded"
    assert told(other)[0][0] == "Dairy"


def test_the_language_model_is_not_asked_again_and_its_opinion_is_kept(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    mixed = [make_item(f"mix-{place}", f"milk bread mix{place}") for place in range(14)]
    labelling.request_labels([item.pk for item in mixed])
    model = dairy_lover()
    drain(embedder=embedder, chat_model=model)
    asked, opinion = len(model.prompts), current(mixed[13])[0].opinions["language_model"]
    decide(mixed[:12], taxonomy, "Bakery", staff)
    retrain(taxonomy.pk)
    last = current(mixed[13])[0]
    assert len(model.prompts) == asked
    assert last.opinions["language_model"] == opinion
    assert (last.label.name, last.source, last.model) == ("Bakery", "language_model", "fake-chat")


def test_learning_begins_by_itself_after_enough_decisions(embedder, monkeypatch):
    monkeypatch.setattr(learning, "EVERY_DECISIONS", 12)
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = shelf(14, "tofu", "a")
    assert learning.is_due() is False  # nothing is labelled yet
    drain(embedder=embedder)
    assert learning.is_due() is True
    assert learning.learn() == 1  # in order, for the first time
    assert learning.is_due() is False
    decide(items[:11], taxonomy, "Dairy", staff)
    assert learning.is_due() is False
    decide(items[11:12], taxonomy, "Dairy", staff)
    assert learning.decisions_since_training(taxonomy.pk) == 12
    assert learning.is_due() is True
    tasks.learn.apply()
    assert LabelHead.objects.live(taxonomy.pk).version == 1
    assert (learning.is_due(), learning.learn()) == (False, 0)
    assert not Lease.objects.is_taken(tasks.LEARNING)


def test_what_was_not_better_is_not_trained_again_before_more_is_decided(embedder, monkeypatch):
    monkeypatch.setattr(learning, "EVERY_DECISIONS", 10)
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = [make_item(f"m-{place}", f"milk cheese m{place}") for place in range(12)]
    labelling.request_labels([item.pk for item in items])
    drain(embedder=embedder)
    review.accept([current(item)[0].pk for item in items], reviewer=staff)
    learning.learn()
    assert LabelHead.objects.get().status == "refused"
    assert learning.learn() == 0
    assert taxonomy.heads.count() == 1


def test_saying_anew_changes_nothing_where_nothing_was_learned(embedder):
    taxonomy = make_taxonomy()
    shelf(5, "tofu", "a")
    drain(embedder=embedder)
    before = list(ItemLabel.objects.order_by("pk").values_list("pk", "confidence", "superseded_at"))
    assert rescoring.rescore(taxonomy.pk) == rescoring.Rescoring(changed=0, left=0)
    assert list(ItemLabel.objects.order_by("pk").values_list("pk", "confidence", "superseded_at")) == before
    scored = OpinionFit.objects.get().parameters["scored"]
    assert {name: scored[name] for name in ("reader", "texts", "head")} == {
        "reader": "fake-embedder",
        "texts": 5,
        "head": 0,
    }


def test_items_that_were_labelled_follow_when_the_language_model_describes_labels(embedder):
    taxonomy = make_taxonomy(labels={"Dairy": "", "Bakery": "", "Snacks": ""})
    item = make_item("q", "quark quark quark bakery")
    labelling.request_labels([item.pk])
    drain(embedder=embedder)
    learning.learn()
    assert (told(item)[0][0], learning.is_due()) == ("Bakery", False)
    taxonomy.labels.filter(name="Dairy").update(description="quark, quark, quark", description_source="language_model")
    assert learning.is_due() is True
    learning.learn()
    assert (told(item)[0][0], learning.is_due()) == ("Dairy", False)


def test_a_larger_model_that_appears_later_has_everything_read_and_said_anew(embedder, monkeypatch):
    taxonomy = make_taxonomy()
    items = shelf(5, "tofu", "a")
    drain(embedder=embedder)
    learning.learn()
    larger = FakeEmbedder()
    larger.name = "larger"
    for module in (readings, learning):
        monkeypatch.setattr(module, "get_label_embedder", lambda: larger)
    assert learning.is_due() is True
    learning.learn()
    assert OpinionFit.objects.get(taxonomy=taxonomy).parameters["scored"]["reader"] == "fake-embedder+larger"
    assert set(readings.stored([item.text_hash for item in items], Reader(embedder, larger))) == {
        item.text_hash for item in items
    }
    assert learning.is_due() is False


def test_several_choices_learn_each_label_by_itself(embedder):
    taxonomy, staff = make_taxonomy(choice=Taxonomy.Choice.MULTIPLE), StaffFactory()
    items = [make_item(f"t-{place}", f"milk tofu t{place}") for place in range(14)]
    labelling.request_labels([item.pk for item in items])
    drain(embedder=embedder)
    snacks = {item.pk: next(row for row in current(item) if row.label.name == "Snacks") for item in items}
    assert max(row.confidence for row in snacks.values()) < 0.1
    review.accept([snacks[item.pk].pk for item in items[:12]], reviewer=staff)
    retrain(taxonomy.pk)
    after = next(row for row in current(items[13]) if row.label.name == "Snacks")
    assert after.confidence > 5 * snacks[items[13].pk].confidence


def test_what_is_too_unsure_is_withheld_and_waits_for_review(embedder):
    taxonomy = make_taxonomy(abstain_below=0.9)
    item = make_item("mix", "milk bread")
    labelling.request_labels([item.pk])
    drain(embedder=embedder)
    first = current(item)[0]
    assert (first.is_assigned, first.is_abstained) == (False, True)
    assert list(ItemLabel.objects.awaiting_review()) == [first]
    assert not ItemLabel.objects.effective().exists()
    assert LabelRequest.objects.get().updated_at > timezone.now() - timedelta(minutes=1)
    assert taxonomy.item_labels.filter(is_abstained=True).count() == 1


# ---------------------------------------------------------------- which version goes live
@pytest.mark.parametrize(
    ("wins", "losses", "chance", "is_enough"),
    [(1, 0, 0.75, False), (2, 0, 0.875, True), (5, 3, 0.7461, False), (6, 3, 0.8281, True), (0, 0, 0.5, False)],
)
def test_how_sure_it_is_that_a_version_is_better(wins, losses, chance, is_enough):
    n = wins + losses + 4
    targets = np.eye(2, dtype=np.float32)[np.zeros(n, dtype=int)]
    right, wrong = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    live = np.array([wrong] * wins + [right] * losses + [right] * 4, dtype=np.float32)
    new = np.array([right] * wins + [wrong] * losses + [right] * 4, dtype=np.float32)
    report = learning.compare(live, new, targets, np.ones(n, dtype=bool), is_single=True)
    assert (report["wins"], report["losses"], report["chance"]) == (wins, losses, chance)
    assert (report["chance"] >= learning.SURE_ENOUGH) is is_enough
    assert report["difference"] == pytest.approx((wins - losses) / n, abs=1e-4)


def test_after_a_refusal_all_decisions_can_be_compared_on(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    plain = [make_item(f"m-{place}", f"milk cheese m{place}") for place in range(11)]
    tofu, more = shelf(2, "tofu", "a"), shelf(8, "tofu", "b")
    labelling.request_labels([item.pk for item in plain])
    drain(embedder=embedder)
    before = [told(item)[0] for item in more]
    review.accept([current(item)[0].pk for item in plain], reviewer=staff)
    # Each is known from the other alone, and that is not enough to get either of them right.
    decide(tofu[:1], taxonomy, "Dairy", staff)
    decide(tofu[1:], taxonomy, "Snacks", staff)
    refused = retrain(taxonomy.pk)
    assert refused.status == "refused"
    assert [told(item)[0] for item in more] == before
    decide(more, taxonomy, "Dairy", staff)
    head = retrain(taxonomy.pk)
    assert (head.status, head.report["held_out"]) == ("live", 21)


def test_a_version_that_is_ahead_but_not_surely_is_refused_and_says_so(embedder, monkeypatch):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items, other = shelf(12, "tofu", "a"), shelf(1, "tofu", "b")[0]
    drain(embedder=embedder)
    decide(items, taxonomy, "Dairy", staff)
    monkeypatch.setattr(learning, "SURE_ENOUGH", 0.99995)  # 12 wins without a loss make it .9999
    head = retrain(taxonomy.pk)
    assert (head.status, head.report["wins"], head.report["losses"]) == ("refused", 12, 0)
    assert head.reason == (
        "Not live yet, for that may be chance: 100% against 0% right on 12 decisions that neither had seen."
    )
    assert told(other)[0][:2] == ("Bakery", "embedding")


def test_twins_teach_and_count_once(embedder):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    twins = [make_item(f"twin-{place}", "bread tofu same") for place in range(12)]
    labelling.request_labels([item.pk for item in twins])
    others = shelf(10, "tofu", "a")
    drain(embedder=embedder)
    decide(twins[:11], taxonomy, "Snacks", staff)
    decide(twins[11:], taxonomy, "Dairy", staff)
    assert learning.decisions_since_training(taxonomy.pk) == 1
    assert retrain(taxonomy.pk) is None
    with pytest.raises(InvalidInputError, match="decisions about 1 items"):
        learning.request_training(taxonomy.pk, staff=staff)
    decide(others, taxonomy, "Dairy", staff)
    head = retrain(taxonomy.pk)
    assert (head.decisions, head.report["held_out"]) == (11, 11)
    assert head.report["new_accuracy"] == 1.0  # the newest word about the twins counts


def test_what_is_decided_while_a_version_is_trained_is_news_to_it(embedder, monkeypatch):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = shelf(13, "tofu", "a")
    drain(embedder=embedder)
    decide(items[:12], taxonomy, "Dairy", staff)
    train = learning.label_head.train

    def slow(*args, **options):
        if not ItemLabel.objects.filter(item=items[12]).exclude(decision="").exists():
            decide(items[12:], taxonomy, "Dairy", staff)
        return train(*args, **options)

    monkeypatch.setattr(learning.label_head, "train", slow)
    head = learning.train(taxonomy.pk)
    assert (head.decisions, learning.decisions_since_training(taxonomy.pk)) == (12, 1)


def test_of_two_who_train_at_once_the_second_leaves_no_trace(embedder, monkeypatch):
    taxonomy, staff = make_taxonomy(), StaffFactory()
    items = shelf(12, "tofu", "a")
    drain(embedder=embedder)
    decide(items, taxonomy, "Dairy", staff)
    out_of_fold, began = learning.label_head.out_of_fold, []

    def overtaken(*args, **options):
        if not began:
            began.append(1)
            learning.train(taxonomy.pk)
        return out_of_fold(*args, **options)

    monkeypatch.setattr(learning.label_head, "out_of_fold", overtaken)
    with pytest.raises(ConflictError, match="Version 1 of Groceries was trained meanwhile"):
        learning.train(taxonomy.pk)
    assert list(LabelHead.objects.values_list("version", "status")) == [(1, "live")]


def test_a_taxonomy_that_cannot_be_trained_keeps_no_other_from_it(embedder, monkeypatch):
    monkeypatch.setattr(learning, "EVERY_DECISIONS", 12)
    broken, whole, staff = make_taxonomy("broken"), make_taxonomy("whole"), StaffFactory()
    items = shelf(12, "tofu", "a")
    drain(embedder=embedder)
    decide(items, broken, "Dairy", staff)
    decide(items, whole, "Dairy", staff)
    train = learning.train
    monkeypatch.setattr(
        learning, "train", lambda pk: (_ for _ in ()).throw(ConflictError("no")) if pk == broken.pk else train(pk)
    )
    assert learning.learn() == 2
    assert list(LabelHead.objects.values_list("taxonomy__slug", "status")) == [("whole", "live")]
