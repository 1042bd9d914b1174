"""Start programs, remember them by pid and start time, and end those that an earlier, killed run left behind."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from recsite.operations.embedded.home import Account, EmbeddedError

LOGS_KEPT = 3
STOP_S = 4.0
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """What to run. `stop_signal` asks it to end; it also gets it from the kernel when its parent is killed.

    One that `may_end` has done its work where it ends with exit code 0, and is not started again.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes = field(default=b"", repr=False)
    account: Account | None = None
    directory: Path | None = None
    nice: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    is_server: bool = False
    may_end: bool = False
    before_start: Callable[[], None] | None = None


def spawn(program: Program) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that Ctrl-C in the terminal reaches the supervisor alone."""
    if program.before_start is not None:
        program.before_start()

    def in_child() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(program.stop_signal))
        if program.nice:
            os.nice(program.nice)

    arguments = program.account.popen_arguments() if program.account else {}
    descriptor = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **program.environment},
            cwd="/" if program.account else program.directory,
            start_new_session=True,
            preexec_fn=in_child,
            **arguments,
        )
    if program.stdin and process.stdin is not None:
        process.stdin.write(program.stdin)
        process.stdin.close()
    return process


def rotate(log: Path) -> None:
    """log -> log.1 -> log.2 …; the oldest goes."""
    for number in range(LOGS_KEPT - 1, -1, -1):
        source = log.with_name(f"{log.name}.{number}") if number else log
        if source.exists():
            source.replace(log.with_name(f"{log.name}.{number + 1}"))


def last_lines(log: Path, n: int = 5) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-n:])
    except FileNotFoundError:
        return ""


def start_server(program: Program, is_ready: Callable[[], bool], *, timeout_s: float = 40.0) -> subprocess.Popen[bytes]:
    """Start and wait until it answers; start again where it ended at once (an orphan may still hold its memory).

    Nothing is left running where it raises, be it for a Ctrl-C.
    """
    deadline = time.monotonic() + timeout_s
    process = spawn(program)
    try:
        while not is_ready():
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"{program.name} did not start in {timeout_s:.0f} s; the end of its log:\n{last_lines(program.log)}"
                )
            if process.poll() is not None:
                time.sleep(0.5)
                process = spawn(program)
            time.sleep(0.05)
    except BaseException:
        process.send_signal(program.stop_signal)
        try:
            process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    return process


def end(processes: list[psutil.Process], *, timeout_s: float, first: signal.Signals | None = None) -> None:
    """Signal each (SIGTERM unless told), wait, then kill what is left with all its descendants.

    psutil compares start times before it signals, so a pid given to somebody else in the meantime is left alone.
    """
    family = list(processes)
    for process in processes:
        try:
            family += process.children(recursive=True)
            process.send_signal(first or signal.SIGTERM)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(family, timeout=timeout_s)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=3)


@dataclass
class Register:
    """RECSITE_HOME/run/processes.json: name -> pid, start time and stop signal of what we started."""

    path: Path

    def _read(self) -> dict[str, dict[str, float]]:
        try:
            return dict(json.loads(self.path.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def _write(self, entries: dict[str, dict[str, float]]) -> None:
        write_private(self.path, json.dumps(entries, indent=1))

    def record(self, name: str, pid: int, stop_signal: signal.Signals) -> None:
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        self._write({**self._read(), name: {"pid": pid, "created": created, "signal": int(stop_signal)}})

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)

    def end_leftovers(self) -> list[str]:
        """End the recorded processes that still run, and nothing else. Returns their names."""
        found: list[str] = []
        for name, entry in self._read().items():
            try:
                process = psutil.Process(int(entry["pid"]))
                if abs(process.create_time() - entry["created"]) > 0.02:
                    continue
            except (psutil.NoSuchProcess, KeyError):
                continue
            found.append(name)
            end([process], timeout_s=5, first=signal.Signals(int(entry.get("signal", signal.SIGTERM))))
        self.clear()
        return found


def write_private(path: Path, text: str) -> None:
    """Replace the file whole, mode 0600."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
