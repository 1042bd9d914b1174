"""The first staff account, made once with a generated password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from recsite.operations.embedded.secrets import stored_secret

USERNAME = "admin"


@dataclass(frozen=True)
class StaffLogin:
    username: str
    password: str
    password_path: Path
    is_new: bool


def ensure_staff_account(home: Path) -> StaffLogin | None:
    """Make `admin` where nobody may sign in as staff yet. Returns None where somebody else already can, also
    an `admin` that was not made here: another RECSITE_HOME may have used the same database.

    `password` is '' but for the run that makes the account: it is shown once and kept in RECSITE_HOME/secrets.
    """
    path = home / "secrets" / "admin_password"
    with transaction.atomic():
        if User.objects.filter(username=USERNAME).exists():
            return StaffLogin(USERNAME, "", path, is_new=False) if path.exists() else None
        if User.objects.filter(is_staff=True, is_active=True).exists():
            return None
        password = stored_secret(home, "admin_password", length=16)
        User.objects.create_superuser(USERNAME, email="", password=password)
    return StaffLogin(USERNAME, password, path, is_new=True)
