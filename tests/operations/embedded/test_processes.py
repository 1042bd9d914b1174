"""Processes: what an earlier run left is ended, what is not ours is left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from recsite.operations.embedded.processes import Program, Register, rotate, spawn, start_server, write_private
from recsite.operations.embedded.supervisor import Supervisor
from tests.conftest import wait_until

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEP)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_a_recorded_process_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    register = Register(tmp_path / "processes.json")
    register.record("web", sleeper.pid, signal.SIGTERM)
    assert register.path.stat().st_mode & 0o777 == 0o600
    assert register.end_leftovers() == ["web"]
    assert not psutil.pid_exists(sleeper.pid)
    assert not register.path.exists()


def test_a_process_that_got_a_recorded_pid_later_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    register = Register(tmp_path / "processes.json")
    register.record("web", sleeper.pid, signal.SIGTERM)
    entries = json.loads(register.path.read_text())
    entries["web"]["created"] -= 60
    write_private(register.path, json.dumps(entries))
    assert register.end_leftovers() == []
    assert sleeper.poll() is None


def test_children_of_a_leftover_that_ignores_the_signal_are_killed_with_it(tmp_path: Path) -> None:
    script = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(c.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    register = Register(tmp_path / "processes.json")
    register.record("worker", parent.pid, signal.SIGTERM)
    assert register.end_leftovers() == ["worker"]
    assert not psutil.pid_exists(parent.pid)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="the child's end")


def test_a_damaged_register_is_no_obstacle(tmp_path: Path) -> None:
    register = Register(tmp_path / "processes.json")
    register.path.write_text("{half")
    assert register.end_leftovers() == []


def test_logs_are_rotated_and_the_oldest_goes(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    for number in range(6):
        log.write_text(f"run {number}")
        rotate(log)
    assert sorted((p.name, p.read_text()) for p in tmp_path.iterdir()) == [
        ("web.log.1", "run 5"),
        ("web.log.2", "run 4"),
        ("web.log.3", "run 3"),
    ]


def supervisor(tmp_path: Path, said: list[str]) -> Supervisor:
    return Supervisor(Register(tmp_path / "processes.json"), said.append, final_codes=frozenset({78}))


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    watched = supervisor(tmp_path, said)
    watched.start(Program(name="web", command=SLEEP, log=tmp_path / "web.log"))
    first = watched.children["web"].process
    assert first is not None
    first.kill()
    wait_until(first.poll, what="the kill")

    def is_back() -> bool:
        watched.tick()
        process = watched.children["web"].process
        return process is not None and process.pid != first.pid

    wait_until(is_back, timeout_s=5, what="the restart")
    assert said == [f"web ended (signal 9); starting it again in 0.5 s. Its log: {tmp_path / 'web.log'}"]
    second = watched.children["web"].process
    watched.stop()
    assert second is not None
    assert second.poll() == -signal.SIGTERM
    assert not (tmp_path / "processes.json").exists()


def test_a_child_that_gives_up_is_not_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    watched = supervisor(tmp_path, said)
    command = (sys.executable, "-c", "print('the hash is wrong'); raise SystemExit(78)")
    watched.start(Program(name="language_model", command=command, log=tmp_path / "language_model.log"))
    process = watched.children["language_model"].process
    assert process is not None
    process.wait(timeout=5)
    for _ in range(3):
        watched.tick()
    assert said == ["language_model ended and stays away: the hash is wrong"]
    assert watched.children["language_model"].restart_at is None


def test_stopping_kills_what_does_not_listen_when_a_second_signal_asks_for_haste(tmp_path: Path) -> None:
    said: list[str] = []
    watched = supervisor(tmp_path, said)
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    log = tmp_path / "web.log"
    watched.start(Program(name="web", command=(sys.executable, "-c", script), log=log))
    process = watched.children["web"].process
    assert process is not None
    wait_until(lambda: "deaf" in log.read_text(), what="its start")
    began = time.monotonic()
    watched.stop(is_urgent=lambda: True)
    assert time.monotonic() - began < 3
    assert process.poll() == -signal.SIGKILL


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from recsite.operations.embedded.processes import Program, spawn\n"
        f"p = spawn(Program(name='x', command={SLEEP!r}, log=Path({str(tmp_path / 'x.log')!r})))\n"
        "print(p.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="the child's end")


def test_secrets_are_not_in_the_words_of_a_program(tmp_path: Path) -> None:
    program = Program(
        name="x",
        command=SLEEP,
        log=tmp_path / "x.log",
        environment={"LLAMA_API_KEY": "hush"},
        stdin=b"requirepass hush",
    )
    assert "hush" not in repr(program)
    process = spawn(program)
    try:
        assert "hush" not in " ".join(psutil.Process(process.pid).cmdline())
    finally:
        process.kill()
        process.wait()


def test_a_server_that_is_interrupted_while_it_starts_does_not_stay_behind(tmp_path: Path) -> None:
    program = Program(name="x", command=SLEEP, log=tmp_path / "x.log", is_server=True)
    before = set(psutil.Process().children())

    def interrupted() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_server(program, interrupted)
    assert set(psutil.Process().children()) == before
