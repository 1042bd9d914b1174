"""Fixtures every test may use."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.utils import translation

from recsite.operations import site_settings

PROJECT = Path(__file__).resolve().parent.parent
READY_S = 40.0


def wait_until(condition: Callable[[], Any], *, timeout_s: float = 20.0, what: str = "the condition") -> Any:
    """The first truthy result of `condition`; fails the test where there is none in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    pytest.fail(f"{what} did not come true in {timeout_s:.0f} s")


def database_url() -> str:
    """The address of the database the tests run on, for processes of their own."""
    found = connection.settings_dict
    return f"postgresql://{found['USER']}:{found['PASSWORD']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


@pytest.fixture
def celery_worker_process(transactional_db: None, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real Celery worker for all queues, on the test database and the real broker; logs to tmp_path/worker.log."""
    with current_app.connection_for_write() as link:
        for queue in ("default", "events", "models"):
            link.default_channel.queue_purge(queue)
    log = tmp_path / "worker.log"
    command = [
        *(sys.executable, "-m", "celery", "--app", "recsite", "worker", "--queues", "default,events,models"),
        *("--pool", "solo", "--hostname", f"test-{os.getpid()}@%h", "--without-gossip", "--without-mingle"),
        *("--include", "tests.worker_tasks", "--loglevel", "INFO"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, "DATABASE_URL": database_url()},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + READY_S
        while " ready." not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the worker did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(autouse=True)
def settings_are_read_anew() -> None:
    """What another test set is not remembered."""
    site_settings.forget()


@pytest.fixture(autouse=True)
def words_are_english() -> Iterator[None]:
    """A request of Django's test client leaves its language behind, and what services raise is translated."""
    with translation.override("en"):
        yield
