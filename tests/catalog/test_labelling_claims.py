"""Claimed work: one worker at a time has it, a dead one's comes back, and what is outdated is never stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from catalog import labelling
from catalog.labelling import counts, label_waiting, request_labels
from catalog.models import ItemLabel, LabelRequest
from tests.catalog.shelves import dairy_lover, drain, make_item, make_taxonomy, tied_item, told
from tests.fakes import FakeChatModel

pytestmark = pytest.mark.django_db


def test_a_claimed_request_is_left_to_its_worker_until_the_claim_runs_out(embedder):
    make_taxonomy()
    request_labels([tied_item().pk])
    LabelRequest.objects.update(claimed_until=timezone.now() + timedelta(seconds=60))
    assert label_waiting(10, embedder=embedder).worked == 0
    LabelRequest.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert label_waiting(10, embedder=embedder).provisional == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_ask_once_and_leave_no_duplicates(embedder):
    make_taxonomy()
    items = [make_item(str(number), f"milk bread {number}") for number in range(12)]
    request_labels([item.pk for item in items])
    label_waiting(100, embedder=embedder)
    model = dairy_lover()

    def work(_):
        try:
            return drain(embedder=embedder, chat_model=model)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    assert len(model.prompts) == 12
    assert counts().done == 12
    assert ItemLabel.objects.current().count() == 36


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_model_thinks(embedder):
    make_taxonomy()
    request_labels([tied_item().pk])
    label_waiting(10, embedder=embedder)
    seen = []

    class Watching(FakeChatModel):
        def status(self):
            seen.append(connection.in_atomic_block)
            return super().status()

    def choose(user):
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE state = 'idle in transaction' AND datname = current_database()"
            )
            seen.append(cursor.fetchone()[0])
        connections.close_all()
        return {"Dairy": 1.0}

    label_waiting(10, embedder=embedder, chat_model=Watching(choose))
    assert seen == [False, 0]


def test_a_taxonomy_that_lost_its_labels_does_not_hold_up_the_others(embedder):
    lost = make_taxonomy("lost")
    items = [tied_item(f"mix-{number}") for number in range(2)]
    request_labels([items[0].pk])
    kept = make_taxonomy("kept")
    request_labels([items[1].pk], taxonomy_ids=[kept.pk])
    drain(embedder=embedder)
    # The newest come first, so the one that cannot be labelled would be claimed again and again.
    LabelRequest.objects.filter(taxonomy=lost).update(id=LabelRequest.objects.get(taxonomy=kept).pk + 1)
    lost.labels.update(is_deprecated=True)
    reports = [label_waiting(1, chat_model=dairy_lover(), embedder=embedder) for _ in range(2)]
    assert [(report.failed, report.done) for report in reports] == [(1, 0), (0, 1)]
    assert LabelRequest.objects.values_list("status", "error").get(taxonomy=lost) == (
        "failed",
        "Taxonomy 'lost' has no labels; add some, then run label_items --again.",
    )


def test_asked_again_the_model_is_asked_again_and_not_copied_from_the_item_itself(embedder):
    taxonomy = make_taxonomy()
    item = tied_item()
    request_labels([item.pk])
    drain(chat_model=dairy_lover(), embedder=embedder)
    labelling.request_again(LabelRequest.objects.filter(taxonomy=taxonomy))
    model = FakeChatModel(lambda user: {"Bakery": 1.0})
    reports = drain(chat_model=model, embedder=embedder)
    assert ([report.copied for report in reports], len(model.prompts) > 0) == ([0, 0], True)
    assert told(item)[0] == ("Bakery", "language_model", True)


def test_what_was_computed_before_a_request_was_renewed_is_not_stored(embedder, monkeypatch):
    make_taxonomy()
    item = tied_item()
    request_labels([item.pk])
    drain(embedder=embedder)

    ask = labelling.asking.ask

    def renewed_meanwhile(works, model):
        labelling.request_again(LabelRequest.objects.all())
        return ask(works, model)

    monkeypatch.setattr(labelling.asking, "ask", renewed_meanwhile)
    report = label_waiting(10, chat_model=dairy_lover(), embedder=embedder)
    assert (report.done, LabelRequest.objects.get().status) == (0, "pending")
    assert {source for _, source, _ in told(item)} == {"embedding"}
