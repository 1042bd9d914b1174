"""A broker that is away, and the bells that were rung."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from celery import current_app


def _forget_connections() -> None:
    """The pools stay open for whoever comes back to their address; the application looks them up anew."""
    current_app._pool = None
    current_app.amqp._producer_pool = None


@pytest.fixture
def broker_away() -> Iterator[None]:
    """Points Celery at a port where nothing listens."""
    before = current_app.conf.broker_url
    _forget_connections()
    current_app.conf.broker_url = current_app.conf.broker_write_url = "redis://127.0.0.1:1/0"
    yield
    _forget_connections()
    current_app.conf.broker_url = current_app.conf.broker_write_url = before


@pytest.fixture
def rung() -> Iterator[Callable[[str], list[list[object]]]]:
    """`rung(queue)` takes the tasks' arguments off the real broker's queue, in order."""
    with current_app.connection_for_read() as link:
        channel = link.default_channel
        for queue in ("default", "events", "models"):
            channel.queue_purge(queue)

        def take(queue: str) -> list[list[object]]:
            taken = []
            while (message := link.SimpleQueue(queue).queue.get(no_ack=True)) is not None:
                taken.append(json.loads(message.body)[0])
            return taken

        yield take
        for queue in ("default", "events", "models"):
            channel.queue_purge(queue)
