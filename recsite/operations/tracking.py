"""Triggers that write down what people change: `track(…)` in a migration makes them for one table.

A row without a context (see recsite.operations.change_context) writes nothing: imports, workers and the sweeps only pay
for the trigger's WHEN. One table for all kinds, with nothing but the columns that changed: the page of all changes is
one index scan, whatever is tracked.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import migrations

CONTEXT = "recsite.changed_by"
SHORT = 300  # characters; a new row's longer values stay in the row alone, until they are changed

FUNCTION_SQL = f"""
CREATE OR REPLACE FUNCTION operations_write_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    context jsonb := current_setting('{CONTEXT}')::jsonb;
    left_out text[] := TG_ARGV[3]::text[];
    was jsonb := '{{}}';
    is_now jsonb := '{{}}';
    row_now jsonb;
    key text;
    name text;
BEGIN
    IF TG_OP <> 'INSERT' THEN was := to_jsonb(OLD) - left_out; row_now := to_jsonb(OLD); END IF;
    IF TG_OP <> 'DELETE' THEN is_now := to_jsonb(NEW) - left_out; row_now := to_jsonb(NEW); END IF;
    key := row_now ->> TG_ARGV[1];
    name := (SELECT string_agg(row_now ->> part, ' v' ORDER BY place)
             FROM unnest(TG_ARGV[2]::text[]) WITH ORDINALITY parts(part, place));
    IF TG_OP = 'UPDATE' THEN
        SELECT coalesce(jsonb_object_agg(b.key, b.value), '{{}}'), coalesce(jsonb_object_agg(b.key, a.value), '{{}}')
        INTO was, is_now
        FROM jsonb_each(was) b JOIN jsonb_each(is_now) a ON a.key = b.key WHERE a.value IS DISTINCT FROM b.value;
        IF was = '{{}}' THEN RETURN NULL; END IF;
    ELSIF TG_OP = 'INSERT' THEN
        SELECT coalesce(jsonb_object_agg(a.key, a.value), '{{}}') INTO is_now FROM jsonb_each(is_now) a
        WHERE length(a.value::text) <= {SHORT} AND a.value NOT IN ('null', '""', '{{}}', '[]');
    END IF;
    INSERT INTO operations_change
        (at, kind, object_id, object_name, act, before, after, by_id, by_name, key_prefix, path, batch, reverts_id)
    VALUES (
        clock_timestamp(), TG_ARGV[0], left(key, 200), left(coalesce(name, ''), 300),
        CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END,
        was, is_now, (context ->> 'user')::integer, coalesce(context ->> 'name', ''),
        coalesce(context ->> 'key', ''), coalesce(context ->> 'path', ''), (context ->> 'batch')::uuid,
        (context ->> 'reverts')::bigint
    );
    RETURN NULL;
END $$
"""  # noqa: S608  (made of constants)


def function() -> migrations.RunSQL:
    return migrations.RunSQL(FUNCTION_SQL, "DROP FUNCTION operations_write_change()")


def track(
    table: str, kind: str, *, key: str = "id", name: Sequence[str] = ("name",), left_out: Sequence[str] = ()
) -> migrations.RunSQL:
    """key: the column that tells the object; name: columns it is called by; left_out: columns that are never kept."""
    arguments = ", ".join(f"'{one}'" for one in (kind, key, _array(name), _array(["id", key, *left_out])))
    return migrations.RunSQL(
        f"""
        CREATE TRIGGER write_change AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW
        WHEN (coalesce(current_setting('{CONTEXT}', true), '') <> '')
        EXECUTE FUNCTION operations_write_change({arguments})
        """,
        f"DROP TRIGGER write_change ON {table}",
    )


def _array(columns: Sequence[str]) -> str:
    return "{" + ",".join(dict.fromkeys(columns)) + "}"
