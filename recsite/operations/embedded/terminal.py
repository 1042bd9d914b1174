"""What `manage.py up` shows while it runs: lines, progress bars, and warnings out of the children's logs."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

WORTH_SHOWING = re.compile(r"level='(?:warning|error|critical)'|\b(?:FATAL|PANIC|Traceback|CRITICAL|ERROR)\b")
LINES_PER_MINUTE = 6
STEP = 0.1


class Bar:
    """A bar on a terminal; elsewhere a line at every tenth."""

    def __init__(self, title: str, *, unit: str, scale: bool = False) -> None:
        self.title = title
        self.is_terminal = sys.stderr.isatty()
        self._shown = -1.0
        self._bar = tqdm(
            total=0,
            desc=title,
            unit=unit,
            unit_scale=scale,
            disable=not self.is_terminal,
            leave=False,
            dynamic_ncols=True,
        )

    def update(self, done: int, total: int, note: str = "") -> None:
        if self.is_terminal:
            self._bar.total, self._bar.n = total, done
            self._bar.set_postfix_str(note[:60], refresh=False)
            self._bar.refresh()
        elif total and (done / total >= self._shown + STEP or (done >= total > done - 1 and self._shown < 1)):
            self._shown = done / total
            say(f"{self.title}: {self._shown:.0%}{' ' + note if note else ''}")

    def close(self) -> None:
        self._bar.close()


def say(line: str = "") -> None:
    """One line, above any bar."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


@dataclass
class LogWatch:
    """Follows log files and passes on what a person should look at, a few lines a minute for each."""

    paths: dict[str, Path]
    offsets: dict[str, int] = field(default_factory=dict)
    shown_at: dict[str, list[float]] = field(default_factory=dict)

    def new_lines(self) -> list[str]:
        found: list[str] = []
        for name, path in self.paths.items():
            for line in self._unread(name, path):
                if WORTH_SHOWING.search(line) and self._may_show(name):
                    found.append(f"  {name}: {compact(line)}")
        return found

    def _unread(self, name: str, path: Path) -> list[str]:
        try:
            size = path.stat().st_size
            offset = self.offsets.get(name, 0)
            if size <= offset:
                return []
            with path.open("rb") as file:
                file.seek(offset)
                text = file.read(256 * 1024)
        except FileNotFoundError:
            return []
        whole, _, _ = text.rpartition(b"\n")
        self.offsets[name] = offset + (len(whole) + 1 if whole else 0 if len(text) < 256 * 1024 else len(text))
        return whole.decode(errors="replace").splitlines()

    def _may_show(self, name: str) -> bool:
        now = time.monotonic()
        recent = [moment for moment in self.shown_at.get(name, []) if now - moment < 60]
        self.shown_at[name] = [*recent, now] if len(recent) < LINES_PER_MINUTE else recent
        return len(recent) < LINES_PER_MINUTE


def compact(line: str, *, width: int = 150) -> str:
    """Without the time, which is now, and no wider than a line."""
    short = re.sub(r"^timestamp='[^']*' ?", "", line)
    return short if len(short) <= width else short[: width - 1] + "…"
