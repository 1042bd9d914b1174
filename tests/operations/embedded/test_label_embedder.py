"""The larger embedding model: where it lies, what is said of it, and who starts what when."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recsite.operations.embedded import downloads, fetching, label_embedder, language_model, weights
from recsite.operations.embedded.fetching import GIVE_UP, Status
from recsite.operations.embedded.home import Home
from recsite.operations.embedded.launcher import Launcher, Options
from recsite.operations.embedded.packaged_models import LABEL_EMBEDDER, LANGUAGE_MODEL
from recsite.operations.embedded.processes import Program
from recsite.operations.embedded.supervisor import Supervisor
from tests.conftest import PROJECT, wait_until


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def put_in_place(home: Home, *names: str) -> None:
    """Files as long as the originals, which is what a start looks at; sparse, so that they cost nothing."""
    models = [model for model in (LABEL_EMBEDDER, LANGUAGE_MODEL) if model.name in names]
    for model in models:
        path = home.models / model.filename
        sizes = {path / file.path: file.size for file in model.files} or {path: model.size}
        for place, size in sizes.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as file:
                file.truncate(size)


def command(home: Home, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"LABEL_EMBEDDER", "RECSITE_LLM"}}
    return subprocess.run(
        [sys.executable, "manage.py", "label_embedder"],
        cwd=PROJECT,
        env={**kept, "RECSITE_HOME": str(home.root), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_is_said_of_it_follows_what_is_there(home: Home) -> None:
    path = str(label_embedder.directory(home))
    assert label_embedder.status(home, "") == Status("off")
    assert label_embedder.status(home, path) == Status("absent")
    fetching.write_status(home, label_embedder.NAME, Status("downloading", done=1, total=4))
    assert label_embedder.status(home, path).share_done == 0.25
    put_in_place(home, LABEL_EMBEDDER.name)
    assert label_embedder.status(home, path) == Status("ready", detail="all-mpnet-base-v2")
    mine = home.root / "mine"
    assert label_embedder.status(home, str(mine)).state == "failed"
    mine.mkdir()
    (mine / "modules.json").write_text("[]")
    assert label_embedder.status(home, str(mine)) == Status("ready", detail="mine")


def test_the_command_finds_it_in_place_and_fetches_nothing(home: Home) -> None:
    put_in_place(home, LABEL_EMBEDDER.name)
    done = command(home)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"in place: {label_embedder.directory(home)}" in done.stdout


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"RECSITE_LLM": "off"}, "is off"),
        ({"LABEL_EMBEDDER": "off"}, "is off"),
        ({"LABEL_EMBEDDER_PATH": "/models/mine"}, "a model of your own"),
    ],
)
def test_the_command_fetches_nothing_where_it_is_off_or_ones_own(
    home: Home, environment: dict[str, str], words: str
) -> None:
    done = command(home, **environment)
    assert done.returncode == 2
    assert words in done.stderr
    assert list(home.models.iterdir()) == []


def test_weights_that_are_wrong_are_not_fetched_for_ever(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def forged(*args: object, **kwargs: object) -> Path:
        raise downloads.WeightsError("The weights are not what they must be.")

    monkeypatch.setattr(weights, "install", forged)
    with pytest.raises(downloads.WeightsError):
        label_embedder.fetch(home, project=PROJECT)
    assert fetching.read_status(home, "label_embedder") == Status("failed", "The weights are not what they must be.")
    assert language_model.GIVE_UP == GIVE_UP


class Started(Supervisor):
    """Keeps what it was asked to start instead of starting it."""

    def start(self, program: Program) -> None:
        self.names = [*getattr(self, "names", []), program.name]


@pytest.mark.parametrize(
    ("there", "options", "started", "later"),
    [
        ([], {}, ["label_embedder"], "language_model"),
        ([LANGUAGE_MODEL.name], {}, ["label_embedder", "language_model"], None),
        ([LABEL_EMBEDDER.name], {}, ["language_model"], None),
        ([], {"label_embedder_path": ""}, ["language_model"], None),
        ([], {"label_embedder_path": "/models/mine"}, ["language_model"], None),
        ([], {"llm_model_path": "/models/mine.gguf"}, ["label_embedder", "language_model"], None),
        ([], {"llm_base_url": "http://127.0.0.1:1/v1"}, ["label_embedder"], None),
    ],
)
def test_of_two_downloads_the_smaller_comes_first_and_what_needs_none_waits_for_none(
    home: Home, there: list[str], options: dict[str, str], started: list[str], later: str | None
) -> None:
    put_in_place(home, *there)
    given = {"label_embedder_path": str(label_embedder.directory(home)), **options}
    launcher = Launcher(home, Options(project=PROJECT, **given))
    launcher.supervisor = Started(launcher.register, print, final_codes=frozenset())
    launcher._start_models("" if "llm_base_url" in options else "http://127.0.0.1:4711/v1")
    assert launcher.supervisor.names == started
    assert (launcher._later.name if launcher._later else None) == later


def test_a_child_that_may_end_is_not_started_again_and_one_that_fails_is(home: Home, tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(Launcher(home, Options(project=PROJECT)).register, said.append, final_codes=frozenset())

    def program(name: str, code: int) -> Program:
        return Program(name, (sys.executable, "-c", f"raise SystemExit({code})"), tmp_path / "log", may_end=True)

    assert supervisor.has_ended("good")
    supervisor.start(program("good", 0))
    supervisor.start(program("bad", 1))
    assert not supervisor.has_ended("good")
    wait_until(lambda: supervisor.tick() or (supervisor.has_ended("good") and supervisor.has_ended("bad")))
    restarts = {name: child.restart_at for name, child in supervisor.children.items()}
    assert (restarts["good"], restarts["bad"] is None) == (None, False)
    assert [line.split()[0] for line in said] == ["bad"]
    supervisor.stop()
