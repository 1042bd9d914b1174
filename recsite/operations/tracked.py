"""Kinds of objects whose changes are kept: what they are called, where their page is, how a change is taken back.

An app registers its own once it is ready; the triggers that write the changes are in its migrations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext

from recsite.operations.models import Change

Words = str | Promise
# (the object or None where it is gone, the change, the values before it, staff): takes it back, or raises RecsiteError.
TakeBack = Callable[[Any, Change, Mapping[str, Any], User], None]


@dataclass(frozen=True)
class Kind:
    """key: the column that `object_id` holds. rows: the objects with all that `address` reads.

    restore, remove, recreate: take back what changed, created and deleted the object; None where that is not done here,
    and `instead` says what to do then. stays: from a change and its object (None where it is gone) to why this one is
    not taken back although others are; '' where it may be. judges_itself: the object is not what was created or
    deleted, or comes and goes, so that remove and recreate look for themselves.
    part_of: the kind whose page and filter this one shares.
    references: what keys in a column stand for, beside foreign keys; "scope.labels" for those inside a mapping.
    called: from `object_id` to a name that people know, where the row has none. act_words: "given" for "created", …
    """

    name: str
    words: Words
    model: type[Model]
    permission: str
    key: str = "pk"
    rows: Callable[[], QuerySet[Any]] | None = None
    address: Callable[[Any], str] | None = None
    fields: Mapping[str, Words] = field(default_factory=dict)
    restore: TakeBack | None = None
    remove: TakeBack | None = None
    recreate: TakeBack | None = None
    instead: Words = ""
    stays: Callable[[Change, Any], Words] | None = None
    judges_itself: bool = False
    part_of: str = ""
    references: Mapping[str, type[Model]] = field(default_factory=dict)
    called: Callable[[str], str] | None = None
    act_words: Mapping[str, Words] = field(default_factory=dict)

    @property
    def group(self) -> str:
        return self.part_of or self.name

    def way_back(self, act: str) -> TakeBack | None:
        return {
            Change.Act.CREATED.value: self.remove,
            Change.Act.CHANGED.value: self.restore,
            Change.Act.DELETED.value: self.recreate,
        }.get(act)

    def why_it_stays(self, change: Change, row: Any) -> str:
        """'' where the change may be taken back."""
        if self.way_back(change.act) is None:
            return str(self.instead) or gettext("This is not taken back here.")
        return str(self.stays(change, row)) if self.stays else ""

    def may_take_back(self, change: Change, row: Any) -> bool:
        """Where it may be tried; the act finds what only a look at other rows tells. row: None where it is gone."""
        if self.why_it_stays(change, row):
            return False
        if self.judges_itself and change.act != Change.Act.CHANGED:
            return True
        return (row is None) == (change.act == Change.Act.DELETED)

    def objects(self, ids: Iterable[str]) -> dict[str, Any]:
        """object_id -> object, of those that are still there."""
        rows = self.rows() if self.rows else self.model._default_manager.all()
        field_of_key = self.model._meta.pk if self.key == "pk" else self.model._meta.get_field(self.key)
        keys = [field_of_key.to_python(one) for one in ids]  # type: ignore[union-attr]
        name = field_of_key.attname  # type: ignore[union-attr]
        return {str(getattr(row, name)): row for row in rows.filter(**{f"{name}__in": keys})}


_kinds: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    _kinds.update({kind.name: kind for kind in kinds})


def kind_of(name: str) -> Kind | None:
    """None where the app that had it is gone."""
    return _kinds.get(name)


def groups() -> list[Kind]:
    """The kinds that one filters by, by what they are called."""
    return sorted((kind for kind in _kinds.values() if not kind.part_of), key=lambda kind: str(kind.words))


def within(group: str) -> list[str]:
    """The names of all kinds that one filter stands for."""
    return [kind.name for kind in _kinds.values() if kind.group == group]
