"""Roles: viewer, reviewer, merchandiser, admin. Each may do what the one before it may, and more.

A role is a Django group. Apps say what a role may do (`grant`), and migrating makes the groups and gives them what they
were never given before: what an administrator adds stays, and what one takes away is not given back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import structlog
from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy

log = structlog.get_logger(__name__)

VIEWER, REVIEWER, MERCHANDISER, ADMIN = "viewer", "reviewer", "merchandiser", "admin"
ROLES = (VIEWER, REVIEWER, MERCHANDISER, ADMIN)
NAMES = {
    VIEWER: gettext_lazy("Viewer"),
    REVIEWER: gettext_lazy("Reviewer"),
    MERCHANDISER: gettext_lazy("Merchandiser"),
    ADMIN: gettext_lazy("Admin"),
}
WORDS = {
    VIEWER: gettext_lazy("Reads everything, changes nothing."),
    REVIEWER: gettext_lazy("Decides labels as well."),
    MERCHANDISER: gettext_lazy(
        "Also changes items, taxonomies, strategies, rules and experiments, and starts jobs and evaluations."
    ),
    ADMIN: gettext_lazy("Also changes settings, API keys, models and staff."),
}
GIVEN = "_roles_given"  # the row of Setting that remembers what was given

_granted: dict[str, list[str]] = defaultdict(list)


def grant(role: str, permissions: Iterable[str]) -> None:
    """Called once an app is ready: "app.permission" for this role and those above it."""
    _granted[role] += [name for name in permissions if name not in _granted[role]]


def permissions_of(role: str) -> list[str]:
    """All that the role is made with, of the roles below it too."""
    return [name for one in ROLES[: ROLES.index(role) + 1] for name in _granted[one]]


def lowest_with(permission: str) -> str:
    """The role that is enough for this; '' where none is, so that only a superuser may."""
    return next((role for role in ROLES if permission in permissions_of(role)), "")


def make(sender: AppConfig, **kwargs: Any) -> None:
    """After each app was migrated: the groups, with this app's permissions."""
    from recsite.operations.models import Setting

    create_permissions(sender, verbosity=0, interactive=False, using=kwargs.get("using", "default"), apps=apps)
    with transaction.atomic():
        memory, _ = Setting.objects.select_for_update().get_or_create(key=GIVEN, defaults={"value": {}})
        is_first = not memory.value
        for role in ROLES:
            group, _ = Group.objects.get_or_create(name=role)
            given = set(memory.value.get(role, []))
            wanted = [name for name in permissions_of(role) if name.startswith(f"{sender.label}.")]
            new = [name for name in wanted if name not in given]
            group.permissions.add(*_permissions(new))
            memory.value[role] = sorted(given | set(new))
        memory.save()
    if is_first:
        _keep_what_staff_could_do()


def _permissions(names: Iterable[str]) -> list[Permission]:
    asked = Q(pk__in=[])
    for name in names:
        app, _, codename = name.partition(".")
        asked |= Q(content_type__app_label=app, codename=codename)
    return list(Permission.objects.filter(asked))


def _keep_what_staff_could_do() -> None:
    """Before there were roles any member of staff could do what merchandisers do now: those without one become so."""
    group = Group.objects.get(name=MERCHANDISER)
    without = User.objects.filter(is_staff=True, is_superuser=False, groups=None, user_permissions=None)
    for staff in without.order_by("pk"):
        staff.groups.add(group)
        log.info("role_given", staff=staff.pk, role=MERCHANDISER)


def role_of(staff: User) -> str:
    """The highest they have; '' for none. Superusers are admins. Prefetch `groups` for many."""
    if staff.is_superuser:
        return ADMIN
    names = {group.name for group in staff.groups.all()}
    return next((role for role in reversed(ROLES) if role in names), "")


def admins() -> list[User]:
    """Active staff who may give roles, by name."""
    may = Q(is_superuser=True) | Q(groups__name=ADMIN)
    return list(User.objects.filter(may, is_active=True, is_staff=True).distinct().order_by("username", "pk"))
