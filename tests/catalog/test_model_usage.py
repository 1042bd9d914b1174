"""Usage: counted in memory, written once a batch, added to what others wrote, and never lost on an error."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest
from django.db import DatabaseError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog import model_usage
from catalog.models import ModelUsage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_counted_yet():
    model_usage._unwritten.clear()
    yield
    model_usage._unwritten.clear()


def rows():
    return list(
        ModelUsage.objects.order_by("model", "purpose").values_list(
            "model", "purpose", "calls", "failures", "prompt_tokens", "completion_tokens", "seconds"
        )
    )


def test_a_batch_is_added_up_and_written_by_one_statement():
    for _ in range(3):
        model_usage.record("m", "label", seconds=0.5, prompt_tokens=100, completion_tokens=1)
    model_usage.record("m", "label", seconds=2.0, failed=True)
    model_usage.record("m", "describe", seconds=1.0, prompt_tokens=30, completion_tokens=40)
    assert rows() == []
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert model_usage.flush() == 5
    assert [query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]] == ["INSERT"]
    assert rows() == [("m", "describe", 1, 0, 30, 40, 1.0), ("m", "label", 4, 1, 300, 3, 3.5)]
    assert ModelUsage.objects.values_list("day", flat=True).distinct().get() == timezone.now().astimezone(UTC).date()


def test_later_batches_and_other_workers_add_to_what_is_there():
    for _ in range(2):
        model_usage.record("m", "label", seconds=0.5, prompt_tokens=100, completion_tokens=1)
        model_usage.flush()
    assert rows() == [("m", "label", 2, 0, 200, 2, 1.0)]
    assert model_usage.flush() == 0


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_lose_nothing():
    def work(number):
        try:
            for call in range(20):
                model_usage.record("ab"[call % 2], "label", seconds=1.0, prompt_tokens=1)
                model_usage.flush()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [(row[0], row[2], row[4]) for row in rows()] == [("a", 40, 40), ("b", 40, 40)]


def test_where_the_database_refuses_the_counts_wait_for_the_next_time(monkeypatch):
    def refuse(self, rows):
        raise DatabaseError("the database is away")

    model_usage.record("m", "label", seconds=0.5, prompt_tokens=100)
    with monkeypatch.context() as patched:
        patched.setattr("catalog.models.model_usage.ModelUsageQuerySet.add", refuse)
        assert model_usage.flush() == 0
    model_usage.record("m", "label", seconds=0.5, prompt_tokens=11)
    assert model_usage.flush() == 2
    assert rows() == [("m", "label", 2, 0, 111, 0, 1.0)]


def test_a_stop_in_the_middle_of_writing_loses_nothing_either(monkeypatch):
    def stop(self, rows):
        raise KeyboardInterrupt

    model_usage.record("m", "label", seconds=0.5)
    with monkeypatch.context() as patched:
        patched.setattr("catalog.models.model_usage.ModelUsageQuerySet.add", stop)
        with pytest.raises(KeyboardInterrupt):
            model_usage.flush()
    assert model_usage.flush() == 1


def test_nonsense_of_a_server_cannot_keep_the_rest_from_being_written():
    model_usage.record("m" * 500, "label", seconds=-1.0, prompt_tokens=10**30, completion_tokens=-4)
    assert model_usage.flush() == 1
    assert rows() == [("m" * 200, "label", 1, 0, model_usage.MOST_TOKENS_A_CALL, 0, 0.0)]


def test_days_are_kept_apart(monkeypatch):
    for day in (23, 24):
        monkeypatch.setattr(model_usage.timezone, "now", lambda day=day: datetime(2026, 11, day, 23, 59, tzinfo=UTC))
        model_usage.record("m", "label", seconds=1.0)
    model_usage.flush()
    assert list(ModelUsage.objects.values_list("day", "calls").order_by("day")) == [
        (date(2026, 11, 23), 1),
        (date(2026, 11, 24), 1),
    ]
