"""Gives the tests a real PostgreSQL and a real Valkey of their own, before Django reads its settings.

Loaded by `-p tests.plugin_embedded`. Where DATABASE_URL or BROKER_URL is set, that one is used as it is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from recsite.operations.embedded import postgres, processes, valkey
from recsite.operations.embedded.home import SHARED_BASE, Home, server_base, service_account

# Data that is thrown away anyway need not survive a power cut.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
GIVEN = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "BROKER_URL", "RECSITE_HOME")}

_home: Home | None = None
_running: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []


def _start() -> None:
    global _home
    os.environ.update(DEMO="none", RECSITE_LLM="off", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    for name in ("RECSITE_PRODUCTION", "DJANGO_DEBUG", "LLM_BASE_URL", "LLM_MODEL_PATH", "LABEL_EMBEDDER_PATH", "PORT"):
        os.environ.pop(name, None)
    root = Path(tempfile.mkdtemp(prefix="recsite-test-"))
    root.chmod(0o711)
    _home = Home(root)
    _home.create()
    os.environ["RECSITE_HOME"] = str(root)
    if not GIVEN["DATABASE_URL"]:
        database = postgres.describe(_home, options=FAST)
        _running.append((database.start(), database.program.stop_signal))
        os.environ["DATABASE_URL"] = database.url()
    if not GIVEN["BROKER_URL"]:
        broker = valkey.describe(_home)
        _running.append((broker.start(), broker.program.stop_signal))
        os.environ["BROKER_URL"] = broker.url()


def _stop() -> None:
    global _home
    for process, stop_signal in reversed(_running):
        processes.end([psutil.Process(process.pid)], timeout_s=5, first=stop_signal)
        process.wait()
    _running.clear()
    if _home is not None:
        base = server_base(_home, service_account(_home))
        if base.parent == SHARED_BASE:
            shutil.rmtree(base)
        shutil.rmtree(_home.root)
        _home = None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    _start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _stop()
