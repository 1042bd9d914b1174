"""The larger embedding model that labelling uses: fetched by a child of `manage.py up`, then a directory of files."""

from __future__ import annotations

import sys
from pathlib import Path

from recsite.operations.embedded import weights
from recsite.operations.embedded.fetching import Status, progress_writer, read_status, write_status
from recsite.operations.embedded.home import EmbeddedError, Home
from recsite.operations.embedded.packaged_models import LABEL_EMBEDDER
from recsite.operations.embedded.processes import Program

NAME = "label_embedder"
MARK = "modules.json"
"""The file that makes a directory a sentence-transformers model."""


def directory(home: Home) -> Path:
    """Where it is, or will be: whole and verified, or not there at all."""
    return home.models / LABEL_EMBEDDER.filename


def is_there(path: str) -> bool:
    """Whether `path`, as of LABEL_EMBEDDER_PATH, holds a model; one look at one file."""
    return bool(path) and (Path(path) / MARK).is_file()


def status(home: Home, path: str) -> Status:
    """off, ready, downloading, verifying, unpacking, failed (with the reason) or absent."""
    if not path:
        return Status("off")
    if is_there(path):
        return Status("ready", detail=Path(path).name)
    if Path(path) != directory(home):
        return Status("failed", detail=f"LABEL_EMBEDDER_PATH: {path} holds no {MARK}.")
    return read_status(home, NAME) or Status("absent")


def program(home: Home, *, manage: Path) -> Program:
    return Program(
        name=NAME,
        command=(sys.executable, str(manage), "label_embedder"),
        log=home.logs / f"{NAME}.log",
        directory=manage.parent,
        nice=10,
        may_end=True,
    )


def fetch(home: Home, *, project: Path) -> Path:
    """Raises EmbeddedError; what went wrong stays in the status, too."""
    try:
        path = weights.install(
            home.models,
            project / LABEL_EMBEDDER.requirements,
            model=LABEL_EMBEDDER,
            on_progress=progress_writer(home, NAME),
        )
    except EmbeddedError as error:
        write_status(home, NAME, Status("failed", detail=str(error)))
        raise
    write_status(home, NAME, Status("ready", detail=path.name))
    return path
