"""Staff: invite one, give a role, let go and take back. The last active admin always stays."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from recsite.operations import roles
from recsite.operations.errors import ConflictError, InvalidInputError

log = structlog.get_logger(__name__)


@transaction.atomic
def create(username: str, password: str, *, role: str, email: str = "", staff: User) -> User:
    """A member of staff with this role. Raises InvalidInputError, ConflictError."""
    name = username.strip()
    _check_role(role, staff)
    made = User(username=name, email=email.strip(), is_staff=True)
    if User.objects.filter(username__iexact=name).exists():
        raise ConflictError(gettext("There is an account “%(name)s” already; choose another name.") % {"name": name})
    try:
        validate_password(password, user=made)
        made.set_password(password)
        made.full_clean()
    except ValidationError as error:
        raise InvalidInputError(" ".join(error.messages)) from error
    made.save()
    made.groups.set([_group(role)] if role else [])
    log.info("staff_created", created=made.pk, role=role, staff=staff.pk)
    return made


@transaction.atomic
def set_role(account: User, role: str, *, staff: User) -> None:
    """One of roles.ROLES, or '' for none; groups that are no roles stay. Raises ConflictError for the last admin."""
    _check_role(role, staff)
    _lock()
    if role != roles.ADMIN:
        _keep_an_admin(account)
        if account.is_superuser:
            _only_superusers(staff)
            account.is_superuser = False
            account.save(update_fields=["is_superuser"])
    others = [group for group in account.groups.all() if group.name not in roles.ROLES]
    account.groups.set([*others, *([_group(role)] if role else [])])
    log.info("role_changed", account=account.pk, role=role, staff=staff.pk)


@transaction.atomic
def set_active(account: User, *, is_active: bool, staff: User) -> None:
    """Whether they may sign in. Raises ConflictError for the last admin and for oneself."""
    _lock()
    if not is_active:
        if account.pk == staff.pk:
            raise ConflictError(gettext("You cannot deactivate yourself; ask another admin."))
        _keep_an_admin(account)
    if account.is_superuser:
        _only_superusers(staff)
    account.is_active = is_active
    account.save(update_fields=["is_active"])
    log.info("staff_activated" if is_active else "staff_deactivated", account=account.pk, staff=staff.pk)


def _lock() -> None:
    """Two admins must not take each other's role at once."""
    list(User.objects.filter(is_staff=True).select_for_update().order_by("pk").values_list("pk", flat=True))


def _keep_an_admin(account: User) -> None:
    others: Iterable[User] = (one for one in roles.admins() if one.pk != account.pk)
    if not any(others):
        raise ConflictError(
            gettext("“%(name)s” is the last admin; make somebody else one first.") % {"name": account.get_username()}
        )


def _only_superusers(staff: User) -> None:
    if not staff.is_superuser:
        raise ConflictError(gettext("Only a superuser may change the account of a superuser."))


def _check_role(role: str, staff: User) -> None:
    if role and role not in roles.ROLES:
        raise InvalidInputError(gettext("There is no role “%(role)s”.") % {"role": role})


def _group(role: str) -> Group:
    return Group.objects.get_or_create(name=role)[0]
