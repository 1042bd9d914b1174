"""Production settings: quiet when complete, loud when not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from recsite import settings
from tests.conftest import PROJECT

COMPLETE = {
    "RECSITE_PRODUCTION": "true",
    "SECRET_KEY": "k3J9sQ" * 12,
    "ALLOWED_HOSTS": "shop.example.com",
    "DATABASE_URL": "postgresql://recsite:secret@127.0.0.1:1/recsite",
    "BROKER_URL": "redis://127.0.0.1:1/0",
}


def manage(home: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    # DJANGO_ALLOW_ASYNC_UNSAFE: the browser tests of the same run set it for themselves.
    dropped = {*COMPLETE, "RECSITE_HOME", "DJANGO_SETTINGS_MODULE", "DJANGO_ALLOW_ASYNC_UNSAFE"}
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env={**env, "RECSITE_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_deploy_is_quiet_under_production_settings(tmp_path: Path) -> None:
    result = manage(tmp_path, COMPLETE, "check", "--deploy", "--fail-level", "WARNING")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "System check identified no issues (0 silenced).\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["SECRET_KEY", "DATABASE_URL", "BROKER_URL"])
def test_production_does_not_start_without(tmp_path: Path, missing: str) -> None:
    environment = {name: value for name, value in COMPLETE.items() if name != missing}
    result = manage(tmp_path, environment, "check")
    assert result.returncode != 0
    assert f"{missing} is not set" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_up_is_not_for_production(tmp_path: Path) -> None:
    result = manage(tmp_path, COMPLETE, "up")
    assert result.returncode == 2
    assert "run the Procfile's commands" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEMO", "shoes"), ("RECSITE_LLM", "on"), ("LLM_CONCURRENCY", "many"), ("LLM_TIMEOUT_S", "1m")],
)
def test_a_setting_with_an_unknown_value_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    result = manage(tmp_path, {name: value}, "check")
    assert result.returncode != 0
    assert f"{name} is '{value}'; use " in result.stderr


@pytest.mark.parametrize("address", ["recsite", "mysql://recsite:hidden@127.0.0.1/recsite"])
def test_a_database_that_is_no_postgresql_stops_the_start_and_is_not_repeated(tmp_path: Path, address: str) -> None:
    result = manage(tmp_path, {"DATABASE_URL": address}, "check")
    assert result.returncode != 0
    assert "DATABASE_URL is no PostgreSQL address; use postgresql://" in result.stderr
    assert "hidden" not in result.stderr


def test_a_home_that_belongs_to_another_account_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> str:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    for read in (lambda: settings._embedded("DATABASE_URL"), settings._secret_key):
        with pytest.raises(
            ImproperlyConfigured, match=r"belongs to another account; run as that one, or set RECSITE_HOME"
        ):
            read()


def test_a_database_that_is_away_ends_a_command_with_a_sentence(tmp_path: Path) -> None:
    result = manage(tmp_path, {"DATABASE_URL": COMPLETE["DATABASE_URL"]}, "label_items")
    assert result.returncode == 1
    assert result.stderr.startswith(
        "The database does not answer; start it with `make run`, or check DATABASE_URL. connection failed:"
    )
    assert "secret" not in result.stderr


def test_a_wrong_setting_ends_a_command_with_a_sentence(tmp_path: Path) -> None:
    result = manage(tmp_path, {"DEMO": "shoes"}, "label_items")
    assert (result.returncode, result.stderr) == (
        1,
        "recsite cannot start: DEMO is 'shoes'; use 'grocery' or 'none'.\n",
    )
