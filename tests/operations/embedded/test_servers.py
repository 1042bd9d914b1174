"""The embedded servers themselves: recovery after a kill, closed doors, closed files."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from recsite.operations.embedded import home as home_module
from recsite.operations.embedded import postgres, processes, valkey
from recsite.operations.embedded.home import Home, server_base, service_account
from recsite.operations.embedded.secrets import stored_secret
from tests.conftest import wait_until

SMALL = {"shared_buffers": "32MB", "maintenance_work_mem": "32MB"}


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    root = tmp_path_factory.mktemp("home")
    # pytest's own directories are closed to others, so that root's servers need a place elsewhere.
    elsewhere = Path("/tmp") / f"recsite-servers-{os.getpid()}"  # noqa: S108
    monkeypatch.setattr(home_module, "SHARED_BASE", elsewhere)
    made = Home(root)
    made.create()
    yield made
    subprocess.run(["rm", "-rf", str(elsewhere)], check=True)


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    processes.end([psutil.Process(process.pid)], timeout_s=5, first=how)
    process.wait()


def test_postgres_comes_back_with_every_committed_row_after_its_postmaster_is_killed(home: Home) -> None:
    server = postgres.describe(home, options=SMALL)
    process = server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        process.kill()
        process.wait()
        # An open connection keeps a backend, and with it the shared memory, for a moment longer.
        process = server.start()
    try:
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT count(*), sum(n) FROM kept").fetchone() == (1000, 500500)
            names = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
        assert {"vector", "pg_trgm"} <= names
    finally:
        stop(process, signal.SIGINT)


def test_a_stale_pid_file_with_the_pid_of_somebody_else_is_cleared_and_that_process_lives(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "600"])
    try:
        (tmp_path / "postmaster.pid").write_text(f"{other.pid}\n{tmp_path}\n")
        postgres.clear_stale_pid_file(tmp_path)
        assert not (tmp_path / "postmaster.pid").exists()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_postgres_asks_for_its_password_and_listens_on_loopback_alone(home: Home) -> None:
    server = postgres.describe(home, options=SMALL)
    process = server.start()
    try:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url().replace(server.password, "wrong"))
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
            assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
        account = service_account(home)
        data = server_base(home, account) / "postgres"
        assert data.stat().st_mode & 0o777 == 0o700
        assert psutil.Process(process.pid).uids().real == (account.uid if account else os.geteuid())
        assert psutil.Process(process.pid).uids().real != 0
        assert not (data / "password").exists()
    finally:
        stop(process, signal.SIGINT)


def test_valkey_asks_for_its_password_and_keeps_messages_over_a_kill(home: Home) -> None:
    server = valkey.describe(home)
    process = server.start()
    client = redis.Redis.from_url(server.url())
    client.lpush("queue", "message")
    wait_until(lambda: client.info("persistence")["aof_last_write_status"] == "ok", what="the write")
    process.kill()
    process.wait()
    process = server.start()
    try:
        assert client.lrange("queue", 0, -1) == [b"message"]
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port).ping()
        assert server.password not in " ".join(psutil.Process(process.pid).cmdline())
    finally:
        client.close()
        stop(process, signal.SIGTERM)


def test_secrets_are_random_kept_and_closed(tmp_path: Path) -> None:
    first = stored_secret(tmp_path, "postgres_password", length=32)
    assert len(first) == 32
    assert stored_secret(tmp_path, "postgres_password", length=32) == first
    assert stored_secret(tmp_path, "valkey_password", length=32) != first
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets" / "postgres_password").stat().st_mode & 0o777 == 0o600


def test_root_uses_a_place_elsewhere_where_the_home_is_closed_and_keeps_to_it(home: Home) -> None:
    account = service_account(home)
    if os.geteuid() != 0:
        assert account is None
        assert server_base(home, account) == home.root
        return
    assert account is not None
    home.root.parent.chmod(0o700)
    first = server_base(home, account)
    assert first.parent == home_module.SHARED_BASE
    assert (first / "belongs-to").read_text() == f"{home.root}\n"
    home.root.parent.chmod(0o755)
    assert server_base(home, account) == first
