"""Health: what makes a site ready, and what does not."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from recsite.operations.embedded.ports import free_port

pytestmark = pytest.mark.django_db


def test_live_needs_nothing(client: Client, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):
        response = client.get("/health/live/")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_with_database_migrations_and_broker_and_without_a_language_model(client: Client) -> None:
    response = client.get("/health/ready/")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "checks": {name: {"ok": True, "detail": ""} for name in ("database", "migrations", "broker")},
        "language_model": {"ok": False, "detail": "off: labels come from embeddings alone"},
        "label_embedder": {"ok": False, "detail": "off"},
    }
    assert "no-store" in response["Cache-Control"]


def test_not_ready_without_a_broker_and_its_address_is_not_told(client: Client) -> None:
    pool, url = current_app.pool, current_app.conf.broker_url
    gone = f"redis://:hidden@127.0.0.1:{free_port()}/0"
    try:
        current_app.conf.broker_url = current_app.conf.broker_write_url = gone
        response = client.get("/health/ready/")
    finally:
        current_app.conf.broker_url = current_app.conf.broker_write_url = url
    assert pool is not None
    assert response.status_code == 503
    body = response.json()
    assert body["status"] == "unavailable"
    assert body["checks"]["broker"] == {"ok": False, "detail": "unreachable (OperationalError)"}
    assert body["checks"]["database"]["ok"] is True
    assert "hidden" not in response.content.decode()
    assert "127.0.0.1" not in response.content.decode()


def test_not_ready_while_a_migration_waits(client: Client) -> None:
    newest = MigrationLoader(connection).graph.leaf_nodes("recommender")[0][1]
    MigrationRecorder(connection).record_unapplied("recommender", newest)
    response = client.get("/health/ready/")
    assert response.status_code == 503
    assert response.json()["checks"]["migrations"] == {
        "ok": False,
        "detail": "1 migrations are not applied; run manage.py migrate",
    }


@pytest.mark.parametrize("path", ["/health/live/", "/health/ready/"])
def test_health_is_read_only(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_something_that_speaks_no_http_is_an_unreachable_model(client: Client, settings: Any, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.recv(4096)
            caller.sendall(b"220 mail.shop.example ESMTP\r\n")

    thread = threading.Thread(target=greet)
    thread.start()
    settings.RECSITE_LLM, settings.RECSITE_HOME = "auto", tmp_path
    settings.LLM_BASE_URL = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    response = client.get("/health/ready/")
    thread.join()
    listener.close()
    assert response.status_code == 200
    assert response.json()["language_model"] == {"ok": False, "detail": "unreachable"}
