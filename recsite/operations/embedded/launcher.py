"""Everything `manage.py up` does, in order: lock, leftovers, servers, tables, accounts, children, demo; then watch."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from django.core.management import call_command

from recsite.operations import admin_accounts, api_keys, jobs
from recsite.operations.embedded import (
    children,
    demo,
    fetching,
    label_embedder,
    language_model,
    postgres,
    services,
    valkey,
    weights,
)
from recsite.operations.embedded.home import EmbeddedError, Home
from recsite.operations.embedded.packaged_models import LABEL_EMBEDDER, LANGUAGE_MODEL, PackagedModel
from recsite.operations.embedded.ports import free_port, holder, is_free
from recsite.operations.embedded.processes import Program, Register, last_lines, rotate, write_private
from recsite.operations.embedded.supervisor import Supervisor
from recsite.operations.embedded.terminal import LogWatch, say

DEFAULT_PORT = 8000
PORTS_TRIED = 50
WEB_START_S = 60.0
TICK_S = 0.2


class StopRequested(BaseException):
    """Ctrl-C or SIGTERM."""


@dataclass(frozen=True)
class Options:
    """What the environment asks for. An address that is set replaces the embedded service."""

    project: Path
    port: str = ""
    database_url: str = ""
    broker_url: str = ""
    llm_base_url: str = ""
    llm_model_path: str = ""
    llm: str = "auto"
    label_embedder_path: str = ""
    """'' where it is off, else where the larger embedding model is or will be."""
    demo: str = "grocery"


class Launcher:
    def __init__(self, home: Home, options: Options) -> None:
        self.home = home
        self.options = options
        self.register = Register(home.run / "processes.json")
        self.supervisor = Supervisor(self.register, say, final_codes=frozenset({language_model.GIVE_UP}))
        self.demo_job: int | None = None
        self._later: Program | None = None
        self._is_urgent = False
        self._is_stopping = False

    def run(self) -> None:
        """Returns when asked to stop, with nothing left running. Raises EmbeddedError where it cannot start."""
        started_at = time.monotonic()
        self.home.create()
        lock = self._lock()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._start(started_at)
            self._watch()
        except StopRequested:
            say("\nStopping …")
        finally:
            self._is_stopping = True
            self.supervisor.stop(is_urgent=lambda: self._is_urgent)
            services.withdraw(self.home)
            for name in (language_model.NAME, label_embedder.NAME):
                fetching.status_path(self.home, name).unlink(missing_ok=True)
            (self.home.run / "up.json").unlink(missing_ok=True)
            lock.close()
        say("Stopped. Everything is kept; `make run` starts it again.")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_stopping:
            self._is_urgent = True
            return
        self._is_stopping = True
        raise StopRequested

    # ------------------------------------------------------------ start
    def _start(self, started_at: float) -> None:
        port = choose_port(self.options.port)
        if found := self.register.end_leftovers():
            say(f"An earlier run was killed; ended what it left: {', '.join(found)}.")
        for log in self.home.logs.glob("*.log"):
            rotate(log)
        address = f"http://127.0.0.1:{port}/"
        write_private(self.home.run / "up.json", json.dumps({"pid": os.getpid(), "address": address}))
        found_services = self._start_servers()
        say("Preparing the database …")
        call_command("migrate", verbosity=0, interactive=False)
        if not self.options.database_url:
            jobs.workers_are_gone()
        login = admin_accounts.ensure_staff_account(self.home.root)
        key_path = api_keys.ensure_storefront_key(self.home.root)
        # The page first: everything else would only take its processor away.
        self.supervisor.start(children.web(self.home, self.options.project, port))
        self._wait_for_page(address)
        for program in children.background(self.home, self.options.project):
            self.supervisor.start(program)
        self._start_models(found_services.LLM_BASE_URL)
        self.demo_job = demo.ensure_demo(self.options.demo)
        say(self._block(address, login, key_path, time.monotonic() - started_at))

    def _start_servers(self) -> services.Services:
        """Start what the environment gives no address for, and publish the addresses before any child starts."""
        options = self.options
        database_url = broker_url = llm_base_url = ""
        if not options.broker_url:
            broker = valkey.describe(self.home)
            self.supervisor.adopt(broker.program, broker.start())
            broker_url = broker.url()
        if not options.database_url:
            say("Starting PostgreSQL …")
            database = postgres.describe(self.home)
            self.supervisor.adopt(database.program, database.start())
            database_url = database.url()
        if options.llm == "auto" and not options.llm_base_url:
            llm_base_url = f"http://127.0.0.1:{free_port()}/v1"
        found = services.Services(
            DATABASE_URL=database_url,
            BROKER_URL=broker_url,
            LLM_BASE_URL=llm_base_url,
            LLM_API_KEY=language_model.api_key(self.home) if llm_base_url else "",
            LLM_MODEL=language_model.model_name(options.llm_model_path) if llm_base_url else "",
        )
        services.publish(self.home, found)
        services.adopt(found)
        return found

    def _start_models(self, llm_base_url: str) -> None:
        """Two downloads at once would only slow each other: the smaller one first, which helps sooner."""
        if self._has_to_fetch(LABEL_EMBEDDER):
            self.supervisor.start(label_embedder.program(self.home, manage=self.options.project / "manage.py"))
        if not llm_base_url:
            return
        program = self._language_model(llm_base_url)
        if self._has_to_fetch(LANGUAGE_MODEL) and self._has_to_fetch(LABEL_EMBEDDER):
            self._later = program
        else:
            self.supervisor.start(program)

    def _has_to_fetch(self, model: PackagedModel) -> bool:
        """Whether this start has to fetch it."""
        if model is LABEL_EMBEDDER:
            ours = self.options.label_embedder_path == str(label_embedder.directory(self.home))
            return ours and weights.installed(self.home.models, model) is None
        is_ours = self.options.llm == "auto" and not (self.options.llm_base_url or self.options.llm_model_path)
        return is_ours and weights.installed(self.home.models, model) is None

    def _language_model(self, base_url: str) -> Program:
        return language_model.program(
            self.home,
            manage=self.options.project / "manage.py",
            port=int(base_url.rsplit(":", 1)[1].removesuffix("/v1")),
            model_path=self.options.llm_model_path,
        )

    def _wait_for_page(self, address: str) -> None:
        deadline = time.monotonic() + WEB_START_S
        while time.monotonic() < deadline:
            self.supervisor.tick()
            try:
                with urllib.request.urlopen(f"{address}health/live/", timeout=5):  # noqa: S310  (our own address)
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
        log = self.home.logs / "web.log"
        raise EmbeddedError(
            f"The web server did not answer in {WEB_START_S:.0f} s; the end of {log}:\n{last_lines(log)}"
        )

    # ------------------------------------------------------------ watch
    def _watch(self) -> None:
        """Until a signal: keep children running, show progress and what the logs warn of."""
        watch = LogWatch({name: child.program.log for name, child in self.supervisor.children.items()})
        for name, child in self.supervisor.children.items():
            if child.program.is_server:
                # What a server says while it starts ("the database system is starting up") is no news.
                watch.offsets[name] = child.program.log.stat().st_size
        follow = demo.Follow(self.demo_job) if self.demo_job else None
        fetches = [
            fetching.Follow(self.home, label_embedder.NAME, LABEL_EMBEDDER.title),
            fetching.Follow(self.home, language_model.NAME, LANGUAGE_MODEL.title),
        ]
        while True:
            self.supervisor.tick()
            if self._later is not None and self.supervisor.has_ended(label_embedder.NAME):
                self.supervisor.start(self._later)
                watch.paths[self._later.name] = self._later.log
                self._later = None
            for line in watch.new_lines():
                say(line)
            if follow is not None and follow.step():
                follow = None
            for fetch in fetches:
                fetch.step()
            time.sleep(TICK_S)

    # ------------------------------------------------------------ words
    def _lock(self) -> IO[str]:
        """Held while we run and let go by the kernel however we end."""
        lock = (self.home.run / "up.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            try:
                running = json.loads((self.home.run / "up.json").read_text())
                where = f" at {running['address']} (pid {running['pid']})"
            except (FileNotFoundError, ValueError, KeyError):
                where = ""
            raise EmbeddedError(
                f"recsite already runs{where} with its data in {self.home.root}. "
                "Use that one, stop it, or set RECSITE_HOME to another directory."
            ) from error
        return lock

    def _block(self, address: str, login: admin_accounts.StaffLogin | None, key_path: Path, took_s: float) -> str:
        if login is None:
            sign_in = "with your own staff account"
        elif login.is_new:
            sign_in = f"{login.username} / {login.password}   (shown once; kept in {login.password_path})"
        else:
            sign_in = f"{login.username}, password in {login.password_path}"
        rows = [
            ("Open", address),
            ("Sign in", sign_in),
            ("API key", f"in {key_path} (header X-API-Key; API at {address}api/docs/)"),
            ("Data, logs", f"{self.home.root}, {self.home.logs}"),
            ("Language model", self._language_model_words()),
            ("Stop", "Ctrl-C"),
        ]
        line = "─" * 78
        body = "\n".join(f"  {name:<15} {value}" for name, value in rows)
        return f"\n{line}\n  recsite is ready ({took_s:.1f} s)\n\n{body}\n{line}\n"

    def _language_model_words(self) -> str:
        if self.options.llm == "off":
            return "off (RECSITE_LLM=off): labels come from embeddings alone, and are marked as such"
        if self.options.llm_base_url:
            return self.options.llm_base_url
        if self.options.llm_model_path:
            return self.options.llm_model_path
        first = "0.4 GB for labels, then " if self._has_to_fetch(LABEL_EMBEDDER) else ""
        if self._has_to_fetch(LANGUAGE_MODEL):
            return f"{first}1.1 GB being fetched; until it is here labels come from embeddings alone"
        return f"{LANGUAGE_MODEL.name}, being loaded"


def choose_port(wanted: str) -> int:
    """PORT where it is set, else 8000 or the next free one. Raises EmbeddedError where PORT is taken or no port."""
    if wanted:
        if not wanted.isdigit() or not 0 < int(wanted) < 65536:
            raise EmbeddedError(f"PORT is {wanted!r}; use a number from 1 to 65535.")
        try:
            if is_free(int(wanted)):
                return int(wanted)
        except PermissionError as error:
            raise EmbeddedError(f"PORT {wanted} may not be used by this account; use one above 1023.") from error
        by = holder(int(wanted))
        raise EmbeddedError(f"Port {wanted} is taken{f' by {by}' if by else ''}; free it or set PORT to another one.")
    for port in range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        if is_free(port):
            if port != DEFAULT_PORT:
                say(f"Port {DEFAULT_PORT} is taken; using {port}.")
            return port
    raise EmbeddedError(
        f"Ports {DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TRIED - 1} are all taken; set PORT to a free one."
    )
