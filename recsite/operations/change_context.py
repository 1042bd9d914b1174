"""Who changes what is written now: a member of staff or an API key, told to the database with each write of a request.

Nothing is said outside requests, so workers and commands leave no changes. What is said lasts for one transaction: it
is safe behind a pooler.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from psycopg import sql as psycopg_sql

from recsite.operations.tracking import CONTEXT

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b|\s*WITH\b.*\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Author:
    batch: str
    path: str
    user_id: int | None = None
    name: str = ""
    key: str = ""
    reverts: int | None = None

    @property
    def is_known(self) -> bool:
        return bool(self.user_id or self.key)

    def as_json(self) -> str:
        said = {"user": self.user_id, "name": self.name, "key": self.key, "path": self.path, "batch": self.batch}
        return json.dumps({**said, "reverts": self.reverts})


_author: ContextVar[Author | None] = ContextVar("author", default=None)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """After the one that signs in. Reading leaves nothing to say."""

    def answered(request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return get_response(request)
        user = request.user
        is_staff = user.is_authenticated and user.is_staff
        author = Author(batch=str(uuid4()), path=request.path[:300])
        if is_staff:
            author = replace(author, user_id=user.pk, name=user.get_username())
        with _saying(author):
            return get_response(request)

    return answered


def by_key(prefix: str, name: str) -> None:
    """From here on the request is that of an API key."""
    author = _author.get()
    if author is not None:
        _author.set(replace(author, user_id=None, name=name[:150], key=prefix))


@contextmanager
def written_by(staff: User, *, path: str = "", reverts: int | None = None) -> Iterator[None]:
    """The block's writes are those of this member of staff; within a request, of that request's batch."""
    earlier = _author.get()
    author = earlier or Author(batch=str(uuid4()), path=path)
    author = replace(author, user_id=staff.pk, name=staff.get_username(), key="", reverts=reverts)
    if earlier is None:
        with _saying(author):
            yield
        return
    token = _author.set(author)
    try:
        yield
    finally:
        _author.reset(token)


@contextmanager
def written_by_nobody() -> Iterator[None]:
    """The block's writes are no changes: for what has to be forgotten. Call within a transaction."""
    token = _author.set(None)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, '', true)", [CONTEXT])
        yield
    finally:
        _author.reset(token)


@contextmanager
def _saying(author: Author) -> Iterator[None]:
    token = _author.set(author)
    try:
        with connection.execute_wrapper(_say_who):
            yield
    finally:
        _author.reset(token)
        if connection.in_atomic_block and connection.connection is not None and not connection.needs_rollback:
            # The transaction is older than what was said, and must not go on saying it.
            connection.connection.execute(f"SELECT set_config('{CONTEXT}', '', true)")


def _say_who(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    author = _author.get()
    if author is None or not author.is_known or not WRITES.match(sql):
        return execute(sql, params, many, context)
    literal = psycopg_sql.Literal(author.as_json()).as_string(None)
    said = f"SELECT set_config('{CONTEXT}', {literal}, true)"
    cursor = context["cursor"]
    if many:  # takes no second statement; Django writes many rows at once so only within a transaction
        cursor.connection.execute(said)
        return execute(sql, params, many, context)
    if params is not None:
        said = said.replace("%", "%%")
    result = execute(f"{said}; {sql}", params, many, context)
    while cursor.nextset():
        pass
    return result
