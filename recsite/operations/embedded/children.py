"""The programs that `manage.py up` runs beside the servers: web, three Celery workers, beat.

The same commands as in the Procfile, which is for running against services of your own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from recsite.operations.embedded.home import Home
from recsite.operations.embedded.processes import Program

SOFT_STOP_S = 3
WORKER = {"REMAP_SIGTERM": "SIGQUIT", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def web(home: Home, project: Path, port: int) -> Program:
    return Program(
        name="web",
        command=(
            *(sys.executable, "-m", "gunicorn", "recsite.wsgi:application", "--bind", f"127.0.0.1:{port}"),
            *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--timeout", "60"),
            *("--graceful-timeout", str(SOFT_STOP_S), "--access-logfile", "-", "--no-control-socket"),
        ),
        log=home.logs / "web.log",
        directory=project,
    )


def worker(home: Home, project: Path, queue: str, *, nice: int = 0) -> Program:
    """One worker a queue, one task at a time: an import never holds up an event. SIGTERM gives a task 3 s to finish."""
    return Program(
        name=f"worker_{queue}",
        command=(
            *(sys.executable, "-m", "celery", "--app", "recsite", "worker", "--queues", queue, "--concurrency", "1"),
            *("--hostname", f"{queue}@%h", "--without-gossip", "--without-mingle", "--loglevel", "INFO"),
        ),
        log=home.logs / f"worker_{queue}.log",
        environment=WORKER,
        directory=project,
        nice=nice,
    )


def beat(home: Home, project: Path) -> Program:
    return Program(
        name="beat",
        command=(
            *(sys.executable, "-m", "celery", "--app", "recsite", "beat", "--loglevel", "INFO"),
            *("--schedule", str(home.run / "beat-schedule"), "--pidfile", ""),
        ),
        log=home.logs / "beat.log",
        directory=project,
    )


def background(home: Home, project: Path) -> list[Program]:
    return [
        worker(home, project, "default"),
        worker(home, project, "events"),
        worker(home, project, "models", nice=10),
        beat(home, project),
    ]
