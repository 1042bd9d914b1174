"""The embedded language model: what it is started with, what it says of itself, and when it gives up."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from recsite.operations.embedded import language_model
from recsite.operations.embedded.home import Home
from recsite.operations.embedded.language_model import GIVE_UP, Status
from tests.conftest import PROJECT


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def test_it_is_bound_to_loopback_and_its_key_is_in_the_environment_alone(home: Home) -> None:
    program = language_model.program(home, manage=PROJECT / "manage.py", port=4711, model_path="")
    key = (home.secrets / "language_model_key").read_text().strip()
    assert program.environment["LLAMA_API_KEY"] == key
    assert key not in " ".join(program.command)
    command = language_model.server_command(Path("/m/x.gguf"), port=4711, name="x", threads=2)
    pairs = dict(pairwise(command))
    assert (pairs["--host"], pairs["--port"], pairs["--parallel"], pairs["--threads"]) == (
        "127.0.0.1",
        "4711",
        "4",
        "2",
    )
    assert Path(command[0]).is_file()
    assert key not in " ".join(command)


def test_its_status_is_kept_closed_and_absent_where_nothing_runs(home: Home) -> None:
    assert language_model.read_status(home) is None
    language_model.write_status(home, Status("downloading", done=3, total=10))
    assert language_model.read_status(home) == Status("downloading", done=3, total=10)
    assert language_model.status_path(home).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("path", "name"), [("", "qwen2.5-coder-1.5b-instruct-q4_k_m"), ("/models/My-Model.Q8.gguf", "my-model.q8")]
)
def test_the_model_is_named_after_its_file(path: str, name: str) -> None:
    assert language_model.model_name(path) == name


def test_a_file_that_is_no_model_makes_the_child_give_up_with_the_reason(home: Home, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"ZIP")
    environment = {
        **os.environ,
        "RECSITE_HOME": str(home.root),
        "RECSITE_LLM_PORT": "4711",
        "LLAMA_API_KEY": "key",
        "LLM_MODEL_PATH": str(wrong),
    }
    result = subprocess.run(
        [sys.executable, "manage.py", "language_model"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == GIVE_UP
    assert result.stderr == f"CommandError: LLM_MODEL_PATH: {wrong} is not a GGUF file.\n"
    status = language_model.read_status(home)
    assert status is not None
    assert (status.state, status.detail) == ("failed", f"LLM_MODEL_PATH: {wrong} is not a GGUF file.")
