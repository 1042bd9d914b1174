"""Which requests this process is at, so that its claims can be renewed while it lives and given back when it died.

A claim is known by the exact moment it runs out. Beside it lies a Lease named after the process that holds it.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import psutil

from catalog.models.lease import Lease

PREFIX = "claim"
GONE_STATES = frozenset("ZX")


@dataclass
class Claim:
    """Requests that were claimed at once, and until when."""

    name: str
    ids: tuple[int, ...]
    until: datetime


@dataclass
class Keeping:
    """What one thread has claimed and is at."""

    claims: list[Claim] = field(default_factory=list)


_here = threading.local()
_numbers = itertools.count()


@contextmanager
def keeping() -> Iterator[Keeping]:
    """Claims that this thread makes in the block are noted in what it yields, and in the database for its survivors."""
    outer = getattr(_here, "keeping", None)
    _here.keeping = kept = Keeping()
    try:
        yield kept
    finally:
        _here.keeping = outer


def note(ids: list[int], until: datetime) -> None:
    """Called where a claim is made, in its transaction; does nothing outside of `keeping`."""
    kept: Keeping | None = getattr(_here, "keeping", None)
    if kept is None or not ids:
        return
    claim = Claim(f"{PREFIX}:{process_name()}:{next(_numbers)}", tuple(ids), until)
    Lease.objects.bulk_create(
        [Lease(name=claim.name, holder=until.isoformat(), expires_at=until)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["holder", "expires_at"],
    )
    kept.claims.append(claim)


# ---------------------------------------------------------------- processes
def process_name() -> str:
    """host:pid:start; never the same for two processes, and readable by others on the same machine alone."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_started(pid)}"


def is_dead(process: str) -> bool:
    """Whether a process of this machine and account, as `process_name` says it, is no more; never True of others."""
    host, _, rest = process.partition(":")
    pid, _, started = rest.partition(":")
    return host == _host() and pid.isdigit() and _started(int(pid)) != started


def of_this_machine(prefix: str) -> str:
    """What the names of this machine's leases of that kind begin with."""
    return f"{prefix}:{_host()}:"


@cache
def _host() -> str:
    """Tells apart machines, their starts, containers that share no processes, and accounts that may not see each
    other's."""
    parts = [socket.gethostname(), str(os.geteuid())]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        lambda: str(Path("/proc/self/ns/pid").readlink()),
    ):
        try:
            parts.append(read())
        except OSError:
            parts.append("")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:12]


def _started(pid: int) -> str:
    """When the process started, in the kernel's own clock, which no change of the time moves; '' where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in GONE_STATES else fields[19]
    except FileNotFoundError:
        pass
    except (OSError, IndexError):
        return ""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.Error:
        return ""
