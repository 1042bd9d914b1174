"""The first staff account."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from recsite.operations.admin_accounts import ensure_staff_account

pytestmark = pytest.mark.django_db


def test_the_first_account_gets_a_generated_password_that_is_shown_once_and_kept_closed(tmp_path: Path) -> None:
    login = ensure_staff_account(tmp_path)
    assert login is not None
    assert (login.username, login.is_new, len(login.password)) == ("admin", True, 16)
    assert authenticate(username="admin", password=login.password) == User.objects.get(is_superuser=True)
    assert login.password_path.read_text().strip() == login.password
    assert login.password_path.stat().st_mode & 0o777 == 0o600
    again = ensure_staff_account(tmp_path)
    assert again is not None
    assert (again.password, again.is_new) == ("", False)


def test_a_changed_password_is_left_alone(tmp_path: Path) -> None:
    ensure_staff_account(tmp_path)
    user = User.objects.get(username="admin")
    user.set_password("a phrase of my own")
    user.save()
    ensure_staff_account(tmp_path)
    assert authenticate(username="admin", password="a phrase of my own") == user


def test_an_admin_made_elsewhere_has_no_password_file_to_point_at(tmp_path: Path) -> None:
    User.objects.create_superuser("admin", password="x" * 12)
    assert ensure_staff_account(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_where_other_staff_can_sign_in_no_account_is_made(tmp_path: Path) -> None:
    User.objects.create_user("ada", password="x" * 12, is_staff=True)
    assert ensure_staff_account(tmp_path) is None
    assert list(User.objects.values_list("username", flat=True)) == ["ada"]
    assert not (tmp_path / "secrets").exists()
