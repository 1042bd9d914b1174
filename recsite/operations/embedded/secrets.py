"""Secrets made on first use and kept in RECSITE_HOME/secrets, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path

ALPHABET = string.ascii_letters + string.digits


def stored_secret(home: Path, name: str, *, length: int) -> str:
    """The secret `name`, made with `length` random letters and digits where it does not exist yet.

    Two processes that start together agree: the file is written aside and linked into place, and the first one wins.
    """
    path = home / "secrets" / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("".join(secrets.choice(ALPHABET) for _ in range(length)) + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
