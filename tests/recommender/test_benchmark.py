"""The benchmark measures what it says and leaves nothing behind. How long anything took is never asserted."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from recommender import benchmark, interests, neighbours
from recommender.models import EndUser, Event, Slate
from tests.factories import EndUserFactory, EventFactory, ItemFactory, axis, unit_vector
from tests.fakes import FakeEmbedder

pytestmark = pytest.mark.django_db


def test_every_figure_stands_beside_its_peer_and_nothing_is_left_behind(rung, monkeypatch):
    for place in range(15):
        item = ItemFactory(vector=unit_vector(place) + axis(place % 2))
        EventFactory(user=EndUserFactory(), item=item)
    neighbours.rebuild_statistics()
    interests.rebuild_all()
    before = (EndUser.objects.count(), Event.objects.count(), Slate.objects.count())
    monkeypatch.setattr(benchmark, "WAIT_FOR_WORKER_S", 0.05)
    found = benchmark.measure(rounds=3, embedder=FakeEmbedder(), plain_embedder=FakeEmbedder())
    assert found["data"] == {"items": 15, "users": 15, "events": 15}
    for part in ("list", "interests", "event", "embedding"):
        assert found[part]["ratio"] > 0
        assert found[part]["peer"]["median_ms"] >= 0
    assert found["list"]["rounds"] == 3
    assert "worker" in found["event_to_interests"]["error"]
    assert (EndUser.objects.count(), Event.objects.count(), Slate.objects.count()) == before
    json.dumps(found)


def test_without_interests_it_says_what_to_do():
    with pytest.raises(CommandError, match="load the demo or import events"):
        call_command("benchmark", stdout=StringIO())
