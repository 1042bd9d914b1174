from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog import embedding, labelling, readings, tasks
from catalog.models import Item, ItemEmbedding, ItemLabel, LabelRequest, Lease
from tests.catalog.shelves import make_item, make_taxonomy
from tests.fakes import FakeChatModel, FakeEmbedder

pytestmark = pytest.mark.django_db


class Bell:
    """Stands where the broker would be: keeps what was rung."""

    def __init__(self, monkeypatch, task):
        self.rung = []
        monkeypatch.setattr(task, "apply_async", lambda args=(), kwargs=None, **options: self.rung.append(args))


@pytest.fixture
def models(monkeypatch, settings):
    """The process's models, replaced: workers take theirs from these two functions."""
    chat_model, embedder = FakeChatModel(lambda user: {"Dairy": 0.9, "Bakery": 0.1}), FakeEmbedder()
    monkeypatch.setattr(labelling, "get_chat_model", lambda: chat_model)
    monkeypatch.setattr(readings, "get_embedder", lambda: embedder)
    monkeypatch.setattr(embedding, "get_embedder", lambda: embedder)
    settings.LLM_BASE_URL = "http://127.0.0.1:1/v1"
    labelling._forget_status()
    return chat_model


@pytest.fixture
def label_bell(monkeypatch):
    return Bell(monkeypatch, tasks.label_waiting_items)


@pytest.fixture
def embed_bell(monkeypatch):
    return Bell(monkeypatch, tasks.embed_items)


def waiting_item(external_id="mix", title="milk bread"):
    item = make_item(external_id, title)
    labelling.request_labels([item.pk])
    return item


def test_task_names_are_the_ones_that_routes_rely_on():
    assert [task.name for task in (tasks.embed_items, tasks.label_waiting_items, tasks.sweep)] == [
        "catalog.tasks.embed_items",
        "catalog.tasks.label_waiting_items",
        "catalog.tasks.sweep",
    ]


def test_a_new_item_is_embedded_and_the_bell_rings_for_its_labels(models, label_bell):
    make_taxonomy()
    item = waiting_item()
    tasks.embed_items(item_ids=[item.pk])
    assert ItemEmbedding.objects.filter(item=item).exists()
    assert LabelRequest.objects.get().status == "pending"
    assert models.prompts == []
    assert label_bell.rung == [()]
    tasks.embed_items(item_ids=[item.pk])
    assert ItemEmbedding.objects.count() == 1


def test_waiting_items_are_drained_and_the_lease_given_back(models, label_bell):
    make_taxonomy()
    waiting_item()
    tasks.label_waiting_items()
    assert LabelRequest.objects.get().status == "done"
    assert label_bell.rung == []
    assert not Lease.objects.is_taken(tasks.LEASE)


def test_a_slice_that_is_over_queues_the_next_with_the_same_holder(models, label_bell, monkeypatch):
    make_taxonomy()
    for number in range(30):
        waiting_item(str(number), f"milk bread {number}")
    monkeypatch.setattr(tasks, "SLICE_S", 0.0)
    tasks.label_waiting_items("ann")
    assert label_bell.rung == [("ann",)]
    assert Lease.objects.is_taken(tasks.LEASE)
    while label_bell.rung:
        tasks.label_waiting_items(*label_bell.rung.pop())
    assert labelling.counts().done == 30
    assert not Lease.objects.is_taken(tasks.LEASE)


def test_a_second_bell_finds_the_lease_taken_and_does_nothing(models, label_bell):
    make_taxonomy()
    waiting_item()
    assert Lease.objects.take(tasks.LEASE, "somebody", seconds=60)
    tasks.label_waiting_items()
    assert (LabelRequest.objects.get().status, label_bell.rung) == ("pending", [])
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    tasks.label_waiting_items()
    assert LabelRequest.objects.get().status == "done"


def test_an_error_gives_the_lease_back(models, label_bell, monkeypatch):
    def broken():
        raise RuntimeError("broken")

    make_taxonomy()
    waiting_item()
    monkeypatch.setattr(labelling, "label_waiting", broken)
    with pytest.raises(RuntimeError):
        tasks.label_waiting_items()
    assert not Lease.objects.is_taken(tasks.LEASE)


def test_a_lease_is_one_holders_until_it_runs_out():
    assert Lease.objects.take("x", "ann", seconds=60)
    assert not Lease.objects.take("x", "bob", seconds=60)
    assert Lease.objects.take("x", "ann", seconds=60)
    Lease.objects.release("x", "bob")
    assert Lease.objects.is_taken("x")
    Lease.objects.release("x", "ann")
    assert Lease.objects.take("x", "bob", seconds=60)


def test_the_sweep_rings_for_what_was_left_behind_only(models, label_bell, embed_bell):
    make_taxonomy()
    item = waiting_item()
    tasks.sweep()
    assert (embed_bell.rung, label_bell.rung) == ([], [()])
    Item.objects.update(updated_at=timezone.now() - timedelta(minutes=2))
    LabelRequest.objects.update(claimed_until=timezone.now() + timedelta(minutes=1))
    tasks.sweep()
    assert (embed_bell.rung, label_bell.rung) == ([([item.pk],)], [()])
    tasks.embed_items([item.pk])
    label_bell.rung.clear()
    LabelRequest.objects.update(status="done", claimed_until=None)
    tasks.sweep()
    assert (len(embed_bell.rung), label_bell.rung) == (1, [])


def test_the_sweep_finds_items_labelled_while_the_model_was_away(models, label_bell):
    make_taxonomy()
    item = waiting_item()
    models.is_away = True
    tasks.label_waiting_items()
    assert LabelRequest.objects.get().status == "provisional"
    models.is_away = False
    tasks.sweep()
    tasks.label_waiting_items(*label_bell.rung.pop())
    assert ItemLabel.objects.of_items([item.pk]).effective().get().source == "language_model"


def test_the_commands_embed_and_label_and_say_what_they_did(models):
    make_taxonomy(), make_taxonomy("other")
    make_item("mix", "milk bread"), make_item("same", "milk bread")
    out = StringIO()
    call_command("embed_items", stdout=out)
    assert "Embedded 2 items and 6 labels." in out.getvalue()
    call_command("label_items", "--taxonomy", "groceries", stdout=out)
    assert "Labelled 2 by the language model" in out.getvalue()
    assert LabelRequest.objects.count() == 2
    with pytest.raises(CommandError, match="no taxonomy 'nope'; known: groceries, other"):
        call_command("label_items", "--taxonomy", "nope")
    with pytest.raises(CommandError, match="from 1"):
        call_command("label_items", "--limit", "0")
