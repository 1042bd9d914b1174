"""Users: create or change one."""

from __future__ import annotations

import json
from typing import Any

import structlog
from django.utils.translation import gettext

from recommender.models import EndUser
from recsite.operations.errors import InvalidInputError, NotFoundError

log = structlog.get_logger(__name__)

MAX_EXTERNAL_ID = 200
MAX_ATTRIBUTES_BYTES = 20_000


def checked_id(external_id: str) -> str:
    """The id as events store it, without spaces around it. Raises InvalidInputError where no user can have it."""
    external_id = external_id.strip()
    if not external_id or len(external_id) > MAX_EXTERNAL_ID or "\x00" in external_id:
        raise InvalidInputError(
            gettext("A user's id has 1 to %(most)s characters, none of them NUL; this one has %(n)s.")
            % {"most": MAX_EXTERNAL_ID, "n": f"{len(external_id):,}"}
        )
    return external_id


def put(external_id: str, attributes: dict[str, Any]) -> tuple[EndUser, bool]:
    """The user with exactly these attributes, and whether they are new. Raises InvalidInputError."""
    external_id = checked_id(external_id)
    text = json.dumps(attributes, ensure_ascii=False)
    if len(text.encode()) > MAX_ATTRIBUTES_BYTES:
        raise InvalidInputError(
            f"attributes are {len(text.encode()):,} bytes; at most {MAX_ATTRIBUTES_BYTES:,} are kept."
        )
    if "\\u0000" in text:
        raise InvalidInputError("attributes contain a NUL character; take it out.")
    user, created = EndUser.objects.update_or_create(external_id=external_id, defaults={"attributes": attributes})
    log.info("user_put", user=user.pk, created=created)
    return user, created


def get(external_id: str) -> EndUser:
    """Raises NotFoundError, and InvalidInputError where no user can have that id."""
    external_id = checked_id(external_id)
    user = EndUser.objects.filter(external_id=external_id).first()
    if user is None:
        raise NotFoundError(f"There is no user {external_id!r}; a user appears with their first event, or by PUT.")
    return user
