"""A change as people read it: fields by their names, values old and new, the object and whether it is still there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import BooleanField, DateTimeField, DecimalField, Field, ForeignKey, Model
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext

from recsite.operations import tracked
from recsite.operations.models import Change
from recsite.operations.tracked import Kind

LONGEST = 2_000


@dataclass(frozen=True)
class FieldChange:
    """before, after: None where there was, or is, nothing to show."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ShownChange:
    """why_it_stays: where it cannot be reverted and the page does not say so already."""

    change: Change
    kind: Kind | None
    kind_words: str
    object_words: str
    act_words: str
    address: str
    is_gone: bool
    fields: tuple[FieldChange, ...]
    can_be_reverted: bool
    why_it_stays: str


def shown(changes: Sequence[Change]) -> list[ShownChange]:
    """In the same order. Queries: one a kind of object and one a model that their fields point to, however many."""
    ids: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        ids[change.kind].add(change.object_id)
    kinds = {name: tracked.kind_of(name) for name in ids}
    objects = {name: kind.objects(ids[name]) for name, kind in kinds.items() if kind is not None}
    referred = _referred(changes, kinds)
    return [_shown(change, kinds[change.kind], objects.get(change.kind, {}), referred) for change in changes]


def _shown(
    change: Change, kind: Kind | None, objects: Mapping[str, Any], referred: Mapping[type[Model], Mapping[Any, str]]
) -> ShownChange:
    row = objects.get(change.object_id)
    name = change.object_name or (str(row) if row is not None else change.object_id)
    if kind is not None and kind.called is not None:
        name = kind.called(change.object_id)
    columns = sorted({*change.before, *change.after}, key=lambda column: _place(kind, column))
    fields: list[FieldChange] = []
    for column in columns:
        fields += _field_changes(change, kind, column, referred)
    if change.act == Change.Act.DELETED:
        fields = [field for field in fields if field.before]  # what it did not have is no news
    address = kind.address(row) if kind is not None and kind.address is not None and row is not None else ""
    words = str(kind.words) if kind is not None else change.kind
    act = str(kind.act_words.get(change.act, "")) if kind is not None else ""
    return ShownChange(
        change=change,
        kind=kind,
        kind_words=words,
        object_words=name,
        act_words=act or change.get_act_display(),
        address=address,
        is_gone=row is None,
        fields=tuple(fields),
        can_be_reverted=kind is not None and kind.may_take_back(change, row),
        why_it_stays=_why_it_stays(change, kind, row),
    )


def _why_it_stays(change: Change, kind: Kind | None, row: object) -> str:
    if kind is None:
        return ""
    if words := kind.why_it_stays(change, row):
        return words
    is_back = change.act == Change.Act.DELETED and row is not None and not kind.judges_itself
    return gettext("It is there again.") if is_back else ""


def field_name(kind: Kind | None, column: str) -> str:
    if kind is not None and column in kind.fields:
        return str(kind.fields[column])
    found = _field(kind, column)
    name = str(found.verbose_name) if found is not None else column.removesuffix("_id").replace("_", " ")
    return str(capfirst(name.removeprefix("is ")))


def _field(kind: Kind | None, column: str) -> Field[Any, Any] | None:
    if kind is None:
        return None
    for name in (column, column.removesuffix("_id")):
        try:
            found = kind.model._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        return found if isinstance(found, Field) else None
    return None


def _place(kind: Kind | None, column: str) -> tuple[int, str]:
    names = [field.column for field in kind.model._meta.concrete_fields] if kind is not None else []
    return (names.index(column) if column in names else len(names), column)


def _referred(changes: Sequence[Change], kinds: Mapping[str, Kind | None]) -> dict[type[Model], dict[Any, str]]:
    """model -> key -> what it is called, for all that the changed fields point to."""
    wanted: dict[type[Model], set[Any]] = defaultdict(set)
    for change in changes:
        kind = kinds[change.kind]
        for values in (change.before, change.after):
            for column, value in values.items():
                for name, keys in _keys_in(column, value):
                    if (model := _points_to(kind, name)) is not None:
                        wanted[model].update(key for key in keys if isinstance(key, int))
    return {
        model: {row.pk: str(row) for row in model._default_manager.filter(pk__in=keys)}
        for model, keys in wanted.items()
    }


def _keys_in(column: str, value: Any) -> list[tuple[str, list[Any]]]:
    """What may be keys of other rows: (the column, or the key of a mapping in it; its values)."""
    if isinstance(value, dict):
        return [(f"{column}.{key}", one if isinstance(one, list) else [one]) for key, one in value.items()]
    return [(column, value if isinstance(value, list) else [value])]


def _points_to(kind: Kind | None, column: str) -> type[Model] | None:
    if kind is not None and column in kind.references:
        return kind.references[column]
    found = _field(kind, column)
    return found.related_model if isinstance(found, ForeignKey) else None


def _field_changes(
    change: Change, kind: Kind | None, column: str, referred: Mapping[type[Model], Mapping[Any, str]]
) -> list[FieldChange]:
    """One line a column; of a mapping one line for each of its keys that differs."""
    name = field_name(kind, column)
    before, after = change.before.get(column), change.after.get(column)
    if isinstance(before, dict | None) and isinstance(after, dict | None) and (before or after):
        old, new = before or {}, after or {}
        differing = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))

        def part(values: Mapping[str, Any], of: Mapping[str, Any], key: str) -> str | None:
            if column not in values:
                return None
            names = referred.get(_points_to(kind, f"{column}.{key}"), {})  # type: ignore[arg-type]
            return _named(of.get(key), names) if names else _plain(of.get(key))

        return [
            FieldChange(f"{name}: {key}", part(change.before, old, key), part(change.after, new, key))
            for key in differing
        ]

    def words(values: Mapping[str, Any]) -> str | None:
        if column not in values:
            return None
        value, model = values[column], _points_to(kind, column)
        if model is not None and value is not None:
            return _named(value, referred.get(model, {}))
        return _value(_field(kind, column), value)

    return [FieldChange(name, words(change.before), words(change.after))]


def _named(value: Any, names: Mapping[Any, str]) -> str:
    """Keys by what they are called; those of rows that are gone by their number."""
    return ", ".join(names.get(key, f"#{key}") for key in (value if isinstance(value, list) else [value]))


def _value(found: Field[Any, Any] | None, value: Any) -> str:
    if value is not None and found is not None:
        if found.choices:
            return str(dict(found.flatchoices).get(value, value))
        if isinstance(found, BooleanField):
            return gettext("yes") if value else gettext("no")
        if isinstance(found, DecimalField):
            return f"{Decimal(str(value)):,.{found.decimal_places}f}"
        if isinstance(found, DateTimeField):
            moment = parse_datetime(str(value))
            return _moment(moment) if moment else str(value)
    return _plain(value)


def _moment(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}" if timezone.is_aware(moment) else str(moment)


def _plain(value: Any) -> str:
    """'' for nothing: the page says so in its own way."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plain(one)}" for key, one in value.items())
    return str(value)[:LONGEST]
