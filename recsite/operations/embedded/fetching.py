"""How far the fetching of a model is: written by the child that does it, read by pages, health and the terminal."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from recsite.operations.embedded.home import Home
from recsite.operations.embedded.processes import write_private
from recsite.operations.embedded.terminal import Bar, say
from recsite.operations.embedded.weights import OnProgress

WRITTEN_EVERY_S = 0.3
FETCHING = frozenset({"downloading", "verifying", "unpacking"})
GIVE_UP = 78
"""Exit code of a child where starting it again would not help."""


@dataclass(frozen=True)
class Status:
    """What the child last wrote: downloading, verifying, unpacking, starting (a server answers when loaded), ready or
    failed."""

    state: str
    detail: str = ""
    done: int = 0
    total: int = 0

    @property
    def share_done(self) -> float | None:
        return min(1.0, self.done / self.total) if self.state in FETCHING and self.total else None


def status_path(home: Home, name: str) -> Path:
    return home.run / f"{name}.json"


def read_status(home: Home, name: str) -> Status | None:
    """None where no such child was started, or where it is not for us to read."""
    try:
        return Status(**json.loads(status_path(home, name).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_status(home: Home, name: str, status: Status) -> None:
    write_private(status_path(home, name), json.dumps(asdict(status)))


def progress_writer(home: Home, name: str) -> OnProgress:
    """Writes the status a few times a second, and always the end of a step."""
    written_at = 0.0

    def on_progress(state: str, done: int, total: int) -> None:
        nonlocal written_at
        if time.monotonic() - written_at > WRITTEN_EVERY_S or done == total:
            written_at = time.monotonic()
            write_status(home, name, Status(state, done=done, total=total))

    return on_progress


class Follow:
    """Shows how far a model's download is, and says when it is there."""

    SAID = {
        "starting": "verified and being loaded; labelling with it follows.",
        "ready": "verified; labelling uses it from its next batch on.",
    }

    def __init__(self, home: Home, name: str, title: str) -> None:
        self.home, self.name, self.title = home, name, title
        self._bar: Bar | None = None
        self._last_state = ""

    def step(self) -> None:
        status = read_status(self.home, self.name)
        if status is not None and status.share_done is not None:
            self._bar = self._bar or Bar(self.title, unit="B", scale=True)
            self._bar.update(status.done, status.total, status.state)
        elif self._bar is not None:
            self._bar.close()
            self._bar = None
        if status is not None and status.state != self._last_state:
            self._last_state = status.state
            if words := self.SAID.get(status.state):
                say(f"{self.title}: {status.detail} {words}")
