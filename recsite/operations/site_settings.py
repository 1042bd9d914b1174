"""What staff may set while the site runs: typed, with a default, a range and a sentence on what it does.

site_settings.define(Whole("slates_kept_days", …))      an app says so once it is ready
site_settings.value("slates_kept_days")                 what holds now
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext

from recsite.operations import time_zones
from recsite.operations.errors import InvalidInputError
from recsite.operations.models import Setting

log = structlog.get_logger(__name__)

Words = str | Promise
REMEMBERED_S = 10.0  # how long another process may go on with the value before


@dataclass(frozen=True)
class Whole:
    """A whole number within least..most. default: or where it comes from, read when it is needed."""

    key: str
    group: Words
    name: Words
    help: Words
    default: int | Callable[[], int]
    least: int
    most: int
    unit: Words = ""

    def read(self, written: object) -> int:
        """Raises InvalidInputError."""
        text = str(written).strip()
        is_whole = text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 18
        if not is_whole or not self.least <= int(text) <= self.most:
            raise InvalidInputError(
                gettext("%(name)s: “%(written)s” is not within %(least)s to %(most)s; write a whole number.")
                % {"name": self.name, "written": text, "least": f"{self.least:,}", "most": f"{self.most:,}"}
            )
        return int(text)


@dataclass(frozen=True)
class Zone:
    """A time zone by its name, such as Europe/Berlin."""

    key: str
    group: Words
    name: Words
    help: Words
    default: str | Callable[[], str]

    def read(self, written: object) -> str:
        """Raises InvalidInputError."""
        text = str(written).strip()
        if text not in time_zones.names():
            raise InvalidInputError(
                gettext("%(name)s: there is no time zone “%(written)s”; write one such as Europe/Berlin.")
                % {"name": self.name, "written": text}
            )
        return text


@dataclass(frozen=True)
class Switch:
    key: str
    group: Words
    name: Words
    help: Words
    default: bool | Callable[[], bool]

    def read(self, written: object) -> bool:
        return str(written).strip().lower() in {"true", "on", "1", "yes"}


Definition = Whole | Zone | Switch

_defined: dict[str, Definition] = {}
_stored: dict[str, Any] = {}
_read_at: float | None = None


@dataclass(frozen=True)
class Shown:
    """A setting as its page shows it. row: None where nobody changed it."""

    definition: Definition
    value: Any
    default: Any
    row: Setting | None

    @property
    def kind(self) -> str:
        return type(self.definition).__name__.lower()


def define(definition: Definition) -> None:
    _defined[definition.key] = definition


def default_of(key: str) -> Any:
    default = definition_of(key).default
    return default() if callable(default) else default


def definition_of(key: str) -> Definition:
    """Raises InvalidInputError."""
    if key not in _defined:
        raise InvalidInputError(gettext("There is no setting “%(key)s”.") % {"key": key})
    return _defined[key]


def value(key: str) -> Any:
    """What holds now. All settings are read at once and remembered for ten seconds, so this costs next to nothing."""
    default = default_of(key)
    if _read_at is None or time.monotonic() - _read_at > REMEMBERED_S:
        remember(dict(Setting.objects.values_list("key", "value")))
    return _stored.get(key, default)


def remember(stored: dict[str, Any]) -> None:
    """Take these for what is stored, until they are read again."""
    global _stored, _read_at
    _stored, _read_at = stored, time.monotonic()


def forget() -> None:
    """Read anew at the next question."""
    global _read_at
    _read_at = None


def _forget_now_and_once_it_is_stored() -> None:
    forget()
    transaction.on_commit(forget)


def shown() -> list[Shown]:
    """Every setting, in the order of its group and its name in the code."""
    rows = {row.key: row for row in Setting.objects.select_related("changed_by")}
    found = []
    for key, definition in _defined.items():
        row, default = rows.get(key), default_of(key)
        found.append(Shown(definition, row.value if row else default, default, row))
    return sorted(found, key=lambda one: str(one.definition.group))


@transaction.atomic
def change(key: str, written: object, *, staff: User) -> Any:
    """The value as it was read. Raises InvalidInputError where it is out of range; nothing is written then."""
    wanted = definition_of(key).read(written)
    Setting.objects.update_or_create(key=key, defaults={"value": wanted, "changed_by": staff})
    _forget_now_and_once_it_is_stored()
    log.info("setting_changed", key=key, staff=staff.pk)
    return wanted


@transaction.atomic
def reset(key: str, *, staff: User) -> None:
    """Back to its default."""
    definition_of(key)
    for row in Setting.objects.filter(key=key):
        row.delete()
    _forget_now_and_once_it_is_stored()
    log.info("setting_reset", key=key, staff=staff.pk)
