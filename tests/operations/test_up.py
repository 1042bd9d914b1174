"""`manage.py up` as a person runs it: start, taken ports, Ctrl-C, kill -9 and the start after it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from recsite.operations.embedded.home import SHARED_BASE, Home, server_base, service_account
from recsite.operations.embedded.ports import free_port
from tests.conftest import PROJECT, wait_until

pytestmark = pytest.mark.slow

EMBEDDED = {"DATABASE_URL", "BROKER_URL", "LLM_BASE_URL", "LLM_MODEL_PATH", "DJANGO_SETTINGS_MODULE"}
CHILDREN = {"postgres", "valkey", "web", "worker_default", "worker_events", "worker_models", "beat"}


@dataclass
class Run:
    process: subprocess.Popen[str]
    output: Path

    def text(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self) -> float:
        def is_ready() -> bool:
            if self.process.poll() is not None:
                pytest.fail(f"up ended with {self.process.returncode}:\n{self.text()}")
            return "recsite is ready" in self.text()

        began = time.monotonic()
        wait_until(is_ready, timeout_s=90, what=f"the start; {self.text()}")
        return time.monotonic() - began

    def address(self) -> str:
        found = re.search(r"Open +(http://\S+)", self.text())
        assert found is not None, self.text()
        return found.group(1)


class Site:
    """A RECSITE_HOME of its own and the runs in it."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.runs: list[Run] = []

    def up(self, **environment: str) -> Run:
        output = self.home.root / f"terminal-{len(self.runs)}.txt"
        env = {name: value for name, value in os.environ.items() if name not in EMBEDDED}
        env.update(RECSITE_HOME=str(self.home.root), DEMO="none", RECSITE_LLM="off", **environment)
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=PROJECT,
                env=env,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
            )
        run = Run(process, output)
        self.runs.append(run)
        return run

    def recorded(self) -> dict[str, psutil.Process]:
        entries = json.loads((self.home.run / "processes.json").read_text())
        return {name: psutil.Process(entry["pid"]) for name, entry in entries.items()}


def family(processes: dict[str, psutil.Process]) -> list[psutil.Process]:
    return [
        *processes.values(),
        *(child for process in processes.values() for child in process.children(recursive=True)),
    ]


def living(processes: list[psutil.Process]) -> list[str]:
    return [str(p) for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def site() -> Iterator[Site]:
    root = Path(tempfile.mkdtemp(prefix="recsite-up-"))
    root.chmod(0o711)
    made = Site(root)
    yield made
    for run in made.runs:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
            run.process.wait(timeout=20)
    base = server_base(made.home, service_account(made.home))
    if base.parent == SHARED_BASE:
        shutil.rmtree(base)
    shutil.rmtree(root)


def get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  (our own address)
        return response.status, response.read().decode()


def test_up_serves_survives_a_kill_and_stops_with_nothing_left(site: Site) -> None:
    first = site.up(PORT=str(free_port()))
    first.wait_until_ready()
    words = first.text()

    # The block says what a person needs, and every service answers.
    assert get(f"{first.address()}health/ready/")[0] == 200
    password = re.search(r"admin / (\w{16}) ", words)
    assert password is not None
    assert (site.home.secrets / "admin_password").read_text().strip() == password.group(1)
    assert "off (RECSITE_LLM=off): labels come from embeddings alone" in words
    assert {path.stat().st_mode & 0o777 for path in site.home.secrets.iterdir()} == {0o600}
    for private in ("services.json", "processes.json", "up.json"):
        assert (site.home.run / private).stat().st_mode & 0o777 == 0o600
    assert set(site.recorded()) == CHILDREN

    # A second one in the same place is refused, with the address of the first.
    second = site.up(PORT=str(free_port()))
    assert second.process.wait(timeout=30) == 2
    assert f"already runs at {first.address()}" in second.text()

    # The postmaster is killed: it comes back at the same address while the site stays up.
    site.recorded()["postgres"].kill()
    wait_until(lambda: "postgres ended (signal 9)" in first.text(), what="the notice")
    wait_until(ready_at(first.address()), timeout_s=30, what="readiness after the postmaster's death")

    # The parent is killed: whatever is left, the next start clears away, and nothing is lost.
    left = family(site.recorded())
    first.process.kill()
    first.process.wait()
    third = site.up(PORT=str(free_port()))
    third.wait_until_ready()
    assert living(left) == []
    assert get(f"{third.address()}health/ready/")[0] == 200
    assert f"admin, password in {site.home.secrets / 'admin_password'}" in third.text()
    assert password.group(1) not in third.text()

    # Ctrl-C: everything ends, quickly, and says so.
    running = family(site.recorded())
    assert len(running) >= len(CHILDREN)
    began = time.monotonic()
    third.process.send_signal(signal.SIGINT)
    assert third.process.wait(timeout=20) == 0
    assert time.monotonic() - began < 12
    assert living(running) == []
    assert sorted(p.name for p in site.home.run.iterdir() if p.suffix == ".json") == []
    assert "Stopped." in third.text()


def ready_at(address: str) -> Callable[[], bool]:
    def is_ready() -> bool:
        try:
            return get(f"{address}health/ready/")[0] == 200
        except OSError:
            return False

    return is_ready


def test_a_port_that_was_asked_for_and_is_taken_stops_the_start_with_its_holder(site: Site) -> None:
    port = free_port()
    script = (
        f"import socket, time; s = socket.socket(); s.bind(('127.0.0.1', {port})); s.listen();"
        "print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            run = site.up(PORT=str(port))
            assert run.process.wait(timeout=30) == 2
            assert f"Port {port} is taken by python" in run.text()
            assert f"(pid {holder.pid}); free it or set PORT to another one." in run.text()
            assert not (site.home.root / "postgres").exists()
        finally:
            holder.kill()


@pytest.mark.parametrize("port", ["http", "0", "70000"])
def test_a_port_that_is_none_is_refused(site: Site, port: str) -> None:
    run = site.up(PORT=port)
    assert run.process.wait(timeout=30) == 2
    assert f"PORT is '{port}'; use a number from 1 to 65535." in run.text()


def test_services_of_ones_own_take_the_place_of_the_embedded_ones(site: Site) -> None:
    run = site.up(
        PORT=str(free_port()), DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", BROKER_URL="redis://127.0.0.1:1"
    )
    assert run.process.wait(timeout=60) == 2
    assert "The database refused" in run.text()
    assert not (site.home.root / "postgres").exists()
    assert not (site.home.root / "valkey").exists()
