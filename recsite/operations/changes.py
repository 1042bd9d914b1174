"""Changes that people made: find them, take one back where that is still possible, delete the oldest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext

from recsite.operations import change_words, site_settings, tracked
from recsite.operations.change_context import written_by
from recsite.operations.errors import ConflictError, InvalidInputError, NotFoundError
from recsite.operations.models import Change
from recsite.operations.models.change import ChangeQuerySet
from recsite.operations.tracked import Kind

log = structlog.get_logger(__name__)

DELETED_AT_ONCE = 5_000


@dataclass(frozen=True)
class Asked:
    """What a page of changes is about; '' and None narrow nothing. who: an account's name or an API key's prefix."""

    kind: str = ""
    object_ids: tuple[str, ...] = ()
    who: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_narrowed(self) -> bool:
        return any((self.kind, self.object_ids, self.who, self.since, self.until))


def found(asked: Asked) -> ChangeQuerySet:
    """Newest first."""
    rows = Change.objects.by_whom()
    if asked.kind:
        rows = rows.filter(kind__in=tracked.within(asked.kind))
    if asked.object_ids:
        rows = rows.filter(object_id__in=asked.object_ids)
    if asked.who.startswith("key:"):
        rows = rows.filter(key_prefix=asked.who.removeprefix("key:"))
    elif asked.who:
        rows = rows.filter(by__username=asked.who)
    if asked.since:
        rows = rows.filter(at__gte=asked.since)
    if asked.until:
        rows = rows.filter(at__lt=asked.until)
    return rows.newest_first()


def revert(change_id: int, *, staff: User) -> Change | None:
    """Take that change back, through the service that owns the object: fields are set, what was created goes, what was
    deleted is there again under its id. Returns the change this made, by which it can be undone in turn; None where
    nothing is left to do.

    Raises NotFoundError, and ConflictError where the object is gone or there again, was changed since, where something
    depends on it, or where what it was is not possible any more. Nothing is written then.
    """
    change = Change.objects.filter(pk=change_id).first()
    kind = tracked.kind_of(change.kind) if change else None
    if change is None or kind is None:
        raise NotFoundError(gettext("There is no such change; it may be older than changes are kept."))
    try:
        with transaction.atomic(), written_by(staff, reverts=change.pk):
            row, take_back = _object_of(change, kind), kind.way_back(change.act)
            if (words := kind.why_it_stays(change, row)) or take_back is None:
                raise ConflictError(words)
            _refuse_unless_as_left(change, kind, row)
            take_back(row, change, change.before, staff)
    except InvalidInputError as error:
        raise ConflictError(error.message) from error
    except (DatabaseError, ValidationError) as error:
        said = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise ConflictError(gettext("It cannot be set back: %(reason)s") % {"reason": said}) from error
    log.info("change_reverted", change=change.pk, staff=staff.pk)
    made = Change.objects.of_object(change.kind, change.object_id).filter(reverts=change)
    return made.newest_first().first()


def _object_of(change: Change, kind: Kind) -> Model | None:
    """Locked; None where it is gone, or the kind looks for itself."""
    if kind.judges_itself and change.act != Change.Act.CHANGED:
        return None
    rows = kind.model._default_manager.select_for_update(of=("self",))
    return rows.filter(**{kind.key: change.object_id}).first()


def _refuse_unless_as_left(change: Change, kind: Kind, row: Model | None) -> None:
    """Raises ConflictError where the object is not as the change left it."""
    if kind.judges_itself and change.act != Change.Act.CHANGED:
        return
    name = change.object_name or change.object_id
    if change.act == Change.Act.DELETED:
        if row is not None:
            raise ConflictError(gettext("“%(name)s” is there again; nothing is left to bring back.") % {"name": name})
        return
    if row is None:
        raise ConflictError(gettext("“%(name)s” was deleted; there is nothing to set back.") % {"name": name})
    left = change.after if change.act == Change.Act.CHANGED else _before_later_ones(change)
    now = _columns(row)
    differing = [column for column, value in left.items() if now.get(column) != value]
    if differing:
        raise ConflictError(
            gettext("“%(name)s” was changed since: %(fields)s. Revert the later change first, or edit it.")
            % {"name": name, "fields": _now_in_words(change, left, differing, now)}
        )


def _before_later_ones(change: Change) -> dict[str, Any]:
    """Of a creation: the columns that people changed in later requests, as they were before. What was created is not
    kept in full, and what workers add to it since is not in the way."""
    later = Change.objects.of_object(change.kind, change.object_id).filter(pk__gt=change.pk)
    first: dict[str, Any] = {}
    for values in later.exclude(batch=change.batch).order_by("pk").values_list("before", flat=True):
        first = {**values, **first}
    return first


def _now_in_words(change: Change, left: Mapping[str, Any], columns: list[str], now: Mapping[str, Any]) -> str:
    since = Change(
        kind=change.kind,
        object_id=change.object_id,
        act=Change.Act.CHANGED,
        before={column: left[column] for column in columns},
        after={column: now.get(column) for column in columns},
    )
    lines = change_words.shown([since])[0].fields
    return "; ".join(gettext("%(name)s is now “%(now)s”") % {"name": one.name, "now": one.after} for one in lines[:4])


def _columns(row: Model) -> dict[str, Any]:
    """The row as the triggers see it."""
    table, key = row._meta.db_table, str(row._meta.pk.column)
    quoted = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT to_jsonb(t)::text FROM {quoted(table)} t WHERE {quoted(key)} = %s",  # noqa: S608
            [row.pk],
        )
        (found_row,) = cursor.fetchone()
    return dict(json.loads(found_row))


def restore_fields(row: Model, change: Change, values: Mapping[str, Any], staff: User) -> None:
    """For kinds whose fields stand for themselves: set, checked by the model, saved."""
    by_column = {field.column: field for field in row._meta.concrete_fields}
    names = []
    for column, value in values.items():
        field = by_column.get(column)
        if field is None:
            raise InvalidInputError(gettext("There is no field “%(name)s” any more.") % {"name": column})
        setattr(row, field.attname, field.to_python(value))
        names.append(field.attname)
    row.full_clean(exclude=[field.name for field in by_column.values() if field.attname not in names])
    row.save(update_fields=names)


def delete_old() -> int:
    """Changes older than `changes_kept_days`, some thousands a time. Returns how many."""
    days = site_settings.value("changes_kept_days")
    if not days:
        return 0
    before = timezone.now() - timedelta(days=days)
    old = Change.objects.filter(at__lt=before).order_by("at", "pk").values_list("pk", flat=True)[:DELETED_AT_ONCE]
    deleted, _ = Change.objects.filter(pk__in=list(old)).delete()
    if deleted:
        log.info("changes_deleted", changes=deleted)
    return deleted
