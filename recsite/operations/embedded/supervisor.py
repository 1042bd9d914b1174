"""Keeps the children of `manage.py up` running: starts, restarts with growing pauses, stops in order."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from recsite.operations.embedded.processes import Program, Register, end, last_lines, spawn

HEALTHY_AFTER_S = 60.0
LONGEST_PAUSE_S = 30.0
CHILDREN_STOP_S = 6.0
SERVERS_STOP_S = 4.0


@dataclass
class Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = field(default_factory=time.monotonic)
    failures: int = 0
    restart_at: float | None = None


class Supervisor:
    """`say` prints one line for a person. `final_codes` are exit codes after which a child is not started again."""

    def __init__(self, register: Register, say: Callable[[str], None], *, final_codes: frozenset[int]) -> None:
        self.register = register
        self.say = say
        self.final_codes = final_codes
        self.children: dict[str, Child] = {}

    def adopt(self, program: Program, process: subprocess.Popen[bytes]) -> None:
        """Look after a process that was started already."""
        self.children[program.name] = Child(program, process)
        self.register.record(program.name, process.pid, program.stop_signal)

    def start(self, program: Program) -> None:
        self.adopt(program, spawn(program))

    def tick(self) -> None:
        """Look at every child once: notice who ended, start again whose pause is over."""
        now = time.monotonic()
        for child in self.children.values():
            if child.process is None:
                if child.restart_at is not None and now >= child.restart_at:
                    self._restart(child)
                continue
            code = child.process.poll()
            if code is not None:
                self._ended(child, code, now)

    def has_ended(self, name: str) -> bool:
        """Whether this child ended at least once, be it to be started again, or was never started."""
        child = self.children.get(name)
        return child is None or child.process is None or child.failures > 0

    def _ended(self, child: Child, code: int, now: float) -> None:
        name = child.program.name
        child.process = None
        if code == 0 and child.program.may_end:
            return
        if code in self.final_codes:
            child.restart_at = None
            self.say(f"{name} ended and stays away: {last_lines(child.program.log, 1)}")
            return
        child.failures = 1 if now - child.started_at > HEALTHY_AFTER_S else child.failures + 1
        pause_s = min(LONGEST_PAUSE_S, 0.5 * 2 ** (child.failures - 1))
        child.restart_at = now + pause_s
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.say(f"{name} ended ({reason}); starting it again in {pause_s:.1f} s. Its log: {child.program.log}")

    def _restart(self, child: Child) -> None:
        child.restart_at = None
        child.started_at = time.monotonic()
        child.process = spawn(child.program)
        self.register.record(child.program.name, child.process.pid, child.program.stop_signal)

    def stop(self, *, is_urgent: Callable[[], bool] = lambda: False) -> None:
        """First what uses the servers, all at once, then the servers. Nothing of ours is left when it returns."""
        for is_server, timeout_s in ((False, CHILDREN_STOP_S), (True, SERVERS_STOP_S)):
            self._stop_some(
                [c for c in self.children.values() if c.program.is_server == is_server], timeout_s, is_urgent
            )
        self.children.clear()
        self.register.clear()

    def _stop_some(self, children: list[Child], timeout_s: float, is_urgent: Callable[[], bool]) -> None:
        running = [(child, child.process) for child in children if child.process is not None]
        family: list[psutil.Process] = []
        for child, process in running:
            try:
                family += psutil.Process(process.pid).children(recursive=True)
                process.send_signal(child.program.stop_signal)
            except psutil.NoSuchProcess:
                continue
        deadline = time.monotonic() + timeout_s
        while any(process.poll() is None for _, process in running) and time.monotonic() < deadline and not is_urgent():
            time.sleep(0.05)
        for child, process in running:
            if process.poll() is None:
                self.say(f"{child.program.name} did not stop in {timeout_s:.0f} s; killing it.")
                process.kill()
                process.wait()
        _, alive = psutil.wait_procs(family, timeout=0.2)
        end(alive, timeout_s=1)
