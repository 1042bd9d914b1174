"""Deleted rows made again from what their change kept: the same id, the same values, the times they had."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import ForeignKey, Model
from django.utils.translation import gettext

from recsite.operations.errors import ConflictError
from recsite.operations.models import Change

Row = TypeVar("Row", bound=Model)


def as_it_was(model: type[Row], change: Change) -> Row:
    """Not saved. Columns that changes never keep have their defaults, but for who made it and when: the change that
    created it tells, where that is still kept.

    Raises ConflictError where a row that it cannot be without is gone, or a column does not exist any more.
    """
    fields = {field.column: field for field in model._meta.concrete_fields}
    row = model(pk=model._meta.pk.to_python(change.object_id))
    for column, value in {**_maker(change), **change.before}.items():
        field = fields.get(column)
        if field is None:
            if column in change.before:
                raise ConflictError(gettext("There is no field “%(name)s” any more.") % {"name": column})
            continue
        if value is not None and isinstance(field, ForeignKey) and not _is_there(field, value):
            if not field.null or column in change.before:
                raise ConflictError(
                    gettext("What its field “%(name)s” pointed to was deleted; it cannot come back without.")
                    % {"name": field.verbose_name}
                )
            value = None  # who made it has no account any more
        setattr(row, field.attname, field.to_python(value))
    return row


def insert(row: Model) -> None:
    """With the times it had: Django writes the present into those of a new row."""
    fields = [field for field in row._meta.concrete_fields if getattr(field, "auto_now_add", False)]
    kept = {field.attname: value for field in fields if (value := getattr(row, field.attname)) is not None}
    row.save(force_insert=True)
    if kept:
        type(row)._default_manager.filter(pk=row.pk).update(**kept)
        for name, value in kept.items():
            setattr(row, name, value)


def _maker(change: Change) -> dict[str, Any]:
    made = Change.objects.of_object(change.kind, change.object_id).filter(act=Change.Act.CREATED, pk__lt=change.pk)
    first = made.order_by("pk").first()
    return {"created_by_id": first.by_id, "created_at": first.at} if first else {}


def _is_there(field: ForeignKey[Any, Any], value: Any) -> bool:
    return bool(field.related_model._default_manager.filter(pk=value).exists())
