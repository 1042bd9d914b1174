"""RECSITE_HOME: what lies where, who may read it, and the account that servers run under when root starts them."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARED_BASE = Path("/var/lib/recsite")


class EmbeddedError(Exception):
    """An embedded service cannot be started; the message says what to do."""


@dataclass(frozen=True)
class Home:
    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    def create(self) -> None:
        """Make the directories; what holds secrets or logs is closed to others."""
        try:
            for path in (self.root, self.models, self.root / "static"):
                path.mkdir(parents=True, exist_ok=True, mode=0o755)
            for path in (self.run, self.logs, self.secrets):
                path.mkdir(exist_ok=True, mode=0o700)
                if path.stat().st_uid == os.geteuid():
                    path.chmod(0o700)
        except PermissionError as error:
            raise EmbeddedError(
                f"{error.filename} cannot be written by this account; "
                "run as the account that made it, or set RECSITE_HOME to another directory."
            ) from error
        if not os.access(self.run, os.R_OK | os.W_OK | os.X_OK):
            raise EmbeddedError(
                f"{self.root} belongs to another account; run as that one, or set RECSITE_HOME to another directory."
            )


@dataclass(frozen=True)
class Account:
    """Somebody else than root, for servers that refuse root."""

    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may(self, test: str, path: Path) -> bool:
        """Whether `test -r`, `-w` or `-x` on the path succeeds for this account: asked of the kernel, not guessed."""
        result = subprocess.run(
            ["/bin/sh", "-c", f'test -{test} "$0"', str(path)], cwd="/", check=False, **self.popen_arguments()
        )
        return result.returncode == 0

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)


def service_account(home: Home) -> Account | None:
    """None where we are not root: servers then run as ourselves. Root uses the owner of existing data, else nobody."""
    if os.geteuid() != 0:
        return None
    data = home.root / "postgres"
    if data.exists() and data.stat().st_uid != 0:
        found = data.stat()
        return Account(uid=found.st_uid, gid=found.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedError(
            "There is no account `nobody` for PostgreSQL, which refuses root; run as a user."
        ) from error
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def server_base(home: Home, account: Account | None) -> Path:
    """The directory that holds the servers' data: RECSITE_HOME, or where the account cannot reach it /var/lib/recsite.

    A place once used is kept, whatever the permissions above RECSITE_HOME become later.
    """
    if account is None:
        return home.root
    elsewhere = SHARED_BASE / hashlib.sha256(str(home.root).encode()).hexdigest()[:12]
    if elsewhere.exists():
        return elsewhere
    if account.may("x", home.root):
        return home.root
    if (home.root / "postgres").exists():
        raise EmbeddedError(
            f"{home.root}/postgres can no longer be reached by its owner; give the directories above it `chmod o+x`."
        )
    elsewhere.mkdir(parents=True, mode=0o755)
    (elsewhere / "belongs-to").write_text(f"{home.root}\n")
    return elsewhere


def server_directory(base: Path, name: str, account: Account | None) -> Path:
    """`base/name`, closed to everybody but the account that runs the server."""
    path = base / name
    path.mkdir(exist_ok=True, mode=0o700)
    if account is not None and path.stat().st_uid != account.uid:
        account.own(path)
    return path
